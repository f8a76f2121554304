//! How far operations are, passed on while they run.
//!
//! It is neither stored nor kept for those who come later: it goes to whoever listens at that moment, and is dropped where
//! nobody does, or where the reader has other events to read first. What an agent says is its owner's, so that those with
//! whom a device is shared get none of it.

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

/// Passes on how far an operation is.
pub(in crate::domain) fn progressed(host: &Host, operation: &Operation, mut progress: Progress) {
    let live = host.remembered.get(Live::default);
    let mut stirred = Vec::new();
    {
        let registry = live.registry.lock();
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
        registry.offer(&event, &mut stirred);
    }
    for stream in &stirred {
        stream.wake();
    }
}

impl Registry {
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
