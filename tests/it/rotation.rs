//! New secrets for agents: the old one stays good for a while, and the server can hand the new one over.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::binary::{command, superadmin};
use super::support::wait::until;
use super::support::{Agent, Binary, Client, Server};

const OLD: &str = "the secret of the first days";
const HOUR: Duration = Duration::from_secs(60 * 60);

fn path(agent: i64) -> String {
    format!("/api/agents/{agent}/secret")
}

/// A new secret, and until when the old one is good.
async fn rotate(client: &Client, agent: i64, body: Value) -> (String, Option<i64>) {
    let reply = client.post(&path(agent), body).await.expect(200);
    let secret = reply.data()["secret"].as_str().unwrap().to_owned();
    (secret, reply.data()["oldValidUntil"].as_i64())
}

async fn connects(server: &Server, agent: i64, secret: &str) -> bool {
    Agent::try_connect(server.address(), agent, secret).await.is_ok()
}

#[tokio::test]
async fn the_old_secret_is_good_until_the_new_one_was_used() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    let mut live = Agent::connect(server.address(), id, OLD).await;
    let before = server.host().clock.now();
    let (new, until) = rotate(&admin, id, json!({})).await;
    let day = 24 * HOUR.as_millis() as i64;
    assert!((before + day..=server.host().clock.now() + day).contains(&until.unwrap()));
    assert!(new.len() >= 43 && new != OLD, "256 bits take 43 characters of base64");
    assert_eq!(admin.get(&format!("/api/agents/{id}")).await.expect(200).data()["secret"], *new);
    // The connection goes on, and another with the old secret may replace it.
    let asked = admin.clone();
    let answered = tokio::spawn(async move { asked.command(id, "HEARTBEAT", json!({})).await });
    let message = live.message().await;
    live.reply(&message, "{}").await;
    answered.await.unwrap().expect(200);
    let mut live = Agent::connect(server.address(), id, OLD).await;
    // The first login with the new secret ends it.
    let _renewed = Agent::connect(server.address(), id, &new).await;
    assert_eq!(live.closed().await.0, 4001);
    assert!(!connects(&server, id, OLD).await);
    // For good.
    let server = Server::start_in(server.stop().await, |_| {}).await;
    assert!(!connects(&server, id, OLD).await);
    assert!(connects(&server, id, &new).await);
}

#[tokio::test]
async fn the_old_secret_ends_with_its_time_and_its_connection_with_it() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    rotate(&admin, id, json!({"graceHours": 2})).await;
    // It also is good in a server that was started anew.
    let server = Server::start_in(server.stop().await, |_| {}).await;
    let mut live = Agent::connect(server.address(), id, OLD).await;
    server.host().clock.advance(2 * HOUR);
    assert!(!connects(&server, id, OLD).await);
    // The next look at the connection, which comes within 20 s, finds it out.
    let (code, _) = tokio::time::timeout(Duration::from_secs(25), live.closed()).await.unwrap();
    assert_eq!(code, 4002);
}

#[tokio::test]
async fn without_grace_the_old_secret_ends_now() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    let mut live = Agent::connect(server.address(), id, OLD).await;
    let (new, until) = rotate(&admin, id, json!({"graceHours": 0})).await;
    assert_eq!(until, None);
    assert_eq!(live.closed().await.0, 4002);
    assert!(!connects(&server, id, OLD).await && connects(&server, id, &new).await);
}

#[tokio::test]
async fn a_second_rotation_locks_nobody_out() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    let (never_used, _) = rotate(&admin, id, json!({})).await;
    let (new, _) = rotate(&admin, id, json!({})).await;
    // Nobody has the secret between; the agent still has the first.
    assert!(!connects(&server, id, &never_used).await);
    assert!(connects(&server, id, OLD).await);
    assert!(connects(&server, id, &new).await);
    assert!(!connects(&server, id, OLD).await);
    // From here on the new one is in use.
    let (newer, _) = rotate(&admin, id, json!({})).await;
    assert!(connects(&server, id, &new).await);
    // A secret that a person sets is the only one.
    let body = json!({"name": "n", "description": "", "type": "server", "secret": "set by hand, number 1"});
    admin.put(&format!("/api/agents/{id}"), body).await.expect(200);
    for over in [&new, &newer] {
        assert!(!connects(&server, id, over).await);
    }
    assert!(connects(&server, id, "set by hand, number 1").await);
}

#[tokio::test]
async fn what_is_asked_for_is_checked_and_changes_nothing_when_wrong() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    for (body, field) in [
        (json!({"graceHours": -1}), "graceHours"),
        (json!({"graceHours": 721}), "graceHours"),
        (json!({"graceHours": "24"}), "graceHours"),
        (json!({"handOver": 1}), "handOver"),
        (json!({"handOver": true, "graceHours": 0}), "graceHours"),
    ] {
        let reply = admin.post(&path(id), body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{}", reply.text);
    }
    // Nobody there to hand it over to.
    let reply = admin.post(&path(id), json!({"handOver": true})).await.expect(503);
    assert_eq!(reply.code(), "agent_offline");
    admin.post(&path(4711), json!({})).await.expect(404);
    assert_eq!(admin.get(&format!("/api/agents/{id}")).await.expect(200).data()["secret"], OLD);
    // An empty body is an empty object.
    let request = admin.http.post(admin.url(&path(id)));
    admin.send(request).await.expect(200);
}

