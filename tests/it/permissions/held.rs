//! Whoever holds back the last byte of a request does not keep what is taken from them meanwhile: every route that
//! writes, and every way to lose a right.

use std::time::Duration;

use netignite::auth::permission::Role;
use netignite::config::RoleWord;
use netignite::error::Error;
use netignite::store::users::UserRow;
use netignite::store::{Conn, second_factors, sessions, tokens, users};
use serde_json::{Value, json};

use super::case::{Admin, Case, Superadmin, User, With};
use super::rules::{Door, RULES, Rule, Target};
use super::world::{World, token_of};
use crate::support::held::session;
use crate::support::raw::RawAnswer;
use crate::support::{Client, Held};

/// The routes that write, and for whose thing each is called.
fn writing(with: With) -> impl Iterator<Item = (&'static Rule, Case)> {
    let asks = move |door| match door {
        Door::SignedIn | Door::Needs(_) => true,
        Door::Session | Door::SessionNeeds(_) => with == With::Session,
        Door::Open | Door::Operator | Door::OwnToken => false,
    };
    let writes = RULES.iter().filter(move |rule| !rule.route.starts_with("GET") && asks(rule.door));
    writes.map(move |rule| (rule, Case { caller: Superadmin, with, owner: User, admin_mode: true }))
}

/// A call of each such route by whoever these credentials are of, each without its last byte.
async fn hold_all(world: &World, with: With, credentials: &str) -> Vec<(&'static str, Held)> {
    let mut held = Vec::new();
    for (rule, case) in writing(with) {
        let thing = world.make(rule.target, case.owner).await;
        match world.hold(rule.route, case, thing, credentials).await {
            Ok(call) => held.push((rule.route, call)),
            Err(answer) => panic!("{} is refused at once: {answer:?}", rule.route),
        }
    }
    held
}

/// Sends the last bytes. All must be refused in this way, and leave nothing done by this user.
async fn assert_refused(
    world: &World,
    by: &Client,
    held: Vec<(&'static str, Held)>,
    refused: impl Fn(&str, &RawAnswer) -> bool,
) {
    let before = done_by(world, by.user).await;
    let mut let_through = Vec::new();
    for (route, call) in held {
        let answer = call.finish().await;
        if !refused(route, &answer) {
            let_through.push(format!("{route}: {} {}", answer.status, answer.json()["message"]));
        }
    }
    assert!(let_through.is_empty(), "{let_through:#?}");
    assert_eq!(before, done_by(world, by.user).await, "something was refused, and done all the same");
}

/// How many entries of the audit log say that a user did something.
async fn done_by(world: &World, user: i64) -> usize {
    let page = world.client(Superadmin).get("/api/admin/audit?outcome=done&limit=1000").await.expect(200);
    let entries = page.data()["entries"].as_array().expect("a list");
    entries.iter().filter(|entry| entry["userID"] == user).count()
}

fn session_is_over(_: &str, answer: &RawAnswer) -> bool {
    answer.status == 401 && answer.json()["message"] == "Invalid session"
}

fn token_is_over(_: &str, answer: &RawAnswer) -> bool {
    answer.status == 401 && answer.json()["code"] == "invalid_token"
}

#[tokio::test]
async fn a_session_that_was_logged_out_writes_nothing_more() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let cookie = session(&eve).await;
    let held = hold_all(&world, With::Session, &cookie).await;
    assert!(held.len() > 25, "they have become few");
    let (name, value) = cookie.split_once(": ").expect("a header");
    let logout = eve.http.post(eve.url("/api/auth/logout")).header(name, value);
    eve.send(logout).await.expect(200);
    assert_refused(&world, &eve, held, session_is_over).await;
}

#[tokio::test]
async fn a_stolen_session_writes_nothing_more_once_the_password_is_changed() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let held = hold_all(&world, With::Session, &session(&eve).await).await;
    let body = json!({"username": eve.username, "favorites": [], "password": "a password of one's own",
        "currentPassword": eve.password});
    eve.put(&format!("/api/account/{}", eve.user), body).await.expect(200);
    assert_refused(&world, &eve, held, session_is_over).await;
}

#[tokio::test]
async fn a_session_that_its_user_ended_elsewhere_writes_nothing_more() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let held = hold_all(&world, With::Session, &session(&eve).await).await;
    eve.delete("/api/account/sessions").await.expect(200);
    assert_refused(&world, &eve, held, session_is_over).await;
}

