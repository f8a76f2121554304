//! A REST client: reqwest with a cookie store, and answers that can be looked at after they were checked.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::wait::until;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The body as JSON; null if it is none.
    pub body: Value,
}

impl Reply {
    /// Panics unless the answer has this status and the envelope that belongs to it.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected status: {}", self.text);
        let word = if status < 400 { "OK" } else { "ERROR" };
        assert_eq!(self.body["status"], word, "not the envelope: {}", self.text);
        assert!(self.body["message"].is_string(), "no message: {}", self.text);
        assert!(self.body.as_object().is_some_and(|o| o.contains_key("data")), "no data: {}", self.text);
        assert!(self.body["requestID"].is_string(), "no ID: {}", self.text);
        if status >= 400 {
            assert_eq!(self.body["data"], Value::Null, "an error with data: {}", self.text);
            let code = self.body["code"].as_str().unwrap_or_default();
            let snake = !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(snake, "no snake_case code: {}", self.text);
        }
        self
    }

    /// The envelope's data.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// The data as an ID.
    #[track_caller]
    pub fn id(&self) -> i64 {
        self.data().as_i64().unwrap_or_else(|| panic!("no ID: {}", self.text))
    }

    /// The body but for the request's ID, which is another each time.
    pub fn text_without_id(&self) -> String {
        self.text.replace(self.body["requestID"].as_str().expect("an ID"), "")
    }

    /// The envelope's message.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    /// An error's code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}

/// A client with cookies of its own, logged in or not.
#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub address: SocketAddr,
    /// The user's ID once logged in.
    pub user: i64,
    pub username: String,
    pub password: String,
}

impl Client {
    /// A client without a session.
    pub fn anonymous(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client");
        Self { http, address, user: 0, username: String::new(), password: String::new() }
    }

    /// A client that logged in.
    pub async fn login(address: SocketAddr, username: &str, password: &str) -> Self {
        let mut client = Self::anonymous(address);
        let body = json!({"username": username, "password": password});
        let reply = client.post("/api/auth/login", body).await.expect(200);
        client.user = reply.data()["userID"].as_i64().expect("a user ID");
        client.username = username.to_owned();
        client.password = password.to_owned();
        client
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a request as it was built and reads the whole answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        let body = serde_json::from_str(&text).unwrap_or_default();
        Reply { status, headers, text, body }
    }

    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let mut request = self.http.request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.request(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.request(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, path, None).await
    }

    /// A DELETE with a body.
    pub async fn delete_with(&self, path: &str, body: Value) -> Reply {
        self.request(Method::DELETE, path, Some(body)).await
    }

    /// Creates an agent and gives its ID.
    pub async fn create_agent(&self, kind: &str, secret: &str) -> i64 {
        let body = json!({"name": "Agent", "description": "An agent", "type": kind, "secret": secret});
        self.post("/api/agents", body).await.expect(201).id()
    }

    /// Creates a device behind an agent and gives its ID.
    pub async fn create_device(&self, agent: i64, mac: &str) -> i64 {
        let body = json!({"name": "Device", "type": "desktop", "description": "A device", "macAddress": mac,
            "port": 9, "agentID": agent});
        self.post("/api/devices", body).await.expect(201).id()
    }

    /// Whether a device is there, as far as the server knows.
    pub async fn presence(&self, device: i64) -> Value {
        self.get(&format!("/api/devices/{device}")).await.expect(200).data()["presence"].clone()
    }

    /// The presence of a device once it is of this state.
    pub async fn becomes(&self, device: i64, state: &str) -> Value {
        until(state, || async {
            let presence = self.presence(device).await;
            (presence["state"] == state).then_some(presence)
        })
        .await
    }

    /// What the server says of an agent: `online` or `offline`.
    pub async fn agent_status(&self, agent: i64) -> String {
        let reply = self.get(&format!("/api/agents/status?ids={agent}")).await.expect(200);
        reply.data()[agent.to_string()].as_str().unwrap_or("not listed").to_owned()
    }

    /// Sends a command to an agent through REST.
    pub async fn command(&self, agent: i64, name: &str, payload: Value) -> Reply {
        self.post(&format!("/api/agents/{agent}/commands/{name}"), payload).await
    }
}
