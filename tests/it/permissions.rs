//! Who may do what: every route of the server, called by everyone, on what is theirs and on what is not.
//!
//! The routes come from the server's own table, so that a new one fails here until someone has said who may call it.
//! What is expected comes from the contract alone.

use std::collections::{BTreeSet, HashMap};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Reply, Server};

/// Who calls, and whose the thing is that is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Nobody,
    /// Someone with a cookie the server never gave.
    Forger,
    User,
    OtherUser,
    Admin,
    OtherAdmin,
    Superadmin,
}

use Who::{Admin, Forger, Nobody, OtherAdmin, OtherUser, Superadmin, User};

const CALLERS: [Who; 7] = [Nobody, Forger, User, OtherUser, Admin, OtherAdmin, Superadmin];
const OWNERS: [Who; 5] = [User, OtherUser, Admin, OtherAdmin, Superadmin];

impl Who {
    fn is_admin(self) -> bool {
        matches!(self, Admin | OtherAdmin | Superadmin)
    }

    fn has_session(self) -> bool {
        !matches!(self, Nobody | Forger)
    }

    fn role(self) -> &'static str {
        if self.is_admin() { "admin" } else { "user" }
    }
}

/// One call: by whom, for whose thing, with `adminMode=true` or without.
#[derive(Debug, Clone, Copy)]
struct Case {
    caller: Who,
    owner: Who,
    admin_mode: bool,
}

impl Case {
    fn is_own(self) -> bool {
        self.caller == self.owner
    }

    /// Whether the caller reaches the owner's agents and devices.
    fn reaches(self) -> bool {
        self.is_own() || self.admin_mode && self.caller.is_admin()
    }

    /// Whether the caller may change this user.
    fn may_edit_user(self) -> bool {
        match self.caller {
            Superadmin => true,
            Admin | OtherAdmin => self.is_own() || !self.owner.is_admin(),
            _ => false,
        }
    }
}

/// What a route is called for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Target {
    Nothing,
    Agent,
    Device,
    /// A user of the owner's kind: the owner in person where nothing is destroyed.
    User,
    /// A user of the owner's role, made for this call.
    SpareUser,
}

/// What the contract says of a route.
struct Rule {
    route: &'static str,
    target: Target,
    /// The status of the answer to anyone with a session; none where the contract leaves it open.
    status: fn(Case) -> Option<u16>,
    door: Door,
}

/// What a route asks of everyone before it looks at who it is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Door {
    Open,
    Session,
    /// A token of its own, which no session stands in for.
    Token,
}

impl Rule {
    const fn new(route: &'static str, target: Target, status: fn(Case) -> Option<u16>) -> Self {
        Self { route, target, status, door: Door::Session }
    }

    const fn public(route: &'static str) -> Self {
        Self { route, target: Target::Nothing, status: |_| Some(200), door: Door::Open }
    }
}

/// `good` where the thing is within reach; else it does not exist.
macro_rules! reached {
    ($good:literal) => {
        |case| Some(if case.reaches() { $good } else { 404 })
    };
}

