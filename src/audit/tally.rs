//! Entries on their way into the database, of which equal ones are counted instead of kept.
//!
//! What was done waits for the next writing, a second at most, and equal entries of that second become one with a
//! count. What was refused is in the next writing once, and whatever else comes like it within [`WINDOW`] is written
//! at the end of that as one entry: so somebody who is refused all day long makes a row every few minutes. Both are
//! bounded, so that one caller's flood hides nobody else's: what is too much of one's is counted together; of refusals
//! there is a bound for each user and one for each action of all who proved nothing. Beyond that it is kept what they are
//! about and not by whom, and then only how many there were. What waits in vain to be written, as on a full disk, is
//! dropped in the end, and counted.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::clock::Millis;
use crate::model::audit::{Action, Actor, AuditOutcome, Entry, Noted};
use crate::model::network::network;

/// How long refusals are counted together.
pub(super) const WINDOW: Millis = 5 * 60 * 1000;
/// Different refusals of one action that are counted apart at once of all who did not prove who they are; and beside them
/// those that are only counted apart by what they are about.
const MAX_REFUSED: usize = 1024;
/// Different refusals of one action, caller and network that are counted apart at once.
const MAX_OF_ONE: usize = 100;
/// Different refusals of one user, with tokens and agents, that are counted apart at once.
const MAX_OF_PARTY: usize = 500;
/// Different refusals of all that are counted apart at once.
const MAX_OF_ALL: usize = 32_768;
/// Different other entries that wait at once, of one user with tokens and agents and of all.
const MAX_DONE_OF_ONE: usize = 1000;
const MAX_DONE: usize = 32_768;

/// What waits to be written. Keys are entries without when, how often and exactly from where.
#[derive(Default)]
pub(super) struct Tally {
    done: HashMap<Noted, Count>,
    /// How many of `done` are one user's; of nobody's, those of all others.
    done_of_one: HashMap<Option<i64>, usize>,
    refused: HashMap<Noted, Window>,
    /// How many of `refused` are one's.
    of_one: HashMap<One, usize>,
    /// How many of `refused` are in each pool.
    pools: HashMap<Pool, usize>,
    dropped: i64,
    /// How many times something was noted: tells what happened in one millisecond apart.
    noted: u64,
}

/// Who is refused what from where, whatever it is about.
type One = (Action, Actor, Option<IpAddr>);

/// Refusals that are bounded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pool {
    /// Of a user, with tokens and agents.
    Party(i64),
    /// Of one action, by whoever did not prove who they are.
    Unknown(Action),
    /// The same, of which only that is kept what they are about.
    About(Action),
}

impl Pool {
    fn of(Noted { entry, .. }: &Noted) -> Option<Self> {
        match (user(&entry.actor), &entry.actor) {
            _ if entry.action == Action::AuditOverflow => None,
            (Some(user), _) => Some(Self::Party(user)),
            (None, Actor::Nobody) if entry.address.is_some() => Some(Self::Unknown(entry.action)),
            (None, Actor::Nobody) => Some(Self::About(entry.action)),
            (None, _) => None,
        }
    }

    fn bound(self) -> usize {
        if let Self::Party(_) = self { MAX_OF_PARTY } else { MAX_REFUSED }
    }
}

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
    written: bool,
    pending: Count,
}

impl Count {
    fn add(&mut self, times: i64, at: Millis, turn: u64, address: Option<IpAddr>) {
        self.times = self.times.saturating_add(times);
        self.at = self.at.max(at);
        self.turn = turn;
        self.address = address;
    }

    /// The entry that tells of it, and which turn it was.
    fn entry(&mut self, key: &Noted) -> (u64, Noted) {
        let Self { times, at, turn, address } = std::mem::take(self);
        let mut noted = key.clone();
        noted.entry.count = times;
        noted.entry.at = at;
        noted.entry.address = address;
        (turn, noted)
    }
}

/// The user who acts, or whose token or agent does.
fn user(actor: &Actor) -> Option<i64> {
    match actor {
        Actor::User { id: user, .. } | Actor::Token { user, .. } | Actor::Agent { user, .. } => Some(*user),
        Actor::Nobody | Actor::Operator | Actor::Server | Actor::Plugin { .. } => None,
    }
}

fn one(Noted { entry, .. }: &Noted) -> One {
    (entry.action, entry.actor.clone(), entry.address)
}

/// The key of what is not counted apart.
fn overflow(actor: Actor, address: Option<IpAddr>) -> Noted {
    let entry = Entry::new(0, actor, Action::AuditOverflow, address);
    Noted { entry: Entry { outcome: AuditOutcome::Refused, count: 0, ..entry }, only_if_there: false }
}

