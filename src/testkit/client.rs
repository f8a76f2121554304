//! A small client for tests.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::PATIENCE;
use super::agent::SECRET;
use crate::rest::{HeaderMap, Method};

/// Whoever asks the server, over a connection of its own each time.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    cookie: Option<String>,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null for anything else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The envelope's data.
    pub fn data(&self) -> Value {
        self.json()["data"].take()
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.text())
    }
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, cookie: None }
    }

    pub(super) async fn login(address: SocketAddr, username: &str, password: &str) -> Self {
        let nobody = Self::new(address);
        let body = json!({ "username": username, "password": password });
        let reply = nobody.post("/api/auth/login", body).await;
        assert_eq!(reply.status, 200, "{reply}");
        let cookie = reply.header(SET_COOKIE.as_str()).split(';').next().map(str::to_owned);
        Self { cookie, ..nobody }
    }

    /// Sends GET.
    ///
    /// # Panics
    /// There is no answer within 20 s.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// Sends JSON with POST.
    ///
    /// # Panics
    /// There is no answer within 20 s.
    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, &[(CONTENT_TYPE.as_str(), "application/json")], body.to_string().into())
            .await
    }

    /// Sends a form with POST, as a browser does from a page of this server.
    ///
    /// # Panics
    /// There is no answer within 20 s.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            (CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"),
            (ACCEPT.as_str(), "text/html,*/*;q=0.8"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, path, &headers, form.into()).await
    }

    /// Sends any request.
    ///
    /// # Panics
    /// There is no answer within 20 s.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Reply {
        let exchange = async {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, self.address.to_string())
                .header(CONNECTION, "close");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(cookie) = &self.cookie {
                request = request.header(COOKIE, cookie);
            }
            let request = request.body(Full::new(body)).expect("a request");
            let stream = TcpStream::connect(self.address).await.expect("the server listens");
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
            tokio::spawn(connection);
            let answer = sender.send_request(request).await.expect("an answer");
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("the answer's body").to_bytes();
            Reply { status: head.status.as_u16(), headers: head.headers, body }
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("no answer to {path}"))
    }

    /// Makes an agent with the secret [`SECRET`], and gives its ID.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn agent(&self) -> i64 {
        let body = json!({ "name": "agent", "description": "", "type": "server", "secret": SECRET });
        self.made("/api/agents", body).await
    }

    /// Makes a device of an agent, and gives its ID.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn device(&self, agent: i64, mac: &str) -> i64 {
        let body = json!({
            "name": "device", "description": "", "type": "server", "agentID": agent, "macAddress": mac, "port": 9,
            "ipAddress": "192.0.2.7",
        });
        self.made("/api/devices", body).await
    }

    async fn made(&self, path: &str, body: Value) -> i64 {
        let reply = self.post(path, body).await;
        assert_eq!(reply.status, 201, "{reply}");
        reply.data().as_i64().expect("an ID")
    }
}
