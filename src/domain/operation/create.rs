//! Makes operations.
//!
//! Whether one may be made, whether there are too many, whether the same is live already and whether the request came
//! before is all decided in the transaction that stores it.

use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::read::{Seen, Sight};
use super::target::target;
use super::{Operations, class, maker};
use crate::clock::Millis;
use crate::domain::By;
use crate::domain::command_error::refused;
use crate::domain::device_agent;
use crate::domain::power::Power;
use crate::domain::{power_until, wake_until};
use crate::error::{Error, FieldError, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::operation::{Operation, OperationKind, State};
use crate::registry::CommandEntry;
use crate::store::idempotency_keys::{self, Request};
use crate::store::{Conn, operation_rows, operations};

/// How long a request under an idempotency key is kept.
const KEPT: Millis = 24 * 60 * 60 * 1000;
/// How long an operation may wait that is not to be queued.
const NOT_QUEUED: Millis = 25_000;

/// The most seconds that may be allowed for sending an operation.
pub const LONGEST_DELIVERY: i64 = 86_400;
/// The most seconds that an answer may be waited for.
pub const LONGEST_RUN: i64 = 3600;
/// How often one may be sent at most, and how often if nothing is said and it does no harm.
pub const MOST_ATTEMPTS: u32 = 10;
const ATTEMPTS: u32 = 3;

/// What is stored as the payload of a wake that is done once the packet was sent.
pub const UNTIL_SENT: &str = r#"{"until":"sent"}"#;

/// What is wanted.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A command of an agent, with its payload.
    Command {
        /// The agent.
        agent: i64,
        /// The command's name.
        command: String,
        /// Its payload, as it was sent.
        payload: Bytes,
    },
    /// That a device is woken: that the magic packet is sent.
    Wake {
        /// The device.
        device: i64,
    },
    /// That a device's own agent shuts it down, restarts it or sends it to sleep.
    Power {
        /// The device.
        device: i64,
        /// What is to become of it.
        power: Power,
        /// The command's payload.
        payload: Bytes,
    },
    /// That a device is woken and seen.
    Online {
        /// The device.
        device: i64,
        /// For how long it is looked for.
        timeout: Duration,
    },
    /// That a device's own agent shuts it down, restarts it or sends it to sleep, and that it is seen no more.
    Offline {
        /// The device.
        device: i64,
        /// What is to become of it.
        power: Power,
        /// After how many seconds.
        delay: u32,
        /// For how long after that it is looked for.
        timeout: Duration,
    },
}

/// How it is wanted.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// In how many seconds it must be sent.
    pub deliver_within: Option<i64>,
    /// How often it may be sent.
    pub max_attempts: Option<u32>,
    /// For how many seconds its answer is waited for.
    pub run_timeout: Option<i64>,
    /// Whether it is refused where its agent is offline.
    pub only_online: bool,
    /// How long whoever asks would wait for its agent, where nothing is said and the command allows as much.
    pub patience: Option<Duration>,
    /// Whether a live one that is the same is taken for it.
    pub dedupe: bool,
    /// The request that may be sent again.
    pub request: Option<Request>,
}

/// What came of it.
#[derive(Debug)]
pub struct Created {
    /// The operation, as the caller sees it.
    pub seen: Seen,
    /// Whether it was made now; else the same was live already, or the request came before.
    pub made: bool,
    /// Whether the request came before.
    pub replayed: bool,
}

/// The request under an idempotency key.
pub fn request(by: &By, method: &str, path: &str, key: String, body: &[u8]) -> Request {
    let user = by.caller.user_id().unwrap_or(0);
    // A slash at the end makes it no other path.
    let path = path.strip_suffix('/').unwrap_or(path).to_owned();
    Request { user, method: method.to_owned(), path, key, body: Sha256::digest(body).into() }
}

