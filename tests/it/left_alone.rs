//! Files that the server has not written stay, and those of a service stay the service's, whoever works on them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::Binary;
use crate::support::binary::{command, run};
use crate::support::system::is_root;
use crate::support::wait::until;

/// A user and a group that own nothing else here.
const SERVICE: (u32, u32) = (61_234, 61_235);

#[tokio::test]
async fn only_log_files_that_the_server_has_named_are_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let old = ["netignite.2020-01-01.log", "netignite.2024-12-31.log"];
    let kept = [
        "netignite.log",
        "netignite-agent.2020-01-01.log",
        "netignite.2020-01-01.log.gz",
        "netignite.backup.log",
        "netignite.2020-01-01-copy.log",
        "netignite.2020-13-01.log",
        "netignite2.2020-01-01.log",
        "other.2020-01-01.log",
    ];
    for name in old.iter().chain(&kept) {
        fs::write(logs.join(name), "x").unwrap();
    }
    fs::create_dir(logs.join("netignite.2020-01-02.log")).unwrap();
    for _ in 0..3 {
        let mut program = command(directory.path(), &["serve"]);
        program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log").env("NETIGNITE_LOG__KEEP_DAYS", "2");
        let mut server = Binary::spawn(program);
        server.listening().await;
        until("the old files to go", || async {
            old.iter().all(|name| !logs.join(name).exists()).then_some(())
        })
        .await;
        server.signal(Signal::TERM);
        server.ended().await;
    }
    for name in kept {
        assert!(logs.join(name).exists(), "{name}");
    }
    assert!(logs.join("netignite.2020-01-02.log").is_dir());
}

#[tokio::test]
async fn only_backups_that_the_server_has_made_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = Binary::serve(directory.path()).await;
    server.signal(Signal::TERM);
    server.ended().await;
    let data = directory.path().join("data");
    let own = ["db.sqlite.before-v1-20260102T030405Z", "db.sqlite.before-v2-20260102T030405Z-2"];
    let others = [
        "db.sqlite.before-v1-notes",
        "db.sqlite.before-v1-20260102T030405Z.gz",
        "db.sqlite.before-v1-20260102",
        "db.sqlite.before-vacation-20260102T030405Z",
        "db.sqlite.backup",
    ];
    for name in own.iter().chain(&others) {
        fs::write(data.join(name), "x").unwrap();
    }
    let (status, said) = run(command(directory.path(), &["secrets", "remove-backups"])).await;
    assert!(status.success(), "{said}");
    for name in own {
        assert!(!data.join(name).exists(), "{name}");
    }
    for name in others {
        assert!(data.join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_the_socket_stays() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in ["netignite.sock", "netignite.new"] {
        fs::write(data.join(name), "mine").unwrap();
    }
    let (server, _) = Binary::serve(directory.path()).await;
    server.line(&["no local socket", "move it away"]).await;
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
    for name in ["netignite.sock", "netignite.new"] {
        assert_eq!(fs::read_to_string(data.join(name)).unwrap(), "mine");
    }
}

fn owner(path: &Path) -> (u32, u32) {
    let is = fs::symlink_metadata(path).unwrap();
    (is.uid(), is.gid())
}

fn files(data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[track_caller]
fn all_are_the_services(data: &Path) {
    for file in files(data) {
        // The socket is whose the server is that listens there.
        if !file.ends_with("netignite.sock") {
            assert_eq!(owner(&file), SERVICE, "{}", file.display());
        }
    }
}

#[tokio::test]
async fn what_root_does_to_a_services_data_leaves_it_the_services() {
    if !is_root("what_root_does_to_a_services_data_leaves_it_the_services") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(SERVICE.0), Some(SERVICE.1)).unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    std::os::unix::fs::chown(&logs, Some(SERVICE.0), Some(SERVICE.1)).unwrap();

    // Everything is made by root first.
    let (status, said) = run(command(directory.path(), &["user", "add", "carol", "--generate"])).await;
    assert!(status.success(), "{said}");
    assert!(data.join("initial_admin_credentials").exists() && data.join("secret.key").exists());
    all_are_the_services(&data);
    for arguments in [&["secrets", "rotate-key", "--master"][..], &["user", "list"]] {
        let (status, said) = run(command(directory.path(), arguments)).await;
        assert!(status.success(), "{said}");
        all_are_the_services(&data);
    }
    // A server that root has started once, and killed, so that everything is left behind.
    let mut program = command(directory.path(), &["serve"]);
    program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
    let mut server = Binary::spawn(program);
    server.listening().await;
    all_are_the_services(&data);
    all_are_the_services(&logs);
    assert!(files(&data).iter().any(|file| file.ends_with("db.sqlite-wal")));
    server.kill().await;
    all_are_the_services(&data);

    // The service goes on. It may not reach the program where this was built, so it gets a copy.
    let program = directory.path().join("netignite");
    // Another process copies it: what this one has open to write, others that it starts meanwhile have open, too.
    let copied =
        std::process::Command::new("cp").args([env!("CARGO_BIN_EXE_netignite").as_ref(), &*program]).status();
    assert!(copied.unwrap().success());
    let mut serve = tokio::process::Command::new(&program);
    let base = command(directory.path(), &["serve"]);
    serve.args(["serve"]).current_dir(directory.path()).env_clear();
    for (key, value) in base.as_std().get_envs() {
        if let Some(value) = value {
            serve.env(key, value);
        }
    }
    serve.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
    serve.uid(SERVICE.0).gid(SERVICE.1).kill_on_drop(true);
    serve.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut server = Binary::spawn(serve);
    server.listening().await;
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}

#[tokio::test]
async fn a_key_that_is_a_link_stays_one_when_it_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (server, _) = Binary::serve(directory.path()).await;
    server.signal(Signal::TERM);
    server.ended().await;
    let (link, real) = (directory.path().join("data/secret.key"), directory.path().join("keys/the key"));
    fs::create_dir(directory.path().join("keys")).unwrap();
    fs::rename(&link, &real).unwrap();
    symlink("../keys/the key", &link).unwrap();
    let before = fs::read(&real).unwrap();
    let (status, said) = run(command(directory.path(), &["secrets", "rotate-key", "--master"])).await;
    assert!(status.success(), "{said}");
    assert!(link.is_symlink());
    assert_ne!(fs::read(&real).unwrap(), before);
    let (status, said) = run(command(directory.path(), &["user", "list"])).await;
    assert!(status.success(), "{said}");
}
