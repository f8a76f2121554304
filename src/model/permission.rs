//! Who may do what: one table from role and scope to permissions.
//!
//! Handlers and routes name a [`Permission`] and never test a role. [`Scope`] says whose things are meant: `Any`
//! must be asked for (`?adminMode=true`) and is granted only where the table says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plugin_words::{self, PluginPermission, PluginWords};

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

/// The permissions, each with what it allows and its name.
macro_rules! permissions {
    ($($(#[$about:meta])+ $variant:ident = $name:literal,)+) => {
        /// Something a caller may be allowed to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[schemars(transform = add_plugins)]
        pub enum Permission {
            $($(#[$about])+ #[serde(rename = $name)] $variant,)+
            /// What a plugin of its own says.
            #[serde(untagged)]
            #[schemars(skip)]
            Plugin(PluginPermission),
        }

        impl Permission {
            /// Every permission of the server's own, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name, which programs and people use.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Plugin(permission) => permission.name,
                }
            }
        }
    };
}

permissions! {
    /// See agents.
    AgentsRead = "agents:read",
    /// Create, change and delete agents.
    AgentsWrite = "agents:write",
    /// See an agent's secret and, with `agents:write`, have a new one made.
    AgentsSecret = "agents:secret",
    /// Send any command to an agent.
    AgentsCommand = "agents:command",
    /// See devices and their status.
    DevicesRead = "devices:read",
    /// Create, change and delete devices.
    DevicesWrite = "devices:write",
    /// Wake devices.
    DevicesWake = "devices:wake",
    /// Shut devices down, restart them and send them to sleep.
    DevicesPower = "devices:power",
    /// Share devices, and all devices of agents, with other users.
    DevicesShare = "devices:share",
    /// See users.
    UsersRead = "users:read",
    /// Create, change and delete users who are no admins.
    UsersWrite = "users:write",
    /// Grant and take the roles admin and superadmin, and change other admins.
    UsersGrant = "users:grant",
    /// See the audit log.
    AuditRead = "audit:read",
    /// Administer the server itself.
    ServerAdmin = "server:admin",
}

impl Permission {
    /// A permission that a plugin brings: its name begins with the plugin's and a colon, and who has `role` or a higher one
    /// has it. What it allows is a sentence.
    ///
    /// ```
    /// # use netignite::prelude::*;
    /// const PUBLISH: Permission = Permission::of_plugin("visitors:publish", Role::Admin, "Publish who came.");
    /// assert_eq!(PUBLISH.name(), "visitors:publish");
    /// ```
    pub const fn of_plugin(name: &'static str, role: Role, about: &'static str) -> Self {
        Self::Plugin(PluginPermission { name, role, about })
    }

    /// Every permission: the server's own, and those of its plugins.
    pub fn all() -> impl Iterator<Item = Self> {
        let plugins = PluginWords::all().into_iter().flat_map(|words| words.permissions.iter().copied());
        Self::ALL.iter().copied().chain(plugins)
    }

    /// The permission of a name; none for any other text.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|permission| permission.name() == name)
    }

    /// The names of all permissions, each with what it allows.
    pub fn described() -> Vec<(String, String)> {
        plugin_words::described(&schemars::schema_for!(Self))
    }
}

fn add_plugins(schema: &mut schemars::Schema) {
    let all = PluginWords::all().into_iter().flat_map(|words| words.permissions);
    plugin_words::add(
        schema,
        all.filter_map(|permission| match permission {
            Permission::Plugin(of) => Some((of.name, of.about)),
            _ => None,
        }),
    );
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
            | P::DevicesWake
            | P::DevicesPower
            | P::DevicesShare,
            Scope::Own,
        ) => true,
        (
            P::AgentsRead
            | P::AgentsWrite
            | P::AgentsCommand
            | P::DevicesRead
            | P::DevicesWrite
            | P::DevicesWake
            | P::DevicesPower
            | P::DevicesShare
            | P::UsersRead
            | P::UsersWrite
            | P::AuditRead
            | P::ServerAdmin,
            Scope::Any,
        ) => role >= Role::Admin,
        (P::UsersGrant, Scope::Any) => role >= Role::Superadmin,
        // Of everyone's things nobody has it who is no admin.
        (P::Plugin(of), Scope::Own) => role >= of.role,
        (P::Plugin(of), Scope::Any) => role >= of.role.max(Role::Admin),
        // Nobody sees another user's secrets; users, the audit log and the server belong to no one.
        (P::AgentsSecret, Scope::Any)
        | (P::UsersRead | P::UsersWrite | P::UsersGrant | P::AuditRead | P::ServerAdmin, Scope::Own) => false,
    }
}

/// Whether `role` may use `permission` on things of some scope.
pub fn has(role: Role, permission: Permission) -> bool {
    [Scope::Own, Scope::Any].into_iter().any(|scope| allowed(role, permission, scope))
}
