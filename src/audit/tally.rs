//! Entries on their way into the database, of which equal ones are counted instead of kept.
//!
//! What was done waits for the next writing, a second at most, and equal entries of that second become one with a
//! count. What was refused is told in the next writing once, and whatever else comes like it within [`WINDOW`] is told
//! at the end of that as one entry: so somebody who is refused all day long makes a row every few minutes. Both are
//! bounded: refusals of which too many different ones come at once are counted together, first those of whoever has the
//! most, so that one caller's flood hides nobody else's; other entries are dropped and counted.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::auth::throttle::network;
use crate::clock::Millis;
use crate::model::audit::{Action, Actor, Entry, Noted, Outcome};

/// How long refusals are counted together.
pub(super) const WINDOW: Millis = 5 * 60 * 1000;
/// Different refusals that are told apart at once, and different other entries that wait at once.
const MAX_REFUSED: usize = 1024;
/// Different refusals of one action, caller and network that are told apart at once.
const MAX_OF_ONE: usize = 100;
const MAX_DONE: usize = 10_000;

/// What waits to be written. Keys are entries without when, how often and exactly from where.
#[derive(Default)]
pub(super) struct Tally {
    done: HashMap<Noted, Count>,
    refused: HashMap<Noted, Window>,
    /// How many of `refused` are one's.
    of_one: HashMap<One, usize>,
    dropped: i64,
    /// How many times something was noted: tells what happened in one millisecond apart.
    noted: u64,
}

/// Who is refused what from where, whatever it is about.
type One = (Action, Actor, Option<IpAddr>);

/// How often something happened, and when and from where last.
#[derive(Default)]
struct Count {
    times: i64,
    at: Millis,
    turn: u64,
    address: Option<IpAddr>,
}

/// A refusal that is counted until its time is over.
struct Window {
    began: Millis,
    told: bool,
    untold: Count,
}

impl Count {
    fn add(&mut self, times: i64, at: Millis, turn: u64, address: Option<IpAddr>) {
        self.times = self.times.saturating_add(times);
        self.at = self.at.max(at);
        self.turn = turn;
        self.address = address;
    }

    /// The entry that tells of it, and which turn it was.
    fn told(&mut self, key: &Noted) -> (u64, Noted) {
        let Self { times, at, turn, address } = std::mem::take(self);
        let mut noted = key.clone();
        noted.entry.count = times;
        noted.entry.at = at;
        noted.entry.address = address;
        (turn, noted)
    }
}

fn one(Noted { entry, .. }: &Noted) -> One {
    (entry.action, entry.actor.clone(), entry.address)
}

/// The key of what is not told apart.
fn overflow(actor: Actor, address: Option<IpAddr>) -> Noted {
    let entry = Entry::new(0, actor, Action::AuditOverflow, address);
    Noted { entry: Entry { outcome: Outcome::Refused, count: 0, ..entry }, only_if_there: false }
}

/// The entry as a key.
fn key(noted: Noted) -> Noted {
    let Noted { entry, only_if_there } = noted;
    Noted { entry: Entry { at: 0, count: 0, address: entry.address.map(network), ..entry }, only_if_there }
}

impl Tally {
    /// Whether nothing waits and nothing is being counted.
    pub(super) fn is_idle(&self) -> bool {
        self.done.is_empty() && self.refused.is_empty() && self.dropped == 0
    }

    /// Adds something that was done, or failed.
    pub(super) fn add_done(&mut self, noted: Noted) {
        let Entry { at, count, address, .. } = noted.entry;
        let full = self.done.len() >= MAX_DONE;
        let turn = self.turn();
        let key = key(noted);
        match self.done.get_mut(&key) {
            Some(known) => known.add(count, at, turn, address),
            None if full => self.dropped = self.dropped.saturating_add(count),
            None => self.done.entry(key).or_default().add(count, at, turn, address),
        }
    }

