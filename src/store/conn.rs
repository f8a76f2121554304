//! A connection and its prepared statements, owned by one thread.
//!
//! libsql's local calls are asynchronous in name only: they run SQLite on the calling thread and are ready at their
//! first poll. That is why a connection lives on a thread of its own and never on a tokio worker.
//!
//! A bound is written `LIMIT +?1`, with a sign: SQLite plans a statement anew each time a plain parameter there is set,
//! which takes longer than most statements run.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libsql::params::{IntoParams, Params};
use libsql::{AuthHook, Builder, OpenFlags, Statement};
use pollster::block_on;
use rustc_hash::FxHashMap;

use super::error::StoreError;
use super::row::Row;
use super::watch::Watch;
use crate::error::{Error, Result};
use crate::vault::Vault;

/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite's `SQLITE_OPEN_NOMUTEX`, which libsql has no name for: no lock is taken for each call of a connection. [`Conn`]
/// cannot be shared, so that its thread is the only one that uses it. See <https://sqlite.org/threadsafe.html>.
const NO_MUTEX: OpenFlags = OpenFlags::from_bits_retain(0x8000);

/// A connection on its thread: prepared statements are kept.
pub struct Conn {
    // Before the connection, so that it is dropped before it. Found by where the text lies and how long it is, not by
    // what it says: hashing it would take longer than many a statement.
    statements: RefCell<FxHashMap<(usize, usize), Statement>>,
    connection: libsql::Connection,
    file: Arc<Path>,
    vault: Option<Arc<Vault>>,
    // After the connection: it keeps the file open.
    watch: Option<Arc<Watch>>,
}

impl Conn {
    /// Opens `file`, which must be an absolute path.
    pub(super) fn open(file: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let failed = |e| StoreError::sqlite(file, &e);
        let database = block_on(Builder::new_local(file).flags(flags | NO_MUTEX).build()).map_err(failed)?;
        let connection = database.connect().map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        Ok(Self { statements: RefCell::default(), connection, file: file.into(), vault: None, watch: None })
    }

    /// The connection, from now on with the keys to what is sealed.
    pub(super) fn with_vault(self, vault: Arc<Vault>) -> Self {
        Self { vault: Some(vault), ..self }
    }

    /// The connection, from now on watched: what goes wrong with the file is remembered.
    pub(super) fn with_watch(self, watch: Arc<Watch>) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// The keys.
    ///
    /// # Errors
    /// The connection was not given any.
    pub(super) fn vault(&self) -> Result<&Arc<Vault>> {
        self.vault.as_ref().ok_or_else(|| Error::internal("a connection without keys"))
    }

