//! `GET /api/devices/{id}/timeline`: what happened to a device.

use hyper::header::LINK;
use schemars::JsonSchema;
use serde::Serialize;

use super::link::{SAYS_LINK, with_next};
use super::operation_view::OperationView;
use super::query_keys::{self, USUAL, take_all};
use super::tags::DEVICES;
use crate::clock::Millis;
use crate::domain::timeline::{Cursor, Happening, timeline};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::device_presence::DevicePresence;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/devices/{id}/timeline",
            "The changes of a device's presence and the operations about it, the newest first",
        )
        .needs(&[P::DevicesRead])
        .tag(DEVICES)
        .admin_mode()
        .query::<TimelineQuery>()
        .sends(LINK, SAYS_LINK)
        .fails(&[f::NOT_FOUND])
        .handler(show),
    ]
}

/// The keys of the query.
#[derive(JsonSchema)]
#[allow(dead_code)]
struct TimelineQuery {
    /// How many, at most 500; 100 unless given.
    limit: Option<i64>,
    /// Where to go on: out of the `Link` of an earlier answer.
    cursor: Option<String>,
}

/// What happened once.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum EntryView {
    /// The device's presence changed.
    Presence {
        /// When it did.
        at: Millis,
        /// What it came to be.
        presence: DevicePresence,
    },
    /// Somebody wanted something of the device.
    Operation {
        /// When it was asked for.
        at: Millis,
        /// What it is now.
        operation: Box<OperationView>,
    },
}

impl From<Happening> for EntryView {
    fn from(happening: Happening) -> Self {
        match happening {
            Happening::Presence(presence) => Self::Presence { at: presence.since.unwrap_or(0), presence },
            Happening::Operation(seen) => {
                let at = seen.operation.created_at;
                Self::Operation { at, operation: Box::new(OperationView::of(*seen)) }
            }
        }
    }
}

async fn show(call: Call, _: NoBody) -> Result<Answer<Vec<EntryView>>> {
    let id = call.id()?;
    let (mut limit, mut from) = (USUAL, Cursor::default());
    let taken = take_all(&call, &["limit", "cursor"], |key, value| {
        match key {
            "limit" => limit = query_keys::limit(value)?,
            _ => from = value.parse().map_err(|()| "the cursor of an earlier answer")?,
        }
        Ok::<_, &str>(())
    });
    taken.check()?;
    let (page, next) = timeline(&call, id, from, limit).await?;
    let answer =
        Answer::ok("Timeline retrieved successfully.", page.into_iter().map(EntryView::from).collect());
    Ok(with_next(answer, &call, next))
}
