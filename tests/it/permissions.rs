//! Who may do what: every route of the server, called by everyone, on what is theirs and on what is not.
//!
//! The routes come from the server's own table, so that a new one fails here until someone has said who may call it.
//! What is expected comes from the contract alone.

mod audited;
mod case;
mod docs;
mod held;
mod rules;
mod sharer;
mod world;

use std::collections::BTreeSet;

use case::{
    Admin, BAD_TOKENS, Case, Demoted, Forger, NoOne, Nobody, OWNERS, Operator, OtherAdmin, OtherUser,
    SHARERS, Share, Superadmin, User, Who, With,
};
use rules::{Door, RULES, Rule, Target};
use serde_json::{Value, json};
use world::{Thing, World, full_server};

use crate::support::{Reply, Server};

/// A method and a path whose placeholders have no names.
fn unnamed(method: &str, path: &str) -> String {
    let mut out = format!("{method} ");
    let mut inside = false;
    for c in path.chars() {
        match c {
            '{' => {
                inside = true;
                out.push_str("{}");
            }
            '}' => inside = false,
            c if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// The routes the server really has: its own and its plugins'.
fn routes(server: &Server) -> BTreeSet<String> {
    let all = netignite::api::table().into_iter().chain(server.plugin_routes());
    all.map(|route| unnamed(route.method.as_str(), &route.path)).collect()
}

#[tokio::test]
async fn every_route_has_a_rule_and_every_rule_a_route() {
    let server = full_server().await;
    let routes = routes(&server);
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.route.to_owned()).collect();
    let unruled: Vec<_> = routes.difference(&rules).collect();
    assert!(unruled.is_empty(), "say in RULES (tests/it/permissions/rules.rs) who may call {unruled:?}");
    let gone: Vec<_> = rules.difference(&routes).collect();
    assert!(gone.is_empty(), "no such routes: {gone:?}");
}

/// Who may share what a route is called for.
fn sharers(rule: &Rule) -> impl Iterator<Item = Who> {
    let shareable = rule.target.is_shareable();
    SHARERS.into_iter().filter(move |_| shareable)
}

/// Everyone, with a session or in place of one, for everyone's things and for what does not exist.
fn cases_of_people(rule: &Rule) -> Vec<Case> {
    let callers = [Nobody, Forger, User, OtherUser, Admin, OtherAdmin, Superadmin, Demoted, Operator];
    let mut cases = Vec::new();
    for caller in callers {
        for owner in OWNERS.into_iter().chain([NoOne]).chain(sharers(rule)) {
            cases.extend(in_both_modes(rule, caller, With::Session, owner));
        }
    }
    cases
}

/// Every kind of token, for what is its user's own and, where it may open the door of `rule`, for everything else.
fn cases_of_tokens(world: &World, rule: &Rule) -> Vec<Case> {
    let mut cases = Vec::new();
    for &(caller, with) in world.tokens().keys() {
        let opens = match (rule.door, with) {
            // Who calls makes no difference there.
            (Door::Open | Door::OwnToken, With::FullToken | With::MistypedToken) if caller == Admin => false,
            (Door::Open | Door::OwnToken, _) => continue,
            (_, with) if BAD_TOKENS.contains(&with) => false,
            (Door::Needs(needed), With::TokenFor(permission)) => needed == permission,
            (_, With::TokenFor(_)) => false,
            _ => true,
        };
        let others = [User, OtherUser, OtherAdmin, Superadmin, NoOne].into_iter().chain(sharers(rule));
        for owner in others.filter(|other| opens && *other != caller).chain([caller]) {
            cases.extend(in_both_modes(rule, caller, with, owner));
        }
    }
    cases
}

/// The case in admin mode and without. Only once where nothing is called for that could be anybody's.
fn in_both_modes(rule: &Rule, caller: Who, with: With, owner: Who) -> Vec<Case> {
    let once = rule.target == Target::Nothing;
    let stands_for_all = if OWNERS.contains(&caller) { caller } else { User };
    let modes =
        [false, true].into_iter().filter(|admin_mode| !once || owner == stands_for_all && !admin_mode);
    modes.map(|admin_mode| Case { caller, with, owner, admin_mode }).collect()
}

#[tokio::test]
async fn everyone_calls_every_route() {
    let world = World::furnished().await;
    let before = world.all_lasting().await;
    // All routes at the same time; what is changed was made for the call.
    let calls = RULES.iter().map(async |rule| {
        let mut calls = [0, 0, 0];
        for case in cases_of_people(rule).into_iter().chain(cases_of_tokens(&world, rule)) {
            let called = usize::from(check(&world, rule, case).await);
            calls[usize::from(case.is_token())] += called;
            calls[2] += if SHARERS.contains(&case.owner) { called } else { 0 };
        }
        calls
    });
    let calls = futures_util::future::join_all(calls).await;
    let [people, tokens, shared] = [0, 1, 2].map(|kind| calls.iter().map(|of| of[kind]).sum::<usize>());
    println!("{people} calls by people and {tokens} by tokens, {shared} of them for what is shared");
    assert!(people > 5000 && tokens > 12_000 && shared > 4000, "they have become few");
    assert_eq!(before, world.all_lasting().await, "something was refused, and done all the same");
}

/// Makes one call and compares; false where the contract leaves the answer open.
async fn check(world: &World, rule: &Rule, case: Case) -> bool {
    let Some(expected) = rule.expected(case) else { return false };
    let changes = expected < 400 && !rule.route.starts_with("GET");
    let thing = match case.owner {
        owner if changes => world.make(rule.target, owner).await,
        owner => world.lasting(rule.target, owner),
    };
    let reply = world.call(rule.route, case, thing).await;
    let seen = format!("{} by {case:?}: {}", rule.route, reply.text);
    assert_eq!(reply.status, expected, "{seen}");
    match expected {
        401 if rule.door == Door::OwnToken || case.caller == Operator => {}
        401 if case.is_token() => assert_eq!(reply.code(), "invalid_token", "{seen}"),
        401 if case.caller == Nobody => assert_eq!(reply.message(), "No session found", "{seen}"),
        401 => assert_eq!(reply.message(), "Invalid session", "{seen}"),
        _ => {}
    }
    if expected >= 400 {
        assert_eq!(reply.body["status"], "ERROR", "{seen}");
        assert!(!reply.text.contains("a long enough secret"), "{seen}");
    } else {
        check_content(rule.route, case, thing, &reply, &seen);
    }
    true
}

/// What a success may show.
fn check_content(route: &str, case: Case, thing: Thing, reply: &Reply, seen: &str) {
    let listed = || {
        let items = reply.data().as_array().unwrap_or_else(|| panic!("no list: {seen}"));
        items.iter().any(|item| item["id"] == thing.id)
    };
    match route {
        "GET /api/agents" => {
            assert_eq!(listed(), case.reaches(), "{seen}");
            assert!(!reply.text.contains("a long enough secret"), "a list shows secrets: {seen}");
        }
        "GET /api/devices" => {
            assert_eq!(listed(), case.sees(), "{seen}");
            let items = reply.data().as_array().into_iter().flatten();
            items.filter(|item| item["id"] == thing.id).for_each(|item| check_device(case, item, seen));
        }
        "GET /api/devices/{}" => check_device(case, reply.data(), seen),
        "GET /api/agents/status" | "GET /api/devices/status" => {
            let shown = reply.data().as_object().is_some_and(|map| map.contains_key(&thing.id.to_string()));
            let sees = if route.contains("devices") { case.sees() } else { case.reaches() };
            assert_eq!(shown, sees, "{seen}");
        }
        "GET /api/agents/{}" => {
            let shown = reply.text.contains("a long enough secret");
            assert_eq!(shown, case.is_own() && case.has("agents:secret"), "{seen}");
        }
        "PUT /api/agents/{}" => {
            assert!(!reply.text.contains("a long enough secret"), "a secret: {seen}");
        }
        "GET /api/agents/enrolment-codes" => {
            assert_eq!(listed(), case.reaches(), "{seen}");
            assert!(!reply.text.contains("\"code\""), "a list shows codes: {seen}");
        }
        "GET /api/shares" => {
            let anyones = case.caller == Operator || case.admin_mode && case.caller.is_admin();
            assert_eq!(listed(), anyones && case.owner != NoOne, "the guest's, to whom: {seen}");
        }
        "GET /api/account/tokens" => assert_eq!(listed(), case.is_own(), "{seen}"),
        "GET /api/admin/users/{}/tokens" => assert!(listed(), "{seen}"),
        "GET /api/admin/users" => assert_eq!(listed(), case.owner != NoOne, "{seen}"),
        _ => {}
    }
    let makes_token = route.starts_with("POST") && route.ends_with("/tokens");
    assert_eq!(reply.text.contains("nig_"), makes_token, "a token is shown where it is made: {seen}");
    assert!(!reply.text.contains("$argon2"), "a password hash: {seen}");
}

/// What is shown of a device: of a shared one not its agent, and by whom and for what.
fn check_device(case: Case, device: &Value, seen: &str) {
    let shown = ["shared", "ownerName", "permissions"].map(|field| device.get(field).cloned());
    if case.reaches() {
        assert!(device["agentID"].is_i64(), "{seen}");
        assert_eq!(shown, [None, None, None], "{seen}");
    } else {
        let Who::Sharer(share) = case.owner else { panic!("nobody shares this: {seen}") };
        let permissions = if share == Share::View { json!(["view"]) } else { json!(["view", "wake"]) };
        assert_eq!(device["agentID"], Value::Null, "{seen}");
        assert_eq!(shown, [Some(json!(true)), Some(json!("sharon")), Some(permissions)], "{seen}");
    }
}

#[tokio::test]
async fn only_the_superadmin_grants_and_takes_the_admin_role() {
    let world = World::new().await;
    let change = |who: Who, whom: Who, role: &'static str, path: &'static str| {
        let (client, target) = (world.client(who).clone(), world.client(whom).clone());
        let superadmin = world.client(Superadmin).clone();
        async move {
            let body = json!({"username": target.username, "role": role, "favorites": []});
            let path = path.replace("{}", &target.user.to_string());
            let status = client.put(&path, body).await.status;
            let now = superadmin.get(&format!("/api/admin/users/{}", target.user)).await.expect(200);
            (status, now.data()["role"].as_str().unwrap().to_owned())
        }
    };
    let (page, admins_page) = ("/api/account/{}?adminMode=true", "/api/admin/users/{}");
    // An admin neither grants the role, nor takes it, not even from themselves. The account page, to which clients
    // send back whole objects, may pass over the role in silence.
    for (whom, role, kept) in [
        (User, "admin", "user"),
        (OtherAdmin, "user", "admin"),
        (Superadmin, "user", "admin"),
        (Admin, "user", "admin"),
    ] {
        assert_eq!(change(Admin, whom, role, admins_page).await, (403, kept.to_owned()), "{whom:?}");
        assert_eq!(change(Admin, whom, role, page).await.1, kept, "{whom:?}");
    }
    let body = json!({"username": "upstart", "password": "a long password", "role": "admin"});
    world.client(Admin).post("/api/admin/users", body.clone()).await.expect(403);
    world.client(Superadmin).post("/api/admin/users", body).await.expect(201);
    // A user does not become one by asking for it.
    let user = world.client(User);
    let body = json!({"username": user.username, "role": "admin", "favorites": []});
    for query in ["", "?adminMode=true"] {
        user.put(&format!("/api/account/{}{query}", user.user), body.clone()).await;
        let session = user.get("/api/auth/session").await.expect(200);
        assert_eq!(session.data()["role"], "user", "{}", session.text);
    }
    user.get("/api/admin/users").await.expect(403);
    // The superadmin does both, and it counts at once.
    for path in [page, admins_page] {
        assert_eq!(change(Superadmin, User, "admin", path).await, (200, "admin".to_owned()));
        user.get("/api/admin/users").await.expect(200);
        assert_eq!(change(Superadmin, User, "user", path).await, (200, "user".to_owned()));
        user.get("/api/admin/users").await.expect(403);
    }
}

#[tokio::test]
async fn there_is_always_a_superadmin() {
    let world = World::new().await;
    let superadmin = world.client(Superadmin);
    let path = format!("/api/admin/users/{}", superadmin.user);
    let refused = superadmin.delete(&path).await;
    assert!((400..500).contains(&refused.status), "{}", refused.text);
    let body = json!({"username": "admin", "role": "user", "favorites": []});
    superadmin.put(&path, body).await;
    // Whatever was answered, the superadmin still grants.
    let body = json!({"username": "second", "password": "a long password", "role": "admin"});
    superadmin.post("/api/admin/users", body).await.expect(201);
}

#[tokio::test]
async fn admin_mode_means_exactly_true() {
    let world = World::new().await;
    let agent = world.make(Target::Agent, User).await.id;
    for query in
        ["adminMode=True", "adminMode=1", "adminMode=", "adminMode", "adminmode=true", "adminMode=true1"]
    {
        world.client(Admin).get(&format!("/api/agents/{agent}?{query}")).await.expect(404);
    }
    world.client(Admin).get(&format!("/api/agents/{agent}?adminMode=true")).await.expect(200);
}

#[tokio::test]
async fn an_account_change_outside_admin_mode_is_ones_own() {
    let world = World::new().await;
    let (user, admin) = (world.client(User), world.client(Admin));
    let body = json!({"username": "renamed", "favorites": []});
    for path in [format!("/api/account/{}", user.user), "/api/account/junk".to_owned()] {
        admin.put(&path, body.clone()).await.expect(200);
        assert_eq!(user.get("/api/auth/session").await.expect(200).data()["username"], "ursula");
        assert_eq!(admin.get("/api/auth/session").await.expect(200).data()["username"], "renamed");
    }
    admin.put("/api/account/junk?adminMode=true", body).await.expect(400);
}

#[tokio::test]
async fn an_agent_cannot_be_taken_over() {
    let world = World::new().await;
    let agent = world.make(Target::Agent, User).await.id;
    let other = world.client(OtherUser);
    let body = json!({"name": "mine", "description": "", "type": "server", "secret": "a stolen good secret"});
    for query in ["", "?adminMode=true"] {
        other.put(&format!("/api/agents/{agent}{query}"), body.clone()).await.expect(404);
    }
    let reply = world.client(User).get(&format!("/api/agents/{agent}")).await.expect(200);
    assert_eq!(reply.data()["secret"], "a long enough secret");
    // Nor can an admin, who may change it, give it away to themselves.
    let admin = world.client(Admin);
    let mut taken = body.clone();
    taken["ownerID"] = json!(admin.user);
    admin.put(&format!("/api/agents/{agent}?adminMode=true"), taken).await.expect(200);
    admin.get(&format!("/api/agents/{agent}")).await.expect(404);
}

#[tokio::test]
async fn a_device_cannot_be_moved_to_anothers_agent() {
    let world = World::new().await;
    let foreign = world.make(Target::Agent, OtherUser).await.id;
    let device = world.make(Target::Device, User).await;
    let body = json!({"name": "n", "type": "nas", "description": "", "macAddress": "AA:BB:CC:DD:EE:FF",
        "port": 9, "agentID": foreign});
    let user = world.client(User);
    let path = format!("/api/devices/{}", device.id);
    let reply = user.put(&path, body.clone()).await.expect(400);
    assert_eq!(reply.message(), "No matching agent found for the given AgentID");
    let reply = user.post("/api/devices", body.clone()).await.expect(400);
    assert_eq!(reply.message(), "No matching agent found for the given AgentID");
    // An admin in admin mode moves it between its owner's agents only.
    world.client(Admin).put(&format!("{path}?adminMode=true"), body).await.expect(400);
    assert_eq!(user.get(&path).await.expect(200).data()["agentID"], device.agent);
}