/// Every route, with placeholders unnamed.
const RULES: &[Rule] = &[
    Rule::public("POST /api/auth/login"),
    Rule::public("POST /api/auth/logout"),
    Rule::new("GET /api/auth/session", Target::Nothing, |_| Some(200)),
    Rule::new("GET /api/agents", Target::Agent, |_| Some(200)),
    Rule::new("POST /api/agents", Target::Nothing, |_| Some(201)),
    Rule::new("GET /api/agents/status", Target::Agent, |_| Some(200)),
    Rule::new("GET /api/agents/{}", Target::Agent, reached!(200)),
    Rule::new("PUT /api/agents/{}", Target::Agent, reached!(200)),
    Rule::new("DELETE /api/agents/{}", Target::Agent, reached!(200)),
    // Within reach, and not connected.
    Rule::new("POST /api/agents/{}/commands/{}", Target::Agent, reached!(503)),
    Rule::new("GET /api/devices", Target::Device, |_| Some(200)),
    // A device's agent must belong to the device's owner, who is the caller: admin mode changes nothing.
    Rule::new("POST /api/devices", Target::Agent, |case| Some(if case.is_own() { 201 } else { 400 })),
    Rule::new("GET /api/devices/status", Target::Device, |_| Some(200)),
    Rule::new("GET /api/devices/{}", Target::Device, reached!(200)),
    Rule::new("PUT /api/devices/{}", Target::Device, reached!(200)),
    Rule::new("DELETE /api/devices/{}", Target::Device, reached!(200)),
    Rule::new("POST /api/devices/{}/wakeup", Target::Device, reached!(503)),
    Rule::new("GET /api/commands", Target::Nothing, |_| Some(200)),
    // Outside admin mode the path's ID means nothing: one changes oneself.
    Rule::new("PUT /api/account/{}", Target::User, |case| {
        let foreign = case.admin_mode && case.caller.is_admin();
        Some(if !foreign || case.may_edit_user() { 200 } else { 403 })
    }),
    Rule::new("GET /api/admin/users", Target::User, admins_only),
    Rule::new("POST /api/admin/users", Target::Nothing, |case| {
        Some(if case.caller.is_admin() { 201 } else { 403 })
    }),
    Rule::new("GET /api/admin/users/{}", Target::User, admins_only),
    Rule::new("PUT /api/admin/users/{}", Target::User, |case| {
        Some(if case.may_edit_user() { 200 } else { 403 })
    }),
    Rule::new("DELETE /api/admin/users/{}", Target::SpareUser, |case| {
        // The spare of a superadmin's kind is the one superadmin, whom nobody deletes.
        match (case.owner, case.may_edit_user()) {
            (_, false) => Some(403),
            (Superadmin, true) => None,
            (_, true) => Some(200),
        }
    }),
    Rule::public("GET /livez"),
    Rule::public("GET /readyz"),
    Rule::new("GET /api/health", Target::Nothing, |_| Some(200)),
    Rule { route: "GET /metrics", target: Target::Nothing, status: |_| Some(401), door: Door::Token },
];

fn admins_only(case: Case) -> Option<u16> {
    Some(if case.caller.is_admin() { 200 } else { 403 })
}

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

/// A server with everything switched on that brings routes.
async fn full_server() -> Server {
    Server::start_with(|config| {
        let metrics = json!({"enabled": true, "token": "a token for the metrics alone"});
        config.plugins.insert("metrics".to_owned(), metrics);
    })
    .await
}

/// A server with someone of each kind.
struct World {
    _server: Server,
    clients: HashMap<Who, Client>,
    /// Counts the users made.
    spare: std::cell::Cell<u32>,
}

/// A thing that a route is called for.
#[derive(Debug, Clone, Copy, Default)]
struct Thing {
    id: i64,
    /// The agent behind a device.
    agent: i64,
}

impl World {
    async fn new() -> Self {
        let server = full_server().await;
        let superadmin = server.superadmin().await;
        let mut clients = HashMap::new();
        for (who, name) in [(User, "ursula"), (OtherUser, "otto"), (Admin, "ada"), (OtherAdmin, "adrian")] {
            clients.insert(who, server.user(&superadmin, name, who.role()).await);
        }
        clients.insert(Superadmin, superadmin);
        clients.insert(Nobody, server.anonymous());
        clients.insert(Forger, server.anonymous());
        Self { _server: server, clients, spare: std::cell::Cell::new(0) }
    }

    fn client(&self, who: Who) -> &Client {
        &self.clients[&who]
    }

