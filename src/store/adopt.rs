//! The first schema, and the way of the original server's rows into it.
//!
//! The original's tables are recognised by their names and columns and by nothing else; their rows are copied as they
//! are, whatever they hold, and what they point to need not be there. What differs afterwards is the schema alone.

use super::Conn;
use super::error::StoreError;

/// The tables of the first version.
const SCHEMA: &str = include_str!("migrations/0001_schema.sql");

/// A table of the original server.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
}

/// The original's tables. Any of them may be missing: the original made each when it needed it.
const ORIGINAL: &[Table] = &[
    Table { name: "users", columns: &["id", "username", "password_hash", "role", "favorites"] },
    Table { name: "password_resets", columns: &["token", "userid", "expiration_timestamp"] },
    Table { name: "agents", columns: &["id", "name", "type", "description", "secret", "ownerID"] },
    Table {
        name: "devices",
        columns: &["id", "name", "type", "description", "macAddress", "port", "agentID", "ownerID"],
    },
];

/// The tables that number their rows, each with the columns that point to it.
const NUMBERED: &[(&str, &[(&str, &str)])] = &[
    ("users", &[("agents", "ownerID"), ("devices", "ownerID"), ("password_resets", "userid")]),
    ("agents", &[("devices", "agentID")]),
    ("devices", &[]),
];

/// Whether the database is one of the original server's. The inner error says why it is not.
///
/// # Errors
/// The database cannot be read.
pub(super) fn check(db: &Conn) -> Result<Result<(), String>, StoreError> {
    // First: the names below are read byte by byte.
    let encoding = db.pragma("PRAGMA encoding")?;
    if encoding != "UTF-8" {
        return Ok(Err(format!("its text is stored as {encoding}")));
    }
    let things = db.query(
        "SELECT CAST(type AS BLOB), CAST(name AS BLOB) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        (),
        |row| Ok((row.text(0)?, row.text(1)?)),
    )?;
    for (kind, name) in things {
        match kind.as_str() {
            // An index holds no data of its own.
            "index" => {}
            "table" => {
                let Some(table) = ORIGINAL.iter().find(|table| table.name == name) else {
                    return Ok(Err(format!("it has a table {name}")));
                };
                let mut columns = columns(db, table.name)?;
                let mut expected = table.columns.to_vec();
                columns.sort_unstable();
                expected.sort_unstable();
                if columns != expected {
                    return Ok(Err(format!("its table {name} has other columns than the original server's")));
                }
            }
            _ => return Ok(Err(format!("it has a {kind} {name}"))),
        }
    }
    Ok(Ok(()))
}

fn columns(db: &Conn, table: &str) -> Result<Vec<String>, StoreError> {
    Ok(db.query("SELECT CAST(name AS BLOB) FROM pragma_table_info(?1)", [table], |row| row.text(0))?)
}

/// Makes the first schema and moves the original's rows into it, if there are any.
///
/// # Errors
/// The database refuses.
pub(super) fn first_schema(db: &Conn) -> Result<(), StoreError> {
    let mut present = Vec::new();
    for table in ORIGINAL {
        if !columns(db, table.name)?.is_empty() {
            present.push(table);
        }
    }
    for Table { name, .. } in &present {
        db.batch(&format!("ALTER TABLE {name} RENAME TO original_{name}"))?;
    }
    db.batch(SCHEMA)?;
    for Table { name, columns } in &present {
        let columns = columns.join(", ");
        db.batch(&format!(
            "INSERT INTO {name} ({columns}) SELECT {columns} FROM original_{name} ORDER BY rowid"
        ))?;
    }
    for (table, pointing) in NUMBERED {
        keep_numbers(db, table, pointing)?;
    }
    for Table { name, .. } in &present {
        db.batch(&format!("DROP TABLE original_{name}"))?;
    }
    // User 1, or who comes closest. A user without the admin role is not made one by the way.
    db.batch(
        "UPDATE users SET superadmin = 1
         WHERE id = (SELECT id FROM users WHERE role = 'admin' ORDER BY id <> 1, id LIMIT 1)",
    )
}

/// Carries on the numbering of `table`, so that no ID is ever given again: neither one that was given and deleted, nor
/// one that a row still points to, whose new bearer would inherit that row.
fn keep_numbers(db: &Conn, table: &str, pointing: &[(&str, &str)]) -> Result<(), StoreError> {
    // A pointer far beyond what counting ever reached is junk, and would use up all numbers.
    let pointers: String = pointing
        .iter()
        .map(|(from, column)| {
            format!(
                " UNION ALL SELECT {column} FROM {from}
                  WHERE typeof({column}) = 'integer' AND {column} BETWEEN 1 AND 2147483647"
            )
        })
        .collect();
    db.batch(&format!(
        "INSERT INTO sqlite_sequence (name, seq)
             SELECT 'kept_{table}', max(number) FROM (
                 SELECT 0 AS number
                 UNION ALL SELECT seq FROM sqlite_sequence
                     WHERE name IN ('{table}', 'original_{table}') AND typeof(seq) = 'integer'
                 UNION ALL SELECT id FROM {table}
                 {pointers}
             );
         DELETE FROM sqlite_sequence WHERE name = '{table}';
         UPDATE sqlite_sequence SET name = '{table}' WHERE name = 'kept_{table}'"
    ))
}
