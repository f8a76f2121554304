//! The agent's end of a connection in memory, with a frame codec of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Command, Control, DispatchError, SECRET, Text, Ticket, admit, admit_saying};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame as a client writes it: masked, its length in the shortest form or, with `wide`, in the longest.
pub(crate) fn encode(last: bool, opcode: u8, mask: [u8; 4], payload: &[u8], wide: bool) -> Vec<u8> {
    let mut bytes = vec![u8::from(last) << 7 | opcode];
    match payload.len() {
        n if wide || n > 0xffff => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
        n if n > 125 => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => bytes.push(0x80 | n as u8),
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

/// A connected agent.
pub(super) struct Agent {
    pub(super) stream: DuplexStream,
}

impl Agent {
    /// Connects agent `id`.
    pub(super) fn connect(control: &Arc<Control>, id: i64) -> Self {
        Self::connect_narrow(control, id, 1 << 20)
    }

    /// Connects agent `id` over a connection that holds only so many bytes in flight.
    pub(super) fn connect_narrow(control: &Arc<Control>, id: i64, capacity: usize) -> Self {
        Self::join(control, admit(control, id, SECRET).expect("admitted"), capacity)
    }

    /// Connects agent `id`, which says this of itself.
    pub(super) fn connect_saying(control: &Arc<Control>, id: i64, about: &'static str) -> Self {
        Self::join(control, admit_saying(control, id, SECRET, Some(about)).expect("admitted"), 1 << 20)
    }

    fn join(control: &Arc<Control>, ticket: Ticket, capacity: usize) -> Self {
        let (stream, server) = tokio::io::duplex(capacity);
        let (read, write) = tokio::io::split(server);
        control.attach_transport(ticket, read, write, Bytes::new(), ());
        Self { stream }
    }

    pub(super) async fn send(&mut self, opcode: u8, payload: &[u8]) {
        self.stream.write_all(&encode(true, opcode, [7, 1, 9, 200], payload, false)).await.expect("sent");
    }

    pub(super) async fn reply(&mut self, message: &str) {
        self.send(TEXT, message.as_bytes()).await;
    }

    /// The next frame, or none once the connection is closed.
    pub(super) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        assert_eq!(head[0] & 0xf0, 0x80, "the server never fragments and sets no reserved bit");
        assert_eq!(head[1] & 0x80, 0, "the server never masks");
        let length = match head[1] {
            126 => self.stream.read_u16().await.ok()?.into(),
            127 => panic!("a frame to an agent is never that long"),
            n => usize::from(n),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((head[0] & 0x0f, payload))
    }

    /// The next message, which is not a ping.
    pub(super) async fn message(&mut self) -> Sent {
        loop {
            match self.frame().await.expect("a frame before the end") {
                (PING, _) => {}
                (TEXT, payload) => return Sent::parse(&payload),
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The code and reason of the close frame that comes next, pings and heartbeats aside.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.frame().await.expect("a close frame before the end") {
                (PING, _) => {}
                (TEXT, payload) if payload.starts_with(b"HEARTBEAT:") => {}
                (CLOSE, payload) => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    return (code, String::from_utf8(payload[2..].to_vec()).expect("UTF-8"));
                }
                other => panic!("expected a close frame, got {other:?}"),
            }
        }
    }

    /// Nothing comes for a while. Pauses of the clock make it exact.
    pub(super) async fn hears_nothing(&mut self, during: Duration) {
        if let Ok(heard) = timeout(during, self.frame()).await {
            panic!("expected silence, got {heard:?}");
        }
    }
}

/// A command as the agent gets it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) command: String,
    pub(crate) id: u32,
    pub(crate) json: String,
}

impl Sent {
    pub(crate) fn parse(payload: &[u8]) -> Self {
        let text = std::str::from_utf8(payload).expect("UTF-8");
        let mut parts = text.splitn(3, ':');
        Self {
            command: parts.next().expect("a command").to_owned(),
            id: parts.next().expect("an ID").parse().expect("a number"),
            json: parts.next().expect("a payload").to_owned(),
        }
    }

    /// The reply that carries the payload back.
    pub(super) fn echo(&self) -> String {
        format!("{}:{}:{}", self.command, self.id, self.json)
    }
}

/// A dispatch on its way.
pub(super) type Pending = JoinHandle<Result<Text, DispatchError>>;

/// Dispatches in the background; the command stands in line when this returns.
pub(super) async fn dispatch<C: Command<Payload = Text, Reply = Text>>(
    control: &Arc<Control>,
    id: i64,
    text: &str,
) -> Pending {
    let (control, payload) = (control.clone(), Text::of(text));
    let pending = tokio::spawn(async move { control.dispatch::<C>(id, &payload).await });
    // On the tests' single thread a task runs up to its first wait before this one goes on.
    tokio::task::yield_now().await;
    pending
}
