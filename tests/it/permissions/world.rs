//! A server with someone of each kind, their things and their tokens, and whatever calls a route for them.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use netignite::host::Host;
use netignite::http::client::{Downloaded, Target as Door, download, request};
use netignite::local_socket;
use reqwest::Method;
use serde_json::{Value, json};

use super::case::{
    Admin, Case, Demoted, Forger, NoOne, Nobody, OWNERS, Operator, OtherAdmin, OtherUser, SHARERS,
    Superadmin, User, Who, With,
};
use super::rules::Target;
use super::sharer;
use crate::support::raw::RawAnswer;
use crate::support::{Client, Held, Reply, Server};

const TARGETS: [Target; 10] = [
    Target::Nothing,
    Target::Agent,
    Target::Device,
    Target::User,
    Target::SpareUser,
    Target::Token,
    Target::Session,
    Target::EnrolmentCode,
    Target::DeviceShare,
    Target::AgentShare,
];

/// Who may own a thing of this kind.
fn owners(target: Target) -> impl Iterator<Item = Who> {
    OWNERS.into_iter().chain(SHARERS.into_iter().filter(move |_| target.is_shareable()))
}

/// A server with everything switched on that brings routes.
pub(super) async fn full_server() -> Server {
    Server::start_with(|config| {
        let metrics = json!({"enabled": true, "token": "a token for the metrics alone"});
        config.plugins.insert("metrics".to_owned(), metrics);
    })
    .await
}

/// A thing that a route is called for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thing {
    pub(super) id: i64,
    /// The agent behind a device.
    pub(super) agent: i64,
    /// The user whose token it is.
    pub(super) user: i64,
    /// The device or agent whose share it is.
    pub(super) of: i64,
}

impl Thing {
    /// What does not exist.
    const NOTHING: Self = Self { id: 4_711_000, agent: 4_711_000, user: 4_711_000, of: 4_711_000 };

    pub(super) fn of(id: i64) -> Self {
        Self { id, ..Self::default() }
    }
}

/// A server with someone of each kind.
pub(super) struct World {
    server: Server,
    clients: HashMap<Who, Client>,
    /// Things that are never changed, for whatever only reads or is refused.
    lasting: HashMap<(Target, Who), Thing>,
    tokens: HashMap<(Who, With), String>,
    /// Counts the users made.
    spare: Cell<u32>,
}

impl World {
    pub(super) async fn new() -> Self {
        let server = full_server().await;
        let superadmin = server.superadmin().await;
        let mut clients = HashMap::new();
        for (who, name) in [(User, "ursula"), (OtherUser, "otto"), (Admin, "ada"), (OtherAdmin, "adrian")] {
            clients.insert(who, server.user(&superadmin, name, who.role()).await);
        }
        clients.insert(Demoted, server.user(&superadmin, "dora", "admin").await);
        server.user(&superadmin, sharer::GUEST, "user").await;
        let sharer = server.user(&superadmin, "sharon", "user").await;
        clients.extend(SHARERS.map(|who| (who, sharer.clone())));
        clients.insert(Superadmin, superadmin);
        for who in [Nobody, Forger, Operator] {
            clients.insert(who, server.anonymous());
        }
        let (lasting, tokens) = (HashMap::new(), HashMap::new());
        Self { server, clients, lasting, tokens, spare: Cell::new(0) }
    }

    /// The same with lasting things and tokens.
    pub(super) async fn furnished() -> Self {
        let mut world = Self::new().await;
        for target in TARGETS {
            for owner in owners(target) {
                let thing = world.make(target, owner).await;
                world.lasting.insert((target, owner), thing);
            }
        }
        let elsewhere = Server::start().await;
        let stranger = elsewhere.superadmin().await;
        for who in [User, Admin, Superadmin, Demoted] {
            world.make_tokens(who, &stranger).await;
        }
        let demoted_path = format!("/api/admin/users/{}", world.client(Demoted).user);
        world.client(Superadmin).put(&demoted_path, json!({"role": "user"})).await.expect(200);
        // What expires in a minute has expired.
        world.server.host().clock.advance(Duration::from_secs(120));
        world
    }

    pub(super) fn client(&self, who: Who) -> &Client {
        &self.clients[&who]
    }

    /// The server's time.
    pub(super) fn now(&self) -> i64 {
        self.server.host().clock.now()
    }

    /// The texts of the tokens.
    pub(super) fn tokens(&self) -> &HashMap<(Who, With), String> {
        &self.tokens
    }

