//! `/api/admin/secrets`: changing the keys that secrets are sealed with.
//!
//! Admins may change the data key, which shows nothing and loses nothing. The master key is the matter of whoever owns
//! the machine: the local operator alone changes it, since a key that only somebody else has would lock the server out
//! of its own secrets at the next start.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::audit::Action;
use crate::error::{Error, Result};
use crate::http::{Answer, Call, Json, NoBody};
use crate::store::data_keys;

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

pub(super) async fn rotate_key(call: Call, _: NoBody) -> Result<Answer<RotatedView>> {
    // A new data key must not be wrapped with a master key that is on its way out.
    let _turn = call.host.store.vault().turn.lock().await;
    let rotated = call.change(Action::SecretsRotateKey, |db, _| data_keys::rotate(db)).await?;
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

pub(super) async fn rotate_master_key(
    call: Call,
    Json(body): Json<MasterBody>,
) -> Result<Answer<MasterView>> {
    let store = call.host.store.clone();
    let _turn = store.vault().turn.lock().await;
    let change = call.change(Action::SecretsRotateMaster, move |db, _| {
        data_keys::change_master(db, body.new_key.as_ref().map(ExposeSecret::expose_secret))
    });
    let new = change.await?;
    let kept = store.clone();
    let adopted = tokio::task::spawn_blocking(move || kept.vault().adopt(new)).await;
    let place = adopted.map_err(Error::internal)?;
    let view = MasterView { place, by_operator: store.vault().is_operators() };
    Ok(Answer::ok("The master key was changed", view))
}
