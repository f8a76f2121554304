//! What is opened, what is refused, and who may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::raw::{self, one, run};
use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn refusal(directory: &Path) -> String {
    let Err(error) = Store::open(directory, Given::default()).await else { panic!("opened") };
    let line = error.to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.contains(directory.canonicalize().unwrap().to_str().unwrap()), "{line}");
    line
}

#[tokio::test]
async fn a_new_database_is_its_owners_only() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("deep/data");
    let store = Store::open(&directory, Given::default()).await.unwrap();
    store.write(users::count).await.unwrap();
    assert_eq!(mode(&directory), 0o700);
    let path = database_path(&directory);
    for file in [&path, &path.with_extension("sqlite-wal"), &path.with_extension("sqlite-shm")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert!(raw::backups(&directory).is_empty(), "there was nothing to copy");
    store.close().await;
    assert!(!path.with_extension("sqlite-wal").exists(), "everything was written back");
}

#[tokio::test]
async fn an_adopted_database_becomes_its_owners_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_path(directory.path());
    fs::copy(raw::fixture(), &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    store.write(|db| users::set_password_hash(db, 1, "h")).await.unwrap();
    for file in [&path, &path.with_extension("sqlite-wal"), &path.with_extension("sqlite-shm")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    store.close().await;
}

#[tokio::test]
async fn connections_are_set_up_for_their_work() {
    let (_directory, store) = fresh().await;
    let settings = |db: &Conn| {
        let mut found = Vec::new();
        for name in
            ["journal_mode", "synchronous", "foreign_keys", "query_only", "busy_timeout", "secure_delete"]
        {
            let word = db.pragma(&format!("PRAGMA {name}"))?;
            found.push(if word.is_empty() { number(db, name)?.to_string() } else { word });
        }
        Ok(found)
    };
    fn number(db: &Conn, name: &str) -> Result<i64> {
        db.query_int(
            match name {
                "synchronous" => "PRAGMA synchronous",
                "foreign_keys" => "PRAGMA foreign_keys",
                "query_only" => "PRAGMA query_only",
                "secure_delete" => "PRAGMA secure_delete",
                _ => "PRAGMA busy_timeout",
            },
            (),
        )
    }
    assert_eq!(store.write(settings).await.unwrap(), ["wal", "2", "1", "0", "5000", "1"]);
    let reader = store.read(settings).await.unwrap();
    assert_eq!((reader[0].as_str(), reader[3].as_str()), ("wal", "1"));
    let written = store.read(|db| users::set_password_hash(db, 1, "h")).await;
    assert!(written.is_err(), "a reader cannot write");
    store.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (directory, store) = fresh().await;
    store.close().await;
    let path = database_path(directory.path());
    let db = raw::open(&path);
    run(&db, &format!("PRAGMA user_version = {}", NEWEST + 2));
    drop(db);
    let before = fs::read(&path).unwrap();
    let line = refusal(directory.path()).await;
    let (found, known) = (format!("version {}", NEWEST + 2), format!("up to {NEWEST}"));
    assert!(line.contains(&found) && line.contains(&known) && line.contains(".before-v"), "{line}");
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(raw::backups(directory.path()).is_empty());
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    for content in [&b"hello"[..], &[0; 4096], b"SQLite format 2\0 and more"] {
        let directory = tempfile::tempdir().unwrap();
        let path = database_path(directory.path());
        fs::write(&path, content).unwrap();
        let line = refusal(directory.path()).await;
        assert!(line.contains("is not a database"), "{line}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(database_path(directory.path())).unwrap();
    assert!(refusal(directory.path()).await.contains("is a directory"));
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    for (sql, why) in [
        ("CREATE TABLE bookmarks (id INTEGER PRIMARY KEY)", "a table bookmarks"),
        ("CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)", "table users has other columns"),
        ("CREATE VIEW users AS SELECT 1", "a view users"),
        ("PRAGMA application_id = 42; CREATE TABLE t (x)", "application ID 42"),
        ("PRAGMA user_version = 1; CREATE TABLE t (x)", "schema version 1"),
        ("PRAGMA user_version = -1; CREATE TABLE t (x)", "schema version -1"),
        (
            "PRAGMA encoding = 'UTF-16le'; CREATE TABLE password_resets (token, userid, expiration_timestamp)",
            "UTF-16le",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = database_path(directory.path());
        run(&raw::open(&path), sql);
        let before = fs::read(&path).unwrap();
        let line = refusal(directory.path()).await;
        assert!(line.contains("another program") && line.contains(why), "{line}");
        assert_eq!(fs::read(&path).unwrap(), before, "{sql}");
        assert!(raw::backups(directory.path()).is_empty());
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_path(directory.path());
    let mut content = fs::read(raw::fixture()).unwrap();
    // Everything but the schema's page.
    content[4096..].fill(0xaa);
    fs::write(&path, &content).unwrap();
    let line = refusal(directory.path()).await;
    assert!(line.contains("damaged") || line.contains("no backup could be made"), "{line}");
    assert_eq!(fs::read(&path).unwrap(), content);
    assert!(raw::backups(directory.path()).is_empty(), "half a copy is no copy");
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = database_path(directory.path());
    fs::copy(raw::fixture(), &path).unwrap();
    let before = fs::read(&path).unwrap();
    // In the way of the copy, and not to be removed as a file.
    fs::create_dir(directory.path().join("db.sqlite.backup-partial")).unwrap();
    let line = refusal(directory.path()).await;
    assert!(line.contains("cannot write the backup"), "{line}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn closing_does_what_is_queued_and_refuses_what_comes_later() {
    let (directory, store) = fresh().await;
    store.write(|db| users::insert_first_admin(db, "h", 1)).await.unwrap();
    let held = hold_writer(&store).await;
    let mut queued = Box::pin(store.write(|db| users::set_password_hash(db, 1, "later")));
    queue(queued.as_mut());
    let closing = tokio::spawn({
        let store = store.clone();
        async move { store.close().await }
    });
    held.release().await;
    assert!(queued.await.unwrap());
    closing.await.unwrap();
    assert_eq!(store.write(users::count).await.unwrap_err().code(), "shutting_down");
    assert_eq!(store.read(users::count).await.unwrap_err().code(), "shutting_down");
    store.close().await;
    let db = raw::open(&database_path(directory.path()));
    assert_eq!(one(&db, "SELECT password_hash FROM users"), "later");
}
