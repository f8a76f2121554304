//! A look into a database file that no server has open.

use std::path::Path;

use libsql::{Builder, Connection, Value};

async fn open(path: &Path) -> Connection {
    let database = Builder::new_local(path).build().await.expect("a database");
    database.connect().expect("a connection")
}

/// Runs statements, separated by semicolons.
pub async fn execute(path: &Path, statements: &str) {
    open(path).await.execute_batch(statements).await.expect("the statements run");
}

/// The first column of every row, as text; NULL as `NULL`.
pub async fn texts(path: &Path, query: &str) -> Vec<String> {
    let mut rows = open(path).await.query(query, ()).await.expect("the query runs");
    let mut texts = Vec::new();
    while let Some(row) = rows.next().await.expect("a row") {
        texts.push(match row.get_value(0).expect("a column") {
            Value::Null => "NULL".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Real(number) => number.to_string(),
            Value::Text(text) => text,
            Value::Blob(bytes) => format!("{bytes:02x?}"),
        });
    }
    texts
}

/// The one value that a query gives.
pub async fn text(path: &Path, query: &str) -> String {
    let texts = texts(path, query).await;
    assert_eq!(texts.len(), 1, "{query}: {texts:?}");
    texts.into_iter().next().expect("one")
}
