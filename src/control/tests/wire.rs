//! A connection in memory whose every byte a test can put in and look at.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// What lies in a wire.
#[derive(Default)]
struct Pipe {
    input: Vec<u8>,
    ended: bool,
    reader: Option<Waker>,
    output: Vec<u8>,
}

/// Both ends of a connection. Clones are the same wire.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<Mutex<Pipe>>);

impl Wire {
    /// Has the service read these bytes.
    pub(super) fn say(&self, bytes: &[u8]) {
        let mut pipe = self.0.lock();
        pipe.input.extend_from_slice(bytes);
        pipe.reader.take().into_iter().for_each(Waker::wake);
    }

    /// Ends what the service can read, as a peer that is gone.
    pub(super) fn end(&self) {
        let mut pipe = self.0.lock();
        pipe.ended = true;
        pipe.reader.take().into_iter().for_each(Waker::wake);
    }

    /// What the service has written since the last time: whole frames, each with its opcode.
    pub(super) fn frames(&self) -> Vec<(u8, Vec<u8>)> {
        let bytes = std::mem::take(&mut self.0.lock().output);
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let [head, length, more @ ..] = rest {
            assert!(*length < 126, "the tests' commands are short");
            let (payload, behind) = more.split_at(usize::from(*length));
            frames.push((head & 15, payload.to_vec()));
            rest = behind;
        }
        frames
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut pipe = self.0.lock();
        if pipe.input.is_empty() && !pipe.ended {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = pipe.input.len().min(buffer.remaining());
        buffer.put_slice(&pipe.input[..count]);
        pipe.input.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.lock().output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
