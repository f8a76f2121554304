//! How a log line looks: JSON for programs, one line of text for people.
//!
//! Whatever a message or field holds, it stays on its line and cannot steer a terminal: what does not show is written
//! as escapes.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::CRITICAL;
use crate::model::request_id;
use crate::model::shown::{Hidden, Shown, shown_json};

/// `{"timestamp":…,"level":…,"message":…,"target":…,"fields":{…}}`, an object a line.
pub(super) struct JsonLines;

#[derive(Serialize)]
struct Entry<'a> {
    timestamp: String,
    level: &'static str,
    message: &'a str,
    target: &'a str,
    fields: &'a Map<String, Value>,
}

/// `2030-01-31T12:00:00.000000Z INFO message key=value`.
pub(super) struct PrettyLines {
    pub(super) colours: bool,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (message, fields) = taken_apart(event);
        let metadata = event.metadata();
        let line = Entry {
            timestamp: timestamp()?,
            level: level(metadata).0,
            message: &message,
            target: metadata.target(),
            fields: &fields,
        };
        writeln!(to, "{}", shown_json(&serde_json::to_string(&line).map_err(|_| fmt::Error)?))
    }
}

impl<S, N> FormatEvent<S, N> for PrettyLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (message, fields) = taken_apart(event);
        let (name, colour) = level(event.metadata());
        let name = name.to_ascii_uppercase();
        write!(to, "{} ", timestamp()?)?;
        if self.colours {
            write!(to, "\x1b[{colour}m{name:<5}\x1b[0m ")?;
        } else {
            write!(to, "{name:<5} ")?;
        }
        write!(to, "{}", Shown(&message))?;
        for (key, value) in &fields {
            match value {
                Value::String(text) if is_plain(text) => write!(to, " {key}={text}")?,
                other => write!(to, " {key}={}", Shown(&other.to_string()))?,
            }
        }
        writeln!(to)
    }
}

/// The name of an event's weight and the colour it is shown in.
fn level(metadata: &Metadata<'_>) -> (&'static str, u8) {
    match *metadata.level() {
        Level::ERROR if metadata.target() == CRITICAL => ("critical", 35),
        Level::ERROR => ("error", 31),
        Level::WARN => ("warn", 33),
        Level::INFO => ("info", 32),
        _ => ("debug", 34),
    }
}

fn timestamp() -> Result<String, fmt::Error> {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text))?;
    Ok(text)
}

/// An event's message and its other fields, and with them the ID of the request that it belongs to.
fn taken_apart(event: &Event<'_>) -> (String, Map<String, Value>) {
    let mut fields = Fields::default();
    event.record(&mut fields);
    request_id::current(|id| {
        fields.rest.entry("request").or_insert_with(|| id.into());
    });
    (fields.message, fields.rest)
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // Where a line came from in a library that logs through `log`; the target says enough.
        if !field.name().starts_with("log.") {
            self.rest.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.put(field, value.into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// Whether a text can stand after `key=` without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=' || Hidden::of(c).is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt as lines, reload};

    use super::super::{LogLevel, targets};
    use super::*;
    use crate::config::Level as Configured;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged<F>(format: F, work: impl FnOnce(LogLevel)) -> String
    where
        F: FormatEvent<
                tracing_subscriber::layer::Layered<
                    reload::Layer<tracing_subscriber::filter::Targets, tracing_subscriber::Registry>,
                    tracing_subscriber::Registry,
                >,
                lines::format::DefaultFields,
            > + Send
            + Sync
            + 'static,
    {
        let memory = Memory::default();
        let (filter, handle) = reload::Layer::new(targets(Configured::Info));
        let subscriber = tracing_subscriber::registry()
            .with(filter)
            .with(lines::layer().event_format(format).with_writer(memory.clone()));
        let level = LogLevel { filter: Some(handle), ..LogLevel::detached(Configured::Info) };
        tracing::subscriber::with_default(subscriber, || work(level));
        let bytes = memory.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_whatever_it_holds() {
        let text = logged(JsonLines, |_| {
            tracing::info!(agent = 7, name = "evil\n{\"level\":\"info\"}\u{1b}[31m", "first\nsecond");
            tracing::error!(target: CRITICAL, ok = true, "gone");
        });
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["level"], "info");
        assert_eq!(lines[0]["message"], "first\nsecond");
        assert_eq!(lines[0]["fields"]["agent"], 7);
        assert_eq!(lines[0]["fields"]["name"], "evil\n{\"level\":\"info\"}\u{1b}[31m");
        assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(lines[1]["level"], "critical");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn pretty_stays_on_its_line_and_leaves_the_terminal_alone() {
        let text = logged(PrettyLines { colours: false }, |_| {
            tracing::warn!(
                user = "a\r\nb",
                plain = "x",
                shown = %"quiet\u{1b}]0;title\u{7}",
                "one\ntwo\u{9b}31m\u{202e}"
            );
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(|c| Hidden::of(c).is_some()), "{text}");
        assert!(text.contains("WARN  one\\ntwo"), "{text}");
        assert!(text.contains(r#" user="a\r\nb""#), "{text}");
        assert!(text.contains(" plain=x"), "{text}");
    }

    #[test]
    fn the_level_changes_while_running() {
        let text = logged(PrettyLines { colours: false }, |level| {
            let all = |round: &str| {
                tracing::debug!("{round} debug");
                tracing::info!("{round} info");
                tracing::warn!(target: "hyper::proto", "{round} library warn");
                tracing::info!(target: "hyper::proto", "{round} library info");
                tracing::error!("{round} error");
                tracing::error!(target: CRITICAL, "{round} critical");
            };
            for (name, configured) in [
                ("1", Configured::Info),
                ("2", Configured::Debug),
                ("3", Configured::Error),
                ("4", Configured::Critical),
            ] {
                level.set(configured, |_| {});
                assert_eq!(level.get(), configured);
                all(name);
            }
        });
        let seen: Vec<&str> = text.lines().map(|l| l.splitn(3, ' ').nth(2).unwrap().trim()).collect();
        let expected = [
            "1 info",
            "1 library warn",
            "1 error",
            "1 critical",
            "2 debug",
            "2 info",
            "2 library warn",
            "2 library info",
            "2 error",
            "2 critical",
            "3 error",
            "3 critical",
            "4 critical",
        ];
        assert_eq!(seen, expected);
    }
}
