//! An agent in the field, written by hand after arduinoWebSockets 2.7 and the firmware on top of it.
//!
//! It knows nothing of the server's code, is as strict as the firmware where that is strict (the handshake's answer,
//! fragments, 15 360 bytes), and can be made to send what other agents or attackers may send.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::raw::{RawAnswer, RawConnection};
use super::wait::{PATIENCE, soon};

/// The one path agents connect to.
pub const PATH: &str = "/api/agent-control-service";
/// `WEBSOCKETS_TCP_TIMEOUT`: how long the firmware waits for the handshake's answer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// `WEBSOCKETS_MAX_DATA_SIZE`: the largest frame it takes.
const MAX_FRAME: u64 = 15 * 1024;
/// Below this it writes header and payload at once.
const ONE_WRITE_BELOW: usize = 1400;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// The value of `Authorization` for an agent.
pub fn basic(id: impl std::fmt::Display, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The handshake as the firmware sends it; `extra` is appended to the headers as it is.
pub fn handshake(address: SocketAddr, authorization: &str, key: &str) -> String {
    format!(
        "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: arduino\r\n\
         Origin: file://\r\nUser-Agent: arduino-WebSocket-Client\r\nAuthorization: {authorization}\r\n\r\n"
    )
}

/// A fresh key: sixteen random bytes.
pub fn key() -> String {
    STANDARD.encode(fastrand::u128(..).to_be_bytes())
}

/// `CMD:ID:JSON` from the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub command: String,
    pub id: u32,
    pub json: Value,
}

impl Message {
    /// Reads a frame's text as strictly as the protocol writes it.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, ':');
        let (Some(command), Some(id), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
            panic!("not CMD:ID:JSON: {text:?}");
        };
        let good = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        assert!(!command.is_empty() && command.bytes().all(good), "a bad command in {text:?}");
        assert!(id.bytes().all(|b| b.is_ascii_digit()), "no plain decimal ID in {text:?}");
        let id = id.parse().unwrap_or_else(|_| panic!("the ID is no u32 in {text:?}"));
        let json: Value = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e} in {text:?}"));
        assert!(json.is_object(), "the payload is no object in {text:?}");
        Self { command: command.to_owned(), id, json }
    }
}

/// How a frame's length is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As the library does it: the shortest form, except that 65 535 already takes the 64-bit form.
    Library,
    Bits16,
    Bits64,
}

/// How a frame's bytes reach the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// As the library does it: at once below 1 400 bytes, else header and payload one after the other.
    Library,
    /// Every byte in a write of its own.
    ByteByByte,
}

/// One frame to send.
#[derive(Debug, Clone)]
pub struct Frame {
    pub fin: bool,
    pub reserved: u8,
    pub opcode: u8,
    /// The mask; none leaves the frame unmasked.
    pub mask: Option<[u8; 4]>,
    pub length: Length,
    pub writes: Writes,
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole frame, masked as the library does it: at random below 1 400 bytes, with zero above.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        let mask = if payload.len() < ONE_WRITE_BELOW { fastrand::u32(..).to_be_bytes() } else { [0; 4] };
        let (length, writes) = (Length::Library, Writes::Library);
        Self { fin: true, reserved: 0, opcode, mask: Some(mask), length, writes, payload }
    }

    /// The frame's header and its masked payload.
    pub fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let length = self.payload.len();
        let form = match self.length {
            Length::Library if length < 126 => u8::try_from(length).unwrap(),
            Length::Library if length < 0xFFFF => 126,
            Length::Library | Length::Bits64 => 127,
            Length::Bits16 => 126,
        };
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut header = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode, masked | form];
        match form {
            126 => header.extend(u16::try_from(length).unwrap().to_be_bytes()),
            127 => header.extend((length as u64).to_be_bytes()),
            _ => {}
        }
        let mut payload = self.payload.clone();
        if let Some(mask) = self.mask {
            header.extend(mask);
            payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
        (header, payload)
    }
}

/// What the firmware heard from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame with its code and reason.
    Close(u16, String),
    /// The end of the stream without a close frame.
    Gone,
}

/// A connected agent.
pub struct Firmware {
    connection: RawConnection,
    /// Frames it dropped because they were fragments.
    pub dropped: usize,
    /// Whether it answers pings, as its library does.
    pub answers_pings: bool,
}

