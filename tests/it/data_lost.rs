//! The data directory, or a file in it, that goes away or is replaced under a running server: it notices, saves
//! nothing that would be lost, says so, and goes on when everything is back.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::json;

use crate::support::binary::{command, run, superadmin};
use crate::support::wait::{until, until_equal};
use crate::support::{Binary, Client, Reply};

async fn create(client: &Client) -> Reply {
    let body =
        json!({"name": "a", "description": "", "type": "server", "secret": "a long secret of an agent"});
    client.post("/api/agents", body).await
}

async fn readiness(address: SocketAddr) -> (u16, String) {
    let reply = Client::anonymous(address).get("/readyz").await;
    (reply.status, reply.text)
}

async fn not_ready(address: SocketAddr) -> String {
    until("the server not to be ready", || async {
        let (status, text) = readiness(address).await;
        (status == 503).then_some(text)
    })
    .await
}

async fn ready(address: SocketAddr) {
    until_equal("readiness", (200, "ok\n".to_owned()), || readiness(address)).await;
}

struct Loss {
    what: &'static str,
    lose: fn(&Path),
    bring_back: Option<fn(&Path)>,
    /// The file that the refusal names.
    named: &'static str,
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("aside")
}

fn rename_database(data: &Path) {
    fs::rename(data.join("db.sqlite"), data.join("other")).unwrap();
}

fn rename_database_back(data: &Path) {
    fs::rename(data.join("other"), data.join("db.sqlite")).unwrap();
}

const LOSSES: &[Loss] = &[
    Loss {
        what: "database deleted",
        lose: |data| fs::remove_file(data.join("db.sqlite")).unwrap(),
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "database renamed",
        lose: rename_database,
        bring_back: Some(rename_database_back),
        named: "db.sqlite",
    },
    Loss {
        what: "database replaced",
        lose: |data| {
            fs::copy(data.join("db.sqlite"), data.join("other")).unwrap();
            fs::rename(data.join("other"), data.join("db.sqlite")).unwrap();
        },
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "database overwritten",
        lose: |data| fs::write(data.join("db.sqlite"), [b'x'; 100_000]).unwrap(),
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "database emptied",
        lose: |data| fs::write(data.join("db.sqlite"), "").unwrap(),
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "a backup copied over the database",
        lose: |data| {
            // As `cp` does it: into the same file.
            let backup = fs::read(data.join("db.sqlite")).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(2100));
            fs::write(data.join("db.sqlite"), backup).unwrap();
        },
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "a backup copied over the database within the second",
        lose: |data| {
            let backup = fs::read(data.join("db.sqlite")).unwrap();
            fs::write(data.join("db.sqlite"), backup).unwrap();
        },
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "write-ahead log emptied",
        lose: |data| {
            fs::File::options().write(true).open(data.join("db.sqlite-wal")).unwrap().set_len(0).unwrap()
        },
        bring_back: None,
        named: "db.sqlite-wal",
    },
    Loss {
        what: "write-ahead log overwritten",
        lose: |data| {
            let length = fs::metadata(data.join("db.sqlite-wal")).unwrap().len();
            fs::write(data.join("db.sqlite-wal"), vec![b'x'; length as usize]).unwrap();
        },
        bring_back: None,
        named: "db.sqlite-wal",
    },
    Loss {
        what: "write-ahead log deleted",
        lose: |data| fs::remove_file(data.join("db.sqlite-wal")).unwrap(),
        bring_back: None,
        named: "db.sqlite-wal",
    },
    Loss {
        what: "index of the write-ahead log deleted",
        lose: |data| fs::remove_file(data.join("db.sqlite-shm")).unwrap(),
        bring_back: None,
        named: "db.sqlite-shm",
    },
    Loss {
        what: "directory deleted",
        lose: |data| fs::remove_dir_all(data).unwrap(),
        bring_back: None,
        named: "db.sqlite",
    },
    Loss {
        what: "directory renamed",
        lose: |data| fs::rename(data, aside(data)).unwrap(),
        bring_back: Some(|data| fs::rename(aside(data), data).unwrap()),
        named: "db.sqlite",
    },
    Loss {
        what: "directory replaced",
        lose: |data| {
            fs::rename(data, aside(data)).unwrap();
            fs::create_dir(data).unwrap();
        },
        bring_back: Some(|data| {
            let _ = fs::remove_dir_all(data);
            fs::rename(aside(data), data).unwrap();
        }),
        named: "db.sqlite",
    },
];

#[tokio::test]
async fn nothing_is_acknowledged_that_would_be_lost() {
    let mut rounds = tokio::task::JoinSet::new();
    for loss in LOSSES {
        rounds.spawn(async move {
            let directory = tempfile::tempdir().unwrap();
            let data = directory.path().join("data");
            let (server, address) = Binary::serve(directory.path()).await;
            let client = superadmin(directory.path(), address).await;
            create(&client).await.expect(201);
            (loss.lose)(&data);
            let refused = create(&client).await.expect(503);
            assert_eq!(refused.code(), "data_lost", "{}: {}", loss.what, refused.text);
            let message = refused.message();
            assert!(message.contains(loss.named) && message.contains("estart"), "{}: {message}", loss.what);
            assert!(!message.contains(['<', '>', '&', '"', '\'']), "{message}");
            let said = not_ready(address).await;
            assert!(said.contains(loss.named), "{}: {said}", loss.what);
            server.line(&[loss.named, "error"]).await;
            let unread = ["over", "emptied"];
            if !unread.iter().any(|word| loss.what.contains(word)) {
                // Reading what is still there goes on.
                client.get("/api/agents").await.expect(200);
            }
            if let Some(bring_back) = loss.bring_back {
                bring_back(&data);
                ready(address).await;
                create(&client).await.expect(201);
            }
            // A stop in that state must not hang, nor harm what lies at the path now.
            server.signal(Signal::TERM);
            let (_, log) = server.ended().await;
            assert!(!log.contains("panicked"), "{log}");
        });
    }
    while let Some(round) = rounds.join_next().await {
        round.unwrap();
    }
}

