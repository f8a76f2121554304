//! The query's `ownerID`, with which the local operator says whose the things are that it makes.

use schemars::JsonSchema;

use crate::domain::owner;
use crate::error::{Error, Kind, Result};
use crate::model::id::parse_id;
use crate::rest::Call;

/// The query.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(super) struct OwnerQuery {
    /// The ID of the user whose it will be. From everyone but the local operator it is ignored.
    #[serde(rename = "ownerID")]
    owner_id: Option<i64>,
}

/// The query's key.
const OWNER: &str = "ownerID";

/// The owner of what the caller is about to make. From everyone but the operator the key is ignored, whatever it holds.
///
/// # Errors
/// 400 if the operator's `ownerID` is no ID; as for [`owner::owner_of_new`].
pub(super) async fn owner_of_new(call: &Call) -> Result<i64> {
    let given = if call.caller.is_operator() { call.query(OWNER) } else { None };
    let invalid = || Error::new(Kind::Invalid, "invalid_id", "Invalid ownerID: expected a user's ID");
    let named = given.map(|given| parse_id(&given).ok_or_else(invalid)).transpose()?;
    owner::owner_of_new(call, named).await
}
