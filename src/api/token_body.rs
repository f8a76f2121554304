//! What is asked of a new API token, checked as far as no database is needed.

use schemars::{JsonSchema, json_schema};
use serde::Deserialize;

use super::bounded::{Time, UserName, bounded, id};
use super::check::Check;
use super::field::Field;
use crate::auth::permission::Permission;
use crate::auth::tokens::ON_DEVICES;
use crate::clock::Millis;
use crate::domain::token::NewToken;
use crate::error::Result;

/// The devices a token can be restricted to, at most.
const MAX_DEVICES: usize = 1000;

bounded!(
    /// What a token allows.
    Permissions: Vec<String> => Vec<Permission>,
    "a list of one or more permissions by name, such as devices:wake",
    |generator| {
        json_schema!({ "type": "array", "items": generator.subschema_for::<Permission>(), "minItems": 1 })
    },
    |names| {
        let mut found = Vec::new();
        for name in names {
            let permission = Permission::from_name(&name)?;
            if !found.contains(&permission) {
                found.push(permission);
            }
        }
        (!found.is_empty()).then_some(found)
    }
);
bounded!(
    /// The devices a token is restricted to.
    Devices: Vec<i64> => Vec<i64>,
    "a list of 1 to 1000 device IDs; leave it out for a token that is not restricted to devices",
    |_| json_schema!({ "type": "array", "items": id(), "minItems": 1 }),
    |mut ids| {
        ids.sort_unstable();
        ids.dedup();
        (1..=MAX_DEVICES).contains(&ids.len()).then_some(ids)
    }
);

/// A new token.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenBody {
    /// What people call it.
    name: Field<UserName>,
    permissions: Field<Permissions>,
    /// When it ends, in milliseconds since the epoch; absent or null for never.
    #[serde(default)]
    expires_at: Field<Time>,
    /// The devices it is restricted to; absent or null for no restriction. Such a token can see and wake them, and
    /// nothing else.
    #[serde(default, rename = "deviceIDs")]
    device_ids: Field<Devices>,
}

impl TokenBody {
    /// The token that is asked for at the time `now`.
    ///
    /// # Errors
    /// 400 naming every wrong field.
    pub(super) fn for_new(self, now: Millis) -> Result<NewToken> {
        Check::all(|check| {
            let name = check.required("name", self.name);
            let permissions = check.required("permissions", self.permissions);
            let expires = check.end("expiresAt", self.expires_at, now);
            let devices = check.optional("deviceIDs", self.device_ids);
            if let (Some(Some(_)), Some(permissions)) = (&devices, &permissions)
                && permissions.iter().any(|permission| !ON_DEVICES.contains(permission))
            {
                let [read, wake] = ON_DEVICES.map(Permission::name);
                let message =
                    format!("expected {read}, {wake} or both: a token with deviceIDs can have no other");
                check.wrong("permissions", message);
            }
            Some(NewToken { name: name?, permissions: permissions?, devices: devices?, expires: expires? })
        })
    }
}
