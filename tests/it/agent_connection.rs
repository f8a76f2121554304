//! The life of an agent's connection: when it counts, what ends it, and who hears of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::firmware::{CLOSE, Frame, Heard, Message, basic, handshake, key};
use crate::support::raw::RawConnection;
use crate::support::scene::{MAC, SECRET};
use crate::support::wait::until_equal;
use crate::support::{Agent, Firmware, Scene, soon};

/// Far below every time-out of a command: what is answered within this was answered by an event.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn assert_offline(scene: &Scene) {
    until_equal("the agent's status", "offline".to_owned(), || scene.admin.agent_status(scene.agent)).await;
}

#[tokio::test]
async fn an_agent_counts_from_the_moment_its_101_is_on_the_wire() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    let status = format!("/api/agents/status?ids={}", scene.agent);
    for round in 0..200 {
        let key = key();
        let mut connection = RawConnection::open(address).await;
        connection.send(handshake(address, &basic(scene.agent, SECRET), &key)).await;
        let mut firmware = Firmware::judge(connection, &key).await.expect("admitted");
        if round % 2 == 0 {
            let reply = scene.admin.get(&status).await.expect(200);
            assert_eq!(reply.data()[scene.agent.to_string()], "online", "round {round}");
        }
        let wake = scene.wake();
        let command = soon("the command", firmware.command()).await;
        firmware.reply_ok(&command).await;
        wake.answer().await.expect(200);
        // Every other agent leaves first, so that connecting anew and replacing are both met.
        if round % 4 < 2 {
            drop(firmware);
            assert_offline(&scene).await;
        }
    }
}

#[tokio::test]
async fn status_follows_the_connection() {
    let scene = Scene::new("microcontroller").await;
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
    let firmware = scene.firmware().await;
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
    drop(firmware);
    assert_offline(&scene).await;
    let firmware = scene.firmware().await;
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
    firmware.vanish();
    assert_offline(&scene).await;
}

#[tokio::test]
async fn the_newest_connection_wins() {
    let scene = Scene::new("microcontroller").await;
    let mut older = scene.firmware().await;
    let mut newer = scene.firmware().await;
    assert_eq!(older.closed().await, (4001, "replaced".to_owned()));
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
    let wake = scene.wake();
    let command = newer.command().await;
    newer.reply_ok(&command).await;
    wake.answer().await.expect(200);
}

#[tokio::test]
async fn an_independent_client_reads_the_close_frame() {
    let scene = Scene::new("server").await;
    let mut older = Agent::connect(scene.server.address(), scene.agent, SECRET).await;
    let _newer = Agent::connect(scene.server.address(), scene.agent, SECRET).await;
    assert_eq!(older.closed().await, (4001, "replaced".to_owned()));
}

#[tokio::test]
async fn many_connections_at_once_leave_one() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    let mut agents = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let agent = scene.agent;
        agents.spawn(async move { Firmware::connect(address, agent, SECRET).await });
    }
    let agents = agents.join_all().await;
    let mut ends = tokio::task::JoinSet::new();
    for mut agent in agents {
        ends.spawn(async move {
            // Nineteen are replaced; the last one gets the command.
            loop {
                match agent.heard().await {
                    Heard::Close(code, _) => return Some(code),
                    Heard::Text(text) => {
                        agent.reply_ok(&Message::parse(&text)).await;
                        return None;
                    }
                    Heard::Ping(_) | Heard::Pong(_) => {}
                    Heard::Gone => panic!("gone without a close frame"),
                }
            }
        });
    }
    for _ in 0..19 {
        assert_eq!(soon("a replaced agent", ends.join_next()).await.unwrap().unwrap(), Some(4001));
    }
    scene.wake().answer().await.expect(200);
    assert_eq!(soon("the last agent", ends.join_next()).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn callers_are_answered_at_once_when_the_connection_drops() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    // One command is in flight, the other waits in line.
    let sent = scene.wake();
    firmware.command().await;
    let waiting = scene.ask("192.0.2.1");
    let dropped = Instant::now();
    drop(firmware);
    assert_eq!(sent.answer().await.expect(503).code(), "agent_disconnected");
    // The second one may come before or after the end: either way it is heard of, and at once.
    let code = waiting.answer().await.expect(503).code().to_owned();
    assert!(["agent_disconnected", "agent_offline"].contains(&code.as_str()), "{code}");
    assert!(dropped.elapsed() < AT_ONCE, "heard of after {:?}", dropped.elapsed());
}

