//! The leanest HTTP/1.1 client that can put load on a server: one connection, one request at a time, no allocation
//! but the answer's buffer.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
    cookie: String,
}

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// The number behind `"data":`.
    pub fn id(&self) -> i64 {
        let data = self.body.split("\"data\":").nth(1).unwrap_or_default();
        let digits = data.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("no ID in {}", self.body))
    }
}

impl Http {
    pub async fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024), cookie: String::new() })
    }

    pub fn with_cookie(mut self, cookie: &str) -> Self {
        self.cookie = cookie.to_owned();
        self
    }

    /// Logs in and answers the cookie for other connections.
    pub async fn login(&mut self, username: &str, password: &str) -> io::Result<String> {
        let body = format!("{{\"username\":\"{username}\",\"password\":\"{password}\"}}");
        let reply = self.request("POST", "/api/auth/login", &body).await?;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let line = reply.head.lines().find(|l| l.to_ascii_lowercase().starts_with("set-cookie:")).unwrap();
        self.cookie = line.split_once(':').unwrap().1.split(';').next().unwrap().trim().to_owned();
        Ok(self.cookie.clone())
    }

    pub fn encode(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        if !self.cookie.is_empty() {
            request.push_str(&format!("Cookie: {}\r\n", self.cookie));
        }
        if !body.is_empty() {
            request
                .push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        } else if method == "POST" {
            request.push_str("Content-Length: 0\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        request.into_bytes()
    }

    /// Sends a request encoded before and reads its answer; gives the status.
    pub async fn send(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.read().await.map(|(status, _)| status)
    }

    pub async fn request(&mut self, method: &str, path: &str, body: &str) -> io::Result<Reply> {
        let request = self.encode(method, path, body);
        self.stream.write_all(&request).await?;
        let (status, head_end) = self.read().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = (text(&self.buffer[..head_end]), &self.buffer[head_end..]);
        let body = if is_chunked(&head) { text(&joined(body)) } else { text(body) };
        Ok(Reply { status, head, body })
    }

    async fn read(&mut self) -> io::Result<(u16, usize)> {
        self.buffer.clear();
        let (mut head_end, mut total) = (0, usize::MAX);
        while self.buffer.len() < total {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if head_end == 0
                && let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n")
            {
                head_end = at + 4;
                let head = String::from_utf8_lossy(&self.buffer[..at]).to_ascii_lowercase();
                let length =
                    head.split("content-length:").nth(1).and_then(|r| r.lines().next()?.trim().parse().ok());
                total = if is_chunked(&head) { usize::MAX } else { head_end + length.unwrap_or(0usize) };
            }
            if head_end > 0 && total == usize::MAX && self.buffer.ends_with(b"\r\n0\r\n\r\n") {
                break;
            }
        }
        let status = std::str::from_utf8(&self.buffer[9..12]).ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        Ok((status, head_end))
    }
}

fn is_chunked(head: &str) -> bool {
    head.to_ascii_lowercase().contains("transfer-encoding: chunked")
}

/// The bytes of chunks that are all there.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = chunks.iter().position(|byte| *byte == b'\r') {
        let size = std::str::from_utf8(&chunks[..end]).unwrap();
        let (begin, size) = (end + 2, usize::from_str_radix(size, 16).unwrap());
        whole.extend_from_slice(&chunks[begin..begin + size]);
        chunks = &chunks[begin + size + 2..];
    }
    whole
}

/// What the server's writer has done so far: transactions, and writes in them.
pub async fn written(port: u16) -> (f64, f64) {
    let text = Http::connect(port).await.unwrap().request("GET", "/metrics", "").await.unwrap().body;
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("_total "));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    (figure("netignite_database_batches"), figure("netignite_database_writes"))
}
