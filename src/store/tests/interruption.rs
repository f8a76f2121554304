//! A program killed in the middle of adopting: the next start finds a whole database, before or after.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::raw::{self, backups, blank_original, dump, one, run};
use super::*;

/// Tells the child which data directory to open.
const VARIABLE: &str = "NETIGNITE_TEST_ADOPT";
const ROUNDS: u32 = 12;

/// What the killed process does. Not a test of its own: it does nothing unless the test below starts it.
#[test]
fn open_in_a_process_of_its_own() {
    if let Some(directory) = env::var_os(VARIABLE) {
        let store = Store::open_blocking(Path::new(&directory), &Given::default()).unwrap();
        pollster::block_on(store.read(users::count)).unwrap();
    }
}

fn child(directory: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "store::tests::interruption::open_in_a_process_of_its_own"])
        .env(VARIABLE, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_kill_at_any_moment_loses_nothing() {
    let source = tempfile::tempdir().unwrap();
    let original = source.path().join("original");
    let db = blank_original(&original);
    run(
        &db,
        "BEGIN;
         INSERT INTO users VALUES (1, 'admin', 'h', 'admin', '[]');
         INSERT INTO agents VALUES (1, 'a', 'server', 'd', 'the-secret-of-an-agent', 1);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
         INSERT INTO devices SELECT i, printf('%.100c', 'x'), 'nas', NULL, 'x', i + 0.5, i % 3, 1 FROM n;
         COMMIT",
    );
    let before = dump(&db);
    // What is deleted stays in the file's free pages.
    run(
        &db,
        "PRAGMA secure_delete = OFF; INSERT INTO agents SELECT 2, 'b', 'server', 'd', secret, 1 FROM agents; DELETE FROM agents WHERE id = 2",
    );
    let blank = raw::schema(&db);
    drop(db);

    let whole = tempfile::tempdir().unwrap();
    fs::copy(&original, database_path(whole.path())).unwrap();
    let started = Instant::now();
    assert!(child(whole.path()).status().unwrap().success());
    let takes = started.elapsed();

    let mut unfinished = 0;
    for round in 1..=ROUNDS {
        let directory = tempfile::tempdir().unwrap();
        let path = database_path(directory.path());
        fs::copy(&original, &path).unwrap();
        let mut killed = child(directory.path()).spawn().unwrap();
        // Adopting comes first, and is the shorter part.
        thread::sleep(takes * (round * round) / (ROUNDS * ROUNDS));
        killed.kill().unwrap();
        killed.wait().unwrap();

        let found = raw::open(&path);
        let version = one(&found, "PRAGMA user_version");
        assert_eq!(dump(&found), before, "killed in round {round}, at version {version}");
        match version.as_str() {
            "0" => {
                unfinished += 1;
                assert_eq!(raw::schema(&found), blank);
            }
            version if (1..=NEWEST).any(|known| known.to_string() == version) => {
                assert_eq!(backups(directory.path()).len(), 1, "nothing changes before the copy is whole")
            }
            other => panic!("version {other}"),
        }
        drop(found);
        for copy in backups(directory.path()) {
            assert_eq!(dump(&raw::open(&copy)), before);
        }

        Store::open(directory.path(), Given::default()).await.unwrap().close().await;
        let db = raw::open(&path);
        assert_eq!(dump(&db), before);
        assert_eq!(one(&db, "PRAGMA user_version"), NEWEST.to_string());
        assert_eq!(one(&db, "PRAGMA integrity_check"), "ok");
        assert!(!directory.path().join("db.sqlite.backup-partial").exists());
        drop(db);
        for file in fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
            // Later copies hold everything sealed.
            let copy =
                [".before-v1-", ".before-v2-"].iter().any(|name| file.to_str().unwrap().contains(name));
            let plain = contains(&fs::read(&file).unwrap(), b"the-secret-of-an-agent");
            assert_eq!(plain, copy, "round {round}: {}", file.display());
        }
    }
    assert!(unfinished > 0, "no kill came in time");
}
