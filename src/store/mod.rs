//! The database: one SQLite file through libsql.
//!
//! One writer thread owns the only writing connection and commits whatever is queued as one transaction; a few
//! reader threads answer questions on `query_only` connections with cached statements. Reads that are long have a thread
//! of their own, so that they never hold up the short ones. A caller hands a closure to
//! [`Store::write`] or [`Store::read`] and awaits its result; a write's result arrives after the commit. SQL lives
//! in this folder only: one file a table, each a set of plain functions over [`Conn`], so that several can share a
//! transaction.
//!
//! Exactly one connection writes and checkpoints: the bundled SQLite can damage a write-ahead log that two of them
//! reset at once. That other processes keep away is the data directory's lock's business, not this folder's.

mod adopt;
mod conn;
mod error;
mod file;
#[cfg(test)]
mod in_step;
mod job;
mod mark;
mod memo;
mod migrate;
mod queue;
mod reach;
mod reader;
mod recent;
mod row;
mod turns;
mod watch;
mod writer;

pub mod agent_page;
pub mod agents;
pub mod audit;
pub mod audit_page;
pub mod backup;
pub mod behind;
pub mod data_keys;
pub mod device_agents;
pub mod device_options;
pub mod device_page;
pub mod device_presence;
pub mod device_watch;
pub mod devices;
pub mod enrolment_codes;
pub mod figures;
pub mod given_shares;
pub mod idempotency_keys;
pub mod operation_page;
pub mod operation_rows;
pub mod operation_times;
pub mod operation_trail;
pub mod operations;
pub mod page;
pub mod password_resets;
pub mod second_factors;
pub mod server_counts;
pub mod server_state;
pub mod sessions;
pub mod shares;
pub mod standing;
pub mod tokens;
pub mod unit_tables;
pub mod users;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::error;

pub use self::conn::Conn;
pub use self::error::StoreError;
pub use self::figures::Stats;
pub use self::file::is_bereft;
#[cfg(test)]
pub(crate) use self::in_step::Disk;
pub use self::memo::Memo;
use self::queue::{Queue, spawn};
pub use self::recent::Recent;
pub use self::row::Row;
use self::turns::Turns;
pub use self::unit_tables::{Table, Unit};
use self::watch::Watch;
use crate::error::{Error, Result};
pub use crate::model::reach::{Reach, Right, Whose};
use crate::vault::{Given, Vault};

/// How many jobs may wait for the writer, and how many for the readers; further callers wait for a place.
const QUEUE: usize = 1024;
/// How many threads read.
const READERS: usize = 2;
/// For how long it is believed that writing works because it did.
const FRESH: Duration = Duration::from_secs(10);

/// The handle to the database; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    reading: Queue,
    reading_long: Queue,
    turns: Turns,
    writing: Queue,
    counters: Arc<writer::Counters>,
    vault: Arc<Vault>,
    watch: Arc<Watch>,
    /// Held while it is tried whether writing works.
    trying: Arc<tokio::sync::Mutex<()>>,
    /// How the threads keep step with a simulated time.
    #[cfg(test)]
    in_step: std::sync::OnceLock<in_step::InStep>,
}

impl Store {
    /// Opens `db.sqlite` in `data_directory`, both made if missing, and brings its schema up to date; a copy of
    /// existing data is made before. The master key to its secrets is `given`, else it lies in a file beside it, which
    /// is made for a new database. Runs on a thread where it may block.
    ///
    /// # Errors
    /// The file cannot be opened, holds something else, or was written by a newer program, or the master key is not
    /// at hand; then it is left as it is.
    pub async fn open(data_directory: &Path, given: Given) -> Result<Self, StoreError> {
        let directory = data_directory.to_owned();
        tokio::task::spawn_blocking(move || Self::open_blocking(&directory, &given))
            .await
            .unwrap_or_else(|_| Err(StoreError::new("opening the database panicked; the log says where")))
    }

