//! Which watched devices are to be looked at when, without clocks and I/O.
//!
//! All are in one queue, by when they are due. Each keeps its place within its interval, so that those that were spread
//! over time stay so: also where looks were late, and then some are left out. An agent is asked about a few of its devices
//! at a time; the others wait for it here, each once.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::clock::Millis;

/// A device that is to be looked at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due<T> {
    pub(super) device: i64,
    /// What it is looked at by.
    pub(super) target: T,
    /// Which of the device's entries it was: with another, what is found counts no more.
    pub(super) entry: u64,
}

/// The devices that are watched.
pub(super) struct Schedule<T> {
    devices: HashMap<i64, Watched<T>>,
    due: BinaryHeap<Reverse<(Millis, i64, u64)>>,
    /// What each agent is being asked, and who waits for that.
    agents: HashMap<i64, Asked>,
    last_entry: u64,
}

struct Watched<T> {
    target: T,
    every: Millis,
    at: Millis,
    entry: u64,
}

#[derive(Default)]
struct Asked {
    under_way: usize,
    waiting: VecDeque<(i64, u64)>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        let (devices, due, agents) = (HashMap::new(), BinaryHeap::new(), HashMap::new());
        Self { devices, due, agents, last_entry: 0 }
    }
}

impl<T: Clone + PartialEq> Schedule<T> {
    /// Whether no device is watched.
    pub(super) fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Watches a device from now on, first at `at`. One that is watched in the same way keeps its place.
    pub(super) fn put(&mut self, device: i64, target: T, every: Millis, at: Millis) {
        if self.devices.get(&device).is_some_and(|known| known.target == target && known.every == every) {
            return;
        }
        self.last_entry += 1;
        let entry = self.last_entry;
        self.devices.insert(device, Watched { target, every, at, entry });
        self.due.push(Reverse((at, device, entry)));
    }

    /// Watches a device no more.
    pub(super) fn remove(&mut self, device: i64) {
        self.devices.remove(&device);
    }

    /// Whether an entry is a device's still.
    pub(super) fn is_current(&self, device: i64, entry: u64) -> bool {
        self.devices.get(&device).is_some_and(|watched| watched.entry == entry)
    }

    /// The next device that is due by `now`.
    pub(super) fn pop(&mut self, now: Millis) -> Option<Due<T>> {
        while let Some(Reverse((at, device, entry))) = self.due.peek().copied() {
            if at > now {
                return None;
            }
            self.due.pop();
            if let Some(due) = self.entry(device, entry) {
                return Some(due);
            }
        }
        None
    }

    fn entry(&self, device: i64, entry: u64) -> Option<Due<T>> {
        let watched = self.devices.get(&device).filter(|watched| watched.entry == entry)?;
        Some(Due { device, target: watched.target.clone(), entry })
    }

    /// A device was looked at, or is left out this time: it is due again at its next place that is not over.
    pub(super) fn again(&mut self, device: i64, entry: u64, now: Millis) {
        let Some(watched) = self.devices.get_mut(&device).filter(|watched| watched.entry == entry) else {
            return;
        };
        let late = (now - watched.at).max(0);
        watched.at += (late / watched.every + 1) * watched.every;
        self.due.push(Reverse((watched.at, device, entry)));
    }

    /// Takes one of an agent's `width` places for a device. False if there is none: the device then waits for one.
    pub(super) fn begin(&mut self, agent: i64, width: usize, device: i64, entry: u64) -> bool {
        let asked = self.agents.entry(agent).or_default();
        if asked.under_way >= width {
            asked.waiting.push_back((device, entry));
            return false;
        }
        asked.under_way += 1;
        true
    }

    /// Gives a place of an agent back. Answers who waits for it longest, and is to be looked at now.
    pub(super) fn end(&mut self, agent: i64) -> Option<Due<T>> {
        let asked = self.agents.get_mut(&agent)?;
        asked.under_way = asked.under_way.saturating_sub(1);
        while let Some((device, entry)) =
            self.agents.get_mut(&agent).and_then(|asked| asked.waiting.pop_front())
        {
            if let Some(next) = self.entry(device, entry) {
                return Some(next);
            }
        }
        if self.agents.get(&agent).is_some_and(|asked| asked.under_way == 0) {
            self.agents.remove(&agent);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const EVERY: Millis = 10_000;

    fn due(schedule: &mut Schedule<()>, now: Millis) -> Vec<(i64, u64)> {
        std::iter::from_fn(|| schedule.pop(now)).map(|due| (due.device, due.entry)).collect()
    }

    #[test]
    fn devices_keep_their_places_in_time() {
        let mut schedule = Schedule::default();
        for device in 0..10 {
            schedule.put(device, (), EVERY, device * 1000);
        }
        assert_eq!(due(&mut schedule, 0), [(0, 1)]);
        assert_eq!(due(&mut schedule, 2500), [(1, 2), (2, 3)], "in their order");
        assert_eq!(due(&mut schedule, 2500), [], "each once");
        schedule.again(0, 1, 400);
        schedule.again(1, 2, 2600);
        assert_eq!(due(&mut schedule, 9999).len(), 7);
        assert_eq!(due(&mut schedule, 10_999), [(0, 1)]);
        // The process stood still: what was missed is left out, and the place is the same.
        schedule.again(0, 1, 35_000);
        assert_eq!(due(&mut schedule, 39_999), [(1, 2)]);
        assert_eq!(due(&mut schedule, 40_000), [(0, 1)]);
    }

    #[test]
    fn a_device_that_changes_is_in_it_once() {
        let mut schedule = Schedule::default();
        schedule.put(1, 'a', EVERY, 5000);
        schedule.put(1, 'a', EVERY, 0);
        assert_eq!(schedule.pop(4999), None, "nothing changed");
        schedule.put(1, 'b', EVERY, 6000);
        let first = schedule.pop(6000).unwrap();
        assert_eq!((first.target, first.entry), ('b', 2));
        assert!(!schedule.is_current(1, 1) && schedule.is_current(1, 2));
        schedule.again(1, 1, 6000);
        assert_eq!(schedule.pop(60_000), None, "of the entry before nothing is left");
        schedule.again(1, 2, 6000);
        schedule.remove(1);
        assert_eq!(schedule.pop(60_000), None);
    }

    #[test]
    fn an_agent_is_asked_about_as_many_as_it_has_room_for() {
        let mut schedule = Schedule::default();
        for device in 1..=4 {
            schedule.put(device, (), EVERY, 0);
        }
        let all = due(&mut schedule, 0);
        let begun: Vec<_> = all.iter().map(|(device, entry)| schedule.begin(7, 1, *device, *entry)).collect();
        assert_eq!(begun, [true, false, false, false]);
        schedule.remove(2);
        let next = schedule.end(7).unwrap();
        assert_eq!(next.device, 3, "the longest waiting that is still watched");
        assert!(schedule.begin(7, 1, next.device, next.entry));
        assert_eq!(schedule.end(7).unwrap().device, 4);
        assert_eq!(schedule.end(7), None);
        assert!(schedule.agents.is_empty());
    }
}
