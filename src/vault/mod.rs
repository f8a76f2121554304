//! Encryption at rest: the keys, and sealing with them.
//!
//! Secrets are sealed with a *data key*, which lies in the database, wrapped by the *master key*, which does not: it
//! comes from the environment or lies in a file of its own. So a data key is changed in one transaction, and a master
//! key without touching what is sealed. Deliberately absent: SQL, which is `store::data_keys`' business, and any way
//! to go on without the right key.

mod key;
mod key_file;
mod master;
mod origin;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use tracing::warn;
use zeroize::Zeroizing;

use key::Key;
use key_file::KeyFile;
use master::MasterKey;
use origin::Named;

pub use self::key::{Place, SealError};
pub use self::origin::Given;

/// The master key cannot be had, or a new one cannot be used. One line for the operator, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(String);

impl KeyError {
    fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

/// A data key as it is stored.
#[derive(Debug, Clone)]
pub struct WrappedKey {
    /// Its ID.
    pub id: u32,
    /// The key, sealed with the master key.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    fn place(id: u32) -> Place {
        Place { table: "data_keys", column: "wrapped", row: id.into() }
    }
}

/// Where the master key is kept.
#[derive(Debug)]
enum Keeper {
    /// In a file of the data directory, which is ours to replace.
    File(KeyFile),
    /// Where this variable says, which is the operator's.
    Operator(String),
}

/// The keys, while the database is open.
///
/// It knows every data key that was in force since then: a reader may still look at what was sealed before a change.
/// Which one new values are sealed with is for the caller to say, since only a transaction knows.
pub struct Vault {
    keeper: Keeper,
    master: RwLock<MasterKey>,
    data_keys: RwLock<BTreeMap<u32, Arc<Key>>>,
    /// Held while a key is changed.
    pub turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}

/// A master key that is about to come into force. Its file, if it has one, is on disk already.
pub struct NewMaster(MasterKey);