#[tokio::test]
async fn a_deleted_database_is_noticed_without_a_request() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = Binary::serve(directory.path()).await;
    fs::remove_file(directory.path().join("data/db.sqlite")).unwrap();
    server.line(&["error", "db.sqlite", "estart"]).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_saved_though_the_write_ahead_log_is_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    let client = superadmin(directory.path(), address).await;
    let made = create(&client).await.expect(201).id();
    let data = directory.path().join("data");
    fs::remove_file(data.join("db.sqlite-wal")).unwrap();
    not_ready(address).await;
    server.line(&["error", "db.sqlite-wal"]).await;
    let saved = server.line(&["db.sqlite-wal", "written back"]).await;
    assert!(saved.contains("estart"), "{saved}");
    server.kill().await;
    let (_server, address) = Binary::serve(directory.path()).await;
    let moved = Client { address, ..client };
    moved.get(&format!("/api/agents/{made}")).await.expect(200);
}

#[tokio::test]
async fn a_stop_leaves_another_generation_at_the_path_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let (server, address) = Binary::serve(directory.path()).await;
    create(&superadmin(directory.path(), address).await).await.expect(201);
    for file in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        fs::write(data.join("other"), file).unwrap();
        fs::rename(data.join("other"), data.join(file)).unwrap();
    }
    not_ready(address).await;
    server.signal(Signal::TERM);
    server.ended().await;
    for file in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        assert_eq!(fs::read_to_string(data.join(file)).unwrap(), file);
    }
}

#[tokio::test]
async fn without_its_key_file_nothing_more_is_sealed() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("data/secret.key");
    let (server, address) = Binary::serve(directory.path()).await;
    let client = superadmin(directory.path(), address).await;
    let text = fs::read(&key).unwrap();
    for lost in [None, Some("another key of enough 0123456789 characters")] {
        fs::remove_file(&key).unwrap();
        if let Some(other) = lost {
            fs::write(&key, other).unwrap();
        }
        let said = not_ready(address).await;
        assert!(said.contains("secret.key"), "{said}");
        let refused = create(&client).await.expect(503);
        assert_eq!(refused.code(), "data_lost");
        assert!(refused.message().contains("secret.key"), "{}", refused.text);
        fs::write(&key, &text).unwrap();
        ready(address).await;
        create(&client).await.expect(201);
    }
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

#[tokio::test]
async fn a_deleted_lock_lets_no_second_server_in() {
    let directory = tempfile::tempdir().unwrap();
    let lock = directory.path().join("data/netignite.lock");
    let (server, address) = Binary::serve(directory.path()).await;
    fs::remove_file(&lock).unwrap();
    let (status, said) = run(command(directory.path(), &[])).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("another netignite"), "{said}");
    until("the lock's file to be there again", || async { lock.exists().then_some(()) }).await;
    let (status, said) = run(command(directory.path(), &[])).await;
    assert_eq!(status.code(), Some(1), "{said}");
    create(&superadmin(directory.path(), address).await).await.expect(201);
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

#[tokio::test]
async fn a_deleted_local_socket_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("data/netignite.sock");
    let (server, _) = Binary::serve(directory.path()).await;
    fs::remove_file(&socket).unwrap();
    until("the socket to be there again", || async { socket.exists().then_some(()) }).await;
    let (status, said) = run(command(directory.path(), &["user", "list"])).await;
    assert!(status.success() && said.contains("admin"), "{said}");
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_key_without_its_database_is_no_new_server() {
    for empty in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let (server, _) = Binary::serve(directory.path()).await;
        server.signal(Signal::TERM);
        server.ended().await;
        fs::remove_file(data.join("db.sqlite")).unwrap();
        if empty {
            fs::write(data.join("db.sqlite"), "").unwrap();
        }
        let create_user = ["user", "add", "carol", "--generate"];
        for arguments in [&["serve"][..], &[], &create_user] {
            let (status, said) = run(command(directory.path(), arguments)).await;
            assert_eq!(status.code(), Some(1), "{said}");
            assert!(said.contains("--new") && said.contains("secret.key"), "{arguments:?}: {said}");
        }
        let left = fs::read(data.join("db.sqlite")).unwrap_or_default();
        assert!(left.is_empty(), "nothing was made");
        let mut server = Binary::spawn(command(directory.path(), &["serve", "--new"]));
        let address = server.listening().await;
        superadmin(directory.path(), address).await;
        server.signal(Signal::TERM);
        server.ended().await;
        // It is one now; asking for a new one again finds the old.
        let (status, said) = run(command(directory.path(), &["user", "list", "--json"])).await;
        assert!(status.success() && said.contains("admin"), "{said}");
    }
}
