//! Brings the schema up to date before anything else may use the database.
//!
//! The schema's version is SQLite's `user_version`. Each migration is one transaction, the new version included:
//! whatever interrupts it, the next start finds the version before or the one after. A file that is not ours, or
//! newer than this program, is looked at through a connection that cannot write, and refused; so is one whose secrets
//! are sealed with a key that is not at hand.

use std::path::Path;
use std::sync::Arc;

use libsql::OpenFlags;
use tracing::{info, warn};

use super::Conn;
use super::adopt;
use super::backup;
use super::data_keys;
use super::error::StoreError;
use super::file;
use super::mark::{self, Mark, Verdict};
use super::page;
use crate::vault::{Given, Vault};

/// Marks the file as a database of ours, in SQLite's header: "NIGN".
const APPLICATION_ID: i64 = 0x4E49_474E;

/// The migrations; the first leads to version 1.
const MIGRATIONS: &[Migration] = &[
    adopt::first_schema,
    people,
    fairness,
    server_state,
    makers,
    device_options,
    operations,
    device_presence,
    plugins,
    lists,
    user_times,
    plugin_digests,
    operations_of_devices,
];

/// The newest version of the schema.
#[cfg(test)]
pub(super) const NEWEST: usize = MIGRATIONS.len();

/// What changes the schema by one version, inside a transaction.
type Migration = fn(&Conn) -> Result<(), StoreError>;

/// The first version whose secrets are sealed. Copies made before it hold them readable.
pub(super) const SEALED_SINCE: i64 = 2;

/// Version 2: people, programs and secrets.
fn people(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0002_people.sql"))?;
    // In a file that was made just now, nothing was ever stored plain.
    let used = "SELECT EXISTS (SELECT 1 FROM users) OR EXISTS (SELECT 1 FROM agents)
                    OR (SELECT freelist_count FROM pragma_freelist_count) > 0";
    data_keys::insert(db, db.query_int(used, ())? == 0)?;
    Ok(data_keys::seal_plain(db)?)
}

/// Version 3: what one user does takes room from no other.
fn fairness(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0003_fairness.sql"))
}

/// Version 4: what the server knows of itself.
fn server_state(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0004_server_state.sql"))
}

/// Version 5: who made what is used without them.
fn makers(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0005_makers.sql"))
}

/// Version 6: how devices are reached, woken and looked for beyond their agent.
fn device_options(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0006_device_options.sql"))
}

/// Version 7: operations.
fn operations(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0007_operations.sql"))
}

/// Version 8: what came to be of devices.
fn device_presence(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0008_device_presence.sql"))
}

/// Version 9: which version the tables of each plugin have.
fn plugins(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0009_plugins.sql"))
}

/// Version 10: what lists are searched and sorted by.
fn lists(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0010_lists.sql"))?;
    page::fill(db)?;
    db.batch(include_str!("migrations/0010_lists_by.sql"))
}

/// Version 11: when users were made and logged in last.
fn user_times(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0011_user_times.sql"))
}

/// Version 12: which texts of a plugin's migrations were applied.
fn plugin_digests(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0012_plugin_digests.sql"))
}

/// Version 13: operations that are about no device are in no index of those of devices.
fn operations_of_devices(db: &Conn) -> Result<(), StoreError> {
    db.batch(include_str!("migrations/0013_operations_of_devices.sql"))
}

/// What a file holds before anything is changed.
#[derive(Debug)]
struct Found {
    version: i64,
    empty: bool,
}

/// Opens the writing connection on a database whose schema is the newest, with what ties it to its write-ahead log.
///
/// # Errors
/// The file holds something else or is of a newer program; or it cannot be copied or changed.
pub(super) fn open(path: &Path, given: &Given) -> Result<(Conn, Mark), StoreError> {
    let known = MIGRATIONS.len() as i64;
    let found = look_at_known(path)?;
    file::make_private(path)?;
    let mark = Mark::begin(path);
    let db = Conn::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // What is deleted or replaced is overwritten with zeros.
    db.batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")?;
    let db = unlock(db, path, given, &found)?;

    let pending: Vec<_> = (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found.version).collect();
    if let Some((first, _)) = pending.first()
        && !found.empty
    {
        let copy = backup::before_version(&db, *first)?;
        info!(
            "{} is brought to schema version {known}; a copy from before is {}",
            path.display(),
            copy.display()
        );
    }
    for (version, migration) in pending {
        apply(&db, version, *migration)?;
    }

    // Only now: a start that is interrupted before has made no database that the key would be missing its own of.
    db.vault()?.settle()?;

    let journal = db.pragma("PRAGMA journal_mode = WAL")?;
    if journal != "wal" {
        return Err(StoreError::new(format!(
            "{} cannot have a write-ahead log (its journal mode stays {journal}); put the data directory on a local \
             file system",
            path.display()
        )));
    }
    if data_keys::wiping_is_due(&db)?
        && let Err(e) = wipe(&db)
    {
        warn!(
            "{} may still hold agents' secrets readable in parts that are not in use: {e}; the next start tries again",
            path.display()
        );
    }
    if let [.., newest] = &backup::readable(path.parent().unwrap_or(path))?[..] {
        warn!(
            "there are copies of the database from before its secrets were sealed, which hold them readable, such as \
             {}: once you need no way back, remove them with `netignite secrets remove-backups`",
            newest.display()
        );
    }
    db.batch("PRAGMA foreign_keys = ON")?;
    Ok((db, mark))
}

