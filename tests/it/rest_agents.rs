//! Agents: managing them, and who may. Sending them commands is in `rest_commands`.

use netignite::control::AgentKind;
use netignite::store::Whose;
use netignite::store::agents::{self, NewAgent};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::rest_envelope::wrong_fields;
use super::support::wait::{until, until_equal};
use super::support::{Agent, Client, Firmware, Server, soon};

const SECRET: &str = "a secret: of an agent ☃";

fn body(secret: &str) -> Value {
    json!({"name": "Server A", "description": "Main host", "type": "server", "secret": secret})
}

fn path(id: i64) -> String {
    format!("/api/agents/{id}")
}

/// An agent as an adopted database may hold it.
async fn odd_agent(server: &Server, owner: i64, secret: &str) -> i64 {
    let agent = NewAgent {
        name: String::new(),
        kind: AgentKind::Server,
        description: "d".repeat(2000),
        secret: secret.into(),
        owner,
    };
    let id = server.host().store.write(move |db| agents::insert(db, &agent)).await.unwrap();
    server.host().agent_changed(id).await.unwrap();
    id
}

#[tokio::test]
async fn an_agent_is_created_shown_listed_changed_and_deleted() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let reply = admin.post("/api/agents", body(SECRET)).await.expect(201);
    assert_eq!(reply.message(), "Agent created successfully");
    let id = reply.id();

    let reply = admin.get(&path(id)).await.expect(200);
    assert_eq!(reply.message(), "Agent retrieved successfully");
    let mut agent = json!({"id": id, "name": "Server A", "type": "server", "description": "Main host",
        "secret": SECRET, "ownerID": 1});
    let shown = reply.data();
    agent["presence"] = json!({"state": "offline", "since": shown["presence"]["since"], "why": "never_connected", "address": null});
    agent["version"] = Value::Null;
    agent["commands"] = Value::Null;
    assert_eq!(shown, &agent);

    let reply = admin.get("/api/agents").await.expect(200);
    assert_eq!(reply.message(), "Agents retrieved successfully.");
    let presence = agent["presence"].clone();
    agent.as_object_mut().unwrap().remove("secret");
    assert_eq!(reply.data(), &json!([agent]));

    let new =
        json!({"name": "B", "description": "", "type": "microcontroller", "secret": "another good secret"});
    let reply = admin.put(&path(id), new).await.expect(200);
    assert_eq!(reply.message(), "Agent updated successfully");
    assert_eq!(reply.data(), &Value::Null);
    let agent = json!({"id": id, "name": "B", "type": "microcontroller", "description": "",
        "secret": "another good secret", "ownerID": 1, "presence": presence, "version": null, "commands": null});
    assert_eq!(admin.get(&path(id)).await.expect(200).data(), &agent);

    let reply = admin.delete(&path(id)).await.expect(200);
    assert_eq!(reply.message(), "Agent deleted successfully");
    assert_eq!(reply.data(), &Value::Null);
    for reply in
        [admin.get(&path(id)).await, admin.put(&path(id), body(SECRET)).await, admin.delete(&path(id)).await]
    {
        assert_eq!(reply.expect(404).message(), "Agent not found");
    }
    assert_eq!(admin.get("/api/agents").await.expect(200).data(), &json!([]));
}

#[tokio::test]
async fn presence_tells_state_since_why_and_address() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let created = admin.get(&path(id)).await.expect(200).data()["presence"].clone();
    assert_eq!((&created["state"], &created["why"]), (&json!("offline"), &json!("never_connected")));

    let agent = Agent::connect(server.address(), id, SECRET).await;
    let there = admin.get(&path(id)).await.expect(200).data()["presence"].clone();
    assert_eq!((&there["state"], &there["why"]), (&json!("online"), &json!("connected")));
    assert_eq!(there["address"], "127.0.0.1");
    assert!(there["since"].as_i64() >= created["since"].as_i64(), "{created} {there}");

    drop(agent);
    let gone = until("the agent is gone", || async {
        let presence = admin.get("/api/agents").await.expect(200).data()[0]["presence"].clone();
        (presence["state"] == "offline").then_some(presence)
    })
    .await;
    assert_eq!((&gone["why"], &gone["address"]), (&json!("connection_lost"), &json!("127.0.0.1")));
    assert!(gone["since"].as_i64() >= there["since"].as_i64(), "{there} {gone}");
}