#[tokio::test]
async fn a_deleted_user_writes_nothing_more() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let cookie = session(&eve).await;
    let (_, token) = token_of(&eve, json!({"permissions": all_of(&eve).await})).await;
    let held = hold_all(&world, With::Session, &cookie).await;
    let by_token = hold_all(&world, With::FullToken, &bearer(&token)).await;
    world.client(Superadmin).delete(&format!("/api/admin/users/{}", eve.user)).await.expect(200);
    assert_refused(&world, &eve, held, session_is_over).await;
    assert_refused(&world, &eve, by_token, token_is_over).await;
}

#[tokio::test]
async fn a_revoked_token_writes_nothing_more() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let (id, token) = token_of(&eve, json!({"permissions": all_of(&eve).await})).await;
    let held = hold_all(&world, With::FullToken, &bearer(&token)).await;
    assert!(held.len() > 15, "they have become few");
    eve.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
    assert_refused(&world, &eve, held, token_is_over).await;
}

#[tokio::test]
async fn a_token_whose_time_is_over_writes_nothing_more() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let ends = world.now() + 3_600_000;
    let (_, token) = token_of(&eve, json!({"permissions": all_of(&eve).await, "expiresAt": ends})).await;
    let held = hold_all(&world, With::FullToken, &bearer(&token)).await;
    world.host().clock.advance(Duration::from_secs(3601));
    assert_refused(&world, &eve, held, token_is_over).await;
}

#[tokio::test]
async fn whoever_must_set_up_a_second_factor_writes_nothing_before() {
    let world = World::new().await;
    let eve = world.spare_user(Admin).await;
    let cookie = session(&eve).await;
    let (_, token) = token_of(&eve, json!({"permissions": all_of(&eve).await})).await;
    let mut held = hold_all(&world, With::Session, &cookie).await;
    held.extend(hold_all(&world, With::FullToken, &bearer(&token)).await);
    let demanding = |roles: &[RoleWord]| {
        let mut config = (**world.host().config.load()).clone();
        config.auth.require_totp = roles.to_vec();
        world.host().config.store(std::sync::Arc::new(config));
    };
    // Setting it up is open, and needs what is not sent here.
    held.retain(|(route, _)| !route.contains("/totp") || route.contains("/admin/"));
    demanding(&[RoleWord::Admin]);
    let mut answers = Vec::new();
    for (route, call) in held {
        answers.push((route, call.finish().await));
    }
    demanding(&[]);
    let let_through: Vec<_> = answers
        .iter()
        .filter(|(_, answer)| answer.json()["code"] != "totp_setup_required" || answer.status != 403)
        .collect();
    assert!(let_through.is_empty(), "{let_through:#?}");
}

#[tokio::test]
async fn a_demoted_superadmin_is_a_user_like_others() {
    let world = World::new().await;
    let eve = world.spare_user(Superadmin).await;
    let cookie = session(&eve).await;
    let (_, token) = token_of(&eve, json!({"permissions": all_of(&eve).await})).await;
    let mut held = hold_all(&world, With::Session, &cookie).await;
    held.extend(hold_all(&world, With::FullToken, &bearer(&token)).await);
    // Makes herself superadmin again, and removes who she is not to remove.
    let (own, others) = (format!("PUT /api/admin/users/{}", eve.user), "DELETE /api/admin/users/1");
    for (line, body) in [
        (own.as_str(), json!({"superadmin": true})),
        (others, json!({})),
        ("PUT /api/admin/users/1", json!({"password": "a password of Eve's"})),
        (
            &format!("PUT /api/account/{}", eve.user),
            json!({"username": eve.username, "favorites": [], "role": "admin"}),
        ),
    ] {
        let call = Held::open(eve.address, &cookie, line, &body).await.expect("it is let in at first");
        held.push((if line.contains("/account/") { "own account" } else { "PUT /api/admin/users/{}" }, call));
    }
    let path = format!("/api/admin/users/{}", eve.user);
    world.client(Superadmin).put(&path, json!({"role": "user"})).await.expect(200);
    // What anyone may do for themselves is what is left of all this.
    let own = |route: &str| {
        RULES.iter().find(|rule| rule.route == route).is_none_or(|rule| {
            matches!(rule.door, Door::Session) || rule.target == Target::Nothing && !route.contains("/admin/")
        })
    };
    let mut let_through = Vec::new();
    for (route, call) in held {
        let answer = call.finish().await;
        if !(own(route) || [403, 404, 400].contains(&answer.status)) {
            let_through.push(format!("{route}: {} {}", answer.status, answer.json()["message"]));
        }
    }
    assert!(let_through.is_empty(), "{let_through:#?}");
    let users = world.client(Superadmin).get("/api/admin/users").await.expect(200);
    let role = |id: i64| -> Value {
        let user = users.data().as_array().expect("a list").iter().find(|user| user["id"] == id).cloned();
        user.map(|user| json!([user["role"], user["superadmin"]])).unwrap_or_default()
    };
    assert_eq!((role(1), role(eve.user)), (json!(["admin", true]), json!(["user", false])));
    let admin = world.client(Superadmin);
    Client::login(admin.address, &admin.username, &admin.password).await;
}

