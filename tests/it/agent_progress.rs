//! How far a command is, as agents say it: taken where somebody listens, and harmless whatever an agent sends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::events::{Event, Stream};
use super::support::firmware::{Firmware, Frame, Message, TEXT};
use super::support::scene::SECRET;
use super::support::wait::{until_equal, within};
use super::support::{Scene, soon};

const ABLE: &str = "9.9; commands=DISCOVER,GET_STATUS,HEARTBEAT,PROBE,WAKEUP; features=progress,cancel";
const FOUND: &str = r#"{"status":"OK","message":"0 hosts found","hosts":[],"truncated":false}"#;

/// Has the agent look through its networks: the operation's ID, and the command.
async fn discover(scene: &Scene, agent: &mut Firmware) -> (String, Message) {
    let body = json!({"kind": "command", "agentID": scene.agent, "command": "DISCOVER"});
    let made = scene.admin.post("/api/operations", body).await.expect(202);
    (made.data()["id"].as_str().unwrap().to_owned(), agent.command().await)
}

#[tokio::test]
async fn how_far_an_operation_is_reaches_whoever_listens_and_may_see_all_of_it() {
    let scene = Scene::new("server").await;
    let mut agent = Firmware::connect_saying(scene.server.address(), scene.agent, SECRET, ABLE).await;
    let user = scene.server.user(&scene.admin, "another", "user").await;
    let mut stream = Stream::open(&scene.admin, "?types=operation.progress").await;
    let mut others = Stream::open(&user, "?types=operation.progress,agent.changed").await;
    let mut changes = Stream::open(&scene.admin, "?types=agent.changed").await;
    // The operation is stored as running just before its frame is written.
    let (id, command) = discover(&scene, &mut agent).await;
    let begun = stream.last_id.clone();
    let said = [
        (r#"{"message":"look\u202eing <b>","done":1,"total":254,"later":true}"#, json!([1, 254])),
        (r#"{"message":"x"}"#, json!([null, null])),
        ("{}", json!([null, null])),
    ];
    for (json, numbers) in said {
        agent.say(&format!("PROGRESS:{}:{json}", command.id)).await;
        let event = stream.event().await;
        assert_eq!(event.kind, "operation.progress");
        let data = &event.data;
        assert_eq!(
            (&data["id"], &data["agentID"], &data["deviceID"]),
            (&json!(id), &json!(scene.agent), &Value::Null)
        );
        assert_eq!((&data["command"], json!([data["done"], data["total"]])), (&json!("DISCOVER"), numbers));
        let message = data["message"].as_str().unwrap();
        assert!(!message.contains(['\u{202e}', '<']), "{message:?}");
        assert_eq!(event.id, begun, "it has no ID of its own");
    }
    // A direct call has no stream.
    let (admin, at) = (scene.admin.clone(), scene.agent);
    let direct =
        tokio::spawn(async move { admin.command(at, "PROBE", json!({"address": "192.0.2.1"})).await });
    let probe = agent.command().await;
    agent.say(&format!(r#"PROGRESS:{}:{{"message":"nobody hears this"}}"#, probe.id)).await;
    agent.reply(&probe, r#"{"status":"OK","message":"","online":"offline"}"#).await;
    soon("the answer", direct).await.unwrap().expect(200);
    agent.say(&format!(r#"PROGRESS:{}:{{"message":"last"}}"#, command.id)).await;
    assert_eq!(stream.event().await.data["message"], "last");
    // Another user, and who asked for other types, got nothing of it.
    let made = user.create_agent("server", SECRET).await;
    assert_eq!(others.event().await.data["id"], made);
    let made = scene.admin.create_agent("server", SECRET).await;
    assert_eq!(changes.event().await.data["id"], made);
    agent.reply(&command, FOUND).await;
}

#[tokio::test]
async fn how_far_an_operation_is_comes_between_its_beginning_and_its_end() {
    let scene = Scene::new("server").await;
    let mut agent = Firmware::connect_saying(scene.server.address(), scene.agent, SECRET, ABLE).await;
    let mut stream = Stream::open(&scene.admin, "?types=operation.progress,operation.changed").await;
    for _ in 0..20 {
        let (id, command) = discover(&scene, &mut agent).await;
        agent.say(&format!("PROGRESS:{}:{{}}", command.id)).await;
        let mut said = Vec::new();
        while said.last().is_none_or(|last| last != "succeeded") {
            let Event { kind, data, .. } = stream.event().await;
            assert_eq!(data["id"], id);
            if kind == "operation.progress" {
                said.push(json!("progress"));
                agent.reply(&command, FOUND).await;
            } else {
                said.push(data["state"].clone());
            }
        }
        assert_eq!(said, ["queued", "running", "progress", "succeeded"]);
    }
}

#[tokio::test]
async fn of_a_flood_four_a_second_are_passed_on_the_newest_among_them() {
    let scene = Scene::new("server").await;
    let mut agent = Firmware::connect_saying(scene.server.address(), scene.agent, SECRET, ABLE).await;
    let mut stream = Stream::open(&scene.admin, "?types=operation.progress").await;
    let (_, command) = discover(&scene, &mut agent).await;
    let began = Instant::now();
    let mut passed = 0;
    let flood = async {
        for n in 0.. {
            agent.say(&format!(r#"PROGRESS:{}:{{"done":{n}}}"#, command.id)).await;
            if began.elapsed() > Duration::from_secs(3) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let mut last = 0;
    let listening = async {
        loop {
            let done = stream.event().await.data["done"].as_i64().unwrap();
            assert!(done >= last, "an old one after a newer one");
            (last, passed) = (done, passed + 1);
        }
    };
    tokio::select! {
        () = flood => {}
        () = listening => {}
    }
    let most = 4 + 4 * (began.elapsed().as_secs() + 1);
    assert!((2..=most).contains(&passed), "{passed} in {:?}", began.elapsed());
    assert!(last > 100, "{last}");
}

#[tokio::test]
async fn a_flood_of_reports_costs_nobody_anything() {
    let scene = Scene::new("server").await;
    for about in [Some(ABLE), None] {
        let mut agent = match about {
            Some(about) => Firmware::connect_saying(scene.server.address(), scene.agent, SECRET, about).await,
            None => scene.firmware().await,
        };
        let (id, command) = discover(&scene, &mut agent).await;
        let large = format!(r#"{{"message":"{}"}}"#, "x".repeat(60_000));
        let flood = async {
            for n in 0..20_000_u32 {
                let text = match n % 1000 {
                    0 => format!("PROGRESS:{}:{large}", command.id),
                    1..=10 => format!("PROGRESS:{n}:{{}}"),
                    11 => format!("PROGRESS:{}:[[[[", command.id),
                    12 => format!("PROGRESS:{}:null", command.id),
                    13 => format!(r#"PROGRESS:{}:{{"done":-1,"total":"many"}}"#, command.id),
                    14 => format!(r#"CANCEL:{}:{{"status":"OK"}}"#, command.id),
                    _ => format!(r#"PROGRESS:{}:{{"message":"{n}","done":{n},"later":[1]}}"#, command.id),
                };
                agent.send(&Frame::new(TEXT, text)).await;
            }
        };
        tokio::join!(within(Duration::from_secs(60), "the flood to be read", flood), scene.serves_another());
        let path = format!("/api/operations/{id}");
        let state = async || scene.admin.get(&path).await.expect(200).data()["state"].clone();
        assert_eq!(state().await, "running", "none of it was an answer");
        agent.reply(&command, FOUND).await;
        until_equal("its end", json!("succeeded"), state).await;
        let operation = scene.admin.get(&path).await.expect(200).data().clone();
        let trail: Vec<_> = operation["trail"].as_array().unwrap().iter().map(|one| &one["event"]).collect();
        assert_eq!(trail, ["created", "sent", "answered"], "none of it is stored");
        assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
    }
}
