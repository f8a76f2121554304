//! Which change of an operation was passed on last. Changes are stored one after the other, and whoever stored one passes it
//! on, which may be later than the next one was: that is no news any more, and would say of what has ended that it goes on.
//! That an operation was made comes first all the same: whoever passes on what became of it since passes that on, too.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::event::Event;
use crate::model::operation::{Operation, OperationId};

/// Changes that are remembered: many more than can be on their way at once.
const MANY: usize = 10_000;

/// The last changes that were passed on.
#[derive(Default)]
pub(super) struct PassedOn(Mutex<State>);

#[derive(Default)]
struct State {
    newest: HashMap<OperationId, i64>,
    order: VecDeque<(OperationId, i64)>,
    /// That operations were made which are just being made: none until they are stored, and once it was passed on.
    making: HashMap<OperationId, Option<Event>>,
}

/// An operation that is being made. Dropped once that was passed on, or when nothing came of it.
pub(super) struct Making<'a> {
    passed_on: &'a PassedOn,
    id: OperationId,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.passed_on.0.lock().making.remove(&self.id);
    }
}

impl PassedOn {
    /// Begins to make an operation.
    pub(super) fn making(&self, id: OperationId) -> Making<'_> {
        self.0.lock().making.insert(id, None);
        Making { passed_on: self, id }
    }

    /// Keeps that an operation was made, which is about to be stored.
    pub(super) fn made(&self, operation: &Operation) {
        if let Some(made) = self.0.lock().making.get_mut(&operation.id) {
            *made = Some(changed(operation));
        }
    }

    /// Passes a change on, unless a later one of the same operation was.
    pub(super) fn once(&self, operation: &Operation, emit: impl Fn(Event)) {
        let state = &mut *self.0.lock();
        let (id, version) = (operation.id, operation.version);
        if state.newest.get(&id).is_some_and(|newest| *newest >= version) {
            return;
        }
        state.newest.insert(id, version);
        state.order.push_back((id, version));
        if state.order.len() > MANY
            && let Some((old, version)) = state.order.pop_front()
            && state.newest.get(&old) == Some(&version)
        {
            state.newest.remove(&old);
        }
        // Before anybody else passes one on.
        let made = state.making.get_mut(&id).and_then(Option::take);
        made.filter(|_| version > 0).into_iter().for_each(&emit);
        emit(changed(operation));
    }
}

/// That an operation was made or changed.
pub(super) fn changed(operation: &Operation) -> Event {
    Event::OperationChanged { change: Arc::new(operation.into()) }
}