/// Takes something away in the database alone: as between a commit and the moment when the server's memory follows, where
/// a request that waited for a hash, or for its turn to write, may find itself.
async fn take_away_stored(world: &World, job: impl FnOnce(&Conn) -> Result<(), Error> + Send + 'static) {
    world.host().store.write(job).await.unwrap();
}

#[tokio::test]
async fn a_change_is_decided_by_what_is_stored_when_it_is_made() {
    let world = World::new().await;
    let refused = |_: &str, answer: &RawAnswer| answer.status >= 400;
    for what in ["the session", "the token", "the user", "the role"] {
        let eve = world.spare_user(Superadmin).await;
        let cookie = session(&eve).await;
        let (_, token) = token_of(&eve, json!({"permissions": all_of(&eve).await})).await;
        let mut held = Vec::new();
        if what != "the token" {
            held.extend(hold_all(&world, With::Session, &cookie).await);
        }
        if what != "the session" {
            held.extend(hold_all(&world, With::FullToken, &bearer(&token)).await);
        }
        let user = eve.user;
        take_away_stored(&world, move |db| match what {
            "the session" => sessions::delete_of_user(db, user, None).map(drop),
            "the token" => tokens::delete_of_user(db, user),
            "the user" => users::delete(db, user).map(drop),
            _ => {
                let row = users::get(db, user)?.expect("she is there");
                users::update(db, &UserRow { role: Role::User, ..row }).map(drop)
            }
        })
        .await;
        println!("{what}");
        assert_refused(&world, &eve, held, refused).await;
    }
}

#[tokio::test]
async fn a_second_factor_that_is_gone_is_missed_when_a_change_is_made() {
    let world = World::new().await;
    let eve = world.spare_user(Admin).await;
    let (cookie, user) = (session(&eve).await, eve.user);
    let held = hold_all(&world, With::Session, &cookie).await;
    // In force when the calls are let in, as far as memory goes.
    take_away_stored(&world, move |db| {
        let sql = "INSERT INTO second_factors (userID, seed, confirmed) VALUES (?1, x'00', 1)";
        db.execute(sql, [user]).map(drop)
    })
    .await;
    world.host().accounts.forget(user);
    eve.get("/api/auth/session").await.expect(200);
    take_away_stored(&world, move |db| second_factors::delete(db, user).map(drop)).await;
    let mut config = (**world.host().config.load()).clone();
    config.auth.require_totp = vec![RoleWord::Admin];
    world.host().config.store(std::sync::Arc::new(config));
    let mut answers = Vec::new();
    for (route, call) in held {
        answers.push((route, call.finish().await));
    }
    let mut config = (**world.host().config.load()).clone();
    config.auth.require_totp = Vec::new();
    world.host().config.store(std::sync::Arc::new(config));
    let done: Vec<_> = answers.iter().filter(|(_, answer)| answer.status < 400).collect();
    assert!(done.is_empty(), "{done:#?}");
    let refused = answers.iter().filter(|(_, answer)| answer.json()["code"] == "totp_setup_required");
    assert!(refused.count() > 15, "{answers:#?}");
}

/// All permissions that a user has.
async fn all_of(client: &Client) -> Value {
    client.get("/api/auth/session").await.expect(200).data()["permissions"].clone()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}
