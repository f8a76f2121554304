//! Who calls, and what they may do.
//!
//! `password` hashes and verifies on threads of its own, `session` keeps who is logged in, `accounts` what a session
//! needs to know of its user, `throttle` slows down guessing, `permission` is the table of who may do what. Nothing
//! here knows a route.

pub mod accounts;
pub mod first_admin;
mod hasher;
pub mod password;
pub mod permission;
pub mod session;
pub mod throttle;

use std::sync::Arc;

use accounts::Account;
use permission::{Permission, Role, Scope, allowed};
use session::SessionKey;

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
        session: SessionKey,
    },
    /// Whoever owns the data directory, through the local socket or the command line.
    Operator,
}

impl Caller {
    /// The caller's role, if they have one.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::User { account, .. } => Some(account.role),
            Self::Operator => Some(Role::Superadmin),
        }
    }

    /// Whether the caller has `permission` on things of `scope`.
    pub fn may(&self, permission: Permission, scope: Scope) -> bool {
        self.role().is_some_and(|role| allowed(role, permission, scope))
    }

    /// The user's ID, if a user calls.
    pub fn user_id(&self) -> Option<i64> {
        match self {
            Self::User { account, .. } => Some(account.id),
            Self::Nobody | Self::Operator => None,
        }
    }

    /// Whether the local operator calls.
    pub fn is_operator(&self) -> bool {
        matches!(self, Self::Operator)
    }
}
