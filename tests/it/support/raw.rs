//! HTTP by hand: bytes out, bytes in, so that a test decides every byte and every pause.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::wait::within;

/// An answer's head and, if it named a length, its body.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    pub status: u16,
    /// Names as they were sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl RawAnswer {
    /// The one value of a header; panics if it comes twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let first = values.next();
        assert!(values.next().is_none(), "{name} is sent twice: {:?}", self.headers);
        first.map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A TCP connection to the server.
pub struct RawConnection {
    pub stream: TcpStream,
    /// What was read and not yet used.
    pub leftover: Vec<u8>,
}

impl RawConnection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, leftover: Vec::new() }
    }

    /// A connection that comes from an IPv4 address of loopback, such as 127.0.0.2.
    pub async fn open_from(from: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(from, 0)).expect("an address of loopback");
        let stream = socket.connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, leftover: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// Reads one answer; none if the server closed the connection without one.
    pub async fn answer(&mut self) -> Option<RawAnswer> {
        within(Duration::from_secs(30), "an answer", self.read_answer()).await
    }

    async fn read_answer(&mut self) -> Option<RawAnswer> {
        let end = loop {
            if let Some(at) = self.leftover.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = String::from_utf8(self.leftover.drain(..end + 4).collect()).expect("a head in UTF-8");
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut answer = RawAnswer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |l| l.parse().expect("a length"));
        while self.leftover.len() < length {
            if !self.fill().await {
                return Some(answer);
            }
        }
        answer.body = self.leftover.drain(..length).collect();
        Some(answer)
    }

    /// Reads some more; false at the end of the stream.
    pub async fn fill(&mut self) -> bool {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.leftover.extend_from_slice(&chunk[..n]);
                true
            }
        }
    }

    /// Waits for the server to close the connection.
    pub async fn closed(&mut self) {
        within(Duration::from_secs(30), "the connection to be closed", async { while self.fill().await {} })
            .await;
    }
}

/// One request on a connection of its own.
pub async fn exchange(address: SocketAddr, request: &str) -> RawAnswer {
    let mut connection = RawConnection::open(address).await;
    connection.send(request).await;
    connection.answer().await.expect("an answer")
}
