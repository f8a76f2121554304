//! Tables of plugins and commands: each one's have a prefix of its own and are brought up to date by migrations of its own.
//!
//! SQLite itself asks for every statement of theirs whether it may (its *authorizer*): nothing of the server's is read,
//! written or changed through this door, whatever the text of the statement is. A plugin or command is part of the program
//! and trusted; the door keeps it from harming what is not its own by mistake.

use std::fmt;
use std::sync::Arc;

use libsql::{AuthAction, Authorization, Value};
use pollster::block_on;
use sha2::{Digest, Sha256};

use super::Conn;
use super::row::Row;
use crate::error::{Error, Result};
use crate::model::rows::{Record, SqlValue};

/// Rows that one query of a plugin or command answers at most.
pub const MOST_ROWS: usize = 10_000;

/// Whose tables they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// The plugin of this name.
    Plugin(&'static str),
    /// The command of this name.
    Command(&'static str),
}

impl Unit {
    /// What the names of its tables begin with.
    pub fn prefix(self) -> String {
        match self {
            Self::Plugin(name) => format!("plugin_{}_", name.replace('-', "_")),
            Self::Command(name) => format!("command_{}_", name.to_lowercase()),
        }
    }

    /// By what the version of its tables is stored. No plugin's name has a blank.
    fn key(self) -> String {
        match self {
            Self::Plugin(name) => name.to_owned(),
            Self::Command(name) => format!("command {name}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(name) => write!(f, "the plugin {name}"),
            Self::Command(name) => write!(f, "the command {name}"),
        }
    }
}

fn stored(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(number),
        SqlValue::Real(number) => Value::Real(number),
        SqlValue::Text(text) => Value::Text(text),
        SqlValue::Blob(bytes) => Value::Blob(bytes),
    }
}

fn shown(value: Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::Null,
        Value::Integer(number) => SqlValue::Integer(number),
        Value::Real(number) => SqlValue::Real(number),
        Value::Text(text) => SqlValue::Text(text),
        Value::Blob(bytes) => SqlValue::Blob(bytes),
    }
}

/// A plugin's or command's tables inside one transaction.
pub struct Table<'a> {
    db: &'a Conn,
    unit: Unit,
}

impl<'a> Table<'a> {
    pub(super) fn new(db: &'a Conn, unit: Unit) -> Self {
        Self { db, unit }
    }

    /// Runs a statement that answers no rows, and gives how many rows it changed.
    ///
    /// # Errors
    /// The statement is wrong, or about what is not its own; the database refuses.
    pub fn execute(&self, sql: &str, values: impl IntoIterator<Item = SqlValue>) -> Result<u64> {
        let values: Vec<_> = values.into_iter().map(stored).collect();
        self.watched(|| {
            let statement = self.db.prepare_once(sql)?;
            block_on(statement.execute(values))
        })
        .map(|changed| u64::try_from(changed).unwrap_or(u64::MAX))
    }

    /// The rows that a statement finds, ten thousand at most.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute); there are more rows.
    pub fn query(&self, sql: &str, values: impl IntoIterator<Item = SqlValue>) -> Result<Vec<Record>> {
        let values: Vec<_> = values.into_iter().map(stored).collect();
        let found = self.watched(|| {
            let statement = self.db.prepare_once(sql)?;
            block_on(async {
                let mut found = Vec::new();
                let mut rows = statement.query(values).await?;
                while let Some(row) = rows.next().await? {
                    if found.len() == MOST_ROWS {
                        return Ok(None);
                    }
                    let columns = (0..row.column_count()).map(|column| row.get_value(column).map(shown));
                    found.push(Record::new(columns.collect::<libsql::Result<_>>()?));
                }
                Ok(Some(found))
            })
        })?;
        found.ok_or_else(|| {
            Error::internal(format!("a query of {} finds more than {MOST_ROWS} rows: add a LIMIT", self.unit))
        })
    }

    /// Does `work` while SQLite asks whether each statement is about the unit's own.
    fn watched<T>(&self, work: impl FnOnce() -> libsql::Result<T>) -> Result<T> {
        watched(self.db, self.unit, work).map_err(Error::internal)
    }
}

/// Does `work`, and answers in the unit's words what was wrong with it.
fn watched<T>(db: &Conn, unit: Unit, work: impl FnOnce() -> libsql::Result<T>) -> Result<T, String> {
    /// Takes the watch away, whatever happens.
    struct Watched<'a>(&'a Conn);
    impl Drop for Watched<'_> {
        fn drop(&mut self) {
            let _ = self.0.authorize(None);
        }
    }
    let own = unit.prefix();
    let denied = Arc::new(parking_lot::Mutex::new(None));
    let (mine, note) = (own.clone(), denied.clone());
    db.authorize(Some(Arc::new(move |asked| match foreign(&asked.action, &mine) {
        None => Authorization::Allow,
        Some(what) => {
            note.lock().get_or_insert(what);
            Authorization::Deny
        }
    })))
    .map_err(|e| e.to_string())?;
    let watch = Watched(db);
    let done = work();
    drop(watch);
    let denied = denied.lock().take();
    match (done, denied) {
        (Ok(done), None) => Ok(done),
        (_, Some(what)) => Err(format!("{unit} may use only what is named {own}…: its SQL wants to {what}")),
        (Err(e), None) => Err(format!("{unit}: {e}")),
    }
}

