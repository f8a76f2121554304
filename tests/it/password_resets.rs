//! Forgotten passwords: one-time tokens to choose a new one with.

use std::time::Duration;

use netignite::config::RoleWord;
use netignite::http::Method;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::rest_operator::operate;
use super::support::{Client, Reply, Server};

const NEW: &str = "a new and long password";

fn path(user: i64) -> String {
    format!("/api/admin/users/{user}/password-reset")
}

async fn issue(by: &Client, user: i64) -> String {
    let reply = by.post(&path(user), json!({})).await.expect(201);
    reply.data()["token"].as_str().unwrap().to_owned()
}

async fn reset(server: &Server, token: &str, password: &str) -> Reply {
    let body = json!({"token": token, "password": password});
    server.anonymous().post("/api/auth/reset-password", body).await
}

async fn login(server: &Server, username: &str, password: &str) -> Reply {
    let body = json!({"username": username, "password": password});
    server.anonymous().post("/api/auth/login", body).await
}

async fn token_of(client: &Client) -> String {
    let body = json!({"name": "a program", "permissions": ["devices:read"]});
    let reply = client.post("/api/account/tokens", body).await.expect(201);
    reply.data()["token"].as_str().unwrap().to_owned()
}

async fn called_with(server: &Server, token: &str) -> u16 {
    let program = server.anonymous();
    let request = program.http.get(program.url("/api/devices")).bearer_auth(token);
    program.send(request).await.status
}

#[tokio::test]
async fn a_token_gives_a_new_password_once_and_ends_every_session() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let before = server.host().clock.now();
    let reply = admin.post(&path(ann.user), json!({})).await.expect(201);
    let expires = reply.data()["expiresAt"].as_i64().unwrap();
    assert!((before + 3_600_000..=server.host().clock.now() + 3_600_000).contains(&expires));
    let token = reply.data()["token"].as_str().unwrap();
    assert!(token.len() >= 43, "256 bits take 43 characters of base64");
    // Nothing has changed yet.
    ann.get("/api/auth/session").await.expect(200);

    let done = reset(&server, token, NEW).await.expect(200);
    assert_eq!((done.data(), done.header("set-cookie")), (&Value::Null, None));
    ann.get("/api/auth/session").await.expect(401);
    admin.get("/api/auth/session").await.expect(200);
    login(&server, "ann", &ann.password).await.expect(401);
    login(&server, "ann", NEW).await.expect(200);
    assert_eq!(
        reset(&server, token, "another long password").await.expect(400).code(),
        "invalid_reset_token"
    );
    login(&server, "ann", NEW).await.expect(200);
}

#[tokio::test]
async fn unknown_used_replaced_and_expired_tokens_get_the_same_answer() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let replaced = issue(&admin, ann.user).await;
    let used = issue(&admin, ann.user).await;
    assert_ne!(replaced, used);
    let unknown = "A".repeat(43);
    let mut answers = vec![reset(&server, &replaced, NEW).await, reset(&server, &unknown, NEW).await];
    reset(&server, &used, NEW).await.expect(200);
    answers.push(reset(&server, &used, NEW).await);
    let expired = issue(&admin, ann.user).await;
    server.host().clock.advance(Duration::from_secs(3600));
    answers.push(reset(&server, &expired, NEW).await);
    // A change of the password by other means is the end of a token, too.
    let overtaken = issue(&admin, ann.user).await;
    admin.put(&format!("/api/admin/users/{}", ann.user), json!({"password": NEW})).await.expect(200);
    answers.push(reset(&server, &overtaken, "another long password").await);
    answers.push(reset(&server, "", NEW).await);
    for answer in &answers {
        let answer = answer.clone().expect(400);
        assert_eq!(
            (answer.code(), answer.text_without_id()),
            ("invalid_reset_token", answers[0].text_without_id())
        );
    }
    login(&server, "ann", NEW).await.expect(200);
}

#[tokio::test]
async fn of_many_who_come_at_once_one_is_first() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let token = issue(&admin, ann.user).await;
    let passwords: Vec<_> = (0..8).map(|n| format!("the password number {n}")).collect();
    let replies =
        futures_util::future::join_all(passwords.iter().map(|password| reset(&server, &token, password)))
            .await;
    let won: Vec<_> = replies.iter().zip(&passwords).filter(|(reply, _)| reply.status == 200).collect();
    assert_eq!(won.len(), 1, "{replies:?}");
    for (reply, password) in replies.iter().zip(&passwords) {
        let expected = if reply.status == 200 { 200 } else { 401 };
        login(&server, "ann", password).await.expect(expected);
    }
}

#[tokio::test]
async fn a_bad_password_does_not_use_the_token_up() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann.of.green.gables", "user").await;
    let token = issue(&admin, ann.user).await;
    for weak in ["short", "1234567890", "Ann.of.Green.Gables"] {
        assert_eq!(wrong_fields(&reset(&server, &token, weak).await.expect(400)), ["password"]);
    }
    // Whether the token is good or not, a short password is refused first.
    assert_eq!(wrong_fields(&reset(&server, "nonsense", "short").await.expect(400)), ["password"]);
    reset(&server, &token, NEW).await.expect(200);
}

