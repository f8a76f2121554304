//! One connection's life: commands come in, run side by side, and are answered in the order they finish.
//!
//! The reader owns one half of the socket and never stops to write; one writer owns the other half, so that frames
//! cannot interleave. What comes in is bounded in size, number and rate, a command also in time, and a server that says
//! nothing for [`SILENCE`] is given up: it pings every 25 s. What goes out is bounded, too: the server would close the
//! connection over a reply that is too large, and all commands beside it would be lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fastwebsockets::{CloseCode, Frame, OpCode, Payload, Role, WebSocket, WebSocketError};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadHalf, Sink, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use tokio_util::task::AbortOnDropHandle;

use super::chatter::{Chatter, Kind, shown};
use super::pace::Pace;
use super::served::Served;
use super::work::Work;
use crate::model::agent_features::AgentFeatures;
use crate::model::shutdown::Shutdown;
use crate::registry::{
    AgentContext, CANCEL, Class, CommandEntry, CommandError, LARGEST_COMMAND, Running, TOO_MANY_COMMANDS,
    failure_reply,
};

/// Without any frame for this long the server is gone.
const SILENCE: Duration = Duration::from_secs(80);
/// How long one frame may take to leave.
const WRITE: Duration = Duration::from_secs(20);
/// How long a close frame is waited for after ours.
const GOODBYE: Duration = Duration::from_secs(2);
/// Frames that may come at once, and how many a second from then on: a server that sends more waits.
const FRAMES: (u32, u32) = (100_000, 20_000);
/// Commands that run at once, as many as the server sends to an agent of the type `server`.
const AT_ONCE: usize = 16;

/// Long commands that run at once beside them.
const LONG_AT_ONCE: usize = 4;

/// The close codes of the agent protocol.
const RESTART: u16 = 1012;
const REPLACED: u16 = 4001;
const SECRET_CHANGED: u16 = 4002;
const DELETED: u16 = 4003;
const UNHEARD: u16 = 4004;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// The agent was asked to stop.
    Stopped,
    /// The server closed, with its code and reason.
    Closed(Option<u16>, String),
    /// The server broke the protocol; the connection was closed with this code.
    Broken(u16, &'static str),
    /// No frame came for too long.
    Silent,
    /// The connection was lost.
    Lost(String),
}

impl Ended {
    /// Whether it takes a person to change what ended the connection, so that dialling again soon is of no use, or
    /// would even fight with another agent.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Self::Closed(Some(REPLACED | SECRET_CHANGED | DELETED), _))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the agent was asked to stop"),
            Self::Closed(Some(1001), _) => f.write_str("the server is stopping"),
            Self::Closed(Some(RESTART), _) => f.write_str("it is to log in with its new secret"),
            Self::Closed(Some(REPLACED), _) => {
                f.write_str("another agent connected with the same ID; is it running twice?")
            }
            Self::Closed(Some(SECRET_CHANGED), _) => {
                f.write_str("its secret was changed on the server; give it the new one")
            }
            Self::Closed(Some(DELETED), _) => f.write_str("it was deleted on the server"),
            Self::Closed(Some(UNHEARD), _) => f.write_str("the server heard nothing from it"),
            Self::Closed(Some(code), reason) if reason.is_empty() => {
                write!(f, "the server closed with code {code}")
            }
            Self::Closed(Some(code), reason) => write!(f, "the server closed with code {code} ({reason})"),
            Self::Closed(None, _) => f.write_str("the server closed without a code"),
            Self::Broken(code, what) => write!(f, "{what}; closed with code {code}"),
            Self::Silent => write!(f, "the server was silent for {} s", SILENCE.as_secs()),
            Self::Lost(why) => f.write_str(why),
        }
    }
}

/// What the writer is asked to send.
pub(super) enum Out {
    Text(String),
    Pong(Vec<u8>),
    Close(u16),
}

