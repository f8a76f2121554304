//! Waiting in a terminal for an operation that goes on until a device is seen, or seen no more.
//!
//! The server is asked how it stands once a second: so a wait survives a restart of the server and a connection that breaks,
//! and whoever gives up here reads how to go on.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::failure::Failure;
use super::super::live_line::LiveLine;
use super::super::operations::{Ending, OPERATIONS, ending};
use super::super::operator::{Operator, refused};
use super::super::output::{self, text};
use crate::http::{Method, StatusCode};

/// How often the server is asked how it stands.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the server may be away meanwhile: it may be restarting.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much longer than everything that was asked for the end may take.
const SLACK: Duration = Duration::from_secs(60);

/// How it is shown.
pub(super) struct Shown {
    /// Whether it is not.
    pub(super) quiet: bool,
    /// How far it has come, in a few words.
    pub(super) steps: fn(&Value) -> String,
    /// What did not come to be, in words.
    pub(super) not_done: &'static str,
}

/// Follows an operation, which is called `what`, until it has ended or nothing is to be expected of it after so long, and
/// gives it as it is then. How far it is is shown meanwhile.
pub(super) async fn follow(
    operator: &Operator,
    what: &str,
    begun: Value,
    longest: Duration,
    shown: Shown,
) -> Result<Value, Failure> {
    let mut progress = Progress::new(shown);
    let ended = tokio::select! {
        ended = ask_on(operator, what, begun.clone(), longest + SLACK, &mut progress) => ended,
        _ = tokio::signal::ctrl_c() => Err(left(&begun)),
    };
    progress.close(ended.as_ref().ok());
    ended
}

/// Asks how the operation stands until it has ended, and gives it as it is then.
async fn ask_on(
    operator: &Operator,
    what: &str,
    mut operation: Value,
    longest: Duration,
    shown: &mut Progress,
) -> Result<Value, Failure> {
    let Ending::NotYet(id) = ending(&operation) else { return Ok(operation) };
    let path = format!("{OPERATIONS}/{id}");
    let begun = Instant::now();
    let mut heard = begun;
    loop {
        let missing = match operator.call(Method::GET, &path, None, &[]).await {
            Ok((status, mut answer)) if status.is_success() => {
                heard = Instant::now();
                operation = answer["data"].take();
                None
            }
            // It may be busy, or a proxy may say that it restarts.
            Ok((status, answer)) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Some(refused(status, &answer))
            }
            Ok((status, answer)) => return Err(lost(what, &id, &refused(status, &answer))),
            Err(e) => Some(e),
        };
        match missing {
            Some(why) if heard.elapsed() > PATIENCE => return Err(lost(what, &id, &why)),
            Some(_) => {}
            None => shown.show(&operation),
        }
        if !matches!(ending(&operation), Ending::NotYet(_)) || begun.elapsed() > longest {
            return Ok(operation);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How it goes on without whoever waited for it.
fn goes_on(id: &str) -> String {
    format!(
        "the server goes on with it: `netignite operations show {id}` says how it went, `netignite operations cancel {id}` \
         withdraws it"
    )
}

fn left(operation: &Value) -> Failure {
    Failure::interrupted(format!("the wait was ended; {}", goes_on(&text(&operation["id"]))))
}

fn lost(what: &str, id: &str, why: &Failure) -> Failure {
    Failure::new(format!("how the {what} stands cannot be read: {why}; {}", goes_on(id)))
}

/// What is shown while it goes on: on a terminal one line that changes, else a line for each new entry of the trail.
struct Progress {
    line: LiveLine,
    shown: Shown,
    begun: Instant,
    /// How many entries of the trail were said, and the last of them.
    said: usize,
    last: String,
}

impl Progress {
    fn new(shown: Shown) -> Self {
        let line = LiveLine::new(shown.quiet);
        Self { line, shown, begun: Instant::now(), said: 0, last: String::new() }
    }

    fn show(&mut self, operation: &Value) {
        if self.shown.quiet {
            return;
        }
        if self.line.is_on() {
            return self.line.draw(&format!(
                "{} · {} s",
                (self.shown.steps)(operation),
                self.begun.elapsed().as_secs()
            ));
        }
        let trail = operation["trail"].as_array().map(Vec::as_slice).unwrap_or_default();
        for entry in trail.iter().skip(self.said) {
            self.say(text(&entry["message"]));
        }
        self.said = self.said.max(trail.len());
        // What it waits for is no entry.
        if operation["state"] == "queued" {
            self.say(text(&operation["message"]));
        }
    }

    /// Says a line, unless it is the same as the one before: looks that find the same again are said once.
    fn say(&mut self, line: String) {
        if line != self.last {
            output::note(&line);
            self.last = line;
        }
    }

    /// Leaves the line as it is at the end, with the outcome in it.
    fn close(&self, ended: Option<&Value>) {
        if !self.line.is_on() {
            return;
        }
        if let Some(operation) = ended {
            let end = match ending(operation) {
                Ending::Done(message) => lower(&message),
                Ending::Failed(_) => self.shown.not_done.to_owned(),
                Ending::NotYet(_) => format!("{} yet", self.shown.not_done),
            };
            self.line.draw(&format!("{} · {end}", (self.shown.steps)(operation)));
        }
        self.line.leave();
    }
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_in_a_line_begins_small() {
        assert_eq!(lower("Online after 41 s"), "online after 41 s");
    }
}