#[tokio::test]
async fn fields_are_validated() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let cases = [
        ("name", json!(""), false),
        ("name", json!("n".repeat(101)), false),
        ("name", json!("☃".repeat(100)), true),
        ("name", Value::Null, false),
        ("type", json!("Server"), false),
        ("type", json!("toaster"), false),
        ("type", json!({"server": null}), false),
        ("type", json!("microcontroller"), true),
        ("description", json!("d".repeat(1001)), false),
        ("description", json!("☃".repeat(1000)), true),
        ("description", json!(7), false),
        ("secret", json!("123456789012345"), false),
        ("secret", json!("1234567890123456"), true),
        ("secret", json!("s".repeat(256)), true),
        ("secret", json!("s".repeat(257)), false),
        ("secret", json!("with a tab\tin between"), false),
        ("secret", json!("with a zero\u{0}in between"), false),
        ("secret", json!(12_345_678), false),
    ];
    for (field, value, good) in cases {
        let mut body = body(SECRET);
        body[field] = value;
        let created = admin.post("/api/agents", body.clone()).await;
        let updated = admin.put(&path(id), body.clone()).await;
        if good {
            created.expect(201);
            updated.expect(200);
        } else {
            for reply in [created, updated] {
                assert_eq!(wrong_fields(&reply.expect(400)), [field], "{body}");
            }
        }
    }
    let mut missing = body(SECRET);
    missing.as_object_mut().unwrap().remove("secret");
    assert_eq!(wrong_fields(&admin.post("/api/agents", missing).await.expect(400)), ["secret"]);
}

#[tokio::test]
async fn an_update_keeps_what_it_does_not_name() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    for secret in
        [json!({"name": "B", "type": "server"}), json!({"name": "B", "type": "server", "secret": null})]
    {
        admin.put(&path(id), secret).await.expect(200);
        let agent = admin.get(&path(id)).await.expect(200).data().clone();
        assert_eq!((&agent["secret"], &agent["description"]), (&json!(SECRET), &json!("An agent")));
        assert_eq!(agent["name"], "B");
    }
    // The rest is replaced, and so must be there.
    let reply = admin.put(&path(id), json!({"description": "x"})).await.expect(400);
    assert_eq!(wrong_fields(&reply), ["name", "type"]);
}

#[tokio::test]
async fn rows_that_break_todays_rules_stay_readable_editable_and_connectable() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = odd_agent(&server, 1, "s1").await;
    let agent = admin.get(&path(id)).await.expect(200).data().clone();
    assert_eq!((&agent["name"], &agent["secret"]), (&json!(""), &json!("s1")));
    let connected = Firmware::connect(server.address(), id, "s1").await;
    admin.put(&path(id), agent.clone()).await.expect(200);
    let mut changed = agent.clone();
    changed["name"] = json!("a name");
    admin.put(&path(id), changed).await.expect(200);
    assert_eq!(admin.agent_status(id).await, "online", "the same secret disconnects nobody");
    drop(connected);
    let mut odd = agent;
    odd["secret"] = json!("s2");
    // Sent back with a new oddity, only the new one is refused; the name was changed meanwhile.
    assert_eq!(wrong_fields(&admin.put(&path(id), odd).await.expect(400)), ["name", "secret"]);
}

#[tokio::test]
async fn a_stored_empty_secret_never_connects() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = odd_agent(&server, 1, "").await;
    assert_eq!(admin.get(&path(id)).await.expect(200).data()["secret"], "");
    let Err(answer) = Firmware::try_connect(server.address(), id, "").await else { panic!("it connected") };
    assert_eq!(answer.status, 401);
    let agent = admin.get(&path(id)).await.expect(200).data().clone();
    admin.put(&path(id), agent).await.expect(200);
}

#[tokio::test]
async fn an_agent_can_connect_as_soon_as_it_is_created() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for n in 0..10 {
        let secret = format!("the secret of agent {n}");
        let id = admin.create_agent("microcontroller", &secret).await;
        let connected = Firmware::connect(server.address(), id, &secret).await;
        assert_eq!(admin.agent_status(id).await, "online");
        drop(connected);
    }
}

#[tokio::test]
async fn a_changed_secret_disconnects_and_only_the_new_one_connects() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let mut connected = Firmware::connect(server.address(), id, SECRET).await;
    admin.put(&path(id), body(SECRET)).await.expect(200);
    assert_eq!(admin.agent_status(id).await, "online");
    admin.put(&path(id), body("another good secret")).await.expect(200);
    assert_eq!(connected.closed().await.0, 4002);
    assert!(Firmware::try_connect(server.address(), id, SECRET).await.is_err());
    Firmware::connect(server.address(), id, "another good secret").await;
}

