//! A disk that takes no more, in one way or another: the server says so and is not ready, and is ready again by itself.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

use futures_util::StreamExt;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::support::binary::{command, run, superadmin};
use crate::support::firmware::Message;
use crate::support::system::SmallDisk;
use crate::support::wait::{until, until_equal};
use crate::support::{Agent, Binary, Client, Reply};

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

/// An agent that wakes whatever it is asked to, and reports each address.
async fn waker(mut agent: Agent, woken: mpsc::UnboundedSender<String>) {
    while let Some(Ok(frame)) = agent.socket.next().await {
        let Frame::Text(text) = frame else { continue };
        let message = Message::parse(&text);
        if message.command == "WAKEUP" {
            woken.send(message.json["macAddress"].as_str().unwrap().to_owned()).unwrap();
        }
        let done = json!({"status": "OK", "message": "done"});
        let answer = if message.command == "HEARTBEAT" { Value::Null } else { done };
        agent.reply(&message, &answer.to_string()).await;
    }
}

#[tokio::test]
async fn operations_outlast_a_full_disk() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let Some(disk) = SmallDisk::mount(&data, "24m", "operations_outlast_a_full_disk") else { return };
    let (server, address) = Binary::serve(directory.path()).await;
    let client = superadmin(directory.path(), address).await;
    let secret = "a long secret of an agent";
    let (there, absent) =
        (client.create_agent("server", secret).await, client.create_agent("server", secret).await);
    let (woken, mut reports) = mpsc::unbounded_channel();
    tokio::spawn(waker(Agent::connect(address, there, secret).await, woken.clone()));
    let accepted = |number: usize| {
        let agent = if number.is_multiple_of(2) { there } else { absent };
        let body = json!({"kind": "command", "agentID": agent, "command": "WAKEUP", "runTimeout": 60,
            "payload": {"macAddress": format!("02:00:00:00:00:{number:02X}"), "port": 9}});
        let request = client.http.post(client.url("/api/operations")).json(&body);
        client.send(request.header("Idempotency-Key", format!("key-{number}")))
    };
    let mut acknowledged = Vec::new();
    let id = |reply: &Reply| reply.data()["id"].as_str().unwrap().to_owned();
    for number in 0..10 {
        acknowledged.push(id(&accepted(number).await.expect(202)));
    }
    let filler = disk.fill();
    refused(&client).await.expect(503);
    // What still fits is kept, like all that is acknowledged.
    let (number, refusal) = loop {
        let reply = accepted(acknowledged.len()).await;
        if reply.status != 202 {
            break (acknowledged.len(), reply.expect(503));
        }
        acknowledged.push(id(&reply));
    };
    assert_eq!(refusal.code(), "storage_full");
    assert!(refusal.message().contains("full"), "{}", refusal.text);
    let withdrawal = client.post(&format!("/api/operations/{}/cancel", acknowledged[1]), json!({})).await;
    assert!([200, 503].contains(&withdrawal.status), "{}", withdrawal.text);
    for id in &acknowledged {
        client.get(&format!("/api/operations/{id}")).await.expect(200);
    }
    fs::remove_file(&filler).unwrap();
    ready(address).await;
    // The same request makes the operation now.
    acknowledged.push(id(&accepted(number).await.expect(202)));
    tokio::spawn(waker(Agent::connect(address, absent, secret).await, woken));
    let withdrawn = (withdrawal.status == 200).then(|| acknowledged[1].clone());
    for id in &acknowledged {
        let wanted = if withdrawn.as_ref() == Some(id) { "canceled" } else { "succeeded" };
        until_equal("the end of it", wanted.to_owned(), || async {
            let operation = client.get(&format!("/api/operations/{id}")).await.expect(200);
            operation.data()["state"].as_str().unwrap().to_owned()
        })
        .await;
    }
    let mut times = BTreeMap::<String, usize>::new();
    while let Ok(address) = reports.try_recv() {
        *times.entry(address).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "one was sent twice: {times:?}");
    assert_eq!(times.len(), acknowledged.len() - usize::from(withdrawn.is_some()), "{times:?}");
    server.signal(Signal::TERM);
    assert!(server.ended().await.0.success());
}
