//! Who does something, with what in reach.
//!
//! Every verb of the domain begins with one: made alike by a request, by the local operator and by a plugin. Whose things
//! it may be about is decided here and nowhere else, and so is whether something may still be changed.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::sleep;

use super::Reader;
use super::admission::{Admission, LOOK_EVERY};
use crate::auth::Caller;
use crate::clock::Millis;
use crate::control::Requester;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::model::access::Access;
use crate::model::audit::{Action, AuditOutcome, Entry, SubjectKind};
use crate::model::permission::{Permission, Scope};
use crate::store::{Conn, Reach, Right, Whose, audit};

/// Who does something.
#[derive(Clone)]
pub struct By {
    /// The server's services.
    pub host: Arc<Host>,
    /// Who.
    pub caller: Caller,
    /// From where; none for the local operator and for the server itself.
    pub address: Option<IpAddr>,
    /// Whether everyone's things are meant, as far as the caller may.
    pub admin_mode: bool,
    /// What they were let in for.
    pub(crate) access: Access,
}

impl By {
    /// The plugin `name`, by itself: it is part of the server, so that everyone's things are in its reach, and the audit
    /// log names it.
    pub fn plugin(host: &Arc<Host>, name: &'static str) -> Self {
        let caller = Caller::Plugin(name);
        Self { host: host.clone(), caller, address: None, admin_mode: true, access: Access::Public }
    }

    /// Whose things this is about: everyone's where admin mode was asked for and `permission` is granted for
    /// any, else the caller's own. The one place where ownership is decided.
    pub fn whose(&self, permission: Permission) -> Whose {
        if self.caller.reaches_all() || self.admin_mode && self.caller.may(permission, Scope::Any) {
            Whose::Anyones
        } else {
            Whose::User(self.caller.user_id().unwrap_or(0))
        }
    }

    /// The time, in milliseconds since the epoch.
    pub fn now(&self) -> Millis {
        self.host.clock.now()
    }

    /// What reads for this caller what may take long: lists, exports and searches.
    pub fn reader(&self) -> Reader {
        Reader { store: self.host.store.clone(), user: self.caller.user_id().unwrap_or(0) }
    }

    /// For whom a command is sent.
    pub fn requester(&self) -> Requester {
        self.caller.user_id().map_or(Requester::Operator, Requester::User)
    }

    /// Which devices this may be about: [`whose`](Self::whose), with those that are shared with the caller for
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
            shared: right.map(|right| (right, self.now())),
            only: self.caller.only_devices(),
        }
    }

    /// An entry of the audit log: that the caller did `action`.
    pub fn entry(&self, action: Action) -> Entry {
        Entry::new(self.now(), self.caller.actor(), action, self.address)
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
                entry.outcome = AuditOutcome::Failed;
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
        self.host.pace.turn(&self.caller, action).await?;
        let mut entry = self.entry(action);
        self.write(move |db| {
            let value = job(db, &mut entry)?;
            audit::insert(db, &entry)?;
            Ok(value)
        })
        .await
    }

    /// Changes what is stored, as [`Store::write`](crate::store::Store::write), if the caller may still do so
    /// by then: what they were let in by may be gone since. Verbs write by this or [`write_last`](Self::write_last) alone.
    ///
    /// # Errors
    /// 401 or 403 if the caller may not any more; what `job` answers; the database refuses. Then nothing was changed.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.host.store.write(self.admitted(job)).await
    }

    /// [`write`](Self::write), for a `job` that asks all its questions before it changes anything: see
    /// [`Store::write_last`](crate::store::Store::write_last).
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub async fn write_last<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.host.store.write_last(self.admitted(job)).await
    }

    /// `job`, which is refused if the caller may not any more.
    fn admitted<T>(
        &self,
        job: impl FnOnce(&Conn) -> Result<T> + Send + 'static,
    ) -> impl FnOnce(&Conn) -> Result<T> + Send + 'static {
        let admission = self.admission();
        move |db| {
            admission.holds(db)?;
            job(db)
        }
    }

    /// Does `work`, which may wait for long and changes nothing that is stored, and gives it up once the caller may no
    /// longer do what they were let in for: a command that waits for its turn is then not sent.
    ///
    /// # Errors
    /// 401 or 403 if the caller may not any more; what `work` answers.
    pub async fn as_long_as_allowed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.as_long_as(work, || std::future::ready(None)).await
    }

    /// [`as_long_as_allowed`](Self::as_long_as_allowed), and until `gone` says what became of the thing it is about. It
    /// is asked as often as whether the caller still may.
    ///
    /// # Errors
    /// As there; and what `gone` answers.
    pub async fn as_long_as<T, G: Future<Output = Option<Error>>>(
        &self,
        work: impl Future<Output = Result<T>>,
        gone: impl Fn() -> G,
    ) -> Result<T> {
        let over = async {
            let admission = self.admission();
            loop {
                sleep(LOOK_EVERY).await;
                if let Err(e) = admission.stands().await {
                    return e;
                }
                if let Some(e) = gone().await {
                    return e;
                }
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            over = over => Err(over),
        }
    }

    /// What the caller was let in by.
    pub(crate) fn admission(&self) -> Admission {
        Admission { host: self.host.clone(), caller: self.caller.clone(), access: self.access }
    }
}
