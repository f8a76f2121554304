//! Which change of an operation was passed on last. Changes are stored one after the other, and whoever stored one passes it
//! on, which may be later than the next one was: that is no news any more, and would say of what has ended that it goes on.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

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
}

impl PassedOn {
    /// Passes a change on, unless a later one of the same operation was.
    pub(super) fn once(&self, operation: &Operation, pass_on: impl FnOnce()) {
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
        pass_on();
    }
}