/// What an action wants that is not the unit's own, in words; none if it is.
fn foreign(action: &AuthAction<'_>, own: &str) -> Option<String> {
    use AuthAction as A;
    let mine = |name: &str| name.get(..own.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(own));
    // What SQLite writes and reads itself while it makes a table.
    let internal = |name: &str| name.starts_with("sqlite_");
    let named = |verb: &str, name: &str, fine: bool| (!fine).then(|| format!("{verb} {name}"));
    match action {
        A::Select | A::Recursive | A::Function { .. } => None,
        A::Read { table_name, .. } => {
            named("read", table_name, mine(table_name) || internal(table_name) || table_name.is_empty())
        }
        A::Insert { table_name } | A::Update { table_name, .. } | A::Delete { table_name } => {
            named("write", table_name, mine(table_name) || internal(table_name))
        }
        A::CreateTable { table_name } => {
            named("create the table", table_name, mine(table_name) || internal(table_name))
        }
        A::CreateView { view_name } => named("create the view", view_name, mine(view_name)),
        A::CreateIndex { index_name, table_name } => named(
            "create the index",
            index_name,
            mine(table_name) && (mine(index_name) || internal(index_name)),
        ),
        A::CreateTrigger { trigger_name, table_name } => {
            named("create the trigger", trigger_name, mine(table_name) && mine(trigger_name))
        }
        A::DropTable { table_name } => named("drop the table", table_name, mine(table_name)),
        A::DropView { view_name } => named("drop the view", view_name, mine(view_name)),
        A::DropIndex { index_name, table_name } => named("drop the index", index_name, mine(table_name)),
        A::DropTrigger { trigger_name, table_name } => {
            named("drop the trigger", trigger_name, mine(table_name))
        }
        A::AlterTable { table_name, .. } => named("alter the table", table_name, mine(table_name)),
        A::Reindex { index_name } => named("build the index", index_name, mine(index_name)),
        A::Transaction { .. } | A::Savepoint { .. } => {
            Some("begin or end a transaction, which the server does".to_owned())
        }
        A::Pragma { pragma_name, .. } => Some(format!("run PRAGMA {pragma_name}")),
        other => Some(format!("do what none may: {other:?}")),
    }
}

/// Brings a unit's tables up to date; in a transaction of the writer.
///
/// # Errors
/// The tables are of a newer program, or a migration is wrong or was changed since it was applied; then nothing is changed.
pub fn migrate(db: &Conn, unit: Unit, migrations: &[&str]) -> Result<(), String> {
    let sql = "SELECT version, CAST(digests AS BLOB) FROM plugin_schemas WHERE plugin = ?1";
    let read = |row: &Row| Ok((usize::try_from(row.int(0)?).unwrap_or(0), row.text(1)?));
    let stored = db.query_one(sql, [unit.key()], read).map_err(|e| e.to_string())?;
    let (stored, applied) = stored.unwrap_or_default();
    if stored > migrations.len() {
        return Err(format!(
            "its tables have version {stored}, and this program knows versions up to {} only; nothing was changed: run \
             the newer program again, or restore a copy of the database from before",
            migrations.len()
        ));
    }
    let digests: Vec<String> = migrations.iter().map(|sql| digest(sql)).collect();
    if let Some(changed) = applied.lines().zip(&digests).position(|(applied, now)| applied != now) {
        return Err(format!(
            "its migration {} was changed since it was applied to this database; nothing was done: put its text back and \
             add the change as migration {}, or use another data directory if this one was for trying out",
            changed + 1,
            stored + 1
        ));
    }
    for (version, sql) in (1..).zip(migrations).skip(stored) {
        watched(db, unit, || db.batch_once(sql)).map_err(|e| format!("its migration {version}: {e}"))?;
    }
    if applied.lines().count() < migrations.len() {
        let version = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO plugin_schemas (plugin, version, digests) VALUES (?1, ?2, ?3)
                   ON CONFLICT (plugin) DO UPDATE SET version = excluded.version, digests = excluded.digests";
        db.execute(sql, libsql::params![unit.key(), version, digests.join("\n")])
            .map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The SHA-256 of a migration's text, in hexadecimal.
fn digest(sql: &str) -> String {
    Sha256::digest(sql).iter().map(|byte| format!("{byte:02x}")).collect()
}
