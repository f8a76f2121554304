//! Enrolment: codes with which machines make their own agents, through the API.

use std::time::Duration;

use futures_util::future::join_all;
use netignite::config::RoleWord;
use netignite::http::Method;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::rest_operator::operate;
use super::support::sqlite::texts;
use super::support::{Agent, Client, Reply, Server};

const CODES: &str = "/api/agents/enrolment-codes";

/// A new code: its ID and its text.
async fn code(by: &Client, body: Value) -> (i64, String) {
    let made = by.post(CODES, body).await.expect(201);
    let text = made.data()["code"].as_str().unwrap().to_owned();
    (made.data()["id"].as_i64().unwrap(), text)
}

async fn enrol(server: &Server, code: &str) -> Reply {
    server.anonymous().post("/api/agents/enrol", json!({"code": code, "name": "Pi"})).await
}

fn credentials(reply: &Reply) -> (i64, String) {
    let secret = reply.data()["secret"].as_str().unwrap().to_owned();
    (reply.data()["id"].as_i64().unwrap(), secret)
}

async fn agents(client: &Client) -> usize {
    client.get("/api/agents").await.expect(200).data().as_array().unwrap().len()
}

#[tokio::test]
async fn a_code_makes_an_agent_of_its_owner_that_connects_at_once() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let now = server.host().clock.now();
    let made = ann.post(CODES, json!({"type": "microcontroller", "name": "for the attic"})).await.expect(201);
    let data = made.data();
    assert_eq!((&data["type"], &data["usesLeft"]), (&json!("microcontroller"), &json!(1)));
    assert_eq!((&data["name"], &data["ownerID"]), (&json!("for the attic"), &json!(ann.user)));
    let expires = data["expiresAt"].as_i64().unwrap();
    assert!((now + 3_600_000..=server.host().clock.now() + 3_600_000).contains(&expires), "an hour");
    let text = data["code"].as_str().unwrap();
    assert_eq!(text.len(), 19, "80 bits in base32, in groups of four: {text}");

    let listed = ann.get(CODES).await.expect(200);
    assert_eq!(listed.data()[0]["id"], data["id"]);
    assert!(!listed.text.contains(text), "{}", listed.text);

    let body =
        json!({"code": text, "name": "Attic", "description": "in the attic", "type": "server", "ownerID": 1});
    let reply = server.anonymous().post("/api/agents/enrol", body).await.expect(201);
    assert_eq!(reply.header("set-cookie"), None);
    let (id, secret) = credentials(&reply);
    assert!(secret.len() >= 22, "128 bits take 22 characters of 64");
    let _agent = Agent::connect(server.address(), id, &secret).await;
    assert_eq!(ann.agent_status(id).await, "online");
    let agent = ann.get(&format!("/api/agents/{id}")).await.expect(200);
    let agent = agent.data();
    assert_eq!((&agent["name"], &agent["description"]), (&json!("Attic"), &json!("in the attic")));
    assert_eq!((&agent["type"], &agent["ownerID"]), (&json!("microcontroller"), &json!(ann.user)));
    assert_eq!(ann.get(CODES).await.expect(200).data(), &json!([]), "it is used up");
    assert_eq!(agents(&admin).await, 0);
}

#[tokio::test]
async fn codes_are_read_as_people_type_them() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, text) = code(&admin, json!({"type": "server", "uses": 3})).await;
    let spoken = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
    for typed in [text.replace('-', ""), text.to_lowercase(), spoken] {
        enrol(&server, &typed).await.expect(201);
    }
}

#[tokio::test]
async fn wrong_used_revoked_and_expired_codes_get_the_same_answer() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut answers = Vec::new();
    for nonsense in ["", "0000-0000-0000-0000", "a code", &"0".repeat(10_000)] {
        answers.push(enrol(&server, nonsense).await);
    }
    let (_, used) = code(&admin, json!({"type": "server"})).await;
    enrol(&server, &used).await.expect(201);
    answers.push(enrol(&server, &used).await);
    let (id, revoked) = code(&admin, json!({"type": "server"})).await;
    admin.delete(&format!("{CODES}/{id}")).await.expect(200);
    answers.push(enrol(&server, &revoked).await);
    let (id, expired) = code(&admin, json!({"type": "server", "expiresInMinutes": 5})).await;
    server.host().clock.advance(Duration::from_secs(299));
    assert_eq!(admin.get(CODES).await.expect(200).data()[0]["id"], id);
    server.host().clock.advance(Duration::from_secs(1));
    answers.push(enrol(&server, &expired).await);
    for answer in &answers {
        let answer = answer.clone().expect(403);
        assert_eq!(
            (answer.code(), answer.text_without_id()),
            ("invalid_enrolment_code", answers[0].text_without_id())
        );
    }
    assert_eq!(admin.get(CODES).await.expect(200).data(), &json!([]));
    admin.delete(&format!("{CODES}/{id}")).await.expect(404);
    assert_eq!(agents(&admin).await, 1);
}

