//! File systems without permissions, locks, a sync of directories or sockets, as on memory cards and network shares: the
//! server warns and serves.

use std::fs;

use rustix::process::Signal;

use crate::support::binary::{command, run, superadmin};
use crate::support::system::without;
use crate::support::{Binary, Client};

#[tokio::test]
async fn what_a_file_system_does_not_have_is_said_and_gone_without() {
    for (lacking, said) in [
        ("chmod", "permissions cannot be narrowed"),
        ("flock", "has no locks"),
        ("dirsync", "cannot sync directories"),
        ("socket", "no local socket"),
        ("chmod,flock,dirsync,socket", "has no locks"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        // As a memory card shows every file.
        fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/original.sqlite"),
            data.join("db.sqlite"),
        )
        .unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(data.join("db.sqlite"), fs::Permissions::from_mode(0o755)).unwrap();
        for _ in 0..2 {
            let mut program = command(directory.path(), &["serve"]);
            without(&mut program, lacking);
            let mut server = Binary::spawn(program);
            let address = server.listening().await;
            server.line(&["warn", said]).await;
            let client = Client::login(address, "admin", "123456").await;
            client.create_agent("server", "a long secret of an agent").await;
            assert_eq!(client.get("/readyz").await.status, 200);
            server.signal(Signal::TERM);
            let (status, log) = server.ended().await;
            assert!(status.success(), "{lacking}: {log}");
        }
        let mut program = command(directory.path(), &["secrets", "rotate-key", "--master"]);
        without(&mut program, lacking);
        let (status, log) = run(program).await;
        assert!(status.success(), "{lacking}: {log}");
    }
}

#[tokio::test]
async fn a_new_server_starts_without_them_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = command(directory.path(), &["serve"]);
    without(&mut program, "chmod,flock,dirsync,socket");
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    superadmin(directory.path(), address).await.get("/api/auth/session").await.expect(200);
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}
