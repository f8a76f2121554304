//! The ID of an operation, and the key in the order of time that the database keeps it under.

use std::fmt;
use std::str::FromStr;

use parking_lot::Mutex;
use uuid::{Builder, Uuid};

use crate::clock::Millis;

/// The ID of an operation: a UUID of version 7, which begins with the time at which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(Uuid);

/// The first moment that a key can tell: 2020-01-01.
const KEYS_BEGIN: Millis = 1_577_836_800_000;
/// The bits of a key below the time.
const BELOW_TIME: u32 = 22;
/// The largest time in a key, which is some 69 years after the first.
const LAST_TIME: Millis = (1 << 41) - 1;

impl OperationId {
    /// The key of the row: the time, and what tells those of one millisecond apart. Keys are in the order in which
    /// operations were made, so that a page of the newest is a range of them.
    pub fn key(self) -> i64 {
        let bits = self.0.as_u128();
        // 48 bits of time, 4 of the version, 12 and 62 that differ, with 2 of the variant between them.
        let time = i64::try_from(bits >> 80).unwrap_or(i64::MAX);
        let high = i64::try_from((bits >> 64) & 0xfff).unwrap_or(0);
        let low = i64::try_from((bits >> 52) & 0x3ff).unwrap_or(0);
        Self::first_key(time) | high << 10 | low
    }

    /// The smallest key of what was made at `time` or after.
    pub fn first_key(time: Millis) -> i64 {
        time.saturating_sub(KEYS_BEGIN).clamp(0, LAST_TIME) << BELOW_TIME
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The ID of these bytes; none if they are not as many as an ID has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Why a text is no ID of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoOperationId;

impl FromStr for OperationId {
    type Err = NoOperationId;

    fn from_str(text: &str) -> Result<Self, NoOperationId> {
        // In one notation only: the others that the crate reads are not what was given out.
        let hyphens = text.len() == 36;
        Uuid::try_parse(text).ok().filter(|_| hyphens).map(Self).ok_or(NoOperationId)
    }
}

/// Gives out IDs, each later than the one before.
#[derive(Debug, Default)]
pub struct OperationIds(Mutex<(Millis, u16)>);

/// By how much the clock may be set back before IDs follow it.
const SET_BACK: Millis = 1000;

impl OperationIds {
    /// The ID of what is made at `now`.
    pub fn next(&self, now: Millis) -> OperationId {
        let mut last = self.0.lock();
        let (time, count) = *last;
        *last = if now > time || now < time - SET_BACK {
            // Well below the end, so that those of one millisecond have room above.
            (now, fastrand::u16(..0x400))
        } else if count < 0xfff {
            (time, count + 1)
        } else {
            (time + 1, 0)
        };
        let (time, count) = *last;
        let mut different: [u8; 10] = fastrand::u128(..).to_be_bytes()[..10].try_into().unwrap_or_default();
        different[..2].copy_from_slice(&count.to_be_bytes());
        let time = u64::try_from(time).unwrap_or(0);
        OperationId(Builder::from_unix_timestamp_millis(time, &different).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_790_000_000_000;

    #[test]
    fn ids_are_uuids_of_version_7_in_order() {
        let ids = OperationIds::default();
        let mut last = ids.next(NOW);
        assert_eq!(last.0.get_version_num(), 7);
        for turn in 0..20_000 {
            let next = ids.next(NOW + turn / 10_000 - 300);
            assert!(next > last && next.key() > last.key(), "{last} {next}");
            last = next;
        }
        assert_eq!(last.to_string().parse(), Ok(last));
        assert_eq!(OperationId::from_bytes(last.as_bytes()), Some(last));
    }

    #[test]
    fn a_key_tells_the_time() {
        let ids = OperationIds::default();
        let id = ids.next(NOW);
        assert!((OperationId::first_key(NOW)..OperationId::first_key(NOW + 1)).contains(&id.key()));
        assert_eq!(OperationId::first_key(0), 0);
        assert!(OperationId::first_key(i64::MAX) > 0);
        // A clock that was set back is followed.
        assert!(ids.next(NOW - 3_600_000).key() < id.key());
    }

    #[test]
    fn other_notations_are_no_ids() {
        let id = OperationIds::default().next(NOW).to_string();
        for text in ["", "1", &id.replace('-', ""), &format!("{{{id}}}"), &format!("urn:uuid:{id}")] {
            assert_eq!(text.parse::<OperationId>(), Err(NoOperationId), "{text}");
        }
    }
}
