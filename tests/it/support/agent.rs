//! An agent on tokio-tungstenite: a WebSocket client that is independent of the server's code and of the firmware's.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::firmware::{Message, PATH, basic};
use super::wait::soon;

/// A connected agent.
pub struct Agent {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Agent {
    /// Connects, and panics when the server refuses.
    pub async fn connect(address: SocketAddr, id: i64, secret: &str) -> Self {
        match Self::try_connect(address, id, secret).await {
            Ok(agent) => agent,
            Err(e) => panic!("agent {id} was refused: {e}"),
        }
    }

    /// Connects, or gives the client's error, which holds the server's answer.
    pub async fn try_connect(address: SocketAddr, id: i64, secret: &str) -> Result<Self, Box<Error>> {
        let mut request = format!("ws://{address}{PATH}").into_client_request().expect("a request");
        let value = HeaderValue::from_str(&basic(id, secret)).expect("a header");
        request.headers_mut().insert("Authorization", value);
        let (socket, _) = soon("the handshake", tokio_tungstenite::connect_async(request)).await?;
        Ok(Self { socket })
    }

    /// The next message of the server.
    pub async fn message(&mut self) -> Message {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Frame::Text(text))) => return Message::parse(&text),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                end => panic!("the connection ended while a command was awaited: {end:?}"),
            }
        }
    }

    /// Answers a command.
    pub async fn reply(&mut self, message: &Message, json: &str) {
        let text = format!("{}:{}:{json}", message.command, message.id);
        self.socket.send(Frame::text(text)).await.expect("the server reads");
    }

    /// Waits for the server's close frame and gives code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match soon("the close frame", self.socket.next()).await {
                Some(Ok(Frame::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Frame::Text(_) | Frame::Ping(_) | Frame::Pong(_))) => {}
                end => panic!("no close frame with a code: {end:?}"),
            }
        }
    }
}
