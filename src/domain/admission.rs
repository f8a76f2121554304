//! Who calls, and whether they may: decided when a request has come in whole, and again wherever time has passed since.
//!
//! A decision is as old as the request's wait for a hash, for the writer or for an agent, and what it was made from may
//! be gone by then: the session, the token, the user or the role. So it is made again with what is stored, in the
//! transaction of every change (`Admission::holds`), and with what is in memory before what was read is answered, and
//! while a long answer is on its way (`Admission::stands`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::auth::{Caller, second_factor};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::model::access::Access;
use crate::model::account::Account;
use crate::model::permission::Role;
use crate::store::Conn;
use crate::store::standing::{self, Standing};

/// How often it is looked whether somebody still may, while something takes long.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What somebody was let in by.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(super) host: Arc<Host>,
    pub(super) caller: Caller,
    pub(super) access: Access,
}

impl Admission {
    /// Whether the caller may still do what they were let in for, by what is stored: called in the transaction of a
    /// change.
    ///
    /// # Errors
    /// 401 if the session or the token is good no more, 403 if the role is not; the database refuses.
    pub(crate) fn holds(&self, db: &Conn) -> Result<()> {
        let (account, standing) = match &self.caller {
            Caller::Nobody | Caller::Operator | Caller::Plugin(_) => return Ok(()),
            Caller::User { account, session } => {
                // Memory knows first of a session's end, and alone when its time is over.
                let there = self.host.sessions.get(*session).is_some();
                let standing = standing::of_session(db, account.id, &session.0)?.filter(|_| there);
                (account, standing.ok_or_else(session_over)?)
            }
            Caller::Token { account, token } => {
                let standing = standing::of_token(db, account.id, token.row.id, self.host.clock.now())?;
                (account, standing.ok_or_else(bad_token)?)
            }
        };
        self.decide(account, standing)
    }

    /// Whether the caller may still do what they were let in for, by what is in memory: where nothing is changed.
    ///
    /// # Errors
    /// As for [`holds`](Self::holds).
    pub(crate) async fn stands(&self) -> Result<()> {
        let (account, over): (_, fn() -> Error) = match &self.caller {
            Caller::Nobody | Caller::Operator | Caller::Plugin(_) => return Ok(()),
            Caller::User { account, session } => {
                self.host.sessions.get(*session).ok_or_else(session_over)?;
                (account, session_over)
            }
            Caller::Token { account, token } => {
                if !self.host.tokens.is_good(token) {
                    return Err(bad_token());
                }
                (account, bad_token)
            }
        };
        let now = self.host.accounts.get(account.id).await?.ok_or_else(over)?;
        self.decide(account, Standing { role: now.role, second_factor: now.second_factor })
    }

    /// Waits until the caller may no longer do what they were let in for, and says why. For what takes long.
    pub(crate) async fn over(&self) -> Error {
        loop {
            sleep(LOOK_EVERY).await;
            if let Err(e) = self.stands().await {
                return e;
            }
        }
    }

    /// Compares what the caller was let in with, and all that was decided since, with what is now.
    fn decide(&self, then: &Arc<Account>, now: Standing) -> Result<()> {
        let config = self.host.config.load();
        if (then.role, then.second_factor) == (now.role, now.second_factor) {
            return may_enter(&self.caller, self.access, &config);
        }
        let Standing { role, second_factor } = now;
        let account = Arc::new(Account { role, second_factor, ..(**then).clone() });
        let caller = match &self.caller {
            Caller::User { session, .. } => Caller::User { account, session: *session },
            Caller::Token { token, .. } => Caller::Token { account, token: token.clone() },
            other => other.clone(),
        };
        may_enter(&caller, self.access, &config)?;
        if lost(then.role, role) {
            // What this role still allows may have been decided with more in mind, such as whose things are meant.
            return Err(Error::new(
                Kind::Forbidden,
                "rights_changed",
                "Your role was changed while this was being done, and nothing was changed. Try again.",
            ));
        }
        Ok(())
    }
}

fn lost(then: Role, now: Role) -> bool {
    now < then
}

/// Refuses a caller whom a route is not for, or who must set up a second factor first.
///
/// # Errors
/// 403.
pub(crate) fn may_enter(caller: &Caller, access: Access, config: &Config) -> Result<()> {
    check_access(caller, access)?;
    check_second_factor(caller, access, config)
}

fn check_access(caller: &Caller, access: Access) -> Result<()> {
    let require = |access: Access| access.permissions().iter().try_for_each(|needed| caller.require(*needed));
    match access {
        Access::Public | Access::SignedIn | Access::Agent => Ok(()),
        Access::Session | Access::SettingUp => caller.refuse_token(),
        Access::Needs(_) => require(access),
        Access::SessionNeeds(_) => require(access).and_then(|()| caller.refuse_token()),
        Access::Operator if caller.is_operator() => Ok(()),
        Access::Operator => Err(Error::forbidden(
            "Only whoever owns the server's data directory may do this, with the netignite command there",
        )),
    }
}

/// Refuses a user, and their tokens, from whom the configuration wants a second factor that they do not have: nothing
/// is open to them but setting it up.
fn check_second_factor(caller: &Caller, access: Access, config: &Config) -> Result<()> {
    if matches!(access, Access::Public | Access::SettingUp) {
        return Ok(());
    }
    match caller.account() {
        Some(account) if second_factor::is_missing(account, config) => Err(Error::new(
            Kind::Forbidden,
            "totp_setup_required",
            "Your account must have a second factor: log in and set it up first, with an authenticator app",
        )),
        _ => Ok(()),
    }
}

pub(crate) fn session_over() -> Error {
    Error::unauthenticated("Invalid session")
}

pub(crate) fn bad_token() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "invalid_token",
        "The API token is not valid: it is mistyped, expired or revoked, or its user is gone",
    )
}
