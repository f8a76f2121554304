//! `/api/admin/audit`: reading the audit log.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use super::audit_filter::AuditQuery;
use super::audit_filter::{Asked, asked, written};
use super::tags::SERVER;
use crate::clock::Millis;
use crate::domain::audit_log::{self, AuditRow, Export, Page};
use crate::error::{Error, Result};
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Body, Call, HeaderValue, NoBody, Raw, Route, StatusCode};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/admin/audit", "Read the audit log, the newest entries first")
            .needs(&[P::AuditRead])
            .tag(SERVER)
            .query::<AuditQuery>()
            .handler(list),
        Route::get("/api/admin/audit/export", "The whole audit log, one JSON object a line")
            .needs(&[P::AuditRead])
            .tag(SERVER)
            .query::<AuditQuery>()
            .raw(&["application/x-ndjson"], export),
    ]
}

/// One JSON object a line.
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// Parts of an export that wait for a slow reader.
const WAITING: usize = 1;

/// An entry as it is shown.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryView {
    id: i64,
    /// When, in milliseconds since the epoch; the last time, if it happened more than once.
    at: Millis,
    /// Who: nobody, user, token, agent, operator, server or plugin.
    actor: String,
    #[serde(rename = "actorID")]
    actor_id: Option<i64>,
    /// The name the actor had then.
    actor_name: Option<String>,
    /// The user who acted, or whose token or agent did.
    #[serde(rename = "userID")]
    user_id: Option<i64>,
    /// What was done.
    action: String,
    /// The kind of thing it was done to.
    target: Option<String>,
    #[serde(rename = "targetID")]
    target_id: Option<i64>,
    /// The name the thing had then.
    target_name: Option<String>,
    /// From where; null for the local operator and the server itself.
    address: Option<String>,
    /// What became of it: done, refused or failed.
    outcome: String,
    /// More, in words of the server's.
    detail: Option<String>,
    /// How many times it happened.
    count: i64,
}

impl From<AuditRow> for EntryView {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at,
            actor: row.actor,
            actor_id: row.actor_id,
            actor_name: row.actor_name,
            user_id: row.user,
            action: row.action,
            target: row.target,
            target_id: row.target_id,
            target_name: row.target_name,
            address: row.address,
            outcome: row.outcome,
            detail: row.detail,
            count: row.count,
        }
    }
}

/// A part of the log.
#[derive(Serialize, JsonSchema)]
pub(super) struct PageView {
    /// The newest first. It may be fewer than asked for, or none, and not the end.
    entries: Vec<EntryView>,
    /// What to send as `before` for the entries that follow; null at the end of the log.
    next: Option<String>,
}

async fn list(call: Call, _: NoBody) -> Result<Answer<PageView>> {
    let Asked { filter, before, limit } = asked(&call)?;
    let Page { rows, next } = audit_log::read(&call, filter, before, limit).await?;
    let entries = rows.into_iter().map(EntryView::from).collect();
    Ok(Answer::ok("Audit log retrieved successfully", PageView { entries, next: next.map(written) }))
}

async fn export(call: Call) -> Result<Raw> {
    let Asked { filter, before, .. } = asked(&call)?;
    let export = audit_log::export(&call, filter, before).await?;
    let (parts, body) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Err(e) = send_all(export, &parts).await {
            tracing::warn!("An export of the audit log was cut off: {e}");
            // Cut off it must be, or half of it would pass for the whole.
            let _ = parts.send(Err(e)).await;
        }
    });
    Ok(Raw::new(StatusCode::OK, LINES, Body::in_parts(body)))
}

/// Sends everything that is asked for, until the reader goes away.
async fn send_all(mut export: Export, parts: &mpsc::Sender<Result<Bytes>>) -> Result<()> {
    while let Some(rows) = export.next().await? {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, &EntryView::from(row)).map_err(Error::internal)?;
            lines.push(b'\n');
        }
        if parts.send(Ok(lines.into())).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
