//! Answers to whoever waits until a device is seen, or until it is seen no more.

use std::time::Duration;

use super::bounded::Seconds;
use super::operation_view::OperationView;
use super::operations::{location, with_headers};
use super::prefer::{Prefer, idempotency_key};
use crate::domain::operation::create::{Options, Wanted, create, request};
use crate::domain::operation::read;
use crate::error::{Error, Kind, Result};
use crate::model::operation::{Operation, State, reason};
use crate::rest::{Answer, Call, StatusCode};

/// How much longer than the device is looked for its end is waited for: the last look takes a while.
const LAST_LOOK: Duration = Duration::from_secs(20);
/// How long the device is looked for unless something else is asked for, in seconds.
pub(super) const DEFAULT_TIMEOUT: i64 = 120;
/// The longest that somebody waits, in seconds.
pub(super) const LONGEST: i64 = 300;
/// For how long the device is looked for.
pub(super) type Timeout = Seconds<1, LONGEST>;

/// What is waited for.
pub(super) struct Wait {
    pub(super) wanted: Wanted,
    /// For how long the device is looked for.
    pub(super) timeout: Duration,
    /// How much longer it takes.
    pub(super) delay: Duration,
    /// The answer's message where it comes to pass.
    pub(super) done: &'static str,
    /// What the device did not do where it does not.
    pub(super) not_done: &'static str,
}

/// Makes the operation, waits for its end, and answers that: 504 with the operation where it is another than was wanted. Of
/// whoever prefers to wait no longer than so long the operation is accepted.
pub(super) async fn answer(
    call: &Call,
    wait: Wait,
    options: Options,
    body: &[u8],
) -> Result<Answer<OperationView>> {
    let Wait { wanted, timeout, delay, done, not_done } = wait;
    let request = idempotency_key(&call.headers)?.map(|key| request(call, "POST", &call.path, key, body));
    // The caller waits for an agent no longer than for the device.
    let for_agent =
        options.deliver_within.map_or(timeout, |seconds| Duration::from_secs(seconds.unsigned_abs()));
    let options = Options { request, patience: Some(timeout), ..options };
    let created = create(call, wanted, options).await?;
    let (id, prefer) = (created.seen.operation.id, Prefer::of(&call.headers));
    let longest = for_agent + delay + timeout + LAST_LOOK;
    let seen = read::wait(call, id, prefer.wait.map_or(longest, |wait| wait.min(longest))).await?;
    let ended = seen.operation.clone();
    let accepted = match ended.state {
        State::Succeeded => Some((StatusCode::OK, done)),
        _ if ended.is_live() && prefer.wait.is_some() => Some((StatusCode::ACCEPTED, "Operation accepted")),
        _ => None,
    };
    if let Some((status, message)) = accepted {
        let answer = Answer { status, ..Answer::ok(message, OperationView::of(seen)) };
        return Ok(with_headers(answer, id, &prefer, created.replayed));
    }
    let device = read::device_name(call, &ended).await?;
    let data = serde_json::to_value(OperationView::of(seen)).map_err(Error::internal)?;
    let message = format!("{device} {not_done}: {}{}", ended.message, remedy(&ended));
    Err(Error::new(Kind::TimedOut, code(&ended), message).with_data(data).of_operation(location(id)))
}

/// The reason of an operation as an error's code.
fn code(operation: &Operation) -> &'static str {
    let known = [
        reason::AGENT_OFFLINE,
        reason::AGENT_BUSY,
        reason::NOT_SEEN,
        reason::OTHER_DEVICE_ANSWERS,
        reason::CANNOT_PROBE,
        reason::STILL_SEEN,
        reason::COMMAND_FAILED,
        reason::COMMAND_NOT_SUPPORTED,
        reason::BAD_REPLY,
        reason::CANCELED,
        reason::NOT_ALLOWED,
        reason::DEVICE_DELETED,
        reason::DEVICE_CHANGED,
    ];
    let given = operation.reason.as_deref();
    known.into_iter().find(|known| Some(*known) == given).unwrap_or("not_ended")
}

/// What there is to do where the operation's message does not say so.
fn remedy(operation: &Operation) -> &'static str {
    match operation.reason.as_deref() {
        Some(reason::NOT_SEEN) => {
            ". Look whether it has power, and whether Wake on LAN is on in its firmware and its network card; see \
             “It does not wake”, docs/troubleshooting.md"
        }
        Some(reason::AGENT_OFFLINE) => ". Look why the agent is offline, and try again",
        Some(reason::AGENT_BUSY) => ". Try again in a few seconds",
        _ => "",
    }
}