    async fn make_tokens(&mut self, who: Who, stranger: &Client) {
        let client = self.client(who).clone();
        let all = client.get("/api/auth/session").await.expect(200).data()["permissions"].clone();
        let mut made = vec![(With::FullToken, token_of(&client, json!({"permissions": all})).await.1)];
        for name in all.as_array().expect("a list") {
            let name: &'static str = name.as_str().expect("a name").to_owned().leak();
            made.push((With::TokenFor(name), token_of(&client, json!({"permissions": [name]})).await.1));
        }
        let it = self.lasting[&(Target::Device, who)];
        let another = client.create_device(it.agent, "AA:BB:CC:DD:EE:00").await;
        let shared = SHARERS.map(|who| self.lasting[&(Target::Device, who)].id).to_vec();
        for (with, devices) in [
            (With::TokenOnIt, vec![it.id]),
            (With::TokenOnAnother, vec![another]),
            (With::TokenOnShared, shared),
        ] {
            let body = json!({"permissions": ["devices:read", "devices:wake"], "deviceIDs": devices});
            made.push((with, token_of(&client, body).await.1));
        }
        let expiring = json!({"permissions": all, "expiresAt": self.now() + 60_000});
        made.push((With::ExpiredToken, token_of(&client, expiring).await.1));
        let (id, revoked) = token_of(&client, json!({"permissions": all})).await;
        client.delete(&format!("/api/account/tokens/{id}")).await.expect(200);
        made.push((With::RevokedToken, revoked));
        let mut mistyped = made[0].1.clone();
        let last = if mistyped.ends_with('0') { "1" } else { "0" };
        mistyped.replace_range(mistyped.len() - 1.., last);
        made.push((With::MistypedToken, mistyped));
        let gone = self.spare_user(if who == Demoted { Admin } else { who }).await;
        made.push((With::TokenOfDeletedUser, token_of(&gone, json!({"permissions": all})).await.1));
        self.client(Superadmin).delete(&format!("/api/admin/users/{}", gone.user)).await.expect(200);
        made.push((With::UnknownToken, token_of(stranger, json!({"permissions": all})).await.1));
        self.tokens.extend(made.into_iter().map(|(with, text)| ((who, with), text)));
    }

    /// A user of the same role, with a session.
    pub(super) async fn spare_user(&self, who: Who) -> Client {
        let superadmin = self.client(Superadmin);
        self.spare.set(self.spare.get() + 1);
        let spare = self.server.user(superadmin, &format!("spare {}", self.spare.get()), who.role()).await;
        if who == Superadmin {
            let path = format!("/api/admin/users/{}", spare.user);
            superadmin.put(&path, json!({"superadmin": true})).await.expect(200);
        }
        spare
    }

    /// The thing for a call that leaves it as it is.
    pub(super) fn lasting(&self, target: Target, owner: Who) -> Thing {
        if owner == NoOne { Thing::NOTHING } else { self.lasting[&(target, owner)] }
    }

    /// A new thing, for a call that may change it.
    pub(super) async fn make(&self, target: Target, owner: Who) -> Thing {
        if owner == NoOne {
            return Thing::NOTHING;
        }
        let client = self.client(owner);
        match target {
            Target::Nothing => Thing::default(),
            Target::Agent | Target::Device => {
                let agent = client.create_agent("server", "a long enough secret").await;
                let thing = match target {
                    Target::Agent => Thing::of(agent),
                    _ => Thing { agent, ..Thing::of(client.create_device(agent, "AA:BB:CC:DD:EE:FF").await) },
                };
                self.share_with_everyone(target, owner, thing).await;
                thing
            }
            Target::DeviceShare | Target::AgentShare => {
                let of = if target == Target::DeviceShare { Target::Device } else { Target::Agent };
                let thing = Box::pin(self.make(of, owner)).await;
                self.share_with_guest(client, target, thing).await
            }
            Target::Token => {
                let (id, _) = token_of(client, json!({"permissions": ["devices:read"]})).await;
                Thing { user: client.user, ..Thing::of(id) }
            }
            Target::Session => {
                let whose = Client::login(client.address, &client.username, &client.password).await;
                let listed = whose.get("/api/account/sessions").await.expect(200);
                let mut listed = listed.data().as_array().expect("a list").iter();
                let id = &listed.find(|session| session["current"] == true).expect("its own")["id"];
                let number = u64::from_str_radix(id.as_str().expect("an ID"), 16).expect("hexadecimal");
                Thing::of(number.cast_signed())
            }
            Target::EnrolmentCode => {
                let body = json!({"type": "server"});
                let made = client.post("/api/agents/enrolment-codes", body).await.expect(201);
                Thing::of(made.data()["id"].as_i64().expect("an ID"))
            }
            Target::User => Thing::of(client.user),
            Target::SpareUser if owner == Superadmin => Thing::of(client.user),
            Target::SpareUser => {
                self.spare.set(self.spare.get() + 1);
                let name = format!("spare {}", self.spare.get());
                let body = json!({"username": name, "password": "a long password", "role": owner.role()});
                let reply = self.client(Superadmin).post("/api/admin/users", body).await.expect(201);
                Thing::of(reply.id())
            }
        }
    }

