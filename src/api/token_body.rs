//! What is asked of a new API token, checked as far as no database is needed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Check, Rule, USERNAME};
use super::field::Field;
use crate::auth::permission::Permission;
use crate::auth::tokens::ON_DEVICES;
use crate::clock::Millis;
use crate::domain::token::NewToken;
use crate::error::Result;

/// The devices a token can be restricted to, at most.
const MAX_DEVICES: usize = 1000;

const PERMISSIONS: Rule<Vec<String>, Vec<Permission>> =
    Rule::new("a list of one or more permissions by name, such as devices:wake", |names| {
        let mut found = Vec::new();
        for name in names {
            let permission = Permission::from_name(&name)?;
            if !found.contains(&permission) {
                found.push(permission);
            }
        }
        (!found.is_empty()).then_some(found)
    });

const DEVICES: Rule<Vec<i64>, Vec<i64>> = Rule::new(
    "a list of 1 to 1000 device IDs; leave it out for a token that is not restricted to devices",
    |mut ids| {
        ids.sort_unstable();
        ids.dedup();
        (1..=MAX_DEVICES).contains(&ids.len()).then_some(ids)
    },
);

/// A new token.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenBody {
    /// What people call it: 1 to 64 characters.
    name: Field<String>,
    #[schemars(with = "Vec<Permission>")]
    permissions: Field<Vec<String>>,
    /// When it ends, in milliseconds since the epoch; absent or null for never.
    #[serde(default)]
    expires_at: Field<i64>,
    /// The devices it is restricted to; absent or null for no restriction. Such a token can see and wake them, and
    /// nothing else.
    #[serde(default, rename = "deviceIDs")]
    device_ids: Field<Vec<i64>>,
}

impl TokenBody {
    /// The token that is asked for at the time `now`.
    ///
    /// # Errors
    /// 400 naming every wrong field.
    pub(super) fn for_new(self, now: Millis) -> Result<NewToken> {
        let mut check = Check::default();
        let name = check.required("name", self.name, &USERNAME);
        let permissions = check.required("permissions", self.permissions, &PERMISSIONS);
        let expires = check.end("expiresAt", self.expires_at, now);
        let devices = check.optional("deviceIDs", self.device_ids, &DEVICES);
        if let (Some(Some(_)), Some(permissions)) = (&devices, &permissions)
            && permissions.iter().any(|permission| !ON_DEVICES.contains(permission))
        {
            let [read, wake] = ON_DEVICES.map(Permission::name);
            let message =
                format!("expected {read}, {wake} or both: a token with deviceIDs can have no other");
            check.wrong("permissions", message);
        }
        match (name, permissions, expires, devices) {
            (Some(name), Some(permissions), Some(expires), Some(devices)) if check.is_good() => {
                Ok(NewToken { name, permissions, devices, expires })
            }
            _ => Err(check.error()),
        }
    }
}
