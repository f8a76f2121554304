//! `GET /api/devices`: all devices a caller sees, or a page of them.

use std::sync::Arc;

use hyper::header::LINK;
use schemars::JsonSchema;

use super::devices::DeviceView;
use super::events::{EVENT_ID, SAYS_EVENT_ID, event_id};
use super::link::{SAYS_LINK, with_next};
use super::list_query::{Filter, PageQuery, asked, cursor, flag, id, word};
use super::pages::List;
use super::tags::DEVICES;
use crate::domain::Snapshot;
use crate::domain::device;
use crate::domain::device_list::{self, DeviceFilter, DeviceKind, Needles};
use crate::error::{Error, Result};
use crate::model::device_presence::DeviceState;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, NoBody, Route};

/// The query of the list.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct ListQuery {
    /// Only the caller's favourites.
    #[schemars(extend("type" = "boolean"))]
    only_favorites: Option<bool>,
    /// With each device's `presence`, as the answer about one device has it.
    #[schemars(extend("type" = "boolean"))]
    presence: Option<bool>,
    /// Only devices in this state of presence.
    state: Option<DeviceState>,
    /// Only devices of this type.
    #[serde(rename = "type")]
    kind: Option<DeviceKind>,
    /// Only devices that this agent reaches; shared ones do not say which does.
    #[serde(rename = "agentID")]
    #[schemars(range(min = 1))]
    agent_id: Option<i64>,
    /// Only devices of this user.
    #[serde(rename = "ownerID")]
    #[schemars(range(min = 1))]
    owner_id: Option<i64>,
    /// True: only devices that are shared with the caller. False: only the others.
    #[schemars(extend("type" = "boolean"))]
    shared: Option<bool>,
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/devices", "List devices, whole or in pages")
            .needs(&[P::DevicesRead])
            .tag(DEVICES)
            .admin_mode()
            .query::<ListQuery>()
            .query::<PageQuery>()
            .sends(EVENT_ID, SAYS_EVENT_ID)
            .sends(LINK, SAYS_LINK)
            .handler(list),
    ]
}

impl Filter for DeviceFilter {
    const NAME: &'static str = "devices";
    const KEYS: &'static [&'static str] = &["state", "type", "agentID", "ownerID", "shared"];

    fn look_for(&mut self, needles: Option<Needles>) {
        self.needles = needles;
    }

    fn only(&mut self, ids: Arc<[i64]>) {
        self.among = Some(ids);
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "state" => {
                self.state = Some(word(value, "online, offline, unknown, waking or stopping")?);
            }
            "type" => self.kind = Some(word(value, "server, desktop, laptop, printer or nas")?),
            "agentID" => self.agent = Some(id(value)?),
            "ownerID" => self.owner = Some(id(value)?),
            "shared" => self.shared = Some(flag(value)?),
            _ => {}
        }
        Ok(())
    }
}

async fn list(call: Call, _: NoBody) -> Result<Answer<List<DeviceView>>> {
    let (name, event_id) = event_id(&call);
    let only_favorites = call.query_flag("onlyFavorites")?;
    let with_presence = call.query_flag("presence")?;
    let message = "Devices retrieved successfully.";
    if let Some((filter, asked)) = asked::<DeviceFilter>(&call)? {
        let filter = DeviceFilter { only_favorites, ..filter };
        let (rows, next) = device_list::page(&call, filter, &asked, with_presence).await?;
        let list = List::whole(rows.into_iter().map(DeviceView::from))?;
        let answer = Answer::ok(message, list).header(name, event_id);
        let cursor = next.map(|next| cursor(DeviceFilter::NAME, asked.sort, &next));
        return Ok(with_next(answer, &call, cursor));
    }
    let find = device::ids(&call, only_favorites);
    let present = device::present(&call, with_presence);
    let append = move |db: &Snapshot, ids: &[i64], json: &mut Vec<u8>| {
        present(db, ids)?.into_iter().try_for_each(|device| {
            json.push(b',');
            serde_json::to_writer(&mut *json, &DeviceView::from(device)).map_err(Error::internal)
        })
    };
    let list = List::read(&call, find, append).await?;
    Ok(Answer::ok(message, list).header(name, event_id))
}
