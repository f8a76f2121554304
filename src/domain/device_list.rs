//! Pages of devices: one's own and those that are shared, in one order.

use std::sync::Arc;

use super::By;
use super::device::{self, Present};
use super::page::{Asked, Page, cut, in_order, walk};
use crate::error::Result;
use crate::model::device_presence::DeviceState;
use crate::model::permission::Permission;
use crate::store::device_page;

pub use super::page::Needles;
pub use crate::store::devices::{DeviceKind, DeviceRow};

/// Which devices are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeviceFilter {
    /// What their names, addresses and MAC addresses hold.
    pub needles: Option<Needles>,
    /// Of this user.
    pub owner: Option<i64>,
    /// Behind this agent, as far as the caller sees that.
    pub agent: Option<i64>,
    /// Of this kind.
    pub kind: Option<DeviceKind>,
    /// Whose presence is this.
    pub state: Option<DeviceState>,
    /// Those that shares alone bring within reach, or none of these.
    pub shared: Option<bool>,
    /// Of these, these alone.
    pub among: Option<Arc<[i64]>>,
    /// Only the caller's favourites.
    pub only_favorites: bool,
}

/// A page of the devices that the caller sees, with whether they are there if that is wanted.
///
/// # Errors
/// The database cannot be read.
pub async fn page(
    by: &By,
    filter: DeviceFilter,
    asked: &Asked,
    with_presence: bool,
) -> Result<Page<Present>> {
    let reach = Arc::new(by.devices(Permission::DevicesRead));
    let DeviceFilter { needles, owner, agent, kind, state, shared, among, only_favorites } = filter;
    let among = if only_favorites {
        let favorites = by.caller.account().map_or(&[][..], |account| account.favorites.as_slice());
        let is_meant = |id: &&i64| among.as_ref().is_none_or(|among| among.contains(id));
        Some(favorites.iter().filter(is_meant).copied().collect())
    } else {
        among
    };
    let stored = Arc::new(device_page::DeviceFilter { needles, owner, agent, kind, state, among });
    let (reader, sort, wanted) = (by.reader(), asked.sort, asked.wanted());

    let mut places = Vec::new();
    if shared != Some(true) {
        let (reach, stored) = (reach.clone(), stored.clone());
        let look = move |db: &_, after: Option<&_>, missing: usize| {
            device_page::own(db, &reach, &stored, sort, after, missing)
        };
        places = walk(&reader, asked.after.clone(), wanted, Arc::new(look)).await?;
    }
    if shared != Some(false) && reach.shared.is_some() {
        let (reach, stored, after) = (reach.clone(), stored.clone(), asked.after.clone());
        let read =
            reader.read(move |db| device_page::shared(db, &reach, &stored, sort, after.as_ref(), wanted));
        places.extend(read.await?);
        places.sort_unstable();
        if sort.descending {
            places.reverse();
        }
    }
    let (ids, next) = cut(asked, places);
    let present = device::present(by, with_presence);
    let read = reader.read(move |db| Ok(in_order(&ids, present(db, &ids)?, |(row, _)| row.id)));
    Ok((read.await?, next))
}
