//! Looking at a database with plain libsql, past everything that is under test.

use std::fs;
use std::path::{Path, PathBuf};

use libsql::{Builder, Connection, OpenFlags, Value};
use pollster::block_on;

/// The original server's tables and their columns.
pub(super) const ORIGINAL: &[(&str, &[&str])] = &[
    ("users", &["id", "username", "password_hash", "role", "favorites"]),
    ("password_resets", &["token", "userid", "expiration_timestamp"]),
    ("agents", &["id", "name", "type", "description", "secret", "ownerID"]),
    ("devices", &["id", "name", "type", "description", "macAddress", "port", "agentID", "ownerID"]),
];

/// A database of the original server.
pub(super) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/original.sqlite")
}

pub(super) fn open(path: &Path) -> Connection {
    open_with(path, OpenFlags::default())
}

pub(super) fn read_only(path: &Path) -> Connection {
    open_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open_with(path: &Path, flags: OpenFlags) -> Connection {
    block_on(Builder::new_local(path).flags(flags).build()).unwrap().connect().unwrap()
}

pub(super) fn run(db: &Connection, sql: &str) {
    block_on(db.execute_batch(sql)).unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// The first column of every row, which must be text of SQLite's own making, a number or NULL.
pub(super) fn column(db: &Connection, sql: &str) -> Vec<String> {
    block_on(async {
        let mut rows = db.query(sql, ()).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let mut found = Vec::new();
        while let Some(row) = rows.next().await.unwrap() {
            found.push(match row.get_value(0).unwrap() {
                Value::Text(text) => text,
                Value::Integer(number) => number.to_string(),
                Value::Null => "NULL".to_owned(),
                other => panic!("{sql}: {other:?}"),
            });
        }
        found
    })
}

pub(super) fn one(db: &Connection, sql: &str) -> String {
    column(db, sql).remove(0)
}

/// Every value of the original's tables with its type and all its bytes, a line a row.
pub(super) fn dump(db: &Connection) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, columns) in ORIGINAL {
        if one(db, &format!("SELECT count(*) FROM sqlite_schema WHERE name = '{table}'")) == "0" {
            continue;
        }
        let values: Vec<_> = columns
            .iter()
            .map(|c| {
                format!(
                    "typeof({c}) || ':' || iif(typeof({c}) = 'real', printf('%!.17g', {c}), hex(CAST({c} AS BLOB)))"
                )
            })
            .collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY rowid", values.join(" || ' ' || "));
        lines.extend(column(db, &sql).into_iter().map(|line| format!("{table} {line}")));
    }
    lines
}

/// What of `dump`ed rows is still there after the migrations: tokens of password resets are not kept.
pub(super) fn kept(dumped: &[String]) -> Vec<String> {
    dumped.iter().filter(|line| !line.starts_with("password_resets ")).cloned().collect()
}

/// The schema, every object with its text.
pub(super) fn schema(db: &Connection) -> Vec<String> {
    column(
        db,
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema ORDER BY type, name",
    )
}

/// Makes a database of the original server without rows, as `path`.
pub(super) fn blank_original(path: &Path) -> Connection {
    fs::copy(fixture(), path).unwrap();
    let db = open(path);
    run(
        &db,
        "PRAGMA foreign_keys = OFF;
         DELETE FROM devices; DELETE FROM agents; DELETE FROM password_resets; DELETE FROM users;
         DELETE FROM sqlite_sequence;",
    );
    db
}

/// The copies that were made of `db.sqlite` in `directory` before migrations.
pub(super) fn backups(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("db.sqlite.before-"))
        .collect();
    found.sort();
    found
}
