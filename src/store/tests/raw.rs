//! Looking at a database with plain libsql, past everything that is under test.

use std::fs;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use libsql::{Builder, Connection, OpenFlags, Value};
use pollster::block_on;
use sha2::Sha256;

/// The original server's tables and their columns, but for the agents' secrets.
const ORIGINAL: &[(&str, &[&str])] = &[
    ("users", &["id", "username", "password_hash", "role", "favorites"]),
    ("password_resets", &["token", "userid", "expiration_timestamp"]),
    ("agents", &["id", "name", "type", "description", "ownerID"]),
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

/// The first two columns of every row: a number, and bytes.
fn blobs(db: &Connection, sql: &str) -> Vec<(i64, Vec<u8>)> {
    block_on(async {
        let mut rows = db.query(sql, ()).await.unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().await.unwrap() {
            found.push((row.get(0).unwrap(), row.get(1).unwrap()));
        }
        found
    })
}

/// Opens a sealed value with nothing but the ciphers and the documented format.
fn open_sealed(key: &[u8], sealed: &[u8], table_and_column: &str, row: i64) -> Vec<u8> {
    let (head, rest) = sealed.split_at(5);
    let (nonce, ciphertext) = rest.split_at(24);
    assert_eq!(head[0], 1, "the version");
    let associated = [head, table_and_column.as_bytes(), b"\0", &row.to_be_bytes()].concat();
    let cipher = XChaCha20Poly1305::new_from_slice(key).unwrap();
    let payload = Payload { msg: ciphertext, aad: &associated };
    cipher.decrypt(&XNonce::try_from(nonce).unwrap(), payload).unwrap()
}

/// The agents' secrets by ID, opened if the schema's version says that they are sealed.
fn secrets(db: &Connection) -> Vec<(i64, Vec<u8>)> {
    let mut secrets = blobs(db, "SELECT id, CAST(secret AS BLOB) FROM agents ORDER BY id");
    if one(db, "PRAGMA user_version").parse::<u32>().unwrap() >= 2 {
        let file = one(db, "SELECT file FROM pragma_database_list WHERE name = 'main'");
        // A start that was killed leaves a new key under its first name.
        let beside = |name| fs::read_to_string(Path::new(&file).with_file_name(name));
        let text = beside("secret.key").or_else(|_| beside("secret.key.new")).unwrap();
        let mut master = [0; 32];
        let derived = Hkdf::<Sha256>::new(None, text.trim().as_bytes());
        derived.expand(b"netignite master key", &mut master).unwrap();
        let [(id, wrapped)] = &blobs(db, "SELECT id, wrapped FROM data_keys")[..] else { panic!("one key") };
        let key = open_sealed(&master, wrapped, "data_keys\0wrapped", *id);
        for (row, secret) in secrets.iter_mut().filter(|(_, secret)| !secret.is_empty()) {
            assert_eq!(secret[1..5], u32::try_from(*id).unwrap().to_be_bytes(), "the key's ID");
            *secret = open_sealed(&key, secret, "agents\0secret", *row);
        }
    }
    secrets
}

/// Every value of the original's tables with its type and all its bytes, a line a row; the agents' secrets, without
/// their types, on lines of their own.
pub(super) fn dump(db: &Connection) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, columns) in ORIGINAL {
        // A table may be missing, and that of password resets was made anew with other columns.
        let column_exists =
            format!("SELECT count(*) FROM pragma_table_info('{table}') WHERE name = '{}'", columns[0]);
        if one(db, &column_exists) == "0" {
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
        if *table == "agents" {
            lines.extend(secrets(db).iter().map(|(id, secret)| format!("agents secret {id} {secret:02x?}")));
        }
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
