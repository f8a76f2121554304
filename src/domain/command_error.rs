//! What a caller reads when a command brought no reply.

use std::time::Duration;

use crate::control::{DispatchError, MAX_WAIT};
use crate::error::{Error, FieldError, Kind};
use crate::registry::{CommandEntry, CommandError};
use crate::text::harmless;

/// How much of an agent's message is passed on, in characters.
const AGENT_TEXT: usize = 500;

/// When a command's caller is answered at the latest: proxies give up after 60 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(50);

/// The reply to a command with this time-out. One that may take longer than a proxy waits is given up before; the agent
/// may still do what it was asked.
pub(crate) async fn in_time<T>(
    timeout: Duration,
    reply: impl Future<Output = Result<T, DispatchError>>,
) -> Result<T, DispatchError> {
    if MAX_WAIT + timeout <= ANSWER_WITHIN {
        return reply.await;
    }
    tokio::time::timeout(ANSWER_WITHIN, reply).await.unwrap_or(Err(DispatchError::TimedOut))
}

/// How an agent is allowed a command that runs only where it is.
pub(crate) fn allow_it(name: &str) -> String {
    format!(
        "start the agent with --allow {name}, or name {name} in `allow` of its configuration, and start it again"
    )
}

/// That an agent does not have a command, and what to do.
fn unsupported(entry: &CommandEntry) -> Error {
    let name = entry.name;
    let why = if entry.opt_in {
        format!(
            "Unknown command. The agent's configuration does not allow it: {}. Firmware does not have it at all.",
            allow_it(name)
        )
    } else {
        "Unknown command. The agent's program or firmware does not have it, or its configuration does not allow it: \
         update the agent, or look at `deny` of its configuration."
            .to_owned()
    };
    Error::conflict("command_not_supported", format!("{name} command failed: {why}"))
}

/// The error of a command that cannot be done, of its own name.
pub(crate) fn refused(agent: i64, entry: &CommandEntry, error: DispatchError) -> Error {
    match error {
        DispatchError::Unsupported => unsupported(entry),
        error => agent_error(agent, entry.name, error),
    }
}

/// The error of a command. `what` begins the text of a refusal: `Wakeup command failed: <the agent's message>`.
pub(crate) fn agent_error(agent: i64, what: &str, error: DispatchError) -> Error {
    match error {
        DispatchError::Payload(message) => {
            Error::invalid_fields("Invalid payload", vec![FieldError::new("", message)])
        }
        DispatchError::Offline => Error::new(Kind::Unavailable, "agent_offline", "Agent is offline"),
        DispatchError::Unsupported => Error::conflict(
            "command_not_supported",
            format!(
                "{what} command failed: Unknown command. The agent's program or firmware does not have it, or its \
                 configuration does not allow it."
            ),
        ),
        DispatchError::TooLong => Error::conflict(
            "command_not_supported",
            format!("{what} command failed: it takes long, and a microcontroller runs no long commands."),
        ),
        DispatchError::Busy => Error::new(
            Kind::Unavailable,
            "agent_busy",
            "Agent is busy: too many commands are waiting for it. Try again in a few seconds.",
        )
        .retry_after(Duration::from_secs(5)),
        DispatchError::Disconnected => Error::new(
            Kind::Unavailable,
            "agent_disconnected",
            "Agent disconnected before it answered; whether it did what was asked is unknown",
        ),
        DispatchError::TimedOut => Error::new(
            Kind::TimedOut,
            "agent_timeout",
            "Agent did not answer in time; whether it did what was asked is unknown",
        ),
        DispatchError::GivenUp => Error::new(
            Kind::TimedOut,
            "agent_timeout",
            "Whoever asked hung up before the agent answered; whether it did what was asked is unknown",
        ),
        DispatchError::Failed(CommandError { code, message }) => {
            let message = match agent_text(&message) {
                said if said.is_empty() => "the agent gave no reason".to_owned(),
                said => said,
            };
            let error =
                Error::new(Kind::AgentFailed, "command_failed", format!("{what} command failed: {message}"));
            match code {
                Some(code) => error.with_agent_code(code.into_owned()),
                None => error,
            }
        }
        DispatchError::BadReply(detail) => {
            tracing::warn!(agent, "The agent's reply to {what} is none: {}", agent_text(&detail));
            Error::new(
                Kind::AgentFailed,
                "bad_reply",
                "Agent answered something that is no reply to this command. Its firmware may not fit this server.",
            )
        }
    }
}

/// An agent's text as it may be shown: bounded, on one line, without markup, and without what steers a terminal or is
/// not seen.
pub(crate) fn agent_text(text: &str) -> String {
    let mut shown: String = text.chars().take(AGENT_TEXT).collect();
    if text.chars().nth(AGENT_TEXT).is_some() {
        shown.push('…');
    }
    harmless(shown.into()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_text_is_bounded_and_cannot_steer_a_terminal() {
        assert_eq!(agent_text(" no\u{1b}[31m\r\nway "), "no [31m  way");
        let long = agent_text(&"☃".repeat(600));
        assert_eq!(long.chars().count(), AGENT_TEXT + 1);
        assert!(long.ends_with('…'));
    }

    fn said(message: &str) -> CommandError {
        CommandError { code: None, message: message.to_owned() }
    }

    #[test]
    fn each_ending_has_its_class_and_code() {
        let cases = [
            (DispatchError::Offline, Kind::Unavailable, "agent_offline"),
            (DispatchError::Unsupported, Kind::Conflict, "command_not_supported"),
            (DispatchError::Busy, Kind::Unavailable, "agent_busy"),
            (DispatchError::Disconnected, Kind::Unavailable, "agent_disconnected"),
            (DispatchError::TimedOut, Kind::TimedOut, "agent_timeout"),
            (DispatchError::Failed(said("no")), Kind::AgentFailed, "command_failed"),
            (DispatchError::BadReply("x".into()), Kind::AgentFailed, "bad_reply"),
            (DispatchError::Payload("x".into()), Kind::Invalid, "invalid_payload"),
        ];
        for (error, kind, code) in cases {
            let error = agent_error(1, "Wakeup", error);
            assert_eq!((error.kind(), error.code()), (kind, code));
        }
    }

    #[test]
    fn a_refusal_carries_the_agents_words() {
        let error = agent_error(1, "Wakeup", DispatchError::Failed(said("no network")));
        assert_eq!(error.message(), "Wakeup command failed: no network");
        assert_eq!(error.agent_code(), None);
        let coded = CommandError::new("no_network", "no network");
        let error = agent_error(1, "Wakeup", DispatchError::Failed(coded));
        assert_eq!((error.agent_code(), error.data()), (Some("no_network"), None));
        let error = agent_error(1, "Wakeup", DispatchError::Failed(said("\n")));
        assert_eq!(error.message(), "Wakeup command failed: the agent gave no reason");
    }
}