#[tokio::test]
async fn changes_made_at_once_leave_the_stored_secret_in_force() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    for round in 0..5 {
        let changes: Vec<_> = (0..8)
            .map(|n| {
                let admin = admin.clone();
                tokio::spawn(async move {
                    admin.put(&path(id), body(&format!("secret {n} of round {round}"))).await.expect(200)
                })
            })
            .collect();
        for change in changes {
            change.await.unwrap();
        }
        let stored = admin.get(&path(id)).await.expect(200).data()["secret"].as_str().unwrap().to_owned();
        Firmware::connect(server.address(), id, &stored).await;
    }
}

#[tokio::test]
async fn deleting_an_agent_closes_its_connection() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let mut connected = Firmware::connect(server.address(), id, SECRET).await;
    admin.delete(&path(id)).await.expect(200);
    assert_eq!(connected.closed().await.0, 4003);
    assert!(Firmware::try_connect(server.address(), id, SECRET).await.is_err());
}

#[tokio::test]
async fn an_agent_that_devices_name_is_not_deleted() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", SECRET).await;
    let first = admin.create_device(id, "AA:BB:CC:DD:EE:01").await;
    let reply = admin.delete(&path(id)).await.expect(409);
    assert_eq!(reply.code(), "agent_in_use");
    assert!(reply.message().contains("1 device."), "{}", reply.message());
    let second = admin.create_device(id, "AA:BB:CC:DD:EE:02").await;
    assert!(admin.delete(&path(id)).await.expect(409).message().contains("2 devices."));
    admin.get(&path(id)).await.expect(200);
    admin.delete(&format!("/api/devices/{first}")).await.expect(200);
    admin.delete(&format!("/api/devices/{second}")).await.expect(200);
    admin.delete(&path(id)).await.expect(200);
}

#[tokio::test]
async fn status_names_the_agents_that_are_asked_for() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (a, b) = (admin.create_agent("server", SECRET).await, admin.create_agent("server", SECRET).await);
    let connected = Firmware::connect(server.address(), a, SECRET).await;
    let (key_a, key_b) = (a.to_string(), b.to_string());
    let both = json!({&key_a: "online", &key_b: "offline"});
    let cases = [
        ("".to_owned(), both.clone()),
        (format!("?ids={a},{b}"), both.clone()),
        (format!("?ids={a}"), json!({&key_a: "online"})),
        (format!("?ids={b},x,,-1,{b}"), json!({&key_b: "offline"})),
        (format!("?ids={b}%2C{a}"), both),
        ("?ids=".to_owned(), json!({})),
        ("?ids=all".to_owned(), json!({})),
        ("?ids=4711".to_owned(), json!({})),
    ];
    for (query, expected) in cases {
        let reply = admin.get(&format!("/api/agents/status{query}")).await.expect(200);
        assert_eq!(reply.data(), &expected, "{query}");
    }
    connected.vanish();
    until_equal("the agent's status", "offline".to_owned(), || admin.agent_status(a)).await;
}

/// Every way to an agent of somebody else.
async fn reach(client: &Client, id: i64, query: &str) -> Vec<u16> {
    let agent = format!("{}{query}", path(id));
    vec![
        client.get(&agent).await.status,
        client.put(&agent, body("taken over by me")).await.status,
        client.post(&format!("{}/commands/HEARTBEAT{query}", path(id)), json!({})).await.status,
        client.delete(&agent).await.status,
    ]
}

#[tokio::test]
async fn nobody_reaches_anothers_agent() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let (ann, bob) =
        (server.user(&superadmin, "ann", "user").await, server.user(&superadmin, "bob", "user").await);
    let carol = server.user(&superadmin, "carol", "admin").await;
    let id = ann.create_agent("server", SECRET).await;
    let mut connected = Firmware::connect(server.address(), id, SECRET).await;
    for client in [&bob, &carol, &superadmin] {
        assert_eq!(reach(client, id, "").await, [404; 4]);
        assert_eq!(client.get("/api/agents").await.expect(200).data(), &json!([]));
        assert_eq!(client.get(&format!("/api/agents/status?ids={id}")).await.expect(200).data(), &json!({}));
    }
    // The parameter is ignored from a user, and from admins when it is not exactly this.
    assert_eq!(reach(&bob, id, "?adminMode=true").await, [404; 4]);
    for query in ["?adminMode=1", "?adminMode=TRUE", "?adminMode", "?adminmode=true", "?adminMode=true%20"] {
        assert_eq!(reach(&superadmin, id, query).await, [404; 4], "{query}");
    }
    assert_eq!(bob.get("/api/agents?adminMode=true").await.expect(200).data(), &json!([]));
    // What is not there and what is another's are the same to see.
    let (anothers, nobodys) = (bob.get(&path(id)).await, bob.get(&path(4711)).await);
    assert_eq!(anothers.text_without_id(), nobodys.text_without_id());
    assert_eq!(ann.get(&path(id)).await.expect(200).data()["secret"], SECRET);
    let asked = tokio::spawn(async move { ann.command(id, "HEARTBEAT", json!({})).await });
    let heartbeat = connected.message().await;
    connected.reply(&heartbeat, "null").await;
    soon("the reply", asked).await.unwrap().expect(200);
}

