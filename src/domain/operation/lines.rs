//! What of the agents' queues stands in their lines or was sent: so that nothing lines up twice, and a queue is read again
//! only where something may wait in it that is not in line yet.

use std::collections::{HashMap, HashSet, VecDeque};

use parking_lot::Mutex;

use crate::model::operation::OperationId;

/// Operations of one agent that line up at once: as many as the largest window takes.
pub(super) const LINE: usize = 16;

/// Agents whose queue is to be looked at, each once, in the order in which that was found.
#[derive(Default)]
pub(super) struct Ready(Mutex<(VecDeque<i64>, HashSet<i64>)>);

impl Ready {
    /// Adds some, behind those that are there.
    pub(super) fn extend(&self, agents: impl IntoIterator<Item = i64>) {
        let (order, there) = &mut *self.0.lock();
        order.extend(agents.into_iter().filter(|agent| there.insert(*agent)));
    }

    /// Takes the first of them, so many at most.
    pub(super) fn take(&self, many: usize) -> Vec<i64> {
        let (order, there) = &mut *self.0.lock();
        let end = order.len().min(many);
        order.drain(..end).inspect(|agent| _ = there.remove(agent)).collect()
    }
}

/// The lines of all agents.
#[derive(Default)]
pub(super) struct Lines(Mutex<State>);

#[derive(Default)]
struct State {
    under_way: HashSet<OperationId>,
    agents: HashMap<i64, Line>,
}

#[derive(Default)]
struct Line {
    /// How many are under way.
    long: usize,
    /// Whether more may have waited when the queue was read last.
    more: bool,
}

impl Lines {
    /// Takes an operation into the line of an agent; false if it is in one already.
    pub(super) fn enter(&self, agent: i64, id: OperationId) -> bool {
        let mut state = self.0.lock();
        let is_new = state.under_way.insert(id);
        if is_new {
            state.agents.entry(agent).or_default().long += 1;
        }
        is_new
    }

    /// Notes how many were found when the queue of an agent was read.
    pub(super) fn found(&self, agent: i64, count: usize) {
        if let Some(line) = self.0.lock().agents.get_mut(&agent) {
            line.more = count >= LINE;
        }
    }

    /// Lets an operation go, whatever became of it. Answers whether the agent's queue is to be read again: nothing of it is
    /// in line any more, or half of what was, and more may wait. What is made meanwhile has it read anyway.
    pub(super) fn leave(&self, agent: i64, id: OperationId) -> bool {
        let mut state = self.0.lock();
        state.under_way.remove(&id);
        let Some(line) = state.agents.get_mut(&agent) else { return true };
        line.long = line.long.saturating_sub(1);
        if line.long == 0 {
            state.agents.remove(&agent);
            return true;
        }
        line.more && line.long <= LINE / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::operation::OperationIds;

    #[test]
    fn agents_are_looked_at_once_and_in_their_turn() {
        let ready = Ready::default();
        ready.extend([3, 1, 3, 2]);
        assert_eq!(ready.take(2), [3, 1]);
        ready.extend([2, 3]);
        assert_eq!((ready.take(9), ready.take(9)), (vec![2, 3], vec![]));
    }

    #[test]
    fn a_queue_is_read_again_where_more_may_wait() {
        let (lines, ids) = (Lines::default(), OperationIds::default());
        let some: Vec<_> = (0..LINE).map(|_| ids.next(1)).collect();
        assert!(some.iter().all(|id| lines.enter(7, *id)));
        assert!(!lines.enter(8, some[0]), "it is in another line");
        lines.found(7, LINE);
        let read: Vec<_> = some.iter().map(|id| lines.leave(7, *id)).collect();
        assert_eq!(read.iter().filter(|read| **read).count(), LINE / 2 + 1);
        assert!(!read[..LINE / 2 - 1].contains(&true));

        assert!(some[..3].iter().all(|id| lines.enter(7, *id)));
        lines.found(7, 3);
        let read: Vec<_> = some[..3].iter().map(|id| lines.leave(7, *id)).collect();
        assert_eq!(read, [false, false, true], "all that waited was in line");
    }
}
