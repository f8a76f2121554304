//! What is sealed in the file, what is left of what was plain, and what a change of the key does to it.

use std::fs;
use std::path::Path;

use secrecy::ExposeSecret;

use super::raw::{self, dump, one, run};
use super::*;
use crate::model::agent::AgentKind;
use crate::store::agents::NewAgent;
use crate::store::data_keys::{self, Sealed};

const PLAIN: &str = "a-secret-that-was-stored-plain";

/// Whether `text` is in any of the database's files.
fn lies_in(directory: &Path, text: &str) -> bool {
    ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm", "db.sqlite-journal"].iter().any(|name| {
        let content = fs::read(directory.join(name)).unwrap_or_default();
        content.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// A database of version 1 as a killed server left it: its write-ahead log holds the secrets, too.
fn version_1() -> (TempDir, Vec<String>) {
    let source = tempfile::tempdir().unwrap();
    let path = database_path(source.path());
    let db = raw::open(&path);
    run(&db, include_str!("../migrations/0001_schema.sql"));
    run(&db, "PRAGMA application_id = 0x4E49474E; PRAGMA user_version = 1; PRAGMA journal_mode = WAL");
    run(
        &db,
        &format!(
            "INSERT INTO users VALUES (1, 'admin', 'h', 'admin', '[]', 1);
             INSERT INTO agents VALUES (1, 'a', 'server', '', '{PLAIN}', 1), (2, 'b', 'server', '', '', 1);
             PRAGMA wal_checkpoint(TRUNCATE);
             INSERT INTO agents VALUES (3, 'c', 'server', '', '{PLAIN} too', 1), (4, 'd', 'server', '', '{PLAIN}', 1);
             DELETE FROM agents WHERE id = 4;"
        ),
    );
    let directory = tempfile::tempdir().unwrap();
    for name in ["db.sqlite", "db.sqlite-wal"] {
        fs::copy(source.path().join(name), directory.path().join(name)).unwrap();
    }
    let before = dump(&db);
    (directory, before)
}

async fn open(directory: &Path) -> Store {
    Store::open(directory, Given::default()).await.unwrap()
}

/// Every agent's secret, as a reader sees it.
async fn secrets(store: &Store) -> Vec<String> {
    let read = store.read(|db| {
        let agents = agents::list(db, Whose::Anyones)?;
        agents.iter().map(|agent| agents::secret(db, agent.id)).collect::<Result<Vec<_>>>()
    });
    let found = read.await.unwrap();
    found.into_iter().flatten().map(|secret| secret.expose_secret().to_owned()).collect()
}

#[tokio::test]
async fn what_was_plain_is_sealed_and_nothing_of_it_is_left() {
    let (directory, before) = version_1();
    assert!(lies_in(directory.path(), PLAIN));
    let store = open(directory.path()).await;
    assert!(!lies_in(directory.path(), PLAIN), "from the moment it is open");
    assert_eq!(secrets(&store).await, [PLAIN, "", &format!("{PLAIN} too")]);
    store.close().await;
    assert!(!lies_in(directory.path(), PLAIN));
    let db = raw::open(&database_path(directory.path()));
    assert_eq!(dump(&db), before);
    assert_eq!(one(&db, "PRAGMA integrity_check"), "ok");
    let [copy] = &raw::backups(directory.path())[..] else { panic!("one copy") };
    assert!(copy.to_str().unwrap().contains(".before-v2-"));
    assert_eq!(dump(&raw::open(copy)), before);
}

#[tokio::test]
async fn wiping_that_was_interrupted_is_done_at_the_next_start() {
    let (directory, _) = version_1();
    open(directory.path()).await.close().await;
    let path = database_path(directory.path());
    // As the migration leaves the file when the program dies right after its commit.
    let leave = format!(
        "PRAGMA secure_delete = OFF; CREATE TABLE t (x); INSERT INTO t VALUES ('{PLAIN}'); DROP TABLE t;
         UPDATE data_keys SET wiped = 0"
    );
    run(&raw::open(&path), &leave);
    assert!(lies_in(directory.path(), PLAIN));
    open(directory.path()).await.close().await;
    assert!(!lies_in(directory.path(), PLAIN));
    assert_eq!(one(&raw::open(&path), "SELECT wiped FROM data_keys"), "1");
}

#[tokio::test]
async fn wiping_that_another_process_hinders_is_put_off() {
    let (directory, _) = version_1();
    let path = database_path(directory.path());
    open(directory.path()).await.close().await;
    run(&raw::open(&path), "UPDATE data_keys SET wiped = 0");
    let reader = raw::open(&path);
    run(&reader, "BEGIN");
    one(&reader, "SELECT count(*) FROM agents");
    let store = open(directory.path()).await;
    assert_eq!(secrets(&store).await.len(), 3, "it serves all the same");
    drop(reader);
    store.close().await;
    assert_eq!(one(&raw::open(&path), "SELECT wiped FROM data_keys"), "0");
    open(directory.path()).await.close().await;
    assert_eq!(one(&raw::open(&path), "SELECT wiped FROM data_keys"), "1");
}

#[tokio::test]
async fn a_change_of_the_key_reaches_every_sealed_column() {
    let (directory, store) = fresh().await;
    let secret = |text: &str| text.to_owned().into();
    let new = NewAgent {
        name: "a".into(),
        kind: AgentKind::Server,
        description: String::new(),
        secret: secret("new"),
        owner: 1,
    };
    let fill = store.write(move |db| {
        users::insert_first_admin(db, "h", 1)?;
        let id = agents::insert(db, &new)?;
        let old = db.seal(Sealed::AgentOldSecret, id, &secret("old"))?;
        db.execute("UPDATE agents SET oldSecret = ?1", [old])?;
        let seed = db.seal(Sealed::TotpSeed, 1, &secret("seed"))?;
        db.execute("INSERT INTO second_factors (userID, seed) VALUES (1, ?1)", [seed])
    });
    fill.await.unwrap();
    let sealed = |db: &Conn| {
        db.query_one("SELECT secret, oldSecret, seed FROM agents, second_factors", (), |row| {
            Ok([row.blob(0)?, row.blob(1)?, row.blob(2)?])
        })
    };
    let open_all = move |db: &Conn| {
        let [new, old, seed] = sealed(db)?.unwrap();
        let opened = [
            db.unseal(Sealed::AgentSecret, 1, &new)?,
            db.unseal(Sealed::AgentOldSecret, 1, &old)?,
            db.unseal(Sealed::TotpSeed, 1, &seed)?,
        ];
        assert!(db.unseal(Sealed::AgentSecret, 1, &old).is_err(), "another column's");
        Ok(opened.map(|secret| secret.expose_secret().to_owned()))
    };
    let before = store.read(sealed).await.unwrap().unwrap();
    let rotated = store.write(data_keys::rotate).await.unwrap();
    assert_eq!((rotated.key, rotated.values), (2, 3));
    let after = store.read(sealed).await.unwrap().unwrap();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before[4], after[4]), (1, 2), "the key's ID");
    }
    assert_eq!(store.read(open_all).await.unwrap(), ["new", "old", "seed"]);
    store.close().await;
    let store = open(directory.path()).await;
    assert_eq!(store.read(open_all).await.unwrap(), ["new", "old", "seed"]);
    store.close().await;
}