#[tokio::test]
async fn of_many_who_come_at_once_as_many_win_as_there_are_uses() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for uses in [1, 3] {
        let before = agents(&admin).await;
        let (_, text) = code(&admin, json!({"type": "server", "uses": uses})).await;
        let replies = join_all((0..8).map(|_| enrol(&server, &text))).await;
        let won: Vec<_> = replies.iter().filter(|reply| reply.status == 201).map(credentials).collect();
        assert_eq!(won.len(), uses, "{replies:?}");
        assert!(replies.iter().all(|reply| [201, 403].contains(&reply.status)), "{replies:?}");
        assert_eq!(agents(&admin).await, before + uses);
        for (id, secret) in won {
            Agent::connect(server.address(), id, &secret).await;
        }
        // The seven and five who were late have used up nobody's patience but their own.
        server.host().clock.advance(Duration::from_secs(300));
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_by_address() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, text) = code(&admin, json!({"type": "server"})).await;
    for _ in 0..10 {
        enrol(&server, "0000-0000-0000-0000").await.expect(403);
    }
    let reply = enrol(&server, &text).await.expect(429);
    assert!(reply.header("retry-after").is_some());
    // Logins are another matter.
    server.superadmin().await;
    server.host().clock.advance(Duration::from_secs(300));
    enrol(&server, &text).await.expect(201);
}

#[tokio::test]
async fn what_is_asked_is_bounded_and_wrong_fields_use_nothing_up() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for (body, fields) in [
        (json!({}), &["type"][..]),
        (
            json!({"type": "toaster", "uses": 0, "expiresInMinutes": 0, "name": ""}),
            &["type", "expiresInMinutes", "uses", "name"],
        ),
        (json!({"type": "server", "uses": 1001, "expiresInMinutes": 10_081}), &["expiresInMinutes", "uses"]),
        (json!({"type": "server", "uses": 1.5, "expiresInMinutes": "60"}), &["expiresInMinutes", "uses"]),
        (json!({"type": "server", "name": "n".repeat(101)}), &["name"]),
    ] {
        assert_eq!(wrong_fields(&admin.post(CODES, body).await.expect(400)), fields);
    }
    let (_, text) = code(&admin, json!({"type": "server", "uses": null, "expiresInMinutes": 10_080})).await;
    let anyone = server.anonymous();
    for (body, fields) in [
        (json!({}), &["code", "name"][..]),
        (json!({"code": 7, "name": "n".repeat(101)}), &["code", "name"]),
        (json!({"code": text, "name": "Pi", "description": "d".repeat(1001)}), &["description"]),
    ] {
        assert_eq!(wrong_fields(&anyone.post("/api/agents/enrol", body).await.expect(400)), fields);
    }
    enrol(&server, &text).await.expect(201);

    for _ in 0..100 {
        code(&admin, json!({"type": "server", "expiresInMinutes": 1})).await;
    }
    let refused = admin.post(CODES, json!({"type": "server"})).await.expect(409);
    assert_eq!(refused.code(), "too_many_enrolment_codes");
    server.host().clock.advance(Duration::from_secs(60));
    code(&admin, json!({"type": "server"})).await;
}

#[tokio::test]
async fn a_page_of_another_site_enrols_nothing() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (_, text) = code(&admin, json!({"type": "server"})).await;
    let anyone = server.anonymous();
    let request =
        anyone.http.post(anyone.url("/api/agents/enrol")).json(&json!({"code": text, "name": "Pi"}));
    let refused = anyone.send(request.header("Sec-Fetch-Site", "cross-site")).await.expect(403);
    assert_ne!(refused.code(), "invalid_enrolment_code");
    enrol(&server, &text).await.expect(201);
}

#[tokio::test]
async fn codes_go_with_their_owner_and_with_the_tokens_of_a_new_password() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let (_, text) = code(&ann, json!({"type": "server"})).await;
    let path = format!("/api/admin/users/{}", ann.user);
    admin.put(&path, json!({"password": "another long password"})).await.expect(200);
    let listed = admin.get(&format!("{CODES}?adminMode=true")).await.expect(200);
    assert_eq!(listed.data().as_array().unwrap().len(), 1);
    admin.put(&path, json!({"password": "a third long password", "endTokens": true})).await.expect(200);
    enrol(&server, &text).await.expect(403);

    let ann = Client::login(server.address(), "ann", "a third long password").await;
    let (_, text) = code(&ann, json!({"type": "server"})).await;
    admin.delete(&path).await.expect(200);
    enrol(&server, &text).await.expect(403);
    let listed = admin.get(&format!("{CODES}?adminMode=true")).await.expect(200);
    assert_eq!(listed.data(), &json!([]));
}