/// Speaks on `stream` until it ends or `shutdown` begins.
pub(super) async fn run<S>(
    stream: S,
    served: &Served,
    context: &AgentContext,
    features: AgentFeatures,
    chatter: &Arc<Chatter>,
    shutdown: &Shutdown,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(stream);
    let (out, queue) = mpsc::channel(AT_ONCE);
    let mut writer = AbortOnDropHandle::new(tokio::spawn(write_all(write, queue)));
    let mut reader = Box::pin(Reader::new(read, served, context, features, chatter, out.clone()).run());

    // The reader is never dropped while the connection lives: reading a frame cannot be taken up again.
    let ended = tokio::select! {
        ended = &mut reader => ended,
        lost = &mut writer => return Ended::Lost(lost.unwrap_or_else(|e| e.to_string())),
        () = shutdown.cancelled() => {
            let goodbye = async {
                if out.send(Out::Close(CloseCode::Normal.into())).await.is_ok() {
                    (&mut reader).await;
                }
            };
            let _ = timeout(GOODBYE, goodbye).await;
            return Ended::Stopped;
        }
    };
    drop(reader);
    let code = match &ended {
        Ended::Closed(code, _) => code.filter(|c| CloseCode::from(*c).is_allowed()).or(Some(1000)),
        Ended::Broken(code, _) => Some(*code),
        Ended::Silent => Some(CloseCode::Away.into()),
        Ended::Stopped | Ended::Lost(_) => None,
    };
    if let Some(code) = code {
        // As a courtesy: the connection is over whether the server hears it or not.
        let _ = timeout(GOODBYE, async {
            let _ = out.send(Out::Close(code)).await;
            let _ = (&mut writer).await;
        })
        .await;
    }
    ended
}

/// Writes frames until a close frame was written, and says why it stopped.
async fn write_all<S>(write: WriteHalf<S>, mut queue: mpsc::Receiver<Out>) -> String
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Only one half is used; the library wants a whole stream.
    let mut socket = WebSocket::after_handshake(tokio::io::join(tokio::io::empty(), write), Role::Client);
    while let Some(out) = queue.recv().await {
        let closing = matches!(out, Out::Close(_));
        let frame = match out {
            Out::Text(text) => Frame::text(Payload::Owned(text.into_bytes())),
            Out::Pong(payload) => Frame::pong(Payload::Owned(payload)),
            Out::Close(code) => Frame::close(code, b""),
        };
        let sent = timeout(WRITE, async {
            socket.write_frame(frame).await?;
            socket.flush().await
        });
        match sent.await {
            Ok(Ok(())) if closing => return "closed".into(),
            Ok(Ok(())) => {}
            Ok(Err(e)) => return e.to_string(),
            Err(_) => return format!("the server took no data for {WRITE:?}"),
        }
    }
    "closed".into()
}

struct Reader<'a, S> {
    socket: WebSocket<Join<ReadHalf<S>, Sink>>,
    served: &'a Served,
    context: &'a AgentContext,
    /// What the server understands.
    features: AgentFeatures,
    chatter: &'a Arc<Chatter>,
    pace: Pace,
    out: mpsc::Sender<Out>,
    /// Canceled when the connection ends: its commands end with it.
    over: Shutdown,
    _tells: DropGuard,
    /// The commands that run and can be ended, by their IDs.
    cancelable: Arc<Mutex<HashMap<u32, Running>>>,
    /// Room for commands that act or ask.
    room: Arc<Semaphore>,
    /// Room for those that keep the connection going, so that long work cannot crowd them out.
    control: Arc<Semaphore>,
    /// Room for those that wait for nothing else, the wakes.
    urgent: Arc<Semaphore>,
    /// Room for those that take long.
    long: Arc<Semaphore>,
}

