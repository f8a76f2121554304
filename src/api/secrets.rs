//! `/api/admin/secrets`: changing the keys that secrets are sealed with.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::tags::SERVER;
use crate::domain::keys::{self, MasterKeyPlace};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/admin/secrets/rotate-key", "Seal all secrets with a new data key")
            .needs(&[P::ServerAdmin])
            .tag(SERVER)
            .fails(&[f::DAMAGED_SECRET])
            .handler(rotate_key),
        Route::post("/api/admin/secrets/rotate-master-key", "Change the master key")
            .operator()
            .tag(SERVER)
            .example("{}")
            .fails(&[f::MASTER_KEY_NOT_CHANGED])
            .handler(rotate_master_key),
    ]
}

/// What a change of the data key came to.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotatedView {
    /// The ID of the new data key.
    #[serde(rename = "keyID")]
    key_id: u32,
    /// How many secrets are sealed with it now.
    secrets: usize,
}

async fn rotate_key(call: Call, _: NoBody) -> Result<Answer<RotatedView>> {
    let rotated = keys::rotate_data_key(&call).await?;
    let view = RotatedView { key_id: rotated.key, secrets: rotated.values };
    Ok(Answer::ok("The data key was changed", view))
}

/// The new master key, if the operator keeps it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MasterBody {
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    new_key: Option<SecretString>,
}

/// Where the new master key is, or belongs.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MasterView {
    /// The file it lies in, or the operator's variable it belongs into.
    place: String,
    /// Whether the operator has to put it there, before the next start.
    by_operator: bool,
}

async fn rotate_master_key(call: Call, Json(body): Json<MasterBody>) -> Result<Answer<MasterView>> {
    let MasterKeyPlace { place, by_operator } = keys::change_master_key(&call, body.new_key).await?;
    let view = MasterView { place, by_operator };
    Ok(Answer::ok("The master key was changed", view))
}
