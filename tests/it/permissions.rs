//! Who may do what: every route of the server, called by everyone, on what is theirs and on what is not.
//!
//! The routes come from the server's own table, so that a new one fails here until someone has said who may call it.
//! What is expected comes from the contract alone.

mod rules;
mod world;

use std::collections::BTreeSet;

use rules::{
    Admin, CALLERS, Case, Door, Nobody, OWNERS, OtherAdmin, OtherUser, RULES, Rule, Superadmin, Target, User,
    Who,
};
use serde_json::json;
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
    let plugins = server.host().plugins.get().expect("plugins are set at start");
    let of_plugins = plugins.iter().flat_map(|plugin| plugin.routes());
    let all = netignite::api::table().into_iter().chain(of_plugins);
    all.map(|route| unnamed(route.method.as_str(), &route.path)).collect()
}

#[tokio::test]
async fn every_route_has_a_rule_and_every_rule_a_route() {
    let server = full_server().await;
    let routes = routes(&server);
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.route.to_owned()).collect();
    let unruled: Vec<_> = routes.difference(&rules).collect();
    assert!(unruled.is_empty(), "say in RULES who may call {unruled:?}");
    let gone: Vec<_> = rules.difference(&routes).collect();
    assert!(gone.is_empty(), "no such routes: {gone:?}");
}

#[tokio::test]
async fn everyone_calls_every_route() {
    let world = World::new().await;
    // Everyone calls at the same time; what they call is theirs or made for the call.
    let callers = CALLERS.map(|caller| {
        let world = &world;
        async move {
            let mut calls = 0;
            for rule in RULES {
                for owner in OWNERS {
                    for admin_mode in [false, true] {
                        let case = Case { caller, owner, admin_mode };
                        calls += u32::from(check(world, rule, case).await);
                    }
                }
            }
            calls
        }
    });
    let calls: u32 = futures_util::future::join_all(callers).await.into_iter().sum();
    assert!(calls > 1000, "only {calls} calls");
}

/// Makes one call and compares; false where the contract leaves the answer open.
async fn check(world: &World, rule: &Rule, case: Case) -> bool {
    let expected = match (rule.status)(case) {
        _ if rule.door == Door::Session && !case.caller.has_session() => 401,
        Some(status) => status,
        None => return false,
    };
    // Deleting takes a new thing each time; without a session there is nothing to make it for.
    let target = match rule.target {
        Target::SpareUser if !case.caller.has_session() || case.is_own() => Target::User,
        target => target,
    };
    if case.is_own() && rule.target == Target::SpareUser && expected == 200 {
        // Whether one may delete oneself is not a matter of permission.
        return false;
    }
    let thing = world.make(target, case.owner).await;
    let before = world.seen_by_owner(target, case.owner, thing).await;
    let reply = world.call(rule.route, case, thing).await;
    let told = format!("{} by {case:?}: {}", rule.route, reply.text);
    assert_eq!(reply.status, expected, "{told}");
    match (expected, case.caller) {
        (401, _) if rule.door == Door::Token => {}
        (401, Nobody) => assert_eq!(reply.message(), "No session found", "{told}"),
        (401, _) => assert_eq!(reply.message(), "Invalid session", "{told}"),
        _ => {}
    }
    if expected >= 400 {
        let after = world.seen_by_owner(target, case.owner, thing).await;
        assert_eq!(before, after, "refused, and done all the same: {told}");
        assert_eq!(reply.body["status"], "ERROR", "{told}");
        assert!(!reply.text.contains("a long secret"), "{told}");
    } else {
        check_content(rule.route, case, thing, &reply, &told);
    }
    true
}

/// What a success may show.
fn check_content(route: &str, case: Case, thing: Thing, reply: &Reply, told: &str) {
    let listed = || {
        let items = reply.data().as_array().unwrap_or_else(|| panic!("no list: {told}"));
        items.iter().any(|item| item["id"] == thing.id)
    };
    match route {
        "GET /api/agents" | "GET /api/devices" => {
            assert_eq!(listed(), case.reaches(), "{told}");
            assert!(!reply.text.contains("a long secret"), "a list shows secrets: {told}");
        }
        "GET /api/agents/status" | "GET /api/devices/status" => {
            let shown = reply.data().as_object().is_some_and(|map| map.contains_key(&thing.id.to_string()));
            assert_eq!(shown, case.reaches(), "{told}");
        }
        "GET /api/agents/{}" if case.is_own() && !case.admin_mode => {
            assert_eq!(reply.data()["secret"], "a long secret", "{told}");
        }
        "GET /api/agents/{}" if !case.is_own() => {
            assert!(!reply.text.contains("a long secret"), "another's secret: {told}");
        }
        "PUT /api/agents/{}" if !case.is_own() => {
            assert!(!reply.text.contains("a long secret"), "another's secret: {told}");
        }
        "GET /api/admin/users" => assert!(listed(), "{told}"),
        _ => {}
    }
    assert!(!reply.text.contains("$argon2"), "a password hash: {told}");
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
    let body = json!({"name": "mine", "description": "", "type": "server", "secret": "stolen secret"});
    for query in ["", "?adminMode=true"] {
        other.put(&format!("/api/agents/{agent}{query}"), body.clone()).await.expect(404);
    }
    let reply = world.client(User).get(&format!("/api/agents/{agent}")).await.expect(200);
    assert_eq!(reply.data()["secret"], "a long secret");
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
