//! How far a command is, as agents say it: taken where somebody listens, and harmless whatever an agent sends.

use std::time::Duration;

use serde_json::json;

use super::support::Scene;
use super::support::firmware::{Firmware, Frame, TEXT};
use super::support::scene::{MAC, SECRET};
use super::support::wait::{until_equal, within};

const ABLE: &str = "9.9; commands=DISCOVER,GET_STATUS,HEARTBEAT,PROBE,WAKEUP; features=progress,cancel";
const FOUND: &str = r#"{"status":"OK","message":"0 hosts found","hosts":[],"truncated":false}"#;

/// Another agent of the server is asked again and again, and answers.
async fn served(scene: &Scene) {
    let agent = scene.admin.create_agent("server", SECRET).await;
    let device = scene.admin.create_device(agent, MAC).await;
    let firmware = Firmware::connect(scene.server.address(), agent, SECRET).await;
    let serving = tokio::spawn(firmware.serve());
    let path = format!("/api/devices/{device}/wakeup");
    for _ in 0..20 {
        let wake = scene.admin.post(&path, json!({}));
        within(Duration::from_secs(5), "another agent's answer", wake).await.expect(200);
    }
    serving.abort();
}

#[tokio::test]
async fn a_flood_of_reports_costs_nobody_anything() {
    let scene = Scene::new("server").await;
    for about in [Some(ABLE), None] {
        let mut agent = match about {
            Some(about) => Firmware::connect_saying(scene.server.address(), scene.agent, SECRET, about).await,
            None => scene.firmware().await,
        };
        let body = json!({"kind": "command", "agentID": scene.agent, "command": "DISCOVER"});
        let made = scene.admin.post("/api/operations", body).await.expect(202);
        let id = made.data()["id"].as_str().unwrap().to_owned();
        let command = agent.command().await;
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
        tokio::join!(within(Duration::from_secs(60), "the flood to be read", flood), served(&scene));
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
