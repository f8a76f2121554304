//! A disk that takes no more, in one way or another: the server says so and is not ready, and is ready again by itself.

use std::fs;
use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::json;

use crate::support::binary::{command, run, superadmin};
use crate::support::system::SmallDisk;
use crate::support::wait::{until, until_equal};
use crate::support::{Binary, Client, Reply};

async fn create(client: &Client) -> Reply {
    let body = json!({"name": "a", "description": "d".repeat(900), "type": "server", "secret": "a long secret of an agent"});
    client.post("/api/agents", body).await
}

async fn readiness(address: SocketAddr) -> (u16, String) {
    let reply = Client::anonymous(address).get("/readyz").await;
    (reply.status, reply.text)
}

async fn ready(address: SocketAddr) {
    until_equal("readiness", (200, "ok\n".to_owned()), || readiness(address)).await;
}

/// Creates until that is refused.
async fn refused(client: &Client) -> Reply {
    until("a write to be refused", || async {
        let reply = create(client).await;
        (reply.status != 201).then_some(reply)
    })
    .await
}

#[tokio::test]
async fn a_full_disk_is_said_and_over_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let Some(disk) = SmallDisk::mount(&data, "24m", "a_full_disk_is_said_and_over_by_itself") else { return };
    let (server, address) = Binary::serve(directory.path()).await;
    let client = superadmin(directory.path(), address).await;
    create(&client).await.expect(201);
    let filler = disk.fill();
    let refused = refused(&client).await.expect(503);
    assert_eq!(refused.code(), "storage_full");
    // For as long as it is full, however often it is asked.
    for _ in 0..30 {
        let (status, text) = readiness(address).await;
        assert!(status == 503 && text.contains("full"), "{status}: {text}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let (status, said) = run(command(directory.path(), &["user", "list"])).await;
    assert!(status.success(), "reading goes on: {said}");
    fs::remove_file(&filler).unwrap();
    ready(address).await;
    create(&client).await.expect(201);

    // Nobody writes: it is noticed all the same.
    let filler = disk.fill();
    let text = until("an idle server to notice", || async {
        let (status, text) = readiness(address).await;
        (status == 503).then_some(text)
    })
    .await;
    assert!(text.contains("full"), "{text}");
    fs::remove_file(&filler).unwrap();
    ready(address).await;
    server.signal(Signal::TERM);
    server.ended().await;
}

#[tokio::test]
async fn a_start_on_a_full_disk_says_full() {
    for started_before in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let Some(disk) = SmallDisk::mount(&data, "24m", "a_start_on_a_full_disk_says_full") else { return };
        if started_before {
            let (server, _) = Binary::serve(directory.path()).await;
            server.signal(Signal::TERM);
            server.ended().await;
        }
        disk.fill();
        for arguments in [&[][..], &["user", "add", "carol", "--generate"]] {
            let (status, said) = run(command(directory.path(), arguments)).await;
            assert!(!status.success(), "{said}");
            let last = said.lines().last().unwrap_or_default();
            assert!(last.contains("full"), "{started_before} {arguments:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_may_not_grow_makes_the_server_unready() {
    use rustix::process::{Resource, Rlimit, prlimit};
    let directory = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(directory.path()).await;
    let client = superadmin(directory.path(), address).await;
    create(&client).await.expect(201);
    let limit = |bytes| {
        prlimit(Some(server.process()), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
    };
    limit(Some(1024));
    let refused = refused(&client).await.expect(503);
    assert!(["storage_failed", "storage_full"].contains(&refused.code()), "{}", refused.text);
    for _ in 0..20 {
        let (status, text) = readiness(address).await;
        assert!(status == 503 && text.starts_with("not ready: "), "{status}: {text}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    limit(None);
    ready(address).await;
    create(&client).await.expect(201);
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}