#[tokio::test]
async fn the_operator_makes_codes_for_anyone() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let body = json!({"type": "server"});
    for (query, owner) in [(String::new(), admin.user), (format!("?ownerID={}", ann.user), ann.user)] {
        let (status, answer) = operate(&server, Method::POST, &format!("{CODES}{query}"), body.clone()).await;
        assert_eq!((status, &answer["data"]["ownerID"]), (201, &json!(owner)), "{answer}");
    }
    for (owner, refusal) in [("4711", 404), ("0", 400), ("ann", 400), ("", 400)] {
        let path = format!("{CODES}?ownerID={owner}");
        let (status, answer) = operate(&server, Method::POST, &path, body.clone()).await;
        assert_eq!(status, refusal, "{answer}");
    }
    // Nobody else gives away what they make.
    let made = admin.post(&format!("{CODES}?ownerID={}", ann.user), body).await.expect(201);
    assert_eq!(made.data()["ownerID"], admin.user);
}

#[tokio::test]
async fn what_is_stored_is_no_code_and_the_audit_log_tells_who_did_what() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (revoked, _) = code(&admin, json!({"type": "server", "name": "a mistake"})).await;
    admin.delete(&format!("{CODES}/{revoked}")).await.expect(200);
    let (kept, text) = code(&admin, json!({"type": "server", "uses": 2})).await;
    let (agent, secret) = credentials(&enrol(&server, &text).await.expect(201));
    enrol(&server, "0000-0000-0000-0000").await.expect(403);
    let data = server.stop().await;
    let plain = text.replace('-', "");
    for file in std::fs::read_dir(data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        for hidden in [&text, &plain, &secret] {
            assert!(!bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes()));
        }
    }
    let database = data.path().join("db.sqlite");
    let noted = texts(
        &database,
        "SELECT concat_ws(' ', actor, actorID, actorName, userID, action, target, targetID, targetName, address, \
         outcome, detail) FROM audit WHERE action GLOB '*enrol*' AND outcome = 'done' ORDER BY id",
    );
    let expected = [
        format!("user 1 admin 1 enrolment.create enrolment {revoked} a mistake 127.0.0.1 done"),
        format!("user 1 admin 1 enrolment.revoke enrolment {revoked} a mistake 127.0.0.1 done"),
        format!("user 1 admin 1 enrolment.create enrolment {kept} 127.0.0.1 done"),
        format!("agent {agent} Pi 1 agent.enrol agent {agent} Pi 127.0.0.1 done enrolment code {kept}"),
    ];
    assert_eq!(noted.await, expected);
    // It survives a restart all the same, and its agent too.
    let server = Server::start_in(data, |_| {}).await;
    enrol(&server, &text).await.expect(201);
    enrol(&server, &text).await.expect(403);
    Agent::connect(server.address(), agent, &secret).await;
}

#[tokio::test]
async fn a_code_is_good_only_as_long_as_the_token_it_was_made_with() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let hour = server.host().clock.now() + 3_600_000;
    let token = async |ends: Option<i64>| {
        let body = json!({"name": "provisioning", "permissions": ["agents:write"], "expiresAt": ends});
        let made = ann.post("/api/account/tokens", body).await.expect(201);
        (made.data()["id"].as_i64().unwrap(), made.data()["token"].as_str().unwrap().to_owned())
    };
    let code_by = async |token: &str| {
        let program = server.anonymous();
        let body = json!({"type": "server", "uses": 5, "expiresInMinutes": 600});
        let request = program.http.post(program.url(CODES)).bearer_auth(token).json(&body);
        program.send(request).await.expect(201).data()["code"].as_str().unwrap().to_owned()
    };
    let (id, revoked) = token(None).await;
    let (by_revoked, by_session) = (
        code_by(&revoked).await,
        code(&ann, json!({"type": "server", "uses": 5, "expiresInMinutes": 600})).await.1,
    );
    let by_expiring = code_by(&token(Some(hour)).await.1).await;
    for code in [&by_revoked, &by_expiring, &by_session] {
        enrol(&server, code).await.expect(201);
    }
    ann.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
    assert_eq!(enrol(&server, &by_revoked).await.expect(403).code(), "invalid_enrolment_code");
    enrol(&server, &by_expiring).await.expect(201);
    server.host().clock.advance(Duration::from_secs(3601));
    assert_eq!(enrol(&server, &by_expiring).await.expect(403).code(), "invalid_enrolment_code");
    enrol(&server, &by_session).await.expect(201);
    assert_eq!(
        ann.get(CODES).await.expect(200).data().as_array().unwrap().len(),
        1,
        "what is good is listed"
    );
    // Nor more than its owner may: nothing is open to them before they have a second factor.
    let mut config = (**server.host().config.load()).clone();
    config.auth.require_totp = vec![RoleWord::User];
    server.host().config.store(std::sync::Arc::new(config));
    assert_eq!(enrol(&server, &by_session).await.expect(403).code(), "invalid_enrolment_code");
}
