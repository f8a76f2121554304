//! Who holds the connections: no address may have more than half of the places, so that others always find room.
//!
//! What comes from a trusted proxy comes from many and is not counted. IPv6 addresses count by their /64 network, which
//! is what one customer gets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::network::network;

/// The places of a listener.
pub(super) struct Crowd {
    room: Arc<Semaphore>,
    /// How many connections each address has, where it has any.
    held: Mutex<HashMap<IpAddr, usize>>,
    capacity: usize,
}

/// The place of one connection, which is free again when this is dropped.
pub(super) struct Place {
    _room: OwnedSemaphorePermit,
    counted: Option<(Arc<Crowd>, IpAddr)>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// All are taken.
    Full,
    /// The address has as many as one may have.
    TooMany,
}

impl Crowd {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(capacity)), held: Mutex::default(), capacity })
    }

    /// How many connections one address may have.
    pub(super) fn most(&self) -> usize {
        (self.capacity / 2).max(1)
    }

    /// A place for a connection from `address`, which is counted unless it is `exempt`.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, exempt: bool) -> Result<Place, NoPlace> {
        let address = network(address);
        let mut held = self.held.lock();
        if !exempt && held.get(&address).is_some_and(|count| *count >= self.most()) {
            return Err(NoPlace::TooMany);
        }
        let room = self.room.clone().try_acquire_owned().map_err(|_| NoPlace::Full)?;
        if exempt {
            return Ok(Place { _room: room, counted: None });
        }
        *held.entry(address).or_default() += 1;
        Ok(Place { _room: room, counted: Some((self.clone(), address)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((crowd, address)) = &self.counted else { return };
        let mut held = crowd.held.lock();
        if let Some(count) = held.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                held.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_gets_half_and_gives_it_back() {
        let crowd = Crowd::new(5);
        let mut held: Vec<_> = (0..2).map(|_| crowd.admit(ip("192.0.2.1"), false).ok().unwrap()).collect();
        assert_eq!(crowd.admit(ip("192.0.2.1"), false).err(), Some(NoPlace::TooMany));
        held.push(crowd.admit(ip("192.0.2.2"), false).ok().unwrap());
        held.push(crowd.admit(ip("192.0.2.2"), false).ok().unwrap());
        held.push(crowd.admit(ip("192.0.2.3"), false).ok().unwrap());
        assert_eq!(crowd.admit(ip("192.0.2.4"), false).err(), Some(NoPlace::Full));
        assert_eq!(crowd.admit(ip("192.0.2.4"), true).err(), Some(NoPlace::Full));
        held.clear();
        assert!(crowd.held.lock().is_empty());
        assert!(crowd.admit(ip("192.0.2.1"), false).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_proxy_none() {
        let crowd = Crowd::new(4);
        let _held = ["2001:db8::1", "2001:db8::2"].map(|text| crowd.admit(ip(text), false).ok().unwrap());
        assert_eq!(crowd.admit(ip("2001:db8::3"), false).err(), Some(NoPlace::TooMany));
        assert!(crowd.admit(ip("2001:db8::3"), true).is_ok());
        assert!(crowd.admit(ip("2001:db8:0:1::3"), false).is_ok());
    }

    #[test]
    fn a_single_place_can_be_had() {
        assert!(Crowd::new(1).admit(ip("192.0.2.1"), false).is_ok());
    }
}
