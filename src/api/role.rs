//! Roles as they are written and shown: a superadmin's is `admin`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::word;
use crate::auth::permission::Role;

/// A role as it is written and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleName {
    Admin,
    User,
}

word!(RoleName, "admin or user");

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Admin | Role::Superadmin => Self::Admin,
        }
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::User => Self::User,
            RoleName::Admin => Self::Admin,
        }
    }
}