    /// The name of a user.
    fn username(&self, who: Who) -> &str {
        if who == NoOne { "no one" } else { &self.client(who).username }
    }

    /// What a client would send.
    fn body(&self, route: &str, case: Case, thing: Thing) -> Option<Value> {
        let agent = |name: &str| json!({"name": name, "description": "d", "type": "server", "secret": "a long enough secret"});
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
            "POST /api/agents/enrolment-codes" => json!({"type": "server"}),
            "POST /api/agents/enrol" => json!({"code": "0000-0000-0000-0000", "name": "a guess"}),
            "POST /api/agents/{}/secret"
            | "POST /api/agents/{}/commands/{}"
            | "POST /api/devices/{}/wakeup"
            | "POST /api/devices/{}/shutdown"
            | "POST /api/devices/{}/reboot"
            | "POST /api/devices/{}/sleep" => json!({}),
            "POST /api/devices/{}/shares" | "POST /api/agents/{}/shares" => sharer::body(),
            "POST /api/operations" => json!({"kind": "wake", "deviceID": thing.id, "queue": false}),
            "POST /api/devices" => device("new", thing.id),
            "PUT /api/devices/{}" => device("changed", thing.agent),
            "PUT /api/account/{}" => {
                let whose = if case.is_foreign_account() { case.owner } else { case.caller };
                json!({"username": self.username(whose), "favorites": []})
            }
            "POST /api/admin/secrets/rotate-master-key"
            | "POST /api/account/totp"
            | "POST /api/account/totp/confirm" => json!({}),
            "PUT /api/admin/log-level" => json!({"level": "info"}),
            "POST /api/auth/reset-password" => {
                json!({"token": "A".repeat(43), "password": "a long password"})
            }
            "POST /api/account/tokens" | "POST /api/admin/users/{}/tokens" => {
                json!({"name": "a new token", "permissions": ["devices:read"]})
            }
            "POST /api/admin/users" => {
                self.spare.set(self.spare.get() + 1);
                let name = format!("new {}", self.spare.get());
                json!({"username": name, "password": "a long password", "role": "user"})
            }
            "PUT /api/admin/users/{}" => {
                json!({"username": self.username(case.owner), "role": case.owner.role(), "favorites": []})
            }
            _ => return None,
        })
    }

    /// The method, and the path with its query.
    fn line(route: &str, case: Case, thing: Thing) -> (Method, String) {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let (first, second) = match path {
            "/api/account/sessions/{}" => (hex(thing.id), String::new()),
            "/api/admin/users/{}/tokens" if thing.user > 0 => (thing.user.to_string(), String::new()),
            "/api/admin/users/{}/tokens/{}" => (thing.user.to_string(), thing.id.to_string()),
            "/api/devices/{}/shares/{}" | "/api/agents/{}/shares/{}" => {
                (thing.of.to_string(), thing.id.to_string())
            }
            _ => (thing.id.to_string(), "HEARTBEAT".to_owned()),
        };
        let path = path.replacen("{}", &first, 1).replacen("{}", &second, 1);
        let mut query = Vec::new();
        if route.ends_with("/status") {
            query.push(format!("ids={}", thing.id));
        }
        if case.admin_mode {
            query.push("adminMode=true".to_owned());
        }
        let mark = if query.is_empty() { "" } else { "?" };
        (method, format!("{path}{mark}{}", query.join("&")))
    }

    /// Sends all but the last byte of a call by whoever these credentials are of.
    pub(super) async fn hold(
        &self,
        route: &str,
        case: Case,
        thing: Thing,
        credentials: &str,
    ) -> Result<Held, RawAnswer> {
        let (method, path) = Self::line(route, case, thing);
        let body = self.body(route, case, thing).unwrap_or_else(|| json!({}));
        Held::open(self.server.address(), credentials, &format!("{method} {path}"), &body).await
    }

    /// Its host, for what no door does.
    pub(super) fn host(&self) -> &Host {
        self.server.host()
    }

    pub(super) async fn call(&self, route: &str, case: Case, thing: Thing) -> Reply {
        let (method, path) = Self::line(route, case, thing);
        let body = self.body(route, case, thing);
        if case.caller == Operator {
            return self.operate(method, &path, body).await;
        }
        let client = match (case.with, case.caller, route) {
            // A session of its own, which may be ended.
            (With::Session, who, "POST /api/auth/logout" | "POST /api/auth/login") if who.has_session() => {
                let known = self.client(who);
                Client::login(known.address, &known.username, &known.password).await
            }
            // A login leaves its cookie with the client.
            (_, _, "POST /api/auth/login") => self.server.anonymous(),
            (With::Session, who, _) => self.client(who).clone(),
            _ => self.client(Nobody).clone(),
        };
        let mut request = client.http.request(method, client.url(&path));
        if case.is_token() {
            request = request.bearer_auth(&self.tokens[&(case.caller, case.with)]);
        } else if case.caller == Forger {
            request = request.header("Cookie", format!("session={}", "A".repeat(43)));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        if path.starts_with(STREAM) {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = if status == 200 { String::new() } else { response.text().await.expect("an answer") };
            let body = serde_json::from_str(&text).unwrap_or_default();
            return Reply { status, headers, text, body };
        }
        client.send(request).await
    }

    /// A call through the local operator's socket.
    async fn operate(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let socket = Door::Unix(self.server.data().join(local_socket::NAME));
        if path.starts_with(STREAM) {
            // It has no end: as much as its beginning is read.
            let mut stop = |_: &[u8]| Err(std::io::Error::other("enough"));
            let (status, body) = match download(&socket, path, &mut stop).await.expect("an answer") {
                Downloaded::Refused(status, body) => (status.as_u16(), body),
                Downloaded::Whole | Downloaded::Stopped(_) => (200, json!({"status": "OK"})),
            };
            return Reply { status, headers: Default::default(), text: body.to_string(), body };
        }
        let answer = request(&socket, method, path, body.as_ref()).await;
        let (status, body) = answer.expect("an answer at the socket");
        Reply { status: status.as_u16(), headers: Default::default(), text: body.to_string(), body }
    }

    /// The thing as its owner sees it.
    pub(super) async fn seen_by_owner(&self, target: Target, owner: Who, thing: Thing) -> Option<Value> {
        let path = match target {
            Target::Agent => format!("/api/agents/{}", thing.id),
            Target::Device => format!("/api/devices/{}", thing.id),
            Target::User | Target::SpareUser => {
                let path = format!("/api/admin/users/{}", thing.id);
                let mut reply = self.client(Superadmin).get(&path).await;
                // Users log in meanwhile, so that this says nothing of what was refused.
                if let Some(fields) = reply.body["data"].as_object_mut() {
                    fields.remove("lastLogin");
                }
                return Some(json!([reply.status, reply.body["data"]]));
            }
            Target::Token => {
                let tokens = self.client(owner).get("/api/account/tokens").await.expect(200);
                let found = tokens.data().as_array()?.iter().find(|token| token["id"] == thing.id);
                return found.cloned();
            }
            Target::Session => {
                let sessions = self.client(owner).get("/api/account/sessions").await.expect(200);
                let found = sessions.data().as_array()?.iter().find(|session| session["id"] == hex(thing.id));
                return found.map(|session| session["id"].clone());
            }
            Target::EnrolmentCode => {
                let codes = self.client(owner).get("/api/agents/enrolment-codes").await.expect(200);
                let found = codes.data().as_array()?.iter().find(|code| code["id"] == thing.id);
                return found.cloned();
            }
            Target::DeviceShare | Target::AgentShare => sharer::path_of_shares(target, thing.of),
            Target::Nothing => return None,
        };
        let reply = self.client(owner).get(&path).await;
        Some(json!([reply.status, reply.body["data"]]))
    }

    /// Everything lasting as its owners see it.
    pub(super) async fn all_lasting(&self) -> Vec<(Target, Who, Option<Value>)> {
        let mut seen = Vec::new();
        for target in TARGETS {
            for owner in owners(target) {
                let thing = self.lasting(target, owner);
                seen.push((target, owner, self.seen_by_owner(target, owner, thing).await));
            }
        }
        seen
    }
}

/// What answers without an end.
const STREAM: &str = "/api/events";

/// A session's ID as it is written.
fn hex(id: i64) -> String {
    format!("{id:016x}")
}

/// A new token of the client's user: its ID and its text.
pub(super) async fn token_of(client: &Client, mut body: Value) -> (i64, String) {
    body["name"] = json!("a token");
    let made = client.post("/api/account/tokens", body).await.expect(201);
    let text = made.data()["token"].as_str().expect("a token").to_owned();
    (made.data()["id"].as_i64().expect("an ID"), text)
}