    async fn make(&self, target: Target, owner: Who) -> Thing {
        let client = self.client(owner);
        match target {
            Target::Nothing => Thing::default(),
            Target::Agent => Thing { id: client.create_agent("server", "a long secret").await, agent: 0 },
            Target::Device => {
                let agent = client.create_agent("server", "a long secret").await;
                Thing { id: client.create_device(agent, "AA:BB:CC:DD:EE:FF").await, agent }
            }
            Target::User => Thing { id: client.user, agent: 0 },
            Target::SpareUser if owner == Superadmin => Thing { id: client.user, agent: 0 },
            Target::SpareUser => {
                self.spare.set(self.spare.get() + 1);
                let name = format!("spare {}", self.spare.get());
                let body = json!({"username": name, "password": "a long password", "role": owner.role()});
                let reply = self.client(Superadmin).post("/api/admin/users", body).await.expect(201);
                Thing { id: reply.id(), agent: 0 }
            }
        }
    }

    /// What a client would send.
    fn body(&self, route: &str, case: Case, thing: Thing) -> Option<Value> {
        let agent = |name: &str| json!({"name": name, "description": "d", "type": "server", "secret": "a long secret"});
        let device = |name: &str, agent: i64| {
            json!({"name": name, "type": "nas", "description": "d", "macAddress": "AA:BB:CC:DD:EE:FF",
                "port": 9, "agentID": agent})
        };
        Some(match route {
            "POST /api/auth/login" => {
                let admin = self.client(Superadmin);
                json!({"username": admin.username, "password": admin.password})
            }
            "POST /api/agents" => agent("new"),
            "PUT /api/agents/{}" => agent("changed"),
            "POST /api/agents/{}/commands/{}" | "POST /api/devices/{}/wakeup" => json!({}),
            "POST /api/devices" => device("new", thing.id),
            "PUT /api/devices/{}" => device("changed", thing.agent),
            "PUT /api/account/{}" => {
                let foreign = case.admin_mode && case.caller.is_admin();
                let whose = if foreign || !case.caller.has_session() { case.owner } else { case.caller };
                json!({"username": self.client(whose).username, "favorites": []})
            }
            "POST /api/admin/users" => {
                self.spare.set(self.spare.get() + 1);
                let name = format!("new {}", self.spare.get());
                json!({"username": name, "password": "a long password", "role": "user"})
            }
            "PUT /api/admin/users/{}" => {
                let owner = self.client(case.owner);
                json!({"username": owner.username, "role": case.owner.role(), "favorites": []})
            }
            _ => return None,
        })
    }

    async fn call(&self, route: &str, case: Case, thing: Thing) -> Reply {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let path = path.replacen("{}", &thing.id.to_string(), 1).replacen("{}", "HEARTBEAT", 1);
        let mut query = Vec::new();
        if route.ends_with("/status") {
            query.push(format!("ids={}", thing.id));
        }
        if case.admin_mode {
            query.push("adminMode=true".to_owned());
        }
        let mark = if query.is_empty() { "" } else { "?" };
        let url = self.client(case.caller).url(&format!("{path}{mark}{}", query.join("&")));
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let client = match (case.caller, route) {
            // A session of its own, which may be ended.
            (who, "POST /api/auth/logout" | "POST /api/auth/login") if who.has_session() => {
                let known = self.client(who);
                Client::login(known.address, &known.username, &known.password).await
            }
            (who, _) => self.client(who).clone(),
        };
        let mut request = client.http.request(method, url);
        if case.caller == Forger {
            request = request.header("Cookie", format!("session={}", "A".repeat(43)));
        }
        if let Some(body) = self.body(route, case, thing) {
            request = request.json(&body);
        }
        client.send(request).await
    }

    /// The thing as its owner sees it.
    async fn seen_by_owner(&self, target: Target, owner: Who, thing: Thing) -> Option<Value> {
        let path = match target {
            Target::Agent => format!("/api/agents/{}", thing.id),
            Target::Device => format!("/api/devices/{}", thing.id),
            Target::User | Target::SpareUser => {
                let path = format!("/api/admin/users/{}", thing.id);
                return Some(self.client(Superadmin).get(&path).await.body);
            }
            Target::Nothing => return None,
        };
        Some(self.client(owner).get(&path).await.body)
    }
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
