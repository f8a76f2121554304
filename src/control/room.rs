//! Room in an agent's line: how much may wait, and who makes room in a full one.

use super::command::Requester;
use super::dispatch::DispatchError;
use super::line::{Line, MAX_WAITING};
use super::windows::Window;
use crate::registry::CommandEntry;

impl Line {
    /// Sees to it that there is room for one more.
    pub(super) fn find_room(
        &mut self,
        entry: &CommandEntry,
        requester: Requester,
    ) -> Result<(), DispatchError> {
        let window = Window::of(entry);
        if !self.is_full(window) {
            return Ok(());
        }
        self.skip_abandoned();
        if self.is_full(window) && !self.make_room(window, requester) {
            return Err(DispatchError::Busy);
        }
        Ok(())
    }

    /// Drops the last command of whoever has the most waiting, if that is more than `newcomer` will have. What is urgent
    /// takes the place of what the newcomer itself has waiting.
    fn make_room(&mut self, window: Window, newcomer: Requester) -> bool {
        if matches!(window, Window::Control | Window::Long) {
            return false;
        }
        if window == Window::Urgent
            && [true, false].into_iter().any(|question| self.drop_last(newcomer, false, question))
        {
            return true;
        }
        let waiting = || self.urgents.iter().chain(&self.actions).chain(&self.questions).map(|c| c.requester);
        let of = |requester| waiting().filter(|&other| other == requester).count();
        let Some(most) = waiting().max_by_key(|&requester| of(requester)) else { return false };
        if of(most) <= of(newcomer) + 1 {
            return false;
        }
        // What others have joined goes only where there is nothing else, and what is urgent last of all.
        for (shared, question) in [(false, true), (false, false), (true, true), (true, false)] {
            if self.drop_last(most, shared, question) {
                return true;
            }
        }
        match self.urgents.iter().rposition(|c| c.requester == most).and_then(|at| self.urgents.remove(at)) {
            Some(dropped) => {
                dropped.finish(&Err(DispatchError::Busy));
                true
            }
            None => false,
        }
    }

    /// Drops the last question or action of somebody.
    fn drop_last(&mut self, requester: Requester, shared: bool, question: bool) -> bool {
        let line = if question { &mut self.questions } else { &mut self.actions };
        let at = line.iter().rposition(|c| c.requester == requester && c.shared == shared);
        match at.and_then(|at| line.remove(at)) {
            Some(dropped) => {
                dropped.finish(&Err(DispatchError::Busy));
                true
            }
            None => false,
        }
    }

    fn is_full(&self, window: Window) -> bool {
        match window {
            Window::Control => self.controls.len() + self.in_flight(Window::Control) >= MAX_WAITING,
            Window::Long => self.longs.len() >= MAX_WAITING,
            Window::Urgent | Window::Short => {
                self.urgents.len() + self.actions.len() + self.questions.len() >= MAX_WAITING
            }
        }
    }

    pub(super) fn in_flight(&self, window: Window) -> usize {
        self.flights.iter().filter(|f| Window::of(f.command.entry) == window).count()
    }

    fn skip_abandoned(&mut self) {
        for line in
            [&mut self.controls, &mut self.urgents, &mut self.actions, &mut self.questions, &mut self.longs]
        {
            line.retain(|c| !c.is_abandoned());
        }
    }
}