/// The key of what one did on too many different things.
fn together(Noted { entry, .. }: Noted) -> Noted {
    let detail = Some(format!("on more than {MAX_DONE_OF_ONE} different ones"));
    let address = None;
    Noted { entry: Entry { subject: None, detail, address, ..entry }, only_if_there: false }
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
        let turn = self.turn();
        let mut key = key(noted);
        // Mostly it is there: what is read or woken again and again.
        if let Some(counted) = self.done.get_mut(&key) {
            return counted.add(count, at, turn, address);
        }
        let one = user(&key.entry.actor);
        if self.done_of_one.get(&one).is_some_and(|of| *of >= MAX_DONE_OF_ONE) {
            key = together(key);
        }
        if !self.done.contains_key(&key) {
            if self.done.len() >= MAX_DONE {
                self.dropped = self.dropped.saturating_add(count);
                return;
            }
            *self.done_of_one.entry(one).or_default() += 1;
        }
        self.done.entry(key).or_default().add(count, at, turn, address);
    }

    /// Adds something that was refused.
    pub(super) fn add_refused(&mut self, noted: Noted) {
        let Entry { at, count, mut address, .. } = noted.entry;
        let turn = self.turn();
        let mut key = key(noted);
        while !self.refused.contains_key(&key)
            && let Some(coarser) = self.coarser(&key)
        {
            key = coarser;
        }
        if key.entry.address.is_none() {
            address = None;
        }
        if !self.refused.contains_key(&key) {
            *self.of_one.entry(one(&key)).or_default() += 1;
            if let Some(pool) = Pool::of(&key) {
                *self.pools.entry(pool).or_default() += 1;
            }
            let window = Window { began: at, written: false, pending: Count::default() };
            self.refused.insert(key.clone(), window);
        }
        if let Some(window) = self.refused.get_mut(&key) {
            window.pending.add(count, at, turn, address);
        }
    }

    /// What a refusal is counted as if there is no more room for it as it is.
    fn coarser(&self, key: &Noted) -> Option<Noted> {
        let Entry { actor, action, address, .. } = &key.entry;
        let everyones = overflow(Actor::Server, None);
        if *action == Action::AuditOverflow {
            // Of one user there are as many as there are addresses and tokens.
            let own = !self.of_one.contains_key(&one(key)) && self.refused.len() >= MAX_OF_ALL;
            return (own && *key != everyones).then_some(everyones);
        }
        if self.of_one.get(&one(key)).is_some_and(|of| *of >= MAX_OF_ONE) && address.is_some() {
            return Some(overflow(actor.clone(), *address));
        }
        let pool = Pool::of(key);
        let full = |pool: Pool| self.pools.get(&pool).is_some_and(|of| *of >= pool.bound());
        if self.refused.len() >= MAX_OF_ALL || pool.is_some_and(full) {
            return Some(match pool {
                Some(Pool::Unknown(_)) if key.entry.subject.is_some() => {
                    Noted { entry: Entry { address: None, ..key.entry.clone() }, ..*key }
                }
                Some(Pool::Party(_)) => overflow(actor.clone(), None),
                _ => everyones,
            });
        }
        None
    }

    /// Takes what is to be written now, the oldest first; at the `end` all there is.
    pub(super) fn take(&mut self, now: Millis, end: bool) -> Vec<Noted> {
        let mut due: Vec<_> = self.done.drain().map(|(key, mut count)| count.entry(&key)).collect();
        self.done_of_one.clear();
        self.refused.retain(|key, window| {
            // A wall clock that was set back must not keep a window open.
            let over = end || !(window.began..window.began + WINDOW).contains(&now);
            if window.pending.times > 0 && (over || !window.written) {
                window.written = true;
                due.push(window.pending.entry(key));
            }
            if over && let Some(of) = self.of_one.get_mut(&one(key)) {
                *of -= 1;
            }
            if over && let Some(of) = Pool::of(key).and_then(|pool| self.pools.get_mut(&pool)) {
                *of -= 1;
            }
            !over
        });
        self.of_one.retain(|_, of| *of > 0);
        self.pools.retain(|_, of| *of > 0);
        if self.dropped > 0 {
            let dropped = Entry::new(now, Actor::Server, Action::AuditDrop, None);
            let count = std::mem::take(&mut self.dropped);
            let entry = Entry { outcome: AuditOutcome::Failed, count, ..dropped };
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
mod tests;
