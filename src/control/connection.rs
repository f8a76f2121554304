//! The reading side of a connection: one small task an agent.
//!
//! It owns no buffer. Each time the socket has something, it is read into a buffer of the thread and goes through the
//! frame reader at once, so an idle connection holds nothing but its place in the poller. The task is also the one
//! that ends a connection which broke, and it keeps the socket open for a moment after a close frame, so that the
//! peer can close in order. It is a future written by hand because an `async fn` would keep its arguments twice and
//! carry room for states that an idle connection never sees.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::agent::Agent;
use super::close::Why;
use super::core::Core;
use super::frame::{Reader, Violation};
use super::outlet::FAREWELL;
use crate::registry::BoxFuture;

/// As much as one read takes.
const SCRATCH: usize = 16 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// The reading side of a connection, until its socket is closed.
pub(super) struct Connection<R, G> {
    core: Arc<Core>,
    agent: Arc<Agent>,
    epoch: u32,
    reader: Reader,
    stage: Stage<R>,
    /// Counts the socket against the server's limit until it is closed.
    _guard: G,
}

enum Stage<R> {
    Reading(R),
    /// Boxed: an idle connection must not carry the room for its end.
    Closing(BoxFuture<'static, ()>),
    Closed,
}

/// How reading ended.
enum End {
    /// The connection was ended elsewhere.
    Over,
    /// The connection is to be ended here.
    For(Why),
}

// Nothing in it is ever pinned: the socket is `Unpin`, the guard is only dropped.
impl<R, G> Unpin for Connection<R, G> {}

impl<R: AsyncRead + Send + Unpin + 'static, G> Connection<R, G> {
    /// The reading side of the connection of an epoch, after it took in what was read with the handshake.
    pub(super) fn new(
        core: Arc<Core>,
        agent: Arc<Agent>,
        epoch: u32,
        socket: R,
        leftover: &mut [u8],
        guard: G,
    ) -> Self {
        let mut connection = Self {
            core,
            agent,
            epoch,
            reader: Reader::default(),
            stage: Stage::Reading(socket),
            _guard: guard,
        };
        if let Some(end) = connection.take(leftover) {
            connection.conclude(end);
        }
        connection
    }

    /// The rest of a connection that was over before its socket came.
    pub(super) fn over(core: Arc<Core>, agent: Arc<Agent>, epoch: u32, socket: R, guard: G) -> Self {
        let mut connection = Self::new(core, agent, epoch, socket, &mut [], guard);
        connection.conclude(End::Over);
        connection
    }

    /// Reads what there is to read.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let end = BUFFER.with_borrow_mut(|buffer| {
                let Stage::Reading(socket) = &mut self.stage else { return Poll::Ready(Some(End::Over)) };
                let mut buffer = ReadBuf::new(buffer);
                match Pin::new(socket).poll_read(cx, &mut buffer) {
                    Poll::Pending => {
                        let why = self.agent.park(self.epoch, cx.waker());
                        why.map(|why| Some(why.map_or(End::Over, End::For)))
                    }
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                        Poll::Ready(self.take(buffer.filled_mut()))
                    }
                    Poll::Ready(_) => Poll::Ready(Some(End::For(Why::Lost))),
                }
            });
            if let Some(end) = ready!(end) {
                return Poll::Ready(end);
            }
        }
    }

    /// Takes in bytes that were read.
    fn take(&mut self, bytes: &mut [u8]) -> Option<End> {
        let Self { core, agent, epoch, reader, .. } = self;
        let mut over = false;
        let result = reader.read(bytes, |incoming| {
            let flow = agent.receive(core, *epoch, incoming);
            over |= flow.is_break();
            flow
        });
        match result {
            Ok(()) if over => Some(agent.broken(*epoch).map_or(End::Over, End::For)),
            Ok(()) => None,
            Err(violation) => {
                core.count(&core.tally.violations, agent.id(), violation.text());
                Some(End::For(match violation {
                    Violation::Protocol(_) => Why::Protocol,
                    Violation::NotUtf8 => Why::NotUtf8,
                    Violation::TooBig => Why::TooBig,
                }))
            }
        }
    }

    /// Ends the connection where that is still to be done, and lets the peer close in order if it may be expected to.
    fn conclude(&mut self, end: End) {
        let orderly = match end {
            End::Over => true,
            End::For(why) => {
                self.agent.end(&self.core, self.epoch, why);
                why.close().is_some()
            }
        };
        self.reader = Reader::default();
        self.stage = match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Reading(socket) if orderly => Stage::Closing(Box::pin(linger(socket))),
            _ => Stage::Closed,
        };
    }
}

impl<R: AsyncRead + Send + Unpin + 'static, G> Future for Connection<R, G> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.stage {
                Stage::Reading(_) => {
                    let end = ready!(self.read(cx));
                    self.conclude(end);
                }
                Stage::Closing(closing) => {
                    ready!(closing.as_mut().poll(cx));
                    self.stage = Stage::Closed;
                }
                Stage::Closed => return Poll::Ready(()),
            }
        }
    }
}

/// Waits a moment for the peer to close, and looks at nothing it still sends.
async fn linger<R: AsyncRead + Unpin>(mut socket: R) {
    let closed = std::future::poll_fn(|cx| {
        loop {
            let more = BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                Pin::new(&mut socket).poll_read(cx, &mut buffer).map_ok(|()| !buffer.filled().is_empty())
            });
            if !matches!(ready!(more), Ok(true)) {
                return Poll::Ready(());
            }
        }
    });
    let _ = tokio::time::timeout(FAREWELL, closed).await;
}
