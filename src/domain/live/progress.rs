//! How far operations are, passed on while they run.
//!
//! It is neither stored nor kept for those who come later: it goes to whoever listens at that moment, and is dropped where
//! nobody does, or where the reader has other events to read first. It comes after the events that happened before it, and so
//! after those by which its operation was made and sent: it is held until they were passed on. What an agent says is its owner's, so that those with
//! whom a device is shared get none of it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::occurrence::{Audience, Occurrence, Subject};
use super::shown::Shown;
use super::stream::{Item, Stream};
use super::{Live, Registry};
use crate::domain::command_error::agent_text;
use crate::host::Host;
use crate::model::event::EventType;
use crate::model::operation::{Operation, OperationId};
use crate::registry::Progress;

/// How far an operation is.
pub struct OperationProgress {
    /// The operation.
    pub operation: OperationId,
    /// Its agent.
    pub agent: Option<i64>,
    /// The device it is about.
    pub device: Option<i64>,
    /// Its command.
    pub command: String,
    /// How far it is, with a text that may be shown.
    pub progress: Progress,
}

/// Operations whose progress is held at once.
const MOST_HELD: usize = 256;

/// What waits until the events before it were passed on, the oldest first.
#[derive(Default)]
pub(super) struct Held(VecDeque<(u64, Occurrence)>);

impl Held {
    /// Holds a report until the events up to the one of a number were passed on. Of an operation the newest is kept.
    fn put(&mut self, after: u64, event: Occurrence, operation: OperationId) {
        self.0.retain(
            |(_, other)| !matches!(&other.subject, Subject::Progress(of) if of.operation == operation),
        );
        if self.0.len() < MOST_HELD {
            self.0.push_back((after, event));
        }
    }

    /// Drops all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The next that waits for no event beyond the one of a number.
    fn next(&mut self, passed_on: u64) -> Option<Occurrence> {
        let (_, event) = self.0.pop_front_if(|(after, _)| *after <= passed_on)?;
        Some(event)
    }
}

/// Passes on how far an operation is.
pub(in crate::domain) fn progressed(host: &Host, operation: &Operation, mut progress: Progress) {
    let live = host.remembered.get(Live::default);
    let mut stirred = Vec::new();
    {
        let mut registry = live.registry.lock();
        if registry.all.is_empty() {
            return;
        }
        progress.message = agent_text(&progress.message);
        let (owner, agent, device) = (operation.owner, operation.agent, operation.device);
        let subject = OperationProgress {
            operation: operation.id,
            agent,
            device,
            command: operation.command.clone(),
            progress,
        };
        let event = Occurrence {
            id: host.events.newest(),
            at: host.clock.now(),
            kind: EventType::OperationProgress,
            subject: Subject::Progress(subject),
            owner_name: String::new(),
            audience: Audience { owner, device, shared: Vec::new(), maker: None, alone: None },
        };
        let after = host.events.newest_kept();
        if after > registry.passed_on {
            return registry.held.put(after, event, operation.id);
        }
        registry.offer(&event, &mut stirred);
    }
    for stream in &stirred {
        stream.wake();
    }
}

impl Registry {
    /// Passes on what was held until the events up to the one of a number had been passed on.
    pub(super) fn release(&mut self, passed_on: u64, stirred: &mut Vec<Arc<Stream>>) {
        while let Some(event) = self.held.next(passed_on) {
            self.offer(&event, stirred);
        }
    }

    /// Puts an event into the queues of all who may see it and have room.
    fn offer(&self, event: &Occurrence, stirred: &mut Vec<Arc<Stream>>) {
        let Some(show) = self.show else { return };
        let shown = Shown::new(event, show);
        for stream in self.readers(event) {
            if !stream.has_caught_up() {
                continue;
            }
            let Some(shown) = stream.sight.view(event).and_then(|view| shown.of(view)) else { continue };
            if stream.offer(Item::Event(shown)) {
                stirred.push(stream.clone());
            }
        }
    }
}
