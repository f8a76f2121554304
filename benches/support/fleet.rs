//! A fleet of agents in one load process: raw sockets that shake hands, answer heartbeats, pings and commands.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

/// One agent after its handshake.
pub struct Agent {
    stream: TcpStream,
    /// What was read and not yet looked at.
    buffer: Vec<u8>,
}

impl Agent {
    pub async fn connect(port: u16, id: i64) -> io::Result<Self> {
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("{id}:bench-secret-of-an-agent"));
        let request = format!(
            "GET /api/agent-control-service HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Basic {credentials}\r\n\r\n"
        );
        let socket = TcpSocket::new_v4()?;
        socket.bind((home(id), 0).into())?;
        let mut stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(512);
        let end = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        if !buffer.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&buffer).into_owned()));
        }
        Ok(Self { stream, buffer: buffer.split_off(end) })
    }

    /// Answers whatever comes until the connection ends. Counts heartbeats.
    pub async fn serve(mut self, heartbeats: Arc<AtomicUsize>) -> io::Result<()> {
        let mut buffer = self.buffer;
        loop {
            let mut answers = Vec::new();
            while let Some((opcode, payload, used)) = frame(&buffer) {
                match opcode {
                    0x9 => masked(&mut answers, 0xA, payload),
                    0x1 => {
                        let text = std::str::from_utf8(payload).unwrap_or_default();
                        let mut parts = text.splitn(3, ':');
                        let (name, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                        let reply = match name {
                            "HEARTBEAT" => {
                                heartbeats.fetch_add(1, Ordering::Relaxed);
                                "null"
                            }
                            "GET_STATUS" => r#"{"status":"OK","message":"up","online":"online"}"#,
                            "PROBE" => r#"{"status":"OK","message":"up","online":"online","method":"icmp"}"#,
                            _ => r#"{"status":"OK","message":"sent"}"#,
                        };
                        masked(&mut answers, 0x1, format!("{name}:{id}:{reply}").as_bytes());
                    }
                    0x8 => return Ok(()),
                    _ => {}
                }
                buffer.drain(..used);
            }
            if buffer.is_empty() {
                buffer = Vec::new();
            }
            if !answers.is_empty() {
                self.stream.write_all(&answers).await?;
            }
            if self.stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
    }
}

/// Where an agent dials from: an address of its own, as in the field. From a single one the kernel's search for free
/// ports would take ten times as long as the rest of connecting.
fn home(id: i64) -> Ipv4Addr {
    let [.., high, low] = id.to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

/// The first whole frame of a buffer: opcode, payload, bytes used. Frames from a server are not masked.
fn frame(buffer: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (first, second) = (*buffer.first()?, *buffer.get(1)?);
    let (start, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?]))),
        length => (2, usize::from(length)),
    };
    Some((first & 0xF, buffer.get(start..start + length)?, start + length))
}

/// Appends a client's frame, masked with zeros as the firmware masks its long ones.
fn masked(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    out.push(0x80 | u8::try_from(payload.len()).unwrap());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// What a storm of connections brought.
pub struct Storm {
    pub connected: usize,
    pub took: Duration,
    pub slowest: Duration,
}

/// Connects many agents, so many at a time, and leaves them being served.
pub async fn connect_all(port: u16, ids: &[i64], at_once: usize, heartbeats: &Arc<AtomicUsize>) -> Storm {
    let gate = Arc::new(Semaphore::new(at_once));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for &id in ids {
        let (gate, heartbeats) = (gate.clone(), heartbeats.clone());
        tasks.spawn(async move {
            let permit = gate.acquire_owned().await.unwrap();
            let begun = Instant::now();
            let agent = Agent::connect(port, id).await;
            let took = begun.elapsed();
            drop(permit);
            match agent {
                Ok(agent) => {
                    tokio::spawn(agent.serve(heartbeats));
                    Some(took)
                }
                Err(error) => {
                    eprintln!("agent {id}: {error}");
                    None
                }
            }
        });
    }
    let times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    Storm {
        connected: times.len(),
        took: start.elapsed(),
        slowest: times.into_iter().max().unwrap_or_default(),
    }
}
