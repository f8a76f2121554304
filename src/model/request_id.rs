//! The ID of a request: in every log line about it, and in its answer.
//!
//! Ours are 128 bits: 64 that are drawn when the server starts, and a counter that is scrambled, so that none comes twice and
//! none tells how many there were.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::header::HeaderValue;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The ID of a request.
#[derive(Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The ID as it is written.
    pub fn as_str(&self) -> &str {
        // Ours are hexadecimal, and what is taken over is visible ASCII.
        self.0.to_str().unwrap_or_default()
    }

    /// An ID that somebody else gave: visible ASCII.
    pub fn from_header(value: HeaderValue) -> Self {
        Self(value)
    }

    /// The ID as a header's value.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where IDs come from, for all listeners of a server.
pub struct RequestIds {
    start: u64,
    first: u64,
    made: AtomicU64,
}

impl RequestIds {
    /// A source whose IDs no other start gives.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let [mut start, mut first] = [[0; 8]; 2];
        getrandom::fill(&mut start)?;
        getrandom::fill(&mut first)?;
        let [start, first] = [start, first].map(u64::from_ne_bytes);
        Ok(Self { start, first, made: AtomicU64::new(0) })
    }

    /// An ID that was never given.
    pub fn fresh(&self) -> RequestId {
        let number = scrambled(self.first.wrapping_add(self.made.fetch_add(1, Relaxed)));
        let bytes = (u128::from(self.start) << 64 | u128::from(number)).to_be_bytes();
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(bytes) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        RequestId(HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("none")))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Another number for every number: the finaliser of SplitMix64, whose every step can be undone.
fn scrambled(mut number: u64) -> u64 {
    number ^= number >> 30;
    number = number.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number ^= number >> 27;
    number = number.wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Does `work`, whose log lines carry `id`.
pub async fn within<F: Future>(id: RequestId, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// Gives `look` the ID of the request that is at work here, if one is.
pub fn current(look: impl FnOnce(&str)) {
    // A log line can come while a thread ends.
    let _ = CURRENT.try_with(|id| look(id.as_str()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_comes_twice() {
        let (one, other) = (RequestIds::new().unwrap(), RequestIds::new().unwrap());
        let ids: HashSet<_> =
            (0..10_000).flat_map(|_| [one.fresh(), other.fresh()]).map(|id| id.to_string()).collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