impl<'a, S> Reader<'a, S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn new(
        read: ReadHalf<S>,
        served: &'a Served,
        context: &'a AgentContext,
        features: AgentFeatures,
        chatter: &'a Arc<Chatter>,
        out: mpsc::Sender<Out>,
    ) -> Self {
        let mut socket = WebSocket::after_handshake(tokio::io::join(read, tokio::io::sink()), Role::Client);
        // Whatever has to be written goes through the writer.
        socket.set_auto_pong(false);
        socket.set_auto_close(false);
        // The library refuses what is as large as its limit.
        socket.set_max_message_size(LARGEST_COMMAND + 1);
        let over = Shutdown::new();
        Self {
            socket,
            served,
            context,
            features,
            chatter,
            pace: Pace::new(FRAMES.0, FRAMES.1),
            out,
            _tells: over.clone().drop_guard(),
            over,
            cancelable: Arc::default(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            control: Arc::new(Semaphore::new(AT_ONCE)),
            urgent: Arc::new(Semaphore::new(AT_ONCE)),
            long: Arc::new(Semaphore::new(LONG_AT_ONCE)),
        }
    }

    async fn run(mut self) -> Ended {
        // The message whose fragments are being collected.
        let mut message: Option<BytesMut> = None;
        loop {
            let frame = match timeout(SILENCE, self.socket.read_frame()).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(e)) => return broken_by(e),
                Err(_) => return Ended::Silent,
            };
            self.pace.turn().await;
            self.chatter.settle();
            let last = frame.fin && !is_control(frame.opcode);
            match frame.opcode {
                OpCode::Ping => {
                    if self.out.send(Out::Pong(frame.payload.to_vec())).await.is_err() {
                        return Ended::Lost("closed".into());
                    }
                }
                OpCode::Pong => {}
                OpCode::Close => return closed_by(&frame.payload),
                OpCode::Text | OpCode::Binary if message.is_some() => {
                    return Ended::Broken(1002, "a new message began within another");
                }
                OpCode::Text | OpCode::Binary => message = Some(BytesMut::from(&frame.payload[..])),
                OpCode::Continuation => match &mut message {
                    None => return Ended::Broken(1002, "a fragment came without a beginning"),
                    Some(m) if m.len() + frame.payload.len() > LARGEST_COMMAND => {
                        return Ended::Broken(1009, "a message was larger than 15,360 bytes");
                    }
                    Some(m) => m.extend_from_slice(&frame.payload),
                },
            }
            if last
                && let Some(whole) = message.take()
                && let Err(ended) = self.take(&whole).await
            {
                return ended;
            }
        }
    }

    /// Takes one message: starts its command, or answers why not.
    async fn take(&mut self, message: &[u8]) -> Result<(), Ended> {
        let Ok(text) = std::str::from_utf8(message) else {
            return Err(Ended::Broken(1007, "a message was no UTF-8"));
        };
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(Ok(id)), Some(json)) =
            (parts.next(), parts.next().map(str::parse::<u32>), parts.next())
        else {
            self.chatter.say(Kind::Nonsense, || {
                tracing::warn!(bytes = text.len(), "ignored a message that is no command");
            });
            return Ok(());
        };
        if name == CANCEL {
            // One that has ended meanwhile was answered.
            if let Some(running) = self.cancelable.lock().get(&id) {
                running.cancel();
            }
            return Ok(());
        }
        let refusal = match self.served.allowed().get(name) {
            None => self.served.refusal(name),
            Some(entry) => {
                let room = match entry.class {
                    Class::Control => &self.control,
                    Class::Action | Class::Question if entry.urgent => &self.urgent,
                    Class::Action | Class::Question => &self.room,
                    Class::Long => &self.long,
                };
                match room.clone().try_acquire_owned() {
                    Ok(permit) => {
                        self.start(entry, id, json, permit);
                        return Ok(());
                    }
                    Err(_) => CommandError::new(TOO_MANY_COMMANDS, "Too many commands at once"),
                }
            }
        };
        self.chatter.say(Kind::Refused, || tracing::warn!(command = shown(name), "{refusal}"));
        let reply = Out::Text(format!("{name}:{id}:{}", failure_reply(&refusal)));
        self.out.send(reply).await.map_err(|_| Ended::Lost("closed".into()))
    }
}

impl<S> Reader<'_, S> {
    /// Starts a command, which keeps its place until it has ended.
    fn start(&self, entry: &'static CommandEntry, id: u32, json: &str, place: OwnedSemaphorePermit) {
        let running = Running::default();
        let cancelable = entry.cancelable.then(|| self.cancelable.clone());
        if let Some(cancelable) = &cancelable {
            cancelable.lock().insert(id, running.clone());
        }
        let work = Work {
            entry,
            id,
            json: json.to_owned(),
            context: self.context.clone().with_config(self.served.section(entry.name)),
            running,
            chatter: self.chatter.clone(),
            out: self.out.clone(),
            reports: self.features.progress,
        };
        let over = self.over.clone();
        tokio::spawn(async move {
            over.run_until_cancelled(work.run()).await;
            if let Some(cancelable) = cancelable {
                cancelable.lock().remove(&id);
            }
            drop(place);
        });
    }
}

fn is_control(opcode: OpCode) -> bool {
    matches!(opcode, OpCode::Ping | OpCode::Pong | OpCode::Close)
}

/// How a close frame's payload ends the connection.
fn closed_by(payload: &[u8]) -> Ended {
    match payload {
        [high, low, reason @ ..] => {
            Ended::Closed(Some(u16::from_be_bytes([*high, *low])), shown(&String::from_utf8_lossy(reason)))
        }
        _ => Ended::Closed(None, String::new()),
    }
}

/// How an error while reading ends the connection.
fn broken_by(error: WebSocketError) -> Ended {
    match error {
        WebSocketError::IoError(e) => Ended::Lost(e.to_string()),
        WebSocketError::UnexpectedEOF | WebSocketError::ConnectionClosed => {
            Ended::Lost("the connection ended without a word".into())
        }
        WebSocketError::FrameTooLarge => Ended::Broken(1009, "a message was larger than 15,360 bytes"),
        WebSocketError::InvalidUTF8 => Ended::Broken(1007, "a message was no UTF-8"),
        _ => Ended::Broken(1002, "a frame broke the protocol"),
    }
}