    /// [`open`](Self::open) for a thread that may block.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_blocking(data_directory: &Path, given: &Given) -> Result<Self, StoreError> {
        let (file, path) = file::prepare(data_directory)?;
        let watch = Arc::new(Watch::over(file, &path));
        let (db, mark) = migrate::open(&path, given)?;
        let db = db.with_watch(watch.clone());
        let vault = db.vault()?.clone();
        let readers =
            (0..READERS).map(|_| reader::open(&path, &vault, &watch)).collect::<Result<Vec<_>, _>>()?;
        let long = reader::open(&path, &vault, &watch)?;
        server_state::touch(&db)?;
        watch.begin()?;
        // From here on the log is written back where the mark says so, and nowhere else.
        db.batch("PRAGMA wal_autocheckpoint = 0")?;
        mark.settled();
        watch.settled();

        let counters = Arc::<writer::Counters>::default();
        let (writing, queue) = async_channel::bounded(QUEUE);
        let (counted, watched) = (counters.clone(), watch.clone());
        let writer = spawn("db-writer", &path, move || writer::run(db, &watched, &mark, &queue, &counted))?;

        let (reading, queue) = async_channel::bounded(QUEUE);
        let readers = readers
            .into_iter()
            .map(|db| {
                let queue = queue.clone();
                spawn("db-reader", &path, move || reader::run(&db, &queue))
            })
            .collect::<Result<_, _>>()?;
        let (reading_long, queue) = async_channel::bounded(QUEUE);
        let long = spawn("db-reader-long", &path, move || reader::run(&long, &queue))?;
        Ok(Self(Arc::new(Inner {
            reading_long: Queue::new(reading_long, vec![long]),
            turns: Turns::default(),
            reading: Queue::new(reading, readers),
            writing: Queue::new(writing, vec![writer]),
            counters,
            vault,
            watch,
            trying: Arc::default(),
            #[cfg(test)]
            in_step: std::sync::OnceLock::new(),
        })))
    }

    /// The keys to what is sealed in the database.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// Runs `job` on a reader thread. All its questions are answered from one state of the database, which holds
    /// every write that was answered before.
    ///
    /// # Errors
    /// What `job` answers, or the database is closed.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        #[cfg(test)]
        if let Some(in_step) = self.0.in_step.get() {
            return in_step.read(&self.0.reading, job).await;
        }
        self.0.reading.run(job).await
    }

    /// [`read`](Self::read) for what may take long, on behalf of a user: such jobs have one thread for themselves, and
    /// those of one user wait for each other.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn read_long<T, F>(&self, user: i64, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        let _turn = self.0.turns.of(user).await;
        #[cfg(test)]
        if let Some(in_step) = self.0.in_step.get() {
            return in_step.read(&self.0.reading_long, job).await;
        }
        self.0.reading_long.run(job).await
    }

    /// Runs `job` on the writer thread, in a transaction with whatever else is queued, and answers after the commit.
    /// An error or a panic of `job` undoes what `job` did and nothing else. Once queued, a job runs even if its caller
    /// goes away.
    ///
    /// # Errors
    /// What `job` answers, the commit failed, or the database is closed.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.write_as(job, false).await
    }

    /// [`write`](Self::write), for a `job` that asks all its questions before it changes anything, so that nothing is to be
    /// undone where it fails. That spares it a savepoint, which costs much beside one new row. Should the database refuse
    /// a change after another was made, all that share the transaction fail with it.
    ///
    /// # Errors
    /// As for [`write`](Self::write).
    pub async fn write_last<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.write_as(job, true).await
    }

    async fn write_as<T, F>(&self, job: F, changes_last: bool) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        #[cfg(test)]
        if self.0.in_step.get().is_some() {
            return in_step::write(self, job).await;
        }
        self.0.writing.run_as(job, changes_last).await
    }

    /// Reads a plugin's or command's tables, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// What `job` answers, or the database is closed.
    pub async fn read_table<T, F>(&self, unit: Unit, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Table<'_>) -> Result<T> + Send + 'static,
    {
        self.read(move |db| job(&Table::new(db, unit))).await
    }

    /// Changes a plugin's or command's tables, as [`write`](Self::write) does.
    ///
    /// # Errors
    /// What `job` answers, the commit failed, or the database is closed.
    pub async fn write_table<T, F>(&self, unit: Unit, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Table<'_>) -> Result<T> + Send + 'static,
    {
        self.write(move |db| job(&Table::new(db, unit))).await
    }

    /// Brings a plugin's or command's tables up to date with its migrations.
    ///
    /// # Errors
    /// They are of a newer program, or a migration is wrong; then nothing is changed.
    pub async fn migrate_tables(
        &self,
        unit: Unit,
        migrations: &'static [&'static str],
    ) -> Result<(), String> {
        let migrated = self.write(move |db| {
            // As an error, so that the savepoint is rolled back.
            unit_tables::migrate(db, unit, migrations).map_err(Error::internal)
        });
        migrated.await.map_err(|e| e.log_detail().map_or_else(|| e.to_string(), str::to_owned))
    }

    /// Whether the database can be read and written. Where nothing was written for a while, that is tried.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<()> {
        // What is known says more than what a reader meets.
        self.trouble()?;
        self.read(|db| db.query_int("SELECT written FROM server_state", ()).map(drop)).await?;
        if self.0.watch.idle() < FRESH {
            return Ok(());
        }
        let turn = self.0.trying.clone().lock_owned().await;
        if self.0.watch.idle() < FRESH {
            return self.trouble();
        }
        // It goes on though whoever asked has gone, so that a writer that hangs is asked once.
        let store = self.clone();
        let tried = tokio::spawn(async move {
            let _turn = turn;
            store.write(server_state::touch).await
        });
        tried.await.map_err(Error::internal)??;
        self.trouble()
    }

    fn trouble(&self) -> Result<()> {
        self.0.watch.trouble().map_or(Ok(()), Err)
    }

    /// Looks whether the files that are open still lie in the data directory, and the key with them. Blocks; call it
    /// every few seconds.
    ///
    /// # Errors
    /// What is lost. Until it is back every write is refused with this.
    pub fn look(&self) -> Result<()> {
        self.0.watch.note_key(self.0.vault.missing());
        self.0.watch.look()?;
        self.0.watch.standing()
    }

    /// Where writing failed last, or everything must be written back: tries it. Call it every few seconds.
    pub async fn mend(&self) {
        if self.0.watch.is_failing() {
            // What is tried is said where it is asked for; that it failed is known.
            let filled = self.write(server_state::fill).await;
            let emptied = self.write(server_state::empty).await;
            if filled.is_ok() && emptied.is_ok() {
                self.0.watch.saved_much();
            }
        } else if self.0.watch.trouble().is_some() {
            // The writer looks itself, and saves what it can.
            let _ = self.write(|_| Ok(())).await;
        }
    }

    /// A number that every transaction raises, before anyone hears that it is committed.
    pub fn version(&self) -> u64 {
        self.0.counters.version.load(Ordering::Acquire)
    }

    /// Does what is queued, writes everything back into the database's file and closes it. From then on every read
    /// and write of any clone is refused.
    pub async fn close(&self) {
        let store = self.0.clone();
        let ended = tokio::task::spawn_blocking(move || {
            // Readers first: the last connection to close is the one that may write.
            store.reading.end();
            store.reading_long.end();
            store.writing.end();
        });
        if ended.await.is_err() {
            error!("closing the database panicked");
        }
    }
}

/// Whether the database of a data directory, if there is one, can be opened with the key that is given: looked at, and
/// left as it is. Blocks.
///
/// # Errors
/// What opening it would say.
pub fn look_at(data_directory: &Path, given: &Given) -> Result<(), StoreError> {
    let path = database_path(data_directory);
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let (_file, path) = file::prepare(data_directory)?;
    migrate::check(&path, given)
}

/// Where the database of a data directory lies.
pub fn database_path(data_directory: &Path) -> PathBuf {
    data_directory.join(file::NAME)
}