/// Whether a database can be opened, as [`open`] does it; it is left as it is.
///
/// # Errors
/// As for [`open`].
pub(super) fn check(path: &Path, given: &Given) -> Result<(), StoreError> {
    let found = look_at_known(path)?;
    if found.version < SEALED_SINCE {
        return Ok(());
    }
    let keys = |flags| Ok(data_keys::all(&Conn::open(path, flags)?)?);
    // As in `look`.
    let keys: Result<_, StoreError> = keys(OpenFlags::SQLITE_OPEN_READ_ONLY);
    let keys = match keys {
        Ok(keys) => keys,
        Err(_) => data_keys::all(&Conn::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)?,
    };
    Ok(Vault::check(path.parent().unwrap_or(path), given, &keys)?)
}

/// What the file holds, if this program knows it.
fn look_at_known(path: &Path) -> Result<Found, StoreError> {
    let known = MIGRATIONS.len() as i64;
    let found = look(path, mark::judge(path))?;
    if found.version > known {
        return Err(StoreError::new(format!(
            "{} has schema version {}, and this program knows versions up to {known} only; the file was left as it \
             is: run the newer program again, or put the copy in its place that was made before the upgrade \
             ({}.before-v…)",
            path.display(),
            found.version,
            path.display(),
        )));
    }
    Ok(found)
}

/// Finds the keys to what is sealed, before anything is changed.
fn unlock(db: Conn, path: &Path, given: &Given, found: &Found) -> Result<Conn, StoreError> {
    let sealed = found.version >= SEALED_SINCE;
    let keys = if sealed { data_keys::all(&db)? } else { Vec::new() };
    if sealed && keys.is_empty() && data_keys::is_needed(&db)? {
        return Err(StoreError::new(format!(
            "{} holds sealed secrets and has lost the data key to them; restore a backup of the file",
            path.display()
        )));
    }
    let directory = path.parent().unwrap_or(path);
    let vault = Vault::open(directory, given, &keys)?;
    let db = db.with_vault(Arc::new(vault));
    if sealed && keys.is_empty() {
        data_keys::insert(&db, false)?;
    }
    Ok(db)
}

/// Builds the file anew without its free pages, which hold what was stored plain, and empties the write-ahead log.
fn wipe(db: &Conn) -> Result<(), StoreError> {
    // In memory, since there may be no place for temporary files, and no disk to leave them on.
    db.batch("PRAGMA temp_store = MEMORY; VACUUM")?;
    if db.query_int("PRAGMA wal_checkpoint(TRUNCATE)", ())? != 0 {
        return Err(StoreError::new("another process reads the database; stop it"));
    }
    Ok(data_keys::set_wiped(db)?)
}

/// Reads what the file holds, and refuses what is no database of ours.
fn look(path: &Path, verdict: Verdict) -> Result<Found, StoreError> {
    // A connection that cannot write leaves the file alone, but cannot read one whose last writer was killed in the
    // middle: that has to be rolled back first, as any program that opens the file does.
    let db = Conn::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    mark::check(&db, verdict)?;
    let (db, version) = match db.query_int("PRAGMA user_version", ()) {
        Ok(version) => (db, version),
        Err(_) => {
            drop(db);
            let db = Conn::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            let version = db.query_int("PRAGMA user_version", ())?;
            (db, version)
        }
    };
    let application = db.query_int("PRAGMA application_id", ())?;
    let empty = db.query_int("SELECT count(*) FROM sqlite_schema", ())? == 0;
    let foreign = |why: &str| {
        StoreError::new(format!(
            "{} is a database of another program ({why}); it was left as it is: move it away, or choose another data \
             directory",
            path.display()
        ))
    };
    match (version, application) {
        (1.., APPLICATION_ID) => {}
        (0, 0) if empty => {}
        (0, 0) => adopt::check(&db)?.map_err(|why| foreign(&why))?,
        _ => return Err(foreign(&format!("application ID {application}, schema version {version}"))),
    }
    Ok(Found { version, empty })
}

fn apply(db: &Conn, version: i64, migration: Migration) -> Result<(), StoreError> {
    // A table cannot be rebuilt while its foreign keys are watched, and inside a transaction the switch does nothing.
    db.batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")?;
    let done = migration(db).and_then(|()| {
        db.batch(&format!(
            "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT"
        ))
    });
    if done.is_err() && !db.is_autocommit() {
        // If this fails too, closing the connection does it.
        let _ = db.batch("ROLLBACK");
    }
    done
}