/// Makes an operation, or finds the one that is meant.
///
/// # Errors
/// What is wanted is not within reach, the payload does not fit, there are too many, the agent is offline and nothing is to
/// be queued, or the request came before with another body; the database refuses.
pub async fn create(by: &By, wanted: Wanted, options: Options) -> Result<Created> {
    let (target, permission) = target(by, wanted)?;
    by.caller.require(permission)?;
    by.host.pace.turn(&by.caller, Action::OperationCreate).await?;
    let target = target.completed(by).await;
    let sight = Sight::of(by);
    let now = by.now();
    let operations = Operations::of(&by.host);
    let id = operations.ids.next(now);
    let _making = operations.passed_on.making(id);
    let (host, shared) = (by.host.clone(), operations.clone());
    let new_by = maker(by);
    let driven = target.as_ref().is_ok_and(|target| target.progress.is_some());
    let store = move |db: &Conn| {
        if let Some(found) = replay(db, &sight, options.request.as_ref(), now)? {
            return Ok((found, String::new(), Vec::new()));
        }
        let target = target?;
        let (about, name) = target.find(db)?;
        let online = |agent| host.control.is_online(agent);
        let first = about.agents.first().copied().unwrap_or(0);
        let agent = device_agent::first_online(&host.control, &about.agents).unwrap_or(first);
        if options.dedupe {
            let same = match (target.kind, about.device) {
                (OperationKind::Wake, Some(device)) => operations::live_wake(db, device, &target.payload)?,
                _ => operations::live_command(db, agent, target.entry.name, &target.payload)?,
            };
            if let Some(seen) = same.and_then(|same| sight.see(db, same).transpose()).transpose()? {
                // Sent again, the request is answered the same operation, though that may have ended by then.
                if let Some(request) = &options.request {
                    idempotency_keys::put(db, request, seen.operation.id, now)?;
                }
                return Ok((Created { seen, made: false, replayed: false }, String::new(), Vec::new()));
            }
        }
        if options.only_online && !online(agent) {
            return Err(Error::new(Kind::Unavailable, "agent_offline", "Agent is offline"));
        }
        host.control.could_take(agent, target.entry).map_err(|e| refused(agent, target.entry, e))?;
        shared.room.take(db, agent, new_by.user)?;
        let entry = target.entry;
        let deliver_by = now + delivery(entry, &options)?;
        let default = target.timeout.unwrap_or(entry.timeout);
        let default = i64::try_from(default.as_millis()).unwrap_or(i64::MAX);
        let run_timeout = options.run_timeout.filter(|_| target.timeout.is_none());
        let attempts = if entry.idempotent { ATTEMPTS } else { 1 };
        let operation = Operation {
            id,
            kind: target.kind,
            state: State::Queued,
            reason: None,
            message: if online(agent) {
                "It waits for its turn".to_owned()
            } else {
                "It waits until its agent is connected".to_owned()
            },
            said: None,
            owner: about.owner,
            agent: Some(agent),
            device: about.device,
            command: entry.name.to_owned(),
            payload: target.payload.clone(),
            result: None,
            evidence: None,
            attempts: 0,
            max_attempts: options.max_attempts.unwrap_or(attempts),
            created_at: now,
            deliver_by,
            started_at: None,
            ended_at: None,
            maker: new_by,
            parent: None,
            run_timeout: run_timeout.map_or(default, |seconds| seconds * 1000),
            repeatable: entry.idempotent,
            class: class(entry),
            // What goes on until a device is seen, or no more, has a driver of its own: neither the agent's queue nor the
            // clockwork takes it up.
            not_before: if driven { Millis::MAX } else { 0 },
            due_at: (!driven).then_some(deliver_by),
            progress: target.progress.clone(),
            direct: false,
            version: 0,
        };
        operation_rows::insert(db, &operation)?;
        shared.passed_on.made(&operation);
        if let Some(request) = &options.request {
            idempotency_keys::put(db, request, id, now)?;
        }
        let whole = !about.shared;
        let seen = Seen { operation, whole, own: true };
        Ok((Created { seen, made: true, replayed: false }, name, about.agents))
    };
    let (created, name, agents) = by.write_last(store).await?;
    if created.made {
        let operation = &created.seen.operation;
        operations.made(&by.host, operation, &agents);
        let until_online = driven && operation.kind == OperationKind::Wake;
        match operation.kind {
            _ if !driven => {}
            OperationKind::Wake => wake_until::start(&by.host, operation.clone()),
            OperationKind::Command => power_until::start(&by.host, operation.clone()),
        }
        let action = if until_online { Action::DeviceWake } else { Action::OperationCreate };
        by.note(action, |entry| {
            match (operation.device, operation.agent) {
                (Some(device), _) => entry.on(SubjectKind::Device, device, name),
                (None, agent) => entry.on(SubjectKind::Agent, agent, name),
            }
            entry.detail =
                Some(if until_online { "until online".to_owned() } else { operation.command.clone() });
        });
    }
    Ok(created)
}

/// In how many milliseconds an operation must be sent.
fn delivery(entry: &CommandEntry, options: &Options) -> Result<Millis> {
    let millis = |time: Duration| Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX);
    let longest = millis(entry.longest_delivery);
    let within = options.deliver_within.map_or_else(
        || {
            let usual = if options.only_online { NOT_QUEUED } else { millis(entry.deliver_within) };
            usual.min(longest).min(options.patience.map_or(Millis::MAX, millis))
        },
        |seconds| seconds.saturating_mul(1000),
    );
    if within > longest {
        let expected = format!("expected at most {} seconds for {}", longest / 1000, entry.name);
        return Err(Error::invalid_fields(
            "Invalid payload",
            vec![FieldError::new("deliverWithin", expected)],
        ));
    }
    Ok(within)
}

/// The operation that the same request made before.
fn replay(db: &Conn, sight: &Sight, request: Option<&Request>, now: Millis) -> Result<Option<Created>> {
    let Some(request) = request else { return Ok(None) };
    let Some((body, id)) = idempotency_keys::find(db, request, now - KEPT)? else { return Ok(None) };
    if body != request.body {
        return Err(Error::new(
            Kind::Reused,
            "idempotency_key_reused",
            "Another request was sent under this Idempotency-Key: send each request under a key of its own",
        ));
    }
    let Some(operation) = operations::get(db, id)? else { return Ok(None) };
    let Some(seen) = sight.see(db, operation)? else { return Ok(None) };
    Ok(Some(Created { seen, made: false, replayed: true }))
}
