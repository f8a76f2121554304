//! What the server does of a command: PROBE of a device that the server knows.

use serde_json::{Value, json};

use super::support::scene::{MAC, SECRET};
use super::support::{Client, Firmware, Scene, soon};

const ABSENT: &str = r#"{"status":"OK","message":"m","online":"offline"}"#;

/// Starts probing.
fn probe(client: &Client, agent: i64, payload: Value) -> tokio::task::JoinHandle<super::support::Reply> {
    let client = client.clone();
    tokio::spawn(async move { client.command(agent, "PROBE", payload).await })
}

#[tokio::test]
async fn a_device_is_looked_for_by_what_the_server_knows_of_it() {
    let scene = Scene::new("server").await;
    let (admin, device) = (&scene.admin, scene.device);
    let mut agent = scene.firmware().await;
    let body = json!({"name": "NAS", "type": "server", "macAddress": MAC, "port": 9, "agentID": scene.agent,
        "address": "192.0.2.7", "probePorts": [22, 445]});
    admin.put(&format!("/api/devices/{device}"), body).await.expect(200);
    let known = json!({"macAddress": MAC, "address": "192.0.2.7", "ports": [22, 445]});

    let asked = probe(admin, scene.agent, json!({"deviceID": device}));
    let command = agent.command().await;
    assert_eq!((command.command.as_str(), &command.json), ("PROBE", &known), "without the ID");
    agent.reply(&command, ABSENT).await;
    soon("the answer", asked).await.unwrap().expect(200);

    // What is given is what holds.
    let asked = probe(admin, scene.agent, json!({"deviceID": device, "address": "192.0.2.8", "ports": [80]}));
    let command = agent.command().await;
    assert_eq!(command.json, json!({"macAddress": MAC, "address": "192.0.2.8", "ports": [80]}));
    agent.reply(&command, ABSENT).await;
    soon("the answer", asked).await.unwrap().expect(200);

    // An operation is completed when it is made, and answered again when its request comes again.
    let body = json!({"kind": "command", "agentID": scene.agent, "command": "PROBE", "payload": {"deviceID": device}});
    let make = async || {
        let request = admin.http.post(admin.url("/api/operations")).header("idempotency-key", "one");
        admin.send(request.json(&body)).await
    };
    let made = make().await.expect(202);
    assert_eq!(made.data()["payload"], known);
    let command = agent.command().await;
    assert_eq!(command.json, known);
    admin.delete(&format!("/api/devices/{device}")).await.expect(200);
    let again = make().await;
    assert_eq!((again.status, &again.data()["id"]), (202, &made.data()["id"]), "{}", again.text);
    agent.reply(&command, ABSENT).await;
    let refused = probe(admin, scene.agent, json!({"deviceID": device})).await.unwrap().expect(409);
    assert_eq!((refused.code(), &refused.body["agentCode"]), ("command_refused", &json!("no_such_device")));
    scene.assert_nothing_more(&mut agent).await;
}

#[tokio::test]
async fn of_anothers_device_no_agent_hears_and_nobody_who_may_not_see_it() {
    let scene = Scene::new("server").await;
    let user = scene.server.user(&scene.admin, "another", "user").await;
    let theirs = user.create_agent("server", SECRET).await;
    let device = user.create_device(theirs, "AA:BB:CC:00:00:02").await;
    let mut own = scene.firmware().await;
    let mut foreign = Firmware::connect(scene.server.address(), theirs, SECRET).await;
    let refused = async |client: &Client, path: String, device: i64, code: &str| {
        let reply = client.post(&path, json!({"deviceID": device})).await.expect(409);
        assert_eq!(
            (reply.code(), &reply.body["agentCode"]),
            ("command_refused", &json!(code)),
            "{}",
            reply.text
        );
        let made = json!({"kind": "command", "agentID": path.split('/').nth(3).unwrap().parse::<i64>().unwrap(),
            "command": "PROBE", "payload": {"deviceID": device}});
        let path =
            if path.contains("adminMode") { "/api/operations?adminMode=true" } else { "/api/operations" };
        assert_eq!(client.post(path, made).await.expect(409).code(), "command_refused");
    };
    let path = |agent: i64| format!("/api/agents/{agent}/commands/PROBE");
    refused(&user, path(theirs), scene.device, "no_such_device").await;
    refused(&scene.admin, path(scene.agent), device, "no_such_device").await;
    // An admin reaches both, and yet does not have one's agent look for the other's device.
    let admin_mode = |agent: i64| path(agent) + "?adminMode=true";
    refused(&scene.admin, admin_mode(theirs), scene.device, "no_such_device").await;
    refused(&scene.admin, admin_mode(scene.agent), device, "no_such_device").await;
    // A token that may command agents and see no devices.
    let body = json!({"name": "t", "permissions": ["agents:command", "agents:read"]});
    let token =
        user.post("/api/account/tokens", body).await.expect(201).data()["token"].as_str().unwrap().to_owned();
    let program = scene.server.anonymous();
    let request = program.http.post(program.url(&path(theirs))).bearer_auth(token);
    let reply = program.send(request.json(&json!({"deviceID": device}))).await.expect(409);
    assert_eq!((reply.code(), &reply.body["agentCode"]), ("command_refused", &json!("not_permitted")));
    scene.assert_nothing_more(&mut own).await;
    // The admin may, where agent and device are of one owner.
    let (admin, at) = (scene.admin.clone(), admin_mode(theirs));
    let asked = tokio::spawn(async move { admin.post(&at, json!({"deviceID": device})).await });
    let command = foreign.command().await;
    assert_eq!(command.json, json!({"macAddress": "AA:BB:CC:00:00:02"}));
    foreign.reply(&command, ABSENT).await;
    soon("the answer", asked).await.unwrap().expect(200);
}
