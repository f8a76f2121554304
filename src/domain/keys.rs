//! Changing the keys that secrets are sealed with.
//!
//! Admins may change the data key, which shows nothing and loses nothing. The master key is the matter of whoever owns
//! the machine: the local operator alone changes it, since a key that only somebody else has would lock the server out
//! of its own secrets at the next start.

use secrecy::{ExposeSecret, SecretString};

use super::By;
use crate::error::{Error, Result};
use crate::model::audit::Action;
use crate::store::data_keys::{self, Rotated};

/// Where a new master key is, or belongs.
pub struct MasterKeyPlace {
    /// The file it lies in, or the operator's variable it belongs into.
    pub place: String,
    /// Whether the operator has to put it there, before the next start.
    pub by_operator: bool,
}

/// Seals all secrets with a new data key.
///
/// # Errors
/// The caller may not any more; the database refuses.
pub async fn rotate_data_key(by: &By) -> Result<Rotated> {
    // A new data key must not be wrapped with a master key that is on its way out.
    let _turn = by.host.store.vault().turn.lock().await;
    by.change(Action::SecretsRotateKey, |db, _| data_keys::rotate(db)).await
}

/// Changes the master key, to `new` if the operator keeps it.
///
/// # Errors
/// The key is none, or missing; the caller may not any more; the database or the key's file refuses.
pub async fn change_master_key(by: &By, new: Option<SecretString>) -> Result<MasterKeyPlace> {
    let store = by.host.store.clone();
    let _turn = store.vault().turn.lock().await;
    let change = by.change(Action::SecretsRotateMaster, move |db, _| {
        data_keys::change_master(db, new.as_ref().map(ExposeSecret::expose_secret))
    });
    let new = change.await?;
    let kept = store.clone();
    let adopted = tokio::task::spawn_blocking(move || kept.vault().adopt(new)).await;
    let place = adopted.map_err(Error::internal)?;
    Ok(MasterKeyPlace { place, by_operator: store.vault().is_operators() })
}