#[tokio::test]
async fn what_shares_a_transaction_with_a_change_of_the_key_is_sealed_right() {
    let (directory, store) = fresh().await;
    store.write(|db| users::insert_first_admin(db, "h", 1)).await.unwrap();
    let insert = |text: &'static str| {
        store.write(move |db| {
            agents::insert(
                db,
                &NewAgent {
                    name: "a".into(),
                    kind: AgentKind::Server,
                    description: String::new(),
                    secret: text.to_owned().into(),
                    owner: 1,
                },
            )
        })
    };
    let held = hold_writer(&store).await;
    let mut before = Box::pin(insert("before"));
    let mut rotated = Box::pin(store.write(data_keys::rotate));
    let mut undone = Box::pin(store.write(|db| {
        data_keys::rotate(db)?;
        Err::<(), _>(crate::error::Error::internal("undone"))
    }));
    let mut after = Box::pin(insert("after"));
    queue(before.as_mut());
    queue(rotated.as_mut());
    queue(undone.as_mut());
    queue(after.as_mut());
    held.release().await;
    assert!(before.await.is_ok() && rotated.await.is_ok() && undone.await.is_err() && after.await.is_ok());
    insert("later").await.unwrap();
    assert_eq!(secrets(&store).await, ["before", "after", "later"]);
    store.close().await;
    let store = open(directory.path()).await;
    assert_eq!(secrets(&store).await, ["before", "after", "later"]);
    assert_eq!(store.write(data_keys::rotate).await.unwrap().values, 3);
    store.close().await;
}
