//! A database and the write-ahead log of another generation: a start notices, changes nothing and says what to do.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;

use crate::support::binary::{command, run, superadmin};
use crate::support::{Binary, Client, sqlite};

const SECRET: &str = "a long secret of an agent";

async fn stop(server: Binary) {
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

/// A server with an agent, stopped; then another agent, and killed: what is in the database alone, and what only in its
/// write-ahead log.
async fn killed(directory: &Path, in_between: impl AsyncFnOnce(&Path)) -> (Client, i64) {
    let (server, address) = Binary::serve(directory).await;
    let client = superadmin(directory, address).await;
    client.create_agent("server", SECRET).await;
    stop(server).await;
    fs::copy(directory.join("data/db.sqlite"), directory.join("stopped")).unwrap();
    let (server, address) = Binary::serve(directory).await;
    let client = Client { address, ..client };
    let second = client.create_agent("server", SECRET).await;
    in_between(directory).await;
    client.create_agent("server", SECRET).await;
    server.kill().await;
    (client, second)
}

async fn refused(directory: &Path) {
    let data = directory.join("data");
    let read = |name: &str| fs::read(data.join(name)).unwrap();
    let before = (read("db.sqlite"), read("db.sqlite-wal"));
    for arguments in [&["serve"][..], &["user", "list"]] {
        let (status, said) = run(command(directory, arguments)).await;
        assert_eq!(status.code(), Some(1), "{said}");
        let line = said.lines().last().unwrap_or_default();
        for word in ["db.sqlite-wal", "db.sqlite-shm", "remove", "backup"] {
            assert!(line.contains(word), "{word}: {said}");
        }
        assert!((read("db.sqlite"), read("db.sqlite-wal")) == before, "something was changed");
    }
}

/// Does what the refusal says, and starts.
async fn restored(directory: &Path) -> (Binary, SocketAddr) {
    for name in ["db.sqlite-wal", "db.sqlite-shm"] {
        let _ = fs::remove_file(directory.join("data").join(name));
    }
    Binary::serve(directory).await
}

#[tokio::test]
async fn a_backup_is_not_undone_by_what_a_killed_server_left() {
    // Made while the server was stopped, while it ran, and put there in one way or the other.
    for (online, rename) in [(false, false), (false, true), (true, false), (true, true)] {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let (client, second) = killed(here, async |here| {
            let copy = here.join("online");
            let into = format!("VACUUM INTO '{}'", copy.display());
            sqlite::execute(&here.join("data/db.sqlite"), &into).await;
        })
        .await;
        let backup = here.join(if online { "online" } else { "stopped" });
        let database = here.join("data/db.sqlite");
        if rename {
            fs::rename(&backup, &database).unwrap();
        } else {
            fs::copy(&backup, &database).unwrap();
        }
        refused(here).await;
        let (server, address) = restored(here).await;
        let client = Client { address, ..client };
        let listed = client.get("/api/agents").await.expect(200);
        assert_eq!(listed.data().as_array().unwrap().len(), if online { 2 } else { 1 });
        let reply = client.get(&format!("/api/agents/{second}")).await;
        assert_eq!(reply.status, if online { 200 } else { 404 });
        stop(server).await;
    }
}

#[tokio::test]
async fn an_older_write_ahead_log_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    killed(here, async |_| {}).await;
    fs::copy(here.join("data/db.sqlite-wal"), here.join("older")).unwrap();
    let (server, _) = Binary::serve(here).await;
    server.kill().await;
    let (server, _) = Binary::serve(here).await;
    stop(server).await;
    let (server, _) = Binary::serve(here).await;
    server.kill().await;
    fs::copy(here.join("older"), here.join("data/db.sqlite-wal")).unwrap();
    refused(here).await;
}

#[tokio::test]
async fn a_directory_that_is_moved_as_a_whole_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (client, second) = killed(here, async |_| {}).await;
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("data")).unwrap();
    for entry in fs::read_dir(here.join("data")).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), other.path().join("data").join(entry.file_name())).unwrap();
        }
    }
    for here in [here, other.path()] {
        let (server, address) = Binary::serve(here).await;
        let client = Client { address, ..client.clone() };
        client.get(&format!("/api/agents/{second}")).await.expect(200);
        stop(server).await;
    }
}

#[tokio::test]
async fn a_write_ahead_log_that_is_missing_alone_is_missed() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    superadmin(directory.path(), address).await.create_agent("server", SECRET).await;
    server.kill().await;
    let data = directory.path().join("data");
    fs::rename(data.join("db.sqlite-wal"), data.join("aside")).unwrap();
    let (status, said) = run(command(directory.path(), &["serve"])).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("db.sqlite-wal is missing"), "{said}");
    fs::rename(data.join("aside"), data.join("db.sqlite-wal")).unwrap();
    stop(Binary::serve(directory.path()).await.0).await;
}
