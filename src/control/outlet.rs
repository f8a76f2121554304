//! The writing side of a connection: straight into the socket, and a bounded queue only when that is full.
//!
//! Whoever sends holds the agent's lock, so frames never mix. What the socket does not take is kept, up to 64 KiB, and
//! a flusher is spawned for as long as there is something; a peer that does not read is cut off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

use super::close::Why;

/// The most that is kept for a peer that does not read.
pub(super) const MAX_QUEUED: usize = 64 * 1024;
/// How long an ended connection may take to send its last bytes and to see the peer's close.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// What frames are written to.
pub(super) enum Sink {
    /// A TCP socket, written without a detour.
    Tcp(OwnedWriteHalf),
    /// Any other transport.
    Other(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Sink {
    /// Writes what can be written at once.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.try_write(bytes),
            // Whoever finds it full leaves the waiting to the flusher, which polls with a waker of its own.
            Self::Other(_) => match self.poll_write(&mut Context::from_waker(Waker::noop()), bytes) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Other(transport) => Pin::new(transport).poll_write(cx, bytes),
        }
    }
}

/// Whether something is left to be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The socket, or the queue that is being flushed already, has taken it all.
    Whole,
    /// The queue is new: somebody must flush it.
    NeedsFlush,
}

/// The writing side of a connection.
pub(super) struct Outlet {
    sink: Sink,
    queue: Vec<u8>,
}

impl Outlet {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink, queue: Vec::new() }
    }

    /// Sends a frame, or queues what the socket does not take.
    ///
    /// # Errors
    /// The connection broke, or the queue is full: [`Why::Stalled`].
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<Sent, Why> {
        if !self.queue.is_empty() {
            if self.queue.len() + frame.len() > MAX_QUEUED {
                return Err(Why::Stalled);
            }
            self.queue.extend_from_slice(frame);
            return Ok(Sent::Whole);
        }
        let mut rest = frame;
        while !rest.is_empty() {
            match self.sink.try_write(rest) {
                Ok(0) => return Err(Why::Lost),
                Ok(written) => rest = &rest[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.queue.extend_from_slice(rest);
                    return Ok(Sent::NeedsFlush);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Why::Lost),
            }
        }
        Ok(Sent::Whole)
    }

    /// Writes some of the queue; true when it is empty.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Why>> {
        if !self.queue.is_empty() {
            match ready!(self.sink.poll_write(cx, &self.queue)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(Why::Lost)),
                Ok(written) => drop(self.queue.drain(..written)),
            }
        }
        if self.queue.is_empty() {
            self.queue = Vec::new();
        }
        Poll::Ready(Ok(self.queue.is_empty()))
    }

    /// Ends the writing side, after one last frame if there is one to send, without holding anyone up.
    pub(super) fn farewell(mut self, last: Option<&[u8]>) {
        if let Sink::Tcp(socket) = &self.sink {
            // Once its short time is over the socket goes at once, unread data or not: a vanished or stalled peer must
            // not keep memory in the kernel for minutes.
            let _ = SockRef::from(socket.as_ref()).set_linger(Some(Duration::ZERO));
        }
        let Some(last) = last else { return };
        if self.send(last).is_ok() && !self.queue.is_empty() {
            tokio::spawn(async move {
                let flush =
                    async { while let Ok(false) = std::future::poll_fn(|cx| self.poll_flush(cx)).await {} };
                let _ = tokio::time::timeout(FAREWELL, flush).await;
            });
        }
    }
}
