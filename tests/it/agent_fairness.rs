//! An agent's line belongs to everyone who may use it: nobody fills it for the others. And whose reply is whose.

use serde_json::{Value, json};

use crate::support::scene::SECRET;
use crate::support::wait::until_equal;
use crate::support::{Client, Firmware, Reply, Scene, Server, soon};

type Asked = tokio::task::JoinHandle<Reply>;

fn wake(client: &Client, device: i64) -> Asked {
    let (client, path) = (client.clone(), format!("/api/devices/{device}/wakeup"));
    tokio::spawn(async move { client.post(&path, json!({})).await })
}

async fn answered(asked: &[Asked]) -> usize {
    asked.iter().filter(|one| one.is_finished()).count()
}

/// A scene whose device somebody may wake.
async fn shared(kind: &str) -> (Scene, Client) {
    let scene = Scene::new(kind).await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    let share = json!({"username": "bob", "permissions": ["wake"]});
    scene.admin.post(&format!("/api/devices/{}/shares", scene.device), share).await.expect(201);
    (scene, bob)
}

#[tokio::test]
async fn whoever_may_wake_cannot_lock_the_owner_out() {
    let (scene, bob) = shared("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let flood: Vec<_> = (0..80).map(|_| wake(&bob, scene.device)).collect();
    // One is with the agent, 64 wait, and the rest was refused.
    until_equal("the line to be full", 15, || answered(&flood)).await;
    let owners: Vec<_> = (0..8).map(|_| wake(&scene.admin, scene.device)).collect();
    // The eight take the places of as many of whoever has the most.
    until_equal("those who made room", 23, || answered(&flood)).await;
    assert_eq!(answered(&owners).await, 0, "the owner was refused");
    // They take turns: 16 answers later, and the one that was with the agent already, all of the owner's are done.
    for _ in 0..17 {
        let command = firmware.command().await;
        firmware.reply_ok(&command).await;
    }
    for owner in owners {
        soon("the owner's answer", owner).await.unwrap().expect(200);
    }
    let serving = tokio::spawn(firmware.serve());
    let mut refused = 0;
    for one in flood {
        let reply = soon("an answer", one).await.unwrap();
        if reply.status == 503 {
            refused += 1;
            assert_eq!(reply.code(), "agent_busy", "{}", reply.text);
            assert!(reply.header("retry-after").is_some());
        }
    }
    assert_eq!(refused, 23);
    serving.abort();
}

#[tokio::test]
async fn a_flood_of_wakes_does_not_keep_anothers_question_for_ever() {
    let (scene, bob) = shared("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let flood: Vec<_> = (0..60).map(|_| wake(&bob, scene.device)).collect();
    let first = firmware.command().await;
    let question = scene.ask("192.0.2.1");
    // Once the question is in line, some wakes still go ahead of it, but not all of them.
    scene.assert_nothing_more(&mut firmware).await;
    firmware.reply_ok(&first).await;
    let mut ahead = 0;
    loop {
        let command = firmware.command().await;
        firmware.reply_ok(&command).await;
        if command.command == "GET_STATUS" {
            break;
        }
        ahead += 1;
        assert!(ahead < 30, "the question is starved");
    }
    question.answer().await.expect(200);
    drop(firmware);
    for one in flood {
        let _ = one.await;
    }
}

#[tokio::test]
async fn an_answer_under_another_commands_name_meets_nobody() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    for name in ["GET_STATUS", "ROTATE_SECRET", "HEARTBEAT"] {
        let said = format!(r#"{name}:{}:{{"status":"OK","message":"","online":"online"}}"#, command.id);
        firmware.say(&said).await;
    }
    let unknown = || async { scene.server.host().control.counters().unknown };
    until_equal("answers that meet nobody", 3, unknown).await;
    assert!(!wake.is_answered());
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
}

#[tokio::test]
async fn an_answer_held_over_a_restart_meets_nobody() {
    let Scene { server, admin, agent, device } = Scene::new("microcontroller").await;
    let mut ids = Vec::new();
    let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let asked = wake(&admin, device);
    let held = firmware.command().await;
    ids.push(held.id);
    asked.abort();
    let password = server.password.clone();
    let mut directory = server.stop().await;
    for _ in 0..3 {
        let server = Server::start_in(directory, |_| {}).await;
        let admin = Client::login(server.address(), "admin", &password).await;
        let mut firmware = Firmware::connect(server.address(), agent, SECRET).await;
        let asked = wake(&admin, device);
        let command = firmware.command().await;
        // What it was asked before the restart, under the ID of then.
        firmware.reply(&held, r#"{"status":"ERROR","message":"of another time"}"#).await;
        firmware.reply_ok(&command).await;
        soon("the answer", asked).await.unwrap().expect(200);
        assert_eq!(server.host().control.counters().unknown, 1);
        ids.push(command.id);
        directory = server.stop().await;
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "IDs begin anew at the same place: {ids:?}");
    // Firmware that reads them into a signed number finds them good.
    assert!(ids.iter().all(|&id| id < 1 << 31), "{ids:?}");
}

#[tokio::test]
async fn a_command_that_waits_too_long_in_line_is_given_up_unsent() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    // Each takes its whole time-out of five seconds, so the last would wait for a minute.
    let asked: Vec<_> = (0..13).map(|_| wake(&scene.admin, scene.device)).collect();
    let began = std::time::Instant::now();
    let mut sent = 0;
    let mut replies: Vec<Value> = Vec::new();
    let counting = async {
        loop {
            if let crate::support::firmware::Heard::Text(text) = firmware.next().await
                && text.starts_with("WAKEUP")
            {
                sent += 1;
            }
        }
    };
    let answers = async {
        for one in asked {
            replies.push(one.await.unwrap().body);
        }
    };
    tokio::select! {
        () = counting => {}
        () = answers => {}
    }
    let took = began.elapsed().as_secs_f64();
    assert!(took < 45.0, "{took} s");
    let timed_out = replies.iter().filter(|reply| reply["code"] == "agent_timeout").count();
    let unsent = replies.iter().filter(|reply| reply["code"] == "agent_busy").count();
    assert_eq!((timed_out, timed_out + unsent), (sent, 13), "{replies:?}");
    assert!(unsent > 0);
}