    /// Adds something that was refused.
    pub(super) fn add_refused(&mut self, noted: Noted) {
        let Entry { at, count, address, .. } = noted.entry;
        let mut key = key(noted);
        let mut address = address;
        let turn = self.turn();
        if !self.refused.contains_key(&key) && self.of_one.get(&one(&key)).is_some_and(|of| *of >= MAX_OF_ONE)
        {
            key = overflow(key.entry.actor, key.entry.address);
        }
        if self.refused.len() >= MAX_REFUSED && !self.refused.contains_key(&key) {
            key = overflow(Actor::Server, None);
            address = None;
        }
        let of_one = &mut self.of_one;
        let window = self.refused.entry(key).or_insert_with_key(|key| {
            *of_one.entry(one(key)).or_default() += 1;
            Window { began: at, told: false, untold: Count::default() }
        });
        window.untold.add(count, at, turn, address);
    }

    /// Takes what is to be written now, the oldest first; at the `end` all there is.
    pub(super) fn take(&mut self, now: Millis, end: bool) -> Vec<Noted> {
        let mut due: Vec<_> = self.done.drain().map(|(key, mut count)| count.told(&key)).collect();
        self.refused.retain(|key, window| {
            // A wall clock that was set back must not keep a window open.
            let over = end || !(window.began..window.began + WINDOW).contains(&now);
            if window.untold.times > 0 && (over || !window.told) {
                window.told = true;
                due.push(window.untold.told(key));
            }
            if over && let Some(of) = self.of_one.get_mut(&one(key)) {
                *of -= 1;
            }
            !over
        });
        self.of_one.retain(|_, of| *of > 0);
        if self.dropped > 0 {
            let dropped = Entry::new(now, Actor::Server, Action::AuditDrop, None);
            let count = std::mem::take(&mut self.dropped);
            let entry = Entry { outcome: Outcome::Failed, count, ..dropped };
            due.push((self.noted, Noted { entry, only_if_there: false }));
        }
        due.sort_by_key(|(turn, noted)| (noted.entry.at, *turn));
        due.into_iter().map(|(_, noted)| noted).collect()
    }

