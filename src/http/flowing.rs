//! An answer that goes on as long as its reader stays, on its socket alone.
//!
//! Such answers are many and mostly idle. hyper keeps two buffers and the request's way for a connection as long as its
//! answer is under way, which is more than all else that a stream takes. So when it has written the head and what there was
//! to begin with, the socket is taken from it, and what follows is written here, in the chunks that the head announced. The
//! connection ends with the answer; what the client sends meanwhile is read, to notice its end, and thrown away.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::outgoing::{Flow, Held};
use crate::model::shutdown::Shutdown;

/// A flow whose beginning is written by hyper.
pub(super) struct Begun {
    /// None once it was taken.
    flow: Mutex<Option<Box<dyn Flow>>>,
    /// Whether there was nothing more of it when it was looked at last.
    waits: AtomicBool,
}

impl Begun {
    pub(super) fn new(flow: Box<dyn Flow>) -> Arc<Self> {
        Arc::new(Self { flow: Mutex::new(Some(flow)), waits: AtomicBool::new(false) })
    }

    pub(super) fn poll_part(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut flow = self.flow.lock();
        let Some(flow) = flow.as_mut() else { return Poll::Ready(None) };
        let part = flow.poll_part(cx);
        self.waits.store(part.is_pending(), Relaxed);
        part
    }

    /// The flow, if all there was of it has been taken.
    pub(super) fn take(&self) -> Option<Box<dyn Flow>> {
        if self.waits.load(Relaxed) { self.flow.lock().take() } else { None }
    }
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Begun")
    }
}

/// What is left of an answer, and its socket.
pub(super) struct Rest<T> {
    pub(super) stream: T,
    pub(super) flow: Box<dyn Flow>,
    /// How long the client may take nothing.
    pub(super) stalled: Duration,
    /// How long it may still take once the server stops.
    pub(super) drain: Duration,
    pub(super) held: Option<Held>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Rest<T> {
    /// Sends the answer to its end, or until the client takes no more of it. Gives the socket back, to be closed.
    pub(super) async fn send(mut self, stop: &Shutdown) -> T {
        let mut out = Out::default();
        let mut stopped = pin!(stop.cancelled());
        let mut last: Option<Pin<Box<Sleep>>> = None;
        std::future::poll_fn(|cx| {
            if last.is_none() && stopped.as_mut().poll(cx).is_ready() {
                last = Some(Box::pin(sleep(self.drain)));
            }
            if last.as_mut().is_some_and(|last| last.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            self.poll_send(&mut out, cx)
        })
        .await;
        drop(self.held);
        self.stream
    }

    fn poll_send(&mut self, out: &mut Out, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !ready!(out.poll_written(&mut self.stream, self.stalled, cx)) || out.ended {
                return Poll::Ready(());
            }
            match self.flow.poll_part(cx) {
                Poll::Ready(Some(part)) => out.put(&part),
                Poll::Ready(None) => out.end(),
                Poll::Pending => break,
            }
        }
        let mut some = [0; 64];
        loop {
            let mut read = ReadBuf::new(&mut some);
            let outcome = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read));
            if outcome.is_err() || read.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

/// What is being written.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    written: usize,
    /// While the client takes nothing: when that ends.
    patience: Option<Pin<Box<Sleep>>>,
    /// Whether nothing follows.
    ended: bool,
}

impl Out {
    /// Adds a part, as a chunk. One of no bytes would be the end.
    fn put(&mut self, part: &[u8]) {
        if !part.is_empty() {
            self.bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            self.bytes.extend_from_slice(part);
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    fn end(&mut self) {
        self.bytes.extend_from_slice(b"0\r\n\r\n");
        self.ended = true;
    }

    /// Whether all was written; false if the client takes no more.
    fn poll_written<T: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut T,
        stalled: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        while let rest @ [_, ..] = &self.bytes[self.written..] {
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count @ 1..)) => {
                    self.written += count;
                    self.patience = None;
                }
                Poll::Ready(_) => return Poll::Ready(false),
                Poll::Pending => {
                    let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(stalled)));
                    return patience.as_mut().poll(cx).map(|()| false);
                }
            }
        }
        // What is idle holds nothing.
        (self.bytes, self.written) = (Vec::new(), 0);
        Poll::Ready(true)
    }
}