impl Firmware {
    /// Connects, and panics when the server refuses.
    pub async fn connect(address: SocketAddr, id: i64, secret: &str) -> Self {
        match Self::try_connect(address, id, secret).await {
            Ok(firmware) => firmware,
            Err(answer) => panic!("agent {id} was refused: {answer:?}"),
        }
    }

    /// Connects, or gives the server's answer where the firmware would give up on it.
    pub async fn try_connect(address: SocketAddr, id: i64, secret: &str) -> Result<Self, RawAnswer> {
        let key = key();
        let request = handshake(address, &basic(id, secret), &key);
        Self::dial(address, &request, &key).await
    }

    /// Sends a handshake given in full and judges the answer as the library does.
    pub async fn dial(address: SocketAddr, request: &str, key: &str) -> Result<Self, RawAnswer> {
        let mut connection = RawConnection::open(address).await;
        connection.send(request).await;
        Self::judge(connection, key).await
    }

    /// Connects as an agent that says what it is in the header `NetIgnite-Agent`.
    pub async fn connect_saying(address: SocketAddr, id: i64, secret: &str, about: &str) -> Self {
        let key = key();
        let request = handshake(address, &basic(id, secret), &key);
        let request = format!("{}\r\nNetIgnite-Agent: {about}\r\n\r\n", request.trim_end());
        match Self::dial(address, &request, &key).await {
            Ok(firmware) => firmware,
            Err(answer) => panic!("agent {id} was refused: {answer:?}"),
        }
    }

    /// Reads the answer on a connection that already carries a handshake.
    pub async fn judge(mut connection: RawConnection, key: &str) -> Result<Self, RawAnswer> {
        let answer = timeout(HANDSHAKE_TIMEOUT, connection.answer())
            .await
            .expect("the firmware gives up on an answer after 5 s")
            .expect("the server answers before it closes");
        let is = |name: &str, value: &str| answer.header(name).is_some_and(|v| v.eq_ignore_ascii_case(value));
        let accepted =
            answer.header("Sec-WebSocket-Accept") == Some(derive_accept_key(key.as_bytes()).as_str());
        if answer.status == 101 && is("Connection", "upgrade") && is("Upgrade", "websocket") && accepted {
            Ok(Self { connection, dropped: 0, answers_pings: true })
        } else {
            Err(answer)
        }
    }

    /// The next thing the server says. Pings are answered and shown all the same.
    pub async fn heard(&mut self) -> Heard {
        soon("a frame from the server", self.next()).await
    }

    /// As [`Firmware::heard`], without a deadline.
    pub async fn next(&mut self) -> Heard {
        loop {
            let Some((fin, opcode, payload)) = self.read_frame().await else { return Heard::Gone };
            match opcode {
                TEXT if fin => return Heard::Text(String::from_utf8(payload).expect("text in UTF-8")),
                TEXT | BINARY | CONTINUATION => self.dropped += 1,
                CLOSE => {
                    let code = payload.get(..2).map_or(1005, |c| u16::from_be_bytes([c[0], c[1]]));
                    let reason = payload.get(2..).unwrap_or_default().to_vec();
                    // The library answers and disconnects; the server may be gone already.
                    self.try_send(&Frame::new(CLOSE, payload)).await.ok();
                    self.connection.stream.shutdown().await.ok();
                    return Heard::Close(code, String::from_utf8(reason).expect("a reason in UTF-8"));
                }
                PING => {
                    if self.answers_pings {
                        self.try_send(&Frame::new(PONG, payload.clone())).await.ok();
                    }
                    return Heard::Ping(payload);
                }
                PONG => return Heard::Pong(payload),
                other => panic!("the server sent opcode {other}"),
            }
        }
    }

