//! An operation that has a driver of its own, as a wake until online and a power command until offline have: how far it is,
//! what is noted of it, and that each step is stored before it counts.
//!
//! What the steps are is the drivers' business alone. `P` is how far one is, which is stored with the operation as JSON.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::device_presence;
use super::device_questions::DeviceQuestions;
use super::look::Sample;
use super::operation::{Operations, publish};
use crate::clock::{Course, Millis};
use crate::control::Requester;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::device_presence::DeviceState;
use crate::model::operation::{Operation, State, TrailEntry, Word};
use crate::store::{operation_trail, operations};

/// How long until it is tried again to read or store.
const AGAIN: Duration = Duration::from_secs(1);

/// An operation under way.
pub(super) struct Driven<P> {
    pub(super) host: Arc<Host>,
    /// The time that steps and the end are due by: nobody sets it.
    course: Course,
    pub(super) op: Operation,
    pub(super) device: i64,
    pub(super) progress: P,
    /// What is to be stored with the next step.
    pub(super) trail: Vec<TrailEntry>,
    /// What the last looks brought: as many as may prove that a device is gone.
    looks: VecDeque<Sample>,
    /// When something happened to it last.
    happened: Millis,
}

/// What drives an operation.
pub(super) trait Driver: Send {
    /// How far it is.
    type Progress: Default + Serialize + DeserializeOwned + Send;

    /// What it drives.
    fn driven(&mut self) -> &mut Driven<Self::Progress>;

    /// Goes on to the end.
    ///
    /// # Errors
    /// Something could not be read or stored: it is to be called again with what is stored.
    fn drive(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Drives an operation to its end, or until the server stops: it goes on after the restart.
pub(super) async fn to_the_end(driver: &mut impl Driver) {
    let (host, id) = (driver.driven().host.clone(), driver.driven().op.id);
    tokio::select! {
        () = async {
            driver.driven().read_trail().await;
            while let Err(e) = driver.drive().await {
                warn!("the operation {id} goes on in a moment: {e}");
                if !driver.driven().read_again().await {
                    break;
                }
            }
        } => {}
        () = host.shutdown.cancelled() => {}
    }
    Operations::of(&host).forget_waiter(id);
    host.remembered.get(DeviceQuestions::default).forget_device(driver.driven().device);
}

fn progress_of<P: Default + DeserializeOwned>(operation: &Operation) -> P {
    operation.progress.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

impl<P: Default + Serialize + DeserializeOwned> Driven<P> {
    pub(super) fn new(host: Arc<Host>, op: Operation, device: i64) -> Self {
        Self {
            // One that was made by a clock that was ahead goes on from there: it would be looked for until then.
            course: host.clock.course(host.clock.now().max(op.created_at)),
            progress: progress_of(&op),
            happened: op.created_at,
            host,
            op,
            device,
            trail: Vec::new(),
            looks: VecDeque::new(),
        }
    }

    pub(super) fn now(&self) -> Millis {
        self.course.now()
    }

    /// When something happens to it, for whoever reads it: never before what happened earlier, though the clock was set
    /// back.
    pub(super) fn happens(&mut self) -> Millis {
        self.happened = self.happened.max(self.host.clock.now());
        self.happened
    }

    /// Takes in what happened before the server was restarted.
    async fn read_trail(&mut self) {
        let (id, new) = (self.op.id, self.op.version == 0);
        if new {
            return;
        }
        // What cannot be read now is put in order where it is stored.
        if let Ok(last) = self.host.store.read(move |db| operation_trail::last(db, id)).await {
            self.happened = self.happened.max(last);
        }
    }

    /// On whose behalf agents are asked.
    pub(super) fn requester(&self) -> Requester {
        self.op.maker.user.map_or(Requester::Operator, Requester::User)
    }

    pub(super) fn note(&mut self, event: impl Into<Word>, message: impl Into<String>) -> &mut TrailEntry {
        let at = self.happens();
        self.trail.push(TrailEntry::new(at, event, message));
        let last = self.trail.len() - 1;
        &mut self.trail[last]
    }

    /// Takes up what is stored, after something could not be stored or read. Answers whether there is anything left to
    /// drive.
    async fn read_again(&mut self) -> bool {
        let id = self.op.id;
        loop {
            tokio::time::sleep(AGAIN).await;
            let Ok(stored) = self.host.store.read(move |db| operations::get(db, id)).await else { continue };
            self.trail.clear();
            let Some(stored) = stored else { return false };
            (self.progress, self.op) = (progress_of(&stored), stored);
            return self.op.is_live();
        }
    }

    /// Stores how far it is. Answers whether it is still this one's to drive.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) async fn store(&mut self) -> Result<bool> {
        self.op.version += 1;
        self.op.progress = Some(serde_json::to_string(&self.progress).map_err(Error::internal)?);
        let (op, trail) = (self.op.clone(), std::mem::take(&mut self.trail));
        if !self.host.store.write(move |db| operations::change(db, &op, &trail)).await? {
            return Ok(false);
        }
        publish(&self.host, std::slice::from_ref(&self.op));
        Ok(true)
    }

    /// Stores how it ended.
    ///
    /// # Errors
    /// The database refuses.
    pub(super) async fn end(
        &mut self,
        state: State,
        why: Option<&'static str>,
        message: String,
    ) -> Result<()> {
        self.note(state.word(), message.clone());
        let at = self.happens();
        let op = &mut self.op;
        (op.state, op.reason, op.message, op.ended_at) = (state, why.map(Into::into), message, Some(at));
        self.store().await.map(drop)
    }

    /// Shows the device in a state that holds while this is under way.
    pub(super) async fn show(&self, state: DeviceState) {
        self.shown(device_presence::begin(&self.host, self.device, state).await);
    }

    /// Takes in what a look brought.
    pub(super) fn saw(&mut self, sample: Sample) {
        self.looks.push_back(sample);
        if self.looks.len() > usize::from(device_presence::MISSES) {
            self.looks.pop_front();
        }
    }

    /// Takes in what is proved, whatever looks brought.
    pub(super) fn knows(&mut self, sample: Sample) {
        (0..device_presence::MISSES).for_each(|_| self.saw(sample));
    }

    /// Shows the device as the last looks found it, now that nothing is under way.
    pub(super) async fn show_last(&mut self) {
        let ended = device_presence::end(&self.host, self.device, self.looks.make_contiguous()).await;
        self.shown(ended);
    }

    fn shown(&self, shown: Result<()>) {
        if let Err(e) = shown {
            warn!("the presence of the device {} is not known: {e}", self.device);
        }
    }
}
