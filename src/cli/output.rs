//! What commands print: answers on standard output, complaints on standard error.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use serde_json::Value;

use super::failure::Failure;
use crate::model::shown::{Cell, Shown, shown_json};

/// Prints an answer, with whatever could steer a terminal but line ends and tabs as escapes. A reader that has gone
/// away, as `head` does, is no failure.
pub(super) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let text = text.to_string();
    let cells = |line: &str| line.split('\t').map(printable).collect::<Vec<_>>().join("\t");
    print_raw(&text.split('\n').map(cells).collect::<Vec<_>>().join("\n"))
}

fn print_raw(text: &str) -> Result<(), Failure> {
    match write_line(text) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

fn write_line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush())
}

/// Prints one line of an answer that goes on, harmless for the terminal.
pub(super) fn print_line(text: &str) -> io::Result<()> {
    write_line(&printable(text))
}

/// Prints one line of an answer that goes on: a value as JSON.
pub(super) fn print_json_line(value: &Value) -> io::Result<()> {
    write_line(&shown_json(&value.to_string()))
}

/// Says in one line on standard error what goes on meanwhile.
pub(super) fn note(text: &str) {
    let line = printable(text);
    // Whoever does not read it misses it.
    let _ = writeln!(io::stderr(), "netignite: {line}");
}

/// Prints JSON for programs.
pub(super) fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print_raw(&shown_json(&serde_json::to_string_pretty(value).map_err(Failure::new)?))
}

/// Says on standard error, in one line, why the program ends.
pub(super) fn complain(failure: &Failure) {
    let line: String = printable(&failure.to_string());
    // With nowhere to complain, the exit status has to do.
    let _ = writeln!(io::stderr(), "netignite: {line}");
}

/// A table with its columns aligned, without trailing blanks.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = std::iter::once(head.iter().map(ToString::to_string).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| Cell(cell).to_string()).collect()))
        .collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What there is to know of one thing, a line each: what, and the value. What has no value is left out.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let known = || facts.iter().filter(|(_, value)| !value.is_empty());
    let width = known().map(|(what, _)| what.chars().count() + 1).max().unwrap_or(0);
    let line = |(what, value): &(&str, String)| format!("{:width$}  {}", format!("{what}:"), Cell(value));
    known().map(line).collect::<Vec<_>>().join("\n")
}

/// A table of a list that the API answered.
pub(super) fn table_of(head: &[&str], list: &Value, row: impl Fn(&Value) -> Vec<String>) -> String {
    let rows: Vec<_> = list.as_array().into_iter().flatten().map(row).collect();
    table(head, &rows)
}

/// A value of the API's as it stands in a table or a sentence: text without quotes, nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Text that stays on its line and leaves the terminal alone, whatever a user or a file put into it.
pub(super) fn printable(text: &str) -> String {
    Shown(text).to_string()
}

/// Prints lines of JSON as they come in parts of any size, with what could steer a terminal as escapes.
#[derive(Default)]
pub(super) struct JsonLines {
    /// The line that has begun.
    begun: Vec<u8>,
}

impl JsonLines {
    /// Takes a part, and prints the lines that are whole.
    pub(super) fn take(&mut self, part: &[u8]) -> io::Result<()> {
        self.begun.extend_from_slice(part);
        let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let rest = self.begun.split_off(end + 1);
        let lines = std::mem::replace(&mut self.begun, rest);
        io::stdout().lock().write_all(shown_json(&String::from_utf8_lossy(&lines)).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let rows =
            [vec!["1".to_owned(), "evil\n\u{1b}[2J".to_owned()], vec!["20".to_owned(), "ok".to_owned()]];
        assert_eq!(table(&["ID", "NAME"], &rows), "ID  NAME\n1   evil\\n\\u{1b}[2J\n20  ok");
    }
}