    /// The next frame: whether it is final, its opcode and its payload.
    async fn read_frame(&mut self) -> Option<(bool, u8, Vec<u8>)> {
        loop {
            let bytes = &self.connection.leftover;
            if bytes.len() >= 2 {
                assert_eq!(bytes[0] & 0x70, 0, "the server set a reserved bit");
                assert_eq!(bytes[1] & 0x80, 0, "the server masked a frame");
                let extended = match bytes[1] & 0x7F {
                    126 => 2,
                    127 => 8,
                    _ => 0,
                };
                if bytes.len() >= 2 + extended {
                    let length = match extended {
                        0 => u64::from(bytes[1] & 0x7F),
                        n => bytes[2..2 + n].iter().fold(0, |sum, b| sum << 8 | u64::from(*b)),
                    };
                    if length > MAX_FRAME {
                        let code = 1009_u16.to_be_bytes();
                        self.try_send(&Frame::new(CLOSE, code)).await.ok();
                        panic!("the firmware closes with 1009 on a frame of {length} bytes");
                    }
                    let (start, end) = (2 + extended, 2 + extended + usize::try_from(length).unwrap());
                    if bytes.len() >= end {
                        let (fin, opcode) = (bytes[0] & 0x80 != 0, bytes[0] & 0x0F);
                        let payload = bytes[start..end].to_vec();
                        self.connection.leftover.drain(..end);
                        return Some((fin, opcode, payload));
                    }
                }
            }
            if !self.connection.fill().await {
                return None;
            }
        }
    }

    /// The next text frame, read as a message. HEARTBEATs are shown like any other.
    pub async fn message(&mut self) -> Message {
        loop {
            match self.heard().await {
                Heard::Text(text) => return Message::parse(&text),
                Heard::Ping(_) | Heard::Pong(_) => {}
                end => panic!("the connection ended while a command was awaited: {end:?}"),
            }
        }
    }

    /// The next command other than HEARTBEAT, which is answered with `null` as the firmware does.
    pub async fn command(&mut self) -> Message {
        loop {
            let message = self.message().await;
            if message.command != "HEARTBEAT" {
                return message;
            }
            self.reply(&message, "null").await;
        }
    }

    /// Answers a command.
    pub async fn reply(&mut self, message: &Message, json: &str) {
        self.say(&format!("{}:{}:{json}", message.command, message.id)).await;
    }

    /// Answers a command with success.
    pub async fn reply_ok(&mut self, message: &Message) {
        let json = match message.command.as_str() {
            "HEARTBEAT" => "null",
            "GET_STATUS" => r#"{"status":"OK","message":"Status retrieved","online":"online"}"#,
            _ => r#"{"status":"OK","message":"Magic packet sent"}"#,
        };
        self.reply(message, json).await;
    }

    /// Sends one text frame as the library does.
    pub async fn say(&mut self, text: &str) {
        self.send(&Frame::new(TEXT, text)).await;
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &Frame) {
        self.try_send(frame).await.expect("the server reads");
    }

    /// Sends a frame, which may fail when the server is gone.
    pub async fn try_send(&mut self, frame: &Frame) -> std::io::Result<()> {
        let (mut header, payload) = frame.encode();
        let stream = &mut self.connection.stream;
        match frame.writes {
            Writes::Library if payload.len() < ONE_WRITE_BELOW => {
                header.extend(payload);
                stream.write_all(&header).await
            }
            Writes::Library => {
                stream.write_all(&header).await?;
                stream.write_all(&payload).await
            }
            Writes::ByteByByte => {
                for byte in header.iter().chain(&payload) {
                    stream.write_all(&[*byte]).await?;
                    // Lets the server's side run between the bytes.
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        }
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.connection.send(bytes).await;
    }

    /// Sends bytes as they are, which may fail when the server is gone.
    pub async fn try_send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.connection.stream.write_all(bytes).await
    }

    /// Waits until the server closes, answering pings and heartbeats meanwhile, and gives code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        let ended = tokio::time::timeout(PATIENCE, async {
            loop {
                match self.next().await {
                    Heard::Close(code, reason) => return (code, reason),
                    Heard::Gone => return (1006, String::new()),
                    Heard::Text(_) | Heard::Ping(_) | Heard::Pong(_) => {}
                }
            }
        });
        ended.await.expect("the server closes the connection")
    }

    /// Drops the connection without a word, as a power cut behind a router with a reset does.
    pub fn vanish(self) {
        let socket = socket2::SockRef::from(&self.connection.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }

    /// Answers every command with success, one at a time, until the connection ends.
    pub async fn serve(mut self) {
        loop {
            match self.next().await {
                Heard::Text(text) => self.reply_ok(&Message::parse(&text)).await,
                Heard::Ping(_) | Heard::Pong(_) => {}
                Heard::Close(..) | Heard::Gone => return,
            }
        }
    }
}
