//! The service's reading end of a simulated connection, listened to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

/// Calls back with how many bytes were read, whenever some were.
pub(crate) struct Ear<R, F> {
    read: R,
    heard: F,
}

impl<R, F: FnMut(usize)> Ear<R, F> {
    pub(crate) fn new(read: R, heard: F) -> Self {
        Self { read, heard }
    }
}

impl<R: AsyncRead + Unpin, F: FnMut(usize) + Unpin> AsyncRead for Ear<R, F> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.read).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            (self.heard)(read);
        }
        result
    }
}
