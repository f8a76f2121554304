//! Which session ends where a user has too many.
//!
//! A script that logs in again and again must not end its user's session in a browser. Sessions of one kind, which is
//! what the client calls itself and the network it comes from, make room for each other: of a login's own kind if that
//! is a crowd, else of the kind there is most of. Among them those go first that were hardly used after their login,
//! then those unused for longest.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::clock::Millis;
use crate::model::network::network;
use crate::store::sessions::SessionRow;

/// Sessions of one kind from which on they are a crowd.
const CROWD: usize = 10;
/// Uses up to which it is counted how often a session was used.
const HARDLY: u8 = 3;

/// What the client of a session calls itself, and its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// Hashed, since there may be many and long ones.
    client: u64,
    network: Option<IpAddr>,
}

impl Kind {
    pub(super) fn of(row: &SessionRow) -> Self {
        static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let address = row.address.as_deref().and_then(|address| address.parse().ok());
        Self { client: HASHING.hash_one(&row.user_agent), network: address.map(network) }
    }
}

/// How often a session was used since its login, as far as that matters.
#[derive(Debug, Default)]
pub(super) struct Uses(AtomicU8);

impl Uses {
    /// Those of a stored session: whether it was used at all is all that is known.
    pub(super) fn stored(row: &SessionRow) -> Self {
        Self(AtomicU8::new(if row.last_used > row.created { HARDLY } else { 0 }))
    }

    pub(super) fn count(&self) {
        // Two at once may count as one: nobody counts that exactly.
        let uses = self.0.load(Relaxed);
        if uses < HARDLY {
            self.0.store(uses + 1, Relaxed);
        }
    }

    fn get(&self) -> u8 {
        self.0.load(Relaxed)
    }
}

/// A session that may have to end.
pub(super) struct Candidate<'a, K> {
    pub(super) key: K,
    pub(super) kind: Kind,
    pub(super) uses: &'a Uses,
    pub(super) last_used: Millis,
}

/// The `surplus` sessions that end for a login of the kind `new`.
pub(super) fn victims<K: Copy>(mut sessions: Vec<Candidate<'_, K>>, surplus: usize, new: Kind) -> Vec<K> {
    let mut ending = Vec::with_capacity(surplus);
    while ending.len() < surplus
        && let Some(index) = victim(&sessions, new)
    {
        ending.push(sessions.swap_remove(index).key);
    }
    ending
}

fn victim<K>(sessions: &[Candidate<'_, K>], new: Kind) -> Option<usize> {
    let like = |kind: Kind| sessions.iter().filter(move |session| session.kind == kind).count();
    // A script may call itself something else each time, or come from elsewhere: then the other tells.
    let crowd = |kind: Kind| {
        let same = |f: &dyn Fn(&Kind) -> bool| sessions.iter().filter(|session| f(&session.kind)).count();
        let clients = same(&|other| other.client == kind.client);
        let networks = same(&|other| other.network == kind.network);
        (clients.max(networks), clients + networks)
    };
    let own = like(new) >= CROWD;
    let greatest = if own { None } else { sessions.iter().map(|session| crowd(session.kind)).max() };
    let goes = |session: &Candidate<'_, K>| match greatest {
        None => session.kind == new,
        Some(greatest) => crowd(session.kind) == greatest,
    };
    let among = sessions.iter().enumerate().filter(|(_, session)| goes(session));
    among.min_by_key(|(_, session)| (session.uses.get(), session.last_used)).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(client: u64, network: u8) -> Kind {
        Kind { client, network: Some(IpAddr::from([10, 0, 0, network])) }
    }

    /// What goes of sessions of these kinds, whose keys count from 0, as do the times of their last use.
    fn goes(kinds: &[(Kind, u8)], new: Kind) -> Option<usize> {
        let uses: Vec<_> = kinds.iter().map(|(_, uses)| Uses(AtomicU8::new(*uses))).collect();
        let candidate = |(key, (kind, _)): (usize, &(Kind, u8))| Candidate {
            key,
            kind: *kind,
            uses: &uses[key],
            last_used: key as Millis,
        };
        victims(kinds.iter().enumerate().map(candidate).collect(), 1, new).first().copied()
    }

    #[test]
    fn a_crowd_makes_room_for_itself() {
        let (browser, script) = ((kind(1, 1), 3), (kind(2, 1), 3));
        let mut all = vec![browser; 60];
        all.extend([script; 40]);
        assert_eq!(goes(&all, script.0), Some(60), "the script's oldest");
        assert_eq!(goes(&all, browser.0), Some(0));
    }

    #[test]
    fn a_few_pay_for_nobody_while_there_is_a_crowd() {
        let mut all = vec![(kind(1, 1), 3); 3];
        all.extend([(kind(2, 1), 3); 97]);
        for new in [kind(1, 1), kind(3, 1), kind(3, 3)] {
            assert_eq!(goes(&all, new), Some(3));
        }
    }

    #[test]
    fn a_script_of_many_names_or_addresses_is_one() {
        let mut all = vec![(kind(1, 1), 3)];
        all.extend((10..109).map(|n| (kind(n, 2), 3)));
        assert_eq!(goes(&all, kind(200, 2)), Some(1));
        let mut all = vec![(kind(1, 1), 3)];
        all.extend((10..109).map(|n| (kind(2, n), 3)));
        assert_eq!(goes(&all, kind(2, 200)), Some(1));
    }

    #[test]
    fn what_was_hardly_used_goes_before_what_is_in_use() {
        let all: Vec<_> = (0..100).map(|n| (kind(1, 1), if n == 7 { 1 } else { 3 })).collect();
        assert_eq!(goes(&all, kind(1, 1)), Some(7));
        assert_eq!(goes(&[(kind(1, 1), 3); 100], kind(1, 1)), Some(0));
    }
}
