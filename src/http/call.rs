//! What a handler gets: the host, who calls, and the parts of the request it may need.

use std::sync::Arc;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::admission::Admission;
use super::peer::Peer;
use super::request_id::RequestId;
use super::{Access, HeaderMap};
use crate::audit::{Action, Entry, Outcome, SubjectKind};
use crate::auth::Caller;
use crate::auth::permission::{Permission, Scope};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::id::parse_id;
use crate::registry::decode_object;
use crate::store::{Conn, Reach, Right, Whose, audit};

/// One request on its way to its handler, after session and permission were checked.
pub struct Call {
    /// The host.
    pub host: Arc<Host>,
    /// Who calls.
    pub caller: Caller,
    /// Where the request came from.
    pub peer: Peer,
    /// The headers.
    pub headers: HeaderMap,
    /// The path's placeholders, by name.
    pub params: Vec<(String, String)>,
    /// The query as it was sent, without the question mark.
    pub query: Option<String>,
    /// What the request is called in logs and in its answer.
    pub request: RequestId,
    /// Whom the route lets in.
    pub(super) access: Access,
}

impl Call {
    /// The path's placeholder `name`; empty if the route has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// The path's `id`: a plain positive decimal integer.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn id(&self) -> Result<i64> {
        self.id_of("id")
    }

    /// The path's placeholder `name` as [`id`](Self::id) reads it.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn id_of(&self, name: &str) -> Result<i64> {
        parse_id(self.param(name)).ok_or_else(|| {
            Error::new(
                crate::error::Kind::Invalid,
                "invalid_id",
                "Invalid ID: expected a positive whole number",
            )
        })
    }

    /// The first value of the query's key `name`, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, v)| v.into_owned())
    }

    /// Whether the caller asked for admin mode, in exactly the words `adminMode=true`.
    pub fn admin_mode(&self) -> bool {
        self.query("adminMode").as_deref() == Some("true")
    }

    /// Whose things this call is about: everyone's where admin mode was asked for and `permission` is granted for
    /// any, else the caller's own. The one place where ownership is decided.
    pub fn whose(&self, permission: Permission) -> Whose {
        if self.caller.is_operator() || self.admin_mode() && self.caller.may(permission, Scope::Any) {
            Whose::Anyones
        } else {
            Whose::User(self.caller.user_id().unwrap_or(0))
        }
    }

    /// Which devices this call may be about: [`whose`](Self::whose), with those that are shared with the caller for
    /// what `permission` allows, and of all these the ones that the caller is restricted to. The one place where that
    /// is decided.
    pub fn devices(&self, permission: Permission) -> Reach {
        let right = match permission {
            Permission::DevicesRead => Some(Right::View),
            Permission::DevicesWake => Some(Right::Wake),
            // Whoever is no owner changes nothing.
            _ => None,
        };
        Reach {
            whose: self.whose(permission),
            shared: right.map(|right| (right, self.host.clock.now())),
            only: self.caller.only_devices(),
        }
    }

    /// An entry of the audit log: that the caller did `action`.
    pub fn entry(&self, action: Action) -> Entry {
        Entry::new(self.host.clock.now(), self.caller.actor(), action, self.peer.address)
    }

    /// Notes in the audit log that the caller did `action`, which changes nothing that is stored. Nobody waits until
    /// that is written. `fill` says what it was done to.
    pub fn note(&self, action: Action, fill: impl FnOnce(&mut Entry)) {
        let mut entry = self.entry(action);
        fill(&mut entry);
        self.host.audit.note(entry);
    }

    /// Notes in the audit log how sending a command ended; `detail` says in a word of ours which it was.
    pub fn note_sent<T>(
        &self,
        action: Action,
        (kind, id, name): (SubjectKind, i64, String),
        detail: Option<&'static str>,
        sent: &Result<T>,
    ) {
        self.note(action, |entry| {
            entry.on(kind, id, name);
            entry.detail = detail.map(str::to_owned);
            if let Err(e) = sent {
                entry.outcome = Outcome::Failed;
                entry.detail = Some(
                    detail.map_or_else(|| e.code().to_owned(), |detail| format!("{detail}: {}", e.code())),
                );
            }
        });
    }

    /// Changes what is stored, as [`write`](Self::write), and notes in the audit log that the caller did `action`: both
    /// or neither. `job` says with [`Entry::on`] what it was done to.
    ///
    /// # Errors
    /// What `job` answers, or as for [`write`](Self::write); then nothing was changed.
    pub async fn change<T, F>(&self, action: Action, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn, &mut Entry) -> Result<T> + Send + 'static,
    {
        self.host.pace.turn(&self.caller).await?;
        let mut entry = self.entry(action);
        self.write(move |db| {
            let value = job(db, &mut entry)?;
            audit::insert(db, &entry)?;
            Ok(value)
        })
        .await
    }

    /// Changes what is stored, as [`Store::write`](crate::store::Store::write), if the caller may still call this route
    /// by then: what they were let in by may be gone since. The one way for a handler to write.
    ///
    /// # Errors
    /// 401 or 403 if the caller may not any more; what `job` answers; the database refuses. Then nothing was changed.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        let admission = self.admission();
        self.host
            .store
            .write(move |db| {
                admission.holds(db)?;
                job(db)
            })
            .await
    }

    /// What this call was let in by.
    pub(super) fn admission(&self) -> Admission {
        Admission { host: self.host.clone(), caller: self.caller.clone(), access: self.access }
    }
}

/// What a handler takes as its body.
pub trait FromBody: Sized + Send + 'static {
    /// The JSON Schema of the body, or none if there is none to send.
    fn schema() -> Option<serde_json::Value>;
    /// Reads the body.
    ///
    /// # Errors
    /// 400 with the wrong fields.
    fn from_body(body: &Bytes) -> Result<Self>;
}

/// A JSON object as the body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> FromBody for Json<T> {
    fn schema() -> Option<serde_json::Value> {
        Some(schemars::schema_for!(T).to_value())
    }

    fn from_body(body: &Bytes) -> Result<Self> {
        // Nothing at all stands for the empty object.
        match decode_object(if body.is_empty() { b"{}" } else { body }) {
            Ok(value) => Ok(Self(value)),
            Err(e) => Err(Error::invalid_fields("Invalid payload", vec![e])),
        }
    }
}

/// No body: whatever is sent is read and ignored.
pub struct NoBody;

impl FromBody for NoBody {
    fn schema() -> Option<serde_json::Value> {
        None
    }

    fn from_body(_: &Bytes) -> Result<Self> {
        Ok(Self)
    }
}
