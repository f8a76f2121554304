//! Where a connection is, and how long it may stay there.
//!
//! The header's time runs from its first byte (and from accepting), the idle time from the end of an answer, when its last
//! byte was written. While an answer is under way only the time runs in which the client takes nothing of it although
//! there is something; what arrives meanwhile belongs to the next request, whose time begins after the answer. During a
//! request no time runs here: the body and the handlers have their own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::flowing::Begun;
use super::outgoing::{Flow, Held};

/// How long a connection may stay where it is.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Between requests.
    pub(super) idle: Duration,
    /// While the client takes nothing of what is written.
    pub(super) stalled: Duration,
}

/// Where a connection is: written by its socket and its service, read by its driver, all in one task.
pub(super) struct Pulse<U> {
    times: Times,
    moment: Mutex<Moment>,
    /// Whether a refused client may go on sending.
    pub(super) unread: AtomicBool,
    /// What the connection belongs to after its upgrade.
    pub(super) upgrade: Mutex<Option<U>>,
    /// An answer that goes on as long as its reader stays, and what is held for it.
    pub(super) flow: Mutex<Option<(Arc<Begun>, Option<Held>)>>,
}

struct Moment {
    phase: Phase,
    /// When the phase ends, if it ends by itself.
    deadline: Option<Instant>,
    /// Whether the socket takes nothing more.
    stalled: bool,
    /// Whether something of the next request has arrived during an answer.
    ahead: bool,
    /// How many requests there were.
    requests: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is arriving, or the first one is waited for.
    Head,
    /// A request is being handled.
    Request,
    /// An answer is being written.
    Answer,
    /// Nothing of the next request has arrived.
    Idle,
}

impl<U> Pulse<U> {
    pub(super) fn new(times: Times) -> Self {
        let moment = Moment {
            phase: Phase::Head,
            deadline: Some(Instant::now() + times.head),
            stalled: false,
            ahead: false,
            requests: 0,
        };
        let (unread, upgrade, flow) = (AtomicBool::new(false), Mutex::new(None), Mutex::new(None));
        Self { times, moment: Mutex::new(moment), unread, upgrade, flow }
    }

    /// The flow whose beginning has been written, and of which there is nothing more for now.
    pub(super) fn take_flow(&self) -> Option<(Box<dyn Flow>, Option<Held>)> {
        let mut flow = self.flow.lock();
        let (begun, _) = flow.as_ref()?;
        if self.moment.lock().stalled {
            return None;
        }
        let taken = begun.take()?;
        flow.take().map(|(_, held)| (taken, held))
    }

    /// When the connection has been long enough where it is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.moment.lock().deadline
    }

    /// Something arrived.
    pub(super) fn read(&self) {
        let mut moment = self.moment.lock();
        match moment.phase {
            Phase::Idle => moment.enter(Phase::Head, Some(self.times.head)),
            Phase::Answer => moment.ahead = true,
            Phase::Head | Phase::Request => {}
        }
    }

    /// The client took something.
    pub(super) fn wrote(&self) {
        let mut moment = self.moment.lock();
        match moment.phase {
            Phase::Answer if moment.stalled => moment.enter(Phase::Answer, None),
            Phase::Idle => moment.enter(Phase::Idle, Some(self.times.idle)),
            Phase::Answer | Phase::Head | Phase::Request => {}
        }
    }

    /// The client takes nothing more for now.
    pub(super) fn stalls(&self) {
        let mut moment = self.moment.lock();
        if !moment.stalled && matches!(moment.phase, Phase::Answer | Phase::Idle) {
            moment.stalled = true;
            moment.deadline = Some(Instant::now() + self.times.stalled);
        }
    }

    /// A head is whole.
    pub(super) fn request_begins(&self) {
        let mut moment = self.moment.lock();
        moment.enter(Phase::Request, None);
        moment.ahead = false;
        moment.requests += 1;
    }

    /// Gives what must be held until the answer is written.
    pub(super) fn answer_begins(self: &Arc<Self>, held: Option<Held>) -> Arc<Answering<U>> {
        let mut moment = self.moment.lock();
        moment.enter(Phase::Answer, None);
        Arc::new(Answering { pulse: self.clone(), request: moment.requests, _held: held })
    }

    fn answer_ends(&self, request: u64) {
        let mut moment = self.moment.lock();
        if moment.phase != Phase::Answer || moment.requests != request {
            // hyper has begun with the next request already.
            return;
        }
        if moment.ahead {
            moment.enter(Phase::Head, Some(self.times.head));
        } else {
            moment.enter(Phase::Idle, Some(self.times.idle));
        }
    }
}

impl Moment {
    fn enter(&mut self, phase: Phase, time: Option<Duration>) {
        self.phase = phase;
        self.deadline = time.map(|time| Instant::now() + time);
        self.stalled = false;
    }
}

/// An answer under way, held by its body: dropped when its last byte was written.
pub(super) struct Answering<U> {
    pulse: Arc<Pulse<U>>,
    request: u64,
    _held: Option<Held>,
}

impl<U> Drop for Answering<U> {
    fn drop(&mut self) {
        self.pulse.answer_ends(self.request);
    }
}