#[tokio::test]
async fn tokens_of_programs_end_on_request() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut ann = server.user(&admin, "ann", "user").await;
    let program = token_of(&ann).await;
    reset(&server, &issue(&admin, ann.user).await, NEW).await.expect(200);
    assert_eq!(called_with(&server, &program).await, 200);
    let body = json!({"token": issue(&admin, ann.user).await, "password": NEW, "endTokens": true});
    server.anonymous().post("/api/auth/reset-password", body).await.expect(200);
    assert_eq!(called_with(&server, &program).await, 401);
    // So they do when the user changes the password.
    ann = Client::login(server.address(), "ann", NEW).await;
    let program = token_of(&ann).await;
    let mut body = json!({"username": "ann", "favorites": [], "password": "a third long password",
        "currentPassword": NEW});
    ann.put("/api/account/me", body.clone()).await.expect(200);
    assert_eq!(called_with(&server, &program).await, 200);
    body["currentPassword"] = json!("a third long password");
    body["endTokens"] = json!("yes");
    assert_eq!(wrong_fields(&ann.put("/api/account/me", body.clone()).await.expect(400)), ["endTokens"]);
    body["endTokens"] = json!(true);
    ann.put("/api/account/me", body).await.expect(200);
    assert_eq!(called_with(&server, &program).await, 401);
    assert_eq!(ann.get("/api/account/tokens").await.expect(200).data(), &json!([]));
}

#[tokio::test]
async fn whoever_may_manage_a_user_issues_and_nobody_for_themselves() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let carol = server.user(&superadmin, "carol", "admin").await;
    let dave = server.user(&superadmin, "dave", "admin").await;
    issue(&carol, ann.user).await;
    issue(&superadmin, carol.user).await;
    for (by, user) in
        [(&ann, carol.user), (&ann, ann.user), (&carol, dave.user), (&carol, 1), (&carol, carol.user)]
    {
        by.post(&path(user), json!({})).await.expect(403);
    }
    superadmin.post(&path(1), json!({})).await.expect(403);
    superadmin.post(&path(4711), json!({})).await.expect(404);
    // The local operator for everyone: nobody is locked out for good.
    let (status, answer) = operate(&server, Method::POST, &path(1), json!({})).await;
    assert_eq!(status, 201, "{answer}");
    reset(&server, answer["data"]["token"].as_str().unwrap(), NEW).await.expect(200);
    assert!(!server.data().join("initial_admin_credentials").exists(), "its password is no longer right");
    login(&server, "admin", NEW).await.expect(200);
}

#[tokio::test]
async fn a_reset_ends_when_its_user_is_given_a_higher_role() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let admin = server.user(&superadmin, "carol", "admin").await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let change = format!("/api/admin/users/{}", ann.user);
    for role in [json!({"role": "admin"}), json!({"superadmin": true})] {
        // A lower role or another name ends none.
        superadmin.put(&change, json!({"role": "user"})).await.expect(200);
        let token = issue(&admin, ann.user).await;
        superadmin.put(&change, json!({"username": "anna"})).await.expect(200);
        superadmin.put(&change, role).await.expect(200);
        let reply = reset(&server, &token, NEW).await.expect(400);
        assert_eq!(reply.code(), "invalid_reset_token");
    }
    login(&server, "anna", &ann.password).await.expect(200);
    let token = issue(&superadmin, ann.user).await;
    superadmin.put(&change, json!({"role": "user"})).await.expect(200);
    reset(&server, &token, NEW).await.expect(200);
}

#[tokio::test]
async fn guessing_is_slowed_down_by_address() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let token = issue(&admin, ann.user).await;
    for _ in 0..10 {
        reset(&server, "a guess", NEW).await.expect(400);
    }
    let reply = reset(&server, &token, NEW).await.expect(429);
    assert!(reply.header("retry-after").is_some());
    server.host().clock.advance(Duration::from_secs(300));
    reset(&server, &token, NEW).await.expect(200);
}

#[tokio::test]
async fn what_is_stored_of_a_token_is_no_token() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let token = issue(&admin, ann.user).await;
    let data = server.stop().await;
    for file in std::fs::read_dir(data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    // It survives a restart all the same.
    let server = Server::start_in(data, |_| {}).await;
    reset(&server, &token, NEW).await.expect(200);
}

#[tokio::test]
async fn a_reset_is_good_only_as_long_as_its_issuer_may_give_it() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    for what in ["demoted", "deleted", "password changed", "second factor demanded", "left alone"] {
        let name = format!("issuer {what}");
        let issuer = server.user(&admin, &name, "admin").await;
        let token = issue(&issuer, ann.user).await;
        let user = format!("/api/admin/users/{}", issuer.user);
        match what {
            "demoted" => drop(admin.put(&user, json!({"role": "user"})).await.expect(200)),
            "deleted" => drop(admin.delete(&user).await.expect(200)),
            "password changed" => drop(admin.put(&user, json!({"password": NEW})).await.expect(200)),
            "second factor demanded" => demand_of_admins(&server, true),
            _ => {}
        }
        let reply = reset(&server, &token, &format!("{NEW}, {what}")).await;
        demand_of_admins(&server, false);
        if what == "left alone" {
            reply.expect(200);
        } else {
            assert_eq!(reply.expect(400).code(), "invalid_reset_token", "{what}");
        }
    }
    // Nobody takes the local operator's right away.
    let (status, made) = operate(&server, Method::POST, &path(ann.user), json!({})).await;
    assert_eq!(status, 201);
    reset(&server, made["data"]["token"].as_str().unwrap(), NEW).await.expect(200);
}

fn demand_of_admins(server: &Server, demanded: bool) {
    let mut config = (**server.host().config.load()).clone();
    config.auth.require_totp = if demanded { vec![RoleWord::Admin] } else { Vec::new() };
    server.host().config.store(std::sync::Arc::new(config));
}