    fn turn(&mut self) -> u64 {
        self.noted += 1;
        self.noted
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&mut self, unwritten: impl IntoIterator<Item = Noted>) {
        unwritten.into_iter().for_each(|noted| self.add_done(noted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(action: Action, address: &str, at: Millis) -> Noted {
        let address = address.parse().ok();
        Noted { entry: Entry::new(at, Actor::Nobody, action, address), only_if_there: false }
    }

    fn told(due: &[Noted]) -> Vec<(Action, i64, Millis)> {
        due.iter().map(|noted| (noted.entry.action, noted.entry.count, noted.entry.at)).collect()
    }

    #[test]
    fn equal_entries_of_one_writing_are_one() {
        let mut tally = Tally::default();
        for at in 1..=5 {
            tally.add_done(noted(Action::DeviceWake, "10.0.0.1", at));
        }
        tally.add_done(noted(Action::DeviceWake, "10.0.0.2", 6));
        assert_eq!(told(&tally.take(7, false)), [(Action::DeviceWake, 5, 5), (Action::DeviceWake, 1, 6)]);
        assert!(tally.is_idle());
    }

    #[test]
    fn refusals_are_told_at_once_and_then_at_the_end_of_their_window() {
        let mut tally = Tally::default();
        let refuse = |tally: &mut Tally, at| tally.add_refused(noted(Action::AuthLogin, "10.0.0.1", at));
        refuse(&mut tally, 1000);
        assert_eq!(told(&tally.take(1500, false)), [(Action::AuthLogin, 1, 1000)]);
        for at in 2000..2100 {
            refuse(&mut tally, at);
        }
        assert_eq!(told(&tally.take(3000, false)), []);
        assert!(!tally.is_idle());
        assert_eq!(told(&tally.take(1000 + WINDOW, false)), [(Action::AuthLogin, 100, 2099)]);
        assert!(tally.is_idle());

        refuse(&mut tally, 5_000_000);
        tally.take(5_000_000, false);
        refuse(&mut tally, 5_000_001);
        assert_eq!(told(&tally.take(5_000_002, true)), [(Action::AuthLogin, 1, 5_000_001)]);
    }

    #[test]
    fn whoever_has_a_network_of_addresses_is_one() {
        let mut tally = Tally::default();
        for n in 1..1000 {
            tally.add_refused(noted(Action::AuthLogin, &format!("2001:db8:0:1::{n:x}"), n));
        }
        let due = tally.take(1000, false);
        assert_eq!(told(&due), [(Action::AuthLogin, 999, 999)]);
        assert_eq!(due[0].entry.address, "2001:db8:0:1::3e7".parse().ok());
    }

    #[test]
    fn too_many_different_ones_are_counted_together() {
        let mut tally = Tally::default();
        for n in 0..5000 {
            tally.add_refused(noted(Action::AuthLogin, &format!("10.1.{}.{}", n / 250, n % 250), 1));
        }
        let due = tally.take(1, false);
        assert_eq!(due.len(), MAX_REFUSED + 1);
        let rest = due.iter().find(|noted| noted.entry.action == Action::AuditOverflow);
        assert_eq!(rest.map(|noted| noted.entry.count), Some(5000 - MAX_REFUSED as i64));

        for n in 0..MAX_DONE + 7 {
            let mut wake = noted(Action::DeviceWake, "10.0.0.1", 2);
            wake.entry.detail = Some(n.to_string());
            tally.add_done(wake);
        }
        let due = tally.take(2, false);
        assert_eq!(due.len(), MAX_DONE + 1);
        assert_eq!(
            told(&due).into_iter().find(|told| told.0 == Action::AuditDrop),
            Some((Action::AuditDrop, 7, 2))
        );
    }

    #[test]
    fn what_happens_in_one_millisecond_keeps_its_order() {
        let mut tally = Tally::default();
        let address = |n: usize| format!("10.0.0.{n}");
        for n in 0..50 {
            tally.add_done(noted(Action::DeviceWake, &address(n), 1));
        }
        let due = tally.take(2, false);
        let order: Vec<_> = due.iter().map(|noted| noted.entry.address).collect();
        let expected: Vec<Option<IpAddr>> = (0..50).map(|n| address(n).parse().ok()).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn a_flood_of_one_hides_nobody_else() {
        let mut tally = Tally::default();
        let refuse = |tally: &mut Tally, action, address, n: usize| {
            let mut refused = noted(action, address, 1);
            refused.entry.detail = Some(n.to_string());
            tally.add_refused(refused);
        };
        for window in [0, WINDOW] {
            for n in 0..5000 {
                refuse(&mut tally, Action::RequestRefuse, "10.0.0.1", n);
            }
            refuse(&mut tally, Action::AuthLogin, "10.0.0.1", 0);
            refuse(&mut tally, Action::RequestRefuse, "10.0.0.2", 0);
            let due = tally.take(window, false);
            assert_eq!(due.len(), MAX_OF_ONE + 3);
            let rest = due.iter().find(|noted| noted.entry.action == Action::AuditOverflow);
            let rest = rest.map(|noted| (noted.entry.count, noted.entry.address));
            assert_eq!(rest, Some((5000 - MAX_OF_ONE as i64, "10.0.0.1".parse().ok())));
            tally.take(1 + WINDOW, false);
            assert!(tally.is_idle() && tally.of_one.is_empty());
        }
    }

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let mut tally = Tally::default();
        tally.add_refused(noted(Action::AuthLogin, "10.0.0.1", 1));
        tally.add_done(noted(Action::DeviceWake, "10.0.0.1", 2));
        let due = tally.take(3, false);
        tally.put_back(due.clone());
        assert_eq!(tally.take(4, false), due);
    }
}
