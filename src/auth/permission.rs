//! Who may do what: one table from role and scope to permissions.
//!
//! Handlers and routes name a [`Permission`] and never test a role. [`Scope`] says whose things are meant: `Any`
//! must be asked for (`?adminMode=true`) and is granted only where the table says so.

use schemars::JsonSchema;
use serde::Serialize;

/// What a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Manages what is theirs.
    User,
    /// Also manages users and, in admin mode, everyone's agents and devices.
    Admin,
    /// Also grants and takes the admin role. There is always one.
    Superadmin,
}

impl Role {
    /// The role as it is stored and shown: a superadmin's is `admin`.
    pub fn stored(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin | Self::Superadmin => "admin",
        }
    }

    /// The role of a stored word and the superadmin mark.
    pub fn from_stored(role: &str, superadmin: bool) -> Self {
        match (role, superadmin) {
            ("admin", true) => Self::Superadmin,
            ("admin", false) => Self::Admin,
            _ => Self::User,
        }
    }
}

/// Something a caller may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Permission {
    /// See agents.
    #[serde(rename = "agents:read")]
    AgentsRead,
    /// Create, change and delete agents.
    #[serde(rename = "agents:write")]
    AgentsWrite,
    /// See an agent's secret.
    #[serde(rename = "agents:secret")]
    AgentsSecret,
    /// Send any command to an agent.
    #[serde(rename = "agents:command")]
    AgentsCommand,
    /// See devices and their status.
    #[serde(rename = "devices:read")]
    DevicesRead,
    /// Create, change and delete devices.
    #[serde(rename = "devices:write")]
    DevicesWrite,
    /// Wake devices.
    #[serde(rename = "devices:wake")]
    DevicesWake,
    /// See users.
    #[serde(rename = "users:read")]
    UsersRead,
    /// Create, change and delete users.
    #[serde(rename = "users:write")]
    UsersWrite,
    /// Grant and take the admin role, and change other admins.
    #[serde(rename = "users:grant")]
    UsersGrant,
    /// Administer the server itself.
    #[serde(rename = "server:admin")]
    ServerAdmin,
}

/// Whose things an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The caller's own.
    Own,
    /// Anyone's.
    Any,
}

/// What it takes to change or delete another user who has `role`.
pub fn to_manage(role: Role) -> Permission {
    if role >= Role::Admin { Permission::UsersGrant } else { Permission::UsersWrite }
}

/// Whether `role` may use `permission` on things of `scope`. This function is the whole table; what it does not
/// name is denied.
pub fn allowed(role: Role, permission: Permission, scope: Scope) -> bool {
    use Permission as P;
    match (permission, scope) {
        (
            P::AgentsRead
            | P::AgentsWrite
            | P::AgentsSecret
            | P::AgentsCommand
            | P::DevicesRead
            | P::DevicesWrite
            | P::DevicesWake,
            Scope::Own,
        ) => true,
        (
            P::AgentsRead
            | P::AgentsWrite
            | P::AgentsCommand
            | P::DevicesRead
            | P::DevicesWrite
            | P::DevicesWake
            | P::UsersRead
            | P::UsersWrite
            | P::ServerAdmin,
            Scope::Any,
        ) => role >= Role::Admin,
        (P::UsersGrant, Scope::Any) => role >= Role::Superadmin,
        // Nobody sees another user's secrets, and users belong to no one.
        (P::AgentsSecret, Scope::Any)
        | (P::UsersRead | P::UsersWrite | P::UsersGrant | P::ServerAdmin, Scope::Own) => false,
    }
}