#[tokio::test]
async fn a_token_needs_both_permissions() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    for (permissions, status) in [
        (json!(["agents:write"]), 403),
        (json!(["agents:secret"]), 403),
        (json!(["agents:write", "agents:secret"]), 200),
    ] {
        let made = admin
            .post("/api/account/tokens", json!({"name": "t", "permissions": permissions}))
            .await
            .expect(201);
        let program = server.anonymous();
        let request =
            program.http.post(program.url(&path(id))).bearer_auth(made.data()["token"].as_str().unwrap());
        program.send(request).await.expect(status);
    }
}

#[tokio::test]
async fn an_agent_that_cannot_be_handed_a_secret_keeps_its_own() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    let mut agent = Agent::connect(server.address(), id, OLD).await;
    let asked = admin.clone();
    let rotated = tokio::spawn(async move { asked.post(&path(id), json!({"handOver": true})).await });
    let message = agent.message().await;
    assert_eq!(message.command, "ROTATE_SECRET");
    agent.reply(&message, r#"{"status":"ERROR","message":"Unknown command"}"#).await;
    let reply = rotated.await.unwrap().expect(200);
    assert_eq!(reply.data()["handedOver"], false);
    assert!(reply.data()["problem"].as_str().unwrap().contains("Unknown command"), "{}", reply.text);
    assert_eq!(message.json["secret"], reply.data()["secret"]);
    assert!(connects(&server, id, OLD).await);
}

#[tokio::test]
async fn an_agent_that_was_handed_a_secret_is_not_locked_out_by_another_one() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    let mut agent = Agent::connect(server.address(), id, OLD).await;
    let asked = admin.clone();
    let rotated = tokio::spawn(async move { asked.post(&path(id), json!({"handOver": true})).await });
    let message = agent.message().await;
    // While it is not known which one it uses there is no other one.
    for body in [json!({"handOver": true}), json!({})] {
        let reply = admin.post(&path(id), body).await.expect(409);
        assert_eq!(reply.code(), "rotation_under_way");
    }
    let bob = server.user(&admin, "bob", "user").await;
    bob.post(&path(id), json!({})).await.expect(404);
    agent.reply(&message, r#"{"status":"OK","message":"stored"}"#).await;
    let reply = rotated.await.unwrap().expect(200);
    assert_eq!(reply.data()["handedOver"], true, "{}", reply.text);
    assert_eq!(reply.data()["oldValidUntil"], Value::Null);
    let handed = reply.data()["secret"].as_str().unwrap();
    // It has not come back yet, and uses what it was handed all the same.
    let (newest, until) = rotate(&admin, id, json!({})).await;
    assert!(until.is_some());
    assert!(!connects(&server, id, OLD).await);
    assert!(connects(&server, id, handed).await);
    assert!(connects(&server, id, &newest).await);
}

#[tokio::test]
async fn nobody_sends_a_secret_of_their_own() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let id = admin.create_agent("server", OLD).await;
    let _agent = Agent::connect(server.address(), id, OLD).await;
    let reply = admin.command(id, "ROTATE_SECRET", json!({"secret": "mine alone"})).await.expect(404);
    assert_eq!(reply.code(), "unknown_command");
    let listed = admin.get("/api/commands").await.expect(200);
    assert!(!listed.text.contains("ROTATE_SECRET"), "{}", listed.text);
}

fn agent_program(directory: &Path, server: std::net::SocketAddr, id: i64) -> tokio::process::Command {
    let (server, id) = (format!("http://{server}"), id.to_string());
    command(directory, &["agent", "--server", &server, "--id", &id, "--secret-file", "agent.secret"])
}

#[tokio::test]
async fn our_own_agent_stores_it_and_comes_back_with_it() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let id = admin.create_agent("server", OLD).await;
    let file = directory.path().join("agent.secret");
    std::fs::write(&file, OLD).unwrap();
    let agent = Binary::spawn(agent_program(directory.path(), address, id));
    agent.line(&["connected to"]).await;

    let reply = admin.post(&path(id), json!({"handOver": true})).await.expect(200);
    assert_eq!(reply.data()["handedOver"], true, "{}", reply.text);
    let new = reply.data()["secret"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim_end(), new);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // It logs in with the new one by itself, which ends the old one.
    agent.line(&["it is to log in with its new secret"]).await;
    until("the agent to come back", || async { (admin.agent_status(id).await == "online").then_some(()) })
        .await;
    assert!(Agent::try_connect(address, id, OLD).await.is_err());
    assert!(!agent.log().contains(new) && !agent.log().contains(OLD), "{}", agent.log());
    agent.kill().await;
    // And after a restart.
    let agent = Binary::spawn(agent_program(directory.path(), address, id));
    agent.line(&["connected to"]).await;
}

#[tokio::test]
async fn an_agent_without_a_file_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let id = admin.create_agent("server", OLD).await;
    let mut program = command(
        directory.path(),
        &["agent", "--server", &format!("http://{address}"), "--id", &id.to_string()],
    );
    program.env("NETIGNITE_AGENT_SECRET", OLD);
    let agent = Binary::spawn(program);
    agent.line(&["connected to"]).await;
    let reply = admin.post(&path(id), json!({"handOver": true})).await.expect(200);
    assert_eq!(reply.data()["handedOver"], false);
    assert!(reply.data()["problem"].as_str().unwrap().contains("--secret-file"), "{}", reply.text);
    assert_eq!(admin.agent_status(id).await, "online");
}