impl Vault {
    /// Finds the master key that `stored` is wrapped with. Where nothing is stored yet, the key that is given or in
    /// the data directory's file is taken, or made and written there.
    ///
    /// # Errors
    /// There is no key, or not the right one; nothing is made then.
    pub fn open(data_directory: &Path, given: &Given, stored: &[WrappedKey]) -> Result<Self, KeyError> {
        let (keeper, master) = match &given.current {
            Some(current) => {
                let master = Self::choose_given(data_directory, current, given.next.as_ref(), stored)?;
                (Keeper::Operator(current.name.clone()), master)
            }
            None => {
                let file = KeyFile::of(data_directory);
                let master = Self::choose_kept(&file, stored)?;
                (Keeper::File(file), master)
            }
        };
        let mut data_keys = BTreeMap::new();
        for WrappedKey { id, wrapped } in stored {
            let key = master.key().unseal(WrappedKey::place(*id), wrapped).ok();
            let key = key.and_then(|bytes| Key::from_bytes(*id, &bytes)).ok_or_else(|| {
                KeyError::new(format_args!(
                    "the data key {id} in the database below {} is damaged; restore a backup of the database",
                    data_directory.display()
                ))
            })?;
            data_keys.insert(*id, Arc::new(key));
        }
        Ok(Self {
            keeper,
            master: RwLock::new(master),
            data_keys: RwLock::new(data_keys),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Finishes, or forgets, a change of the master key that was interrupted, and puts a new one in its place. Call it
    /// when the database holds what is wrapped with it.
    ///
    /// # Errors
    /// The key's file cannot be written.
    pub fn settle(&self) -> Result<(), KeyError> {
        let Keeper::File(file) = &self.keeper else { return Ok(()) };
        let is_new = !file.exists();
        file.settle(&self.master.read())?;
        if is_new {
            warn!(
                "the master key is {}; back it up, apart from the database: without it the agents' secrets cannot be \
                 read",
                file.path().display()
            );
        }
        Ok(())
    }

    /// What is wrong with the master key's file, if that is ours to keep: without it nothing that is sealed now can be
    /// read after the next start. Blocks.
    pub fn missing(&self) -> Option<String> {
        let Keeper::File(file) = &self.keeper else { return None };
        // While the key is changed the file may be the one or the other.
        let _turn = self.turn.try_lock().ok()?;
        file.fault(&self.master.read())
    }

    /// Whether [`open`](Self::open) finds the master key that `stored` is wrapped with. Nothing is made or changed, but
    /// that others than its owner can no longer read the key's file.
    ///
    /// # Errors
    /// It does not.
    pub fn check(data_directory: &Path, given: &Given, stored: &[WrappedKey]) -> Result<(), KeyError> {
        if stored.is_empty() {
            return Ok(());
        }
        match &given.current {
            Some(current) => {
                Self::choose_given(data_directory, current, given.next.as_ref(), stored).map(drop)
            }
            None => Self::choose_kept(&KeyFile::of(data_directory), stored).map(drop),
        }
    }

    fn choose_given(
        data_directory: &Path,
        current: &Named,
        next: Option<&Named>,
        stored: &[WrappedKey],
    ) -> Result<MasterKey, KeyError> {
        if let Some(master) = fitting(current.keys()?, stored) {
            return Ok(master);
        }
        if let Some(next) = next
            && let Some(master) = fitting(next.keys()?, stored)
        {
            warn!(
                "the master key is the one of {} by now; put it into {} and unset {}",
                next.name, current.name, next.name
            );
            return Ok(master);
        }
        let file = KeyFile::of(data_directory);
        let hint = if file.exists() {
            format!("; there is {}, too: to use it, unset {}", file.path().display(), current.name)
        } else {
            String::new()
        };
        Err(KeyError::new(format_args!(
            "the secrets in the database below {} are sealed with another master key than {} holds; set it to the key \
             they were sealed with (the new one, if `netignite secrets rotate-key --master` has changed it){hint}",
            data_directory.display(),
            current.name
        )))
    }

    fn choose_kept(file: &KeyFile, stored: &[WrappedKey]) -> Result<MasterKey, KeyError> {
        let current = file.read()?;
        if let Some(candidates) = current {
            if let Some(master) = fitting(candidates, stored) {
                return Ok(master);
            }
        } else if stored.is_empty() {
            let master = MasterKey::random()?;
            file.write_new(&master)?;
            return Ok(master);
        }
        // A change of the key that was interrupted after its commit.
        if let Some(master) = file.read_new()
            && wraps(&master, stored)
        {
            return Ok(master);
        }
        let path = file.path().display();
        let found = if file.exists() {
            format!(
                "{path} holds another master key than the one the secrets in the database beside it are sealed with"
            )
        } else {
            format!(
                "there is no master key for the secrets in the database: {path} is missing, and neither \
                 NETIGNITE_SECRET_KEY nor NETIGNITE_SECRET_KEY_FILE is set"
            )
        };
        Err(KeyError::new(format_args!(
            "{found}; put the right secret.key there from a backup, or set NETIGNITE_SECRET_KEY to the key; if it is \
             lost for good, docs/keys.md says what can be saved"
        )))
    }

    /// Makes the data key `id` and remembers it; gives it in the form in which it is stored.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn make_data_key(&self, id: u32) -> Result<Vec<u8>, SealError> {
        let key = Key::random(id)?;
        let wrapped = self.master.read().key().seal(WrappedKey::place(id), key.bytes())?;
        self.data_keys.write().insert(id, Arc::new(key));
        Ok(wrapped)
    }

    /// Seals `plain` with the data key `id`, for `place` alone.
    ///
    /// # Errors
    /// There is no such key, or no randomness.
    pub fn seal(&self, id: u32, place: Place, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.data_key(id)?.seal(place, plain)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// It was not sealed, not with a key that is known, or not for this place; or it is damaged.
    pub fn unseal(&self, place: Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.data_key(key::key_id(sealed)?)?.unseal(place, sealed)
    }

    fn data_key(&self, id: u32) -> Result<Arc<Key>, SealError> {
        self.data_keys.read().get(&id).cloned().ok_or(SealError::UnknownKey(id))
    }

    /// The first step of changing the master key: takes the `given` one or makes one up, and writes it beside the old
    /// one if it is kept in our file. Blocks.
    ///
    /// # Errors
    /// The operator keeps the key and gave none, or a weak one, or the one in force; or the file cannot be written.
    pub fn prepare_master(&self, given: Option<&str>) -> Result<NewMaster, KeyError> {
        let new = match (given, &self.keeper) {
            (Some(text), _) => MasterKey::from_text(text)
                .map_err(|e| KeyError::new(format_args!("the new master key is {e}")))?,
            (None, Keeper::File(_)) => MasterKey::random()?,
            (None, Keeper::Operator(variable)) => {
                return Err(KeyError::new(format_args!(
                    "the master key is the one of {variable}, which the server cannot change: give a new one to this \
                     command in NETIGNITE_NEW_SECRET_KEY or NETIGNITE_NEW_SECRET_KEY_FILE, such as from `openssl rand \
                     -base64 32`"
                )));
            }
        };
        if new.same(&self.master.read()) {
            return Err(KeyError::new("the new master key is the one that is in force already"));
        }
        if let Keeper::File(file) = &self.keeper {
            // What an earlier change could not put in its place may be all there is of the key in force.
            file.settle(&self.master.read())?;
            file.write_new(&new)?;
        }
        Ok(NewMaster(new))
    }

    /// The data key `id`, wrapped by a master key that is about to come into force.
    ///
    /// # Errors
    /// There is no such key, or no randomness.
    pub fn wrap_anew(&self, new: &NewMaster, id: u32) -> Result<Vec<u8>, SealError> {
        new.0.key().seal(WrappedKey::place(id), self.data_key(id)?.bytes())
    }

    /// The last step of changing the master key, after the commit. Says where the operator finds the key, or has to
    /// put it. Blocks.
    pub fn adopt(&self, new: NewMaster) -> String {
        *self.master.write() = new.0;
        match &self.keeper {
            Keeper::Operator(variable) => variable.clone(),
            Keeper::File(file) => {
                if let Err(e) = file.put_in_place() {
                    warn!("{e}; the next start tries again");
                }
                file.path().display().to_string()
            }
        }
    }

    /// Whether the operator keeps the master key, not we.
    pub fn is_operators(&self) -> bool {
        matches!(self.keeper, Keeper::Operator(_))
    }
}

/// The first of some keys that `stored` may be wrapped with.
fn fitting(candidates: Vec<MasterKey>, stored: &[WrappedKey]) -> Option<MasterKey> {
    candidates.into_iter().find(|master| wraps(master, stored))
}

/// Whether all of `stored` may be wrapped with `master`: it is if nothing is.
fn wraps(master: &MasterKey, stored: &[WrappedKey]) -> bool {
    stored.iter().all(|key| key::key_id(&key.wrapped) == Ok(master.key().id()))
}
