//! A server that the test plays, so that it can say to `netignite agent` whatever it likes.

use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::binary::command;
use super::wait::soon;

/// A listening server.
pub struct Played {
    pub listener: TcpListener,
}

/// An agent's connection to it.
pub struct Connection {
    pub socket: WebSocketStream<TcpStream>,
    /// What the agent logged in with: `ID:secret`.
    pub credentials: String,
    /// The head of its handshake: names in lower case and values.
    pub headers: Vec<(String, String)>,
}

impl Played {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Takes the next connection's handshake.
    pub async fn accept(&self) -> Connection {
        let (stream, _) = soon("the agent", self.listener.accept()).await.unwrap();
        shake_hands(stream).await
    }

    /// Refuses the next handshake with an answer; gives what the agent logged in with.
    pub async fn refuse(&self, answer: &str) -> String {
        let (mut stream, _) = soon("the agent", self.listener.accept()).await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let line = head.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
        decoded(line.unwrap().split_once(':').unwrap().1)
    }

    /// Answers that the secret is wrong.
    pub async fn refuse_secret(&self) -> String {
        self.refuse("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await
    }
}

/// Answers a handshake on `stream`.
#[allow(clippy::result_large_err)]
pub async fn shake_hands(stream: TcpStream) -> Connection {
    let mut headers = Vec::new();
    let note = |request: &Request, response: Response| {
        for (name, value) in request.headers() {
            headers.push((name.to_string(), value.to_str().unwrap().to_owned()));
        }
        Ok(response)
    };
    let accepted = tokio_tungstenite::accept_hdr_async(stream, note);
    let socket = soon("the handshake", accepted).await.unwrap();
    let (_, value) = headers.iter().find(|(name, _)| name == "authorization").unwrap();
    Connection { socket, credentials: decoded(value), headers }
}

/// Reads up to the end of a request's head.
pub async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    soon("a request", async {
        while !read.ends_with(b"\r\n\r\n") {
            read.push(stream.read_u8().await.unwrap());
        }
    })
    .await;
    String::from_utf8(read).unwrap()
}

fn decoded(basic: &str) -> String {
    let encoded = basic.trim().strip_prefix("Basic ").unwrap();
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
}

impl Connection {
    /// Sends a command and gives the agent's next message.
    pub async fn ask(&mut self, text: &str) -> String {
        self.socket.send(Message::text(text)).await.unwrap();
        loop {
            match soon("the reply", self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?} instead of a reply"),
            }
        }
    }

    /// Closes, and waits until the agent has heard it.
    pub async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        self.socket.close(Some(frame)).await.unwrap();
        soon("the agent's goodbye", async { while let Some(Ok(_)) = self.socket.next().await {} }).await;
    }
}

/// `netignite agent` as agent 7, with its secret in the file `secret` of `directory`.
pub fn agent_with_file(directory: &Path, server: impl std::fmt::Display) -> Command {
    let server = format!("http://{server}");
    command(directory, &["agent", "--server", &server, "--id", "7", "--secret-file", "secret"])
}