#[tokio::test]
async fn an_admin_in_admin_mode_reaches_everyones_agents_but_sees_no_secret() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let carol = server.user(&superadmin, "carol", "admin").await;
    let id = ann.create_agent("server", SECRET).await;
    let own = carol.create_agent("server", "carol's own secret").await;
    for admin in [&carol, &superadmin] {
        let agent = format!("{}?adminMode=true", path(id));
        let reply = admin.get(&agent).await.expect(200);
        assert!(reply.data().get("secret").is_none(), "{}", reply.text);
        assert_eq!(reply.data()["ownerID"], ann.user);
        let list = admin.get("/api/agents?adminMode=true").await.expect(200);
        assert_eq!(list.data().as_array().unwrap().len(), 2);
        assert!(!list.text.contains("secret"), "{}", list.text);
        let status = admin.get("/api/agents/status?adminMode=true").await.expect(200);
        assert_eq!(status.data(), &json!({id.to_string(): "offline", own.to_string(): "offline"}));
        // Sending the object back as it was shown changes no secret.
        admin.put(&agent, reply.data().clone()).await.expect(200);
        assert_eq!(ann.get(&path(id)).await.expect(200).data()["secret"], SECRET);
    }
    let agent = format!("{}?adminMode=true", path(id));
    carol.put(&agent, body("set by an admin once")).await.expect(200);
    let stored = ann.get(&path(id)).await.expect(200).data().clone();
    assert_eq!((&stored["secret"], &stored["ownerID"]), (&json!("set by an admin once"), &json!(ann.user)));
    assert_eq!(
        carol
            .post(&format!("{}/commands/HEARTBEAT?adminMode=true", path(id)), json!({}))
            .await
            .expect(503)
            .code(),
        "agent_offline"
    );
    // Their own secret is shown to admins in either mode.
    let reply = carol.get(&format!("{}?adminMode=true", path(own))).await.expect(200);
    assert_eq!(reply.data()["secret"], "carol's own secret");
    carol.delete(&agent).await.expect(200);
    ann.get(&path(id)).await.expect(404);
    // What an admin creates in admin mode is the admin's.
    let created = carol.post("/api/agents?adminMode=true", body(SECRET)).await.expect(201).id();
    let owner = server
        .host()
        .store
        .read(move |db| agents::get(db, Whose::Anyones, created))
        .await
        .unwrap()
        .unwrap()
        .owner;
    assert_eq!(owner, carol.user);
}

#[tokio::test]
async fn agents_changed_at_once_are_known_by_what_was_answered() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (address, mut at_once) = (server.address(), JoinSet::new());
    for _ in 0..48 {
        let admin = admin.clone();
        at_once.spawn(async move {
            let id = admin.post("/api/agents", body(SECRET)).await.expect(201).id();
            let agent = Agent::try_connect(address, id, SECRET).await;
            assert!(agent.is_ok(), "agent {id} is not known though its creation was answered");
            admin.put(&path(id), body("another good secret")).await.expect(200);
            assert!(Agent::try_connect(address, id, SECRET).await.is_err(), "agent {id} has its old secret");
            let agent = Agent::try_connect(address, id, "another good secret").await;
            assert!(agent.is_ok(), "agent {id} does not have its new secret");
            admin.delete(&path(id)).await.expect(200);
            let agent = Agent::try_connect(address, id, "another good secret").await;
            assert!(agent.is_err(), "agent {id} is known though its deletion was answered");
        });
    }
    while let Some(one) = at_once.join_next().await {
        one.unwrap();
    }
}

#[tokio::test]
async fn a_secret_that_a_file_would_change_is_refused() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for secret in [
        "\u{feff}aaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaa\u{feff}",
        " aaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaa ",
        "aaaaaaaaaa\u{2028}aaaaaaaaaa",
        "aaaaaaaaaa\u{200b}aaaaaaaaaa",
        "                    ",
    ] {
        let body = json!({"name": "a", "description": "", "type": "server", "secret": secret});
        let reply = admin.post("/api/agents", body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], "secret", "{secret:?}");
    }
    admin.create_agent("server", "a secret of several words").await;
}
