//! Who calls, and what they may do.
//!
//! `password` hashes and verifies on threads of its own, `password_rule` says which new ones are good, `session` keeps
//! who is logged in, `second_factor` is what is asked for besides the password, `reset` lets in who forgot the password,
//! `tokens` are what programs call with, `accounts` what either needs to know of its user, `typed_code`
//! are codes that people type, `throttle` slows down guessing. Nothing here knows a route.

pub mod accounts;
pub mod first_admin;
mod hasher;
pub mod password;
pub mod password_rule;
pub mod reset;
pub mod second_factor;
pub mod session;
pub mod throttle;
pub mod tokens;
pub mod typed_code;

use std::sync::Arc;

use crate::model::digest::Digest;
use accounts::Account;
use permission::{Permission, Role, Scope, allowed};
use tokens::Token;

use crate::error::{Error, Kind, Result};
use crate::model::audit::Actor;
pub use crate::model::permission;

pub(crate) use self::session::fresh_token;

/// Who makes a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Nobody known; only public routes see this.
    Nobody,
    /// A user with a valid session.
    User {
        /// The user.
        account: Arc<Account>,
        /// Their session.
        session: Digest,
    },
    /// A program with a valid API token of a user.
    Token {
        /// The user.
        account: Arc<Account>,
        /// Their token.
        token: Arc<Token>,
    },
    /// Whoever owns the data directory, through the local socket or the command line.
    Operator,
    /// A plugin of the server, by itself: the one of this name.
    Plugin(&'static str),
}

impl Caller {
    /// Whether the caller has `permission` on things of `scope`: as their role is now, and as their token says if they
    /// call with one.
    pub fn may(&self, permission: Permission, scope: Scope) -> bool {
        match self {
            Self::Nobody => false,
            Self::User { account, .. } => allowed(account.role, permission, scope),
            Self::Token { account, token } => {
                allowed(account.role, permission, scope) && token.allows(permission, scope)
            }
            Self::Operator | Self::Plugin(_) => allowed(Role::Superadmin, permission, scope),
        }
    }

    /// Whether the caller has `permission` on things of some scope.
    pub fn has(&self, permission: Permission) -> bool {
        self.may(permission, Scope::Own) || self.may(permission, Scope::Any)
    }

    /// Refuses a caller who does not have `permission` on things of any scope.
    ///
    /// # Errors
    /// 403 naming the permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.has(permission) {
            return Ok(());
        }
        let whose = if let Self::Token { .. } = self { "token" } else { "role" };
        Err(Error::forbidden(format!("Your {whose} does not have the permission {}", permission.name())))
    }

    /// The caller as the audit log names it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Nobody => Actor::Nobody,
            Self::User { account, .. } => Actor::User { id: account.id, name: account.username.clone() },
            Self::Token { token, .. } => {
                Actor::Token { id: token.row.id, name: token.row.name.clone(), user: token.row.user }
            }
            Self::Operator => Actor::Operator,
            Self::Plugin(name) => Actor::Plugin { name },
        }
    }

    /// The user who calls, or whose token does.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::User { account, .. } | Self::Token { account, .. } => Some(account),
            Self::Nobody | Self::Operator | Self::Plugin(_) => None,
        }
    }

    /// The user's ID, if a user calls, or a token of theirs.
    pub fn user_id(&self) -> Option<i64> {
        self.account().map(|account| account.id)
    }

    /// The token's ID, if a program calls.
    pub fn token_id(&self) -> Option<i64> {
        match self {
            Self::Token { token, .. } => Some(token.row.id),
            Self::Nobody | Self::User { .. } | Self::Operator | Self::Plugin(_) => None,
        }
    }

    /// The user who is logged in, and their session.
    ///
    /// # Errors
    /// 400 for anyone else; routes for sessions let in nobody but the local operator besides.
    pub fn session(&self) -> Result<(&Arc<Account>, Digest)> {
        match self {
            Self::User { account, session } => Ok((account, *session)),
            Self::Nobody | Self::Token { .. } | Self::Operator | Self::Plugin(_) => {
                Err(Error::invalid("This is about the account of a user who is logged in, which you are not"))
            }
        }
    }

    /// The devices the caller is restricted to; none if they are not.
    pub fn only_devices(&self) -> Option<Arc<[i64]>> {
        match self {
            Self::Token { token, .. } => token.row.devices.clone(),
            Self::Nobody | Self::User { .. } | Self::Operator | Self::Plugin(_) => None,
        }
    }

    /// Whether everyone's things are meant without a word: the local operator's caller, or a plugin by itself.
    pub fn reaches_all(&self) -> bool {
        matches!(self, Self::Operator | Self::Plugin(_))
    }

    /// Whether the local operator calls.
    pub fn is_operator(&self) -> bool {
        matches!(self, Self::Operator)
    }

    /// Refuses a token where a person must be logged in: what gives access, such as passwords and tokens, is changed by
    /// no token, whatever its permissions.
    ///
    /// # Errors
    /// 403 for a token.
    pub fn refuse_token(&self) -> Result<()> {
        match self {
            Self::Token { .. } => Err(Error::new(
                Kind::Forbidden,
                "session_required",
                "An API token cannot do this: log in and send the session's cookie instead",
            )),
            Self::Nobody | Self::User { .. } | Self::Operator | Self::Plugin(_) => Ok(()),
        }
    }
}
