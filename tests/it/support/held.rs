//! A request whose last byte is held back, so that something can happen while the server waits for it.

use std::net::SocketAddr;

use serde_json::Value;

use super::client::Client;
use super::raw::{RawAnswer, RawConnection};

/// A request that lacks its last byte. The server has looked at its head and waits for the rest.
pub struct Held {
    connection: RawConnection,
    last: u8,
}

impl Held {
    /// Sends all but the last byte of a request with this header line of credentials, and waits until the server asks
    /// for its body. The answer, if it is refused at once.
    pub async fn open(
        address: SocketAddr,
        credentials: &str,
        line: &str,
        body: &Value,
    ) -> Result<Self, RawAnswer> {
        let mut body = body.to_string().into_bytes();
        let length = body.len();
        let last = body.pop().expect("a body");
        let mut connection = RawConnection::open(address).await;
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {address}\r\n{credentials}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        connection.send(head).await;
        let answer = connection.answer().await.expect("an answer");
        if answer.status != 100 {
            return Err(answer);
        }
        connection.send(body).await;
        Ok(Self { connection, last })
    }

    /// Sends the last byte and gives the answer.
    pub async fn finish(mut self) -> RawAnswer {
        self.connection.send([self.last]).await;
        self.connection.answer().await.expect("an answer")
    }
}

/// The session cookie of a new login, as a header line.
pub async fn session(client: &Client) -> String {
    let body = serde_json::json!({"username": client.username, "password": client.password});
    let reply = Client::anonymous(client.address).post("/api/auth/login", body).await.expect(200);
    let cookie = reply.header("set-cookie").expect("a cookie").split(';').next().expect("its value");
    format!("Cookie: {cookie}")
}
