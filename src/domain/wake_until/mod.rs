//! Waking a device until it is seen: an operation that sends packets and looks until the device is up or its time is over.
//!
//! It is stored before anybody learns of it, and goes on when its caller is gone and after a restart.

mod driver;
mod plan;

use std::time::Duration;

use tokio::sync::oneshot;

use self::plan::Progress;
use super::By;
use super::device::Needed;
use super::wake;
use crate::auth::Caller;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, SubjectKind};
use crate::model::event::Event;
use crate::model::operation::{Maker, MakerKind, Operation, OperationIds, OperationKind, State};
use crate::model::permission::Permission;
use crate::store::{devices, operations};

pub use self::driver::resume;

/// How long an agent is waited for where nobody waits for the end.
const DELIVER_WITHIN: Millis = 300_000;
/// Live operations of one agent and of one user.
const MOST: (i64, i64) = (50, 1000);

/// A wake that is under way.
pub struct Waking {
    /// The operation as it was made.
    pub operation: Operation,
    /// Whether the device is another's, who shares it.
    pub shared: bool,
    end: oneshot::Receiver<Operation>,
}

impl Waking {
    /// The operation once it has ended, or as it is when the server stops.
    pub async fn end(self) -> Operation {
        self.end.await.unwrap_or(self.operation)
    }
}

/// Begins to wake a device until it is seen, for at most `timeout`. Where the caller waits, that is all the time there is;
/// else an agent is waited for a while longer.
///
/// # Errors
/// There is no such device within reach, or it is shared for less; what is stored of it cannot be woken; too much is
/// under way; the database refuses.
pub async fn begin(by: &By, id: i64, timeout: Duration, waits: bool) -> Result<Waking> {
    let needed = Needed::of(by, Permission::DevicesWake);
    let timeout = Millis::try_from(timeout.as_millis()).unwrap_or(Millis::MAX);
    let ids = by.host.remembered.get(OperationIds::default);
    let (now, maker) = (by.now(), maker(by));
    let progress = Progress { timeout, ..Progress::default() };
    let deliver_by = now + if waits { timeout } else { DELIVER_WITHIN };
    let (operation, shared) = by
        .change(Action::DeviceWake, move |db, entry| {
            let device = needed.find(db, id, devices::to_wake)?;
            wake::payload(&device)?;
            entry.on(SubjectKind::Device, id, device.name.as_str());
            entry.detail = Some("until online".to_owned());
            let owner =
                devices::get(db, &crate::store::Whose::Anyones.into(), id)?.map_or(0, |row| row.owner);
            let of_user = maker.user.map_or(Ok(0), |user| operations::live_of_user(db, user))?;
            if of_user >= MOST.1 || operations::live_of_agent(db, device.agent_id)? >= MOST.0 {
                let message = "Too many operations are under way already. Wait until some have ended.";
                return Err(Error::new(Kind::TooManyRequests, "too_many_operations", message)
                    .retry_after(Duration::from_secs(10)));
            }
            let operation = Operation {
                id: ids.next(now),
                kind: OperationKind::Wake,
                state: State::Queued,
                reason: None,
                message: "It waits for an agent of the device".to_owned(),
                said: None,
                owner,
                agent: device.agent_is_owners.then_some(device.agent_id),
                device: Some(id),
                command: "WAKEUP".to_owned(),
                payload: serde_json::json!({"until": "online", "timeout": timeout / 1000}).to_string(),
                result: None,
                evidence: None,
                attempts: 0,
                max_attempts: 1,
                created_at: now,
                deliver_by,
                started_at: None,
                ended_at: None,
                maker,
                parent: None,
                run_timeout: timeout,
                repeatable: true,
                class: 0,
                // Its driver alone takes it up, not the agent's queue.
                not_before: Millis::MAX,
                due_at: None,
                progress: Some(serde_json::to_string(&progress).map_err(Error::internal)?),
                direct: false,
                version: 0,
            };
            operations::insert(db, &operation)?;
            Ok((operation, device.shared))
        })
        .await?;
    by.host.events.emit(Event::OperationChanged { operation: std::sync::Arc::new(operation.clone()) });
    let (ended, end) = oneshot::channel();
    driver::spawn(&by.host, operation.clone(), Some(ended));
    Ok(Waking { operation, shared, end })
}

fn maker(by: &By) -> Maker {
    let (kind, id, name) = match &by.caller {
        Caller::User { account, .. } => (MakerKind::User, Some(account.id), account.username.clone()),
        Caller::Token { token, .. } => (MakerKind::Token, Some(token.row.id), token.row.name.clone()),
        // As in `operation::maker`.
        Caller::Plugin(name) => (MakerKind::Operator, None, format!("plugin {name}")),
        Caller::Nobody | Caller::Operator => (MakerKind::Operator, None, "operator".to_owned()),
    };
    Maker { kind, id, name, user: by.caller.user_id() }
}
