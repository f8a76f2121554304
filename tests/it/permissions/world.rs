//! A server with someone of each kind, who make things and call routes for them.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::rules::{Admin, Case, Forger, Nobody, OtherAdmin, OtherUser, Superadmin, Target, User, Who};
use crate::support::{Client, Reply, Server};

/// A server with everything switched on that brings routes.
pub(super) async fn full_server() -> Server {
    Server::start_with(|config| {
        let metrics = json!({"enabled": true, "token": "a token for the metrics alone"});
        config.plugins.insert("metrics".to_owned(), metrics);
    })
    .await
}

/// A server with someone of each kind.
pub(super) struct World {
    _server: Server,
    clients: HashMap<Who, Client>,
    /// Counts the users made.
    spare: std::cell::Cell<u32>,
}

/// A thing that a route is called for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thing {
    pub(super) id: i64,
    /// The agent behind a device.
    pub(super) agent: i64,
    /// The user whose token it is.
    pub(super) user: i64,
}

impl Thing {
    fn of(id: i64) -> Self {
        Self { id, ..Self::default() }
    }
}

impl World {
    pub(super) async fn new() -> Self {
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

    pub(super) fn client(&self, who: Who) -> &Client {
        &self.clients[&who]
    }

    pub(super) async fn make(&self, target: Target, owner: Who) -> Thing {
        let client = self.client(owner);
        match target {
            Target::Nothing => Thing::default(),
            Target::Agent => Thing::of(client.create_agent("server", "a long secret").await),
            Target::Device => {
                let agent = client.create_agent("server", "a long secret").await;
                Thing { agent, ..Thing::of(client.create_device(agent, "AA:BB:CC:DD:EE:FF").await) }
            }
            Target::Token => {
                let body = json!({"name": "a token", "permissions": ["devices:read"]});
                let made = client.post("/api/account/tokens", body).await.expect(201);
                Thing { user: client.user, ..Thing::of(made.data()["id"].as_i64().expect("an ID")) }
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

    /// What a client would send.
    pub(super) fn body(&self, route: &str, case: Case, thing: Thing) -> Option<Value> {
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
            "POST /api/admin/secrets/rotate-master-key" => json!({}),
            "POST /api/account/tokens" | "POST /api/admin/users/{}/tokens" => {
                json!({"name": "a new token", "permissions": ["devices:read"]})
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

    pub(super) async fn call(&self, route: &str, case: Case, thing: Thing) -> Reply {
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let (first, second) = match path {
            _ if thing.user == 0 => (thing.id, "HEARTBEAT".to_owned()),
            "/api/account/tokens/{}" => (thing.id, String::new()),
            _ => (thing.user, thing.id.to_string()),
        };
        let path = path.replacen("{}", &first.to_string(), 1).replacen("{}", &second, 1);
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
    pub(super) async fn seen_by_owner(&self, target: Target, owner: Who, thing: Thing) -> Option<Value> {
        let path = match target {
            Target::Agent => format!("/api/agents/{}", thing.id),
            Target::Device => format!("/api/devices/{}", thing.id),
            Target::User | Target::SpareUser => {
                let path = format!("/api/admin/users/{}", thing.id);
                return Some(self.client(Superadmin).get(&path).await.body);
            }
            Target::Token => {
                let tokens = self.client(owner).get("/api/account/tokens").await.expect(200);
                let found = tokens.data().as_array()?.iter().find(|token| token["id"] == thing.id);
                return found.cloned();
            }
            Target::Nothing => return None,
        };
        Some(self.client(owner).get(&path).await.body)
    }
}