#[tokio::test]
async fn callers_are_answered_at_once_when_the_connection_is_replaced() {
    let scene = Scene::new("microcontroller").await;
    let mut older = scene.firmware().await;
    let wake = scene.wake();
    older.command().await;
    let replaced = Instant::now();
    let _newer = scene.firmware().await;
    assert_eq!(wake.answer().await.expect(503).code(), "agent_disconnected");
    assert!(replaced.elapsed() < AT_ONCE, "heard of after {:?}", replaced.elapsed());
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_reported_at_once() {
    let scene = Scene::new("server").await;
    let asked = Instant::now();
    let reply = scene.wake().answer().await.expect(503);
    assert_eq!((reply.code(), reply.message()), ("agent_offline", "Agent is offline"));
    assert!(asked.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn a_changed_secret_disconnects_at_once() {
    let scene = Scene::new("server").await;
    let path = format!("/api/agents/{}", scene.agent);
    let mut firmware = scene.firmware().await;
    let body = json!({"name": "n", "description": "d", "type": "server", "secret": "another good secret"});
    scene.admin.put(&path, body).await.expect(200);
    assert_eq!(firmware.closed().await.0, 4002);
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
    let address = scene.server.address();
    let refused = Firmware::try_connect(address, scene.agent, SECRET).await.map(drop).unwrap_err();
    assert_eq!(refused.status, 401);
    let _firmware = Firmware::connect(address, scene.agent, "another good secret").await;
}

#[tokio::test]
async fn a_change_that_keeps_the_secret_keeps_the_connection() {
    let scene = Scene::new("server").await;
    let path = format!("/api/agents/{}", scene.agent);
    let mut firmware = scene.firmware().await;
    for secret in [json!(null), json!(SECRET)] {
        let body = json!({"name": "renamed", "description": "d", "type": "server", "secret": secret});
        scene.admin.put(&path, body).await.expect(200);
    }
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
}

#[tokio::test]
async fn a_deleted_agent_is_disconnected() {
    let scene = Scene::new("server").await;
    let agent = scene.admin.create_agent("server", SECRET).await;
    let mut firmware = Firmware::connect(scene.server.address(), agent, SECRET).await;
    scene.admin.delete(&format!("/api/agents/{agent}")).await.expect(200);
    assert_eq!(firmware.closed().await.0, 4003);
    let refused = Firmware::try_connect(scene.server.address(), agent, SECRET).await.map(drop).unwrap_err();
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn an_agent_that_says_goodbye_is_answered() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    firmware.send(&Frame::new(CLOSE, 1000_u16.to_be_bytes())).await;
    assert_eq!(firmware.closed().await.0, 1000);
    assert_eq!(firmware.heard().await, Heard::Gone);
    assert_offline(&scene).await;
}

#[tokio::test]
async fn stopping_closes_every_agent_with_1001() {
    let scene = Scene::new("server").await;
    let other = scene.admin.create_agent("microcontroller", SECRET).await;
    let mut agents =
        vec![scene.firmware().await, Firmware::connect(scene.server.address(), other, SECRET).await];
    let wake = scene.wake();
    agents[0].command().await;
    let stopping = tokio::spawn(scene.server.stop());
    for agent in &mut agents {
        assert_eq!(agent.closed().await.0, 1001);
    }
    soon("the stop", stopping).await.unwrap();
    // Whoever waits is answered, not left hanging; the drain still carries the answer.
    assert_eq!(wake.answer().await.expect(503).code(), "agent_disconnected");
}

#[tokio::test]
async fn an_agent_reconnects_after_a_restart() {
    let scene = Scene::new("server").await;
    let (agent, device) = (scene.agent, scene.device);
    let data = scene.server.stop().await;
    let server = crate::support::Server::start_in(data, |_| {}).await;
    let admin = server.superadmin().await;
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    assert_eq!(admin.agent_status(agent).await, "online");
    let waking = admin.clone();
    let wake =
        tokio::spawn(async move { waking.post(&format!("/api/devices/{device}/wakeup"), json!({})).await });
    let command = firmware.command().await;
    assert_eq!(command.json, json!({"macAddress": MAC, "port": 9}));
    firmware.reply_ok(&command).await;
    wake.await.unwrap().expect(200);
}