    /// The rows that `sql` finds, each turned into a `T`.
    ///
    /// # Errors
    /// The database refuses, or `map` does.
    pub fn query<T>(
        &self,
        sql: &'static str,
        params: impl IntoParams,
        mut map: impl FnMut(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let lent = self.lend(sql)?;
        let params = lent.checked(params)?;
        block_on(async {
            let mut found = Vec::new();
            let mut rows = lent.statement()?.query(params).await.map_err(|e| self.error(&e))?;
            while let Some(row) = rows.next().await.map_err(|e| self.error(&e))? {
                found.push(map(&Row::new(row))?);
            }
            Ok(found)
        })
    }

    /// The first row that `sql` finds.
    ///
    /// # Errors
    /// The database refuses, or `map` does.
    pub fn query_one<T>(
        &self,
        sql: &'static str,
        params: impl IntoParams,
        map: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        let lent = self.lend(sql)?;
        let params = lent.checked(params)?;
        block_on(async {
            let mut rows = lent.statement()?.query(params).await.map_err(|e| self.error(&e))?;
            let row = rows.next().await.map_err(|e| self.error(&e))?;
            row.map(|row| map(&Row::new(row))).transpose()
        })
    }

    /// The integer in the one row and column that `sql` finds; 0 if it finds none.
    ///
    /// # Errors
    /// The database refuses.
    pub fn query_int(&self, sql: &'static str, params: impl IntoParams) -> Result<i64> {
        Ok(self.query_one(sql, params, |row| row.int(0))?.unwrap_or(0))
    }

    /// The database's size in bytes, without the write-ahead log.
    ///
    /// # Errors
    /// The database refuses.
    pub fn bytes(&self) -> Result<i64> {
        let sql =
            "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";
        self.query_int(sql, ())
    }

    /// Runs a statement that answers no rows, and tells how many rows it changed.
    ///
    /// # Errors
    /// The database refuses.
    pub fn execute(&self, sql: &'static str, params: impl IntoParams) -> Result<u64> {
        let lent = self.lend(sql)?;
        let params = lent.checked(params)?;
        let changed = block_on(lent.statement()?.execute(params)).map_err(|e| self.error(&e))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    /// The ID of the row that was inserted last.
    pub fn last_insert_rowid(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// Runs statements one after the other and drops what they answer.
    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        block_on(self.connection.execute_batch(sql)).map(drop).map_err(|e| StoreError::sqlite(&self.file, &e))
    }

    /// Has `hook` allow or deny every statement that is prepared from now on; none allows all.
    pub(super) fn authorize(&self, hook: Option<AuthHook>) -> Result<()> {
        self.connection.authorizer(hook).map_err(|e| self.error(&e))
    }

    /// Prepares a statement that is not kept. What is wrong with it is its writer's fault, not the file's.
    pub(super) fn prepare_once(&self, sql: &str) -> libsql::Result<Statement> {
        block_on(self.connection.prepare(sql))
    }

    /// Runs statements one after the other, none of which is kept.
    pub(super) fn batch_once(&self, sql: &str) -> libsql::Result<()> {
        block_on(self.connection.execute_batch(sql)).map(drop)
    }

    /// What a PRAGMA answers with a word of SQLite's own; empty if it answers nothing.
    pub(super) fn pragma(&self, sql: &str) -> Result<String, StoreError> {
        let word = block_on(async {
            let mut rows = self.connection.query(sql, ()).await?;
            rows.next().await?.map(|row| row.get_value(0)).transpose()
        });
        match word.map_err(|e| StoreError::sqlite(&self.file, &e))? {
            Some(libsql::Value::Text(word)) => Ok(word),
            _ => Ok(String::new()),
        }
    }

    /// Whether no transaction is open.
    pub(super) fn is_autocommit(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// The database's file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    fn error(&self, error: &libsql::Error) -> Error {
        let error = StoreError::sqlite(&self.file, error).into();
        if let Some(watch) = &self.watch {
            watch.failed(&error);
        }
        error
    }

    /// How many rows this connection has changed.
    pub(super) fn total_changes(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Takes the statement out of the cache, so that a query inside the `map` of the same query gets another one.
    fn lend(&self, sql: &'static str) -> Result<Lent<'_>> {
        let kept = self.statements.borrow_mut().remove(&place(sql));
        let statement = match kept {
            Some(statement) => statement,
            None => block_on(self.connection.prepare(sql)).map_err(|e| self.error(&e))?,
        };
        Ok(Lent { conn: self, sql, statement: Some(statement) })
    }
}

/// A statement in use. Dropped, it is reset and back in the cache, whatever happened: one left open would run with its
/// old parameters, and would hold its reader at an old state of the database.
struct Lent<'a> {
    conn: &'a Conn,
    sql: &'static str,
    statement: Option<Statement>,
}

impl Lent<'_> {
    fn statement(&self) -> Result<&Statement> {
        self.statement.as_ref().ok_or_else(|| Error::internal("a statement was used after its end"))
    }

    /// The parameters, if they are as many as the statement takes: a missing one would keep its former value.
    fn checked(&self, params: impl IntoParams) -> Result<Params> {
        let params = params.into_params().map_err(|e| self.conn.error(&e))?;
        let given = match &params {
            Params::None => 0,
            Params::Positional(values) => values.len(),
            Params::Named(values) => values.len(),
        };
        let taken = self.statement()?.parameter_count();
        if given != taken {
            return Err(Error::internal(format!("{given} parameters for the {taken} of: {}", self.sql)));
        }
        Ok(params)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(statement) = self.statement.take() {
            statement.reset();
            self.conn.statements.borrow_mut().insert(place(self.sql), statement);
        }
    }
}

/// Where a text lies, and its length: two texts at one place would differ in it.
fn place(sql: &'static str) -> (usize, usize) {
    (sql.as_ptr().addr(), sql.len())
}
