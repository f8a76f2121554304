//! A request's body, read whole and bounded in size and time.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

/// How long the rest of a refused request's body is waited for, so that its client reads the answer instead of a
/// connection reset.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// A request's body and whether it was read to its end.
pub(super) struct RequestBody<B> {
    body: B,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    pub(super) fn new(body: B) -> Self {
        let ended = body.is_end_stream();
        Self { body, ended }
    }

    /// Whether everything the client announced was read, so that the connection can take another request.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads it whole: at most `limit` bytes within `time`.
    ///
    /// # Errors
    /// 413 for more than `limit`, before anything is read if its length was announced; 408 after `time`; 400 if it
    /// breaks off.
    pub(super) async fn read(&mut self, limit: usize, time: Duration) -> Result<Bytes> {
        if self.ended {
            return Ok(Bytes::new());
        }
        if self.announces_more_than(limit) {
            return Err(too_large(limit));
        }
        timeout(time, self.collect(limit)).await.unwrap_or_else(|_| {
            let message =
                format!("The request did not arrive within {} s. Send it again.", time.as_secs_f32());
            Err(Error::new(Kind::RequestTimeout, "request_timeout", message))
        })
    }

    /// Reads and forgets what is left of at most `limit` bytes, for a short time.
    pub(super) async fn drain(&mut self, limit: usize) {
        if !self.ended && !self.announces_more_than(limit) {
            let _ = self.read(limit, DRAIN_TIME).await;
        }
    }

    fn announces_more_than(&self, limit: usize) -> bool {
        usize::try_from(self.body.size_hint().lower()).map_or(true, |announced| announced > limit)
    }

    async fn collect(&mut self, limit: usize) -> Result<Bytes> {
        // Nearly every body is one chunk, which is given as it is.
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = Pin::new(&mut self.body).frame().await {
            let frame = frame.map_err(|_| Error::invalid("The request's body broke off"))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if first.len() + more.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            if first.is_empty() {
                first = chunk;
            } else {
                more.extend_from_slice(&chunk);
            }
        }
        self.ended = true;
        if more.is_empty() {
            return Ok(first);
        }
        let mut whole = BytesMut::with_capacity(first.len() + more.len());
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&more);
        Ok(whole.freeze())
    }
}

fn too_large(limit: usize) -> Error {
    let message = format!(
        "What was sent is larger than the {limit} bytes allowed. Send less, or have the server’s operator raise \
         limits.bodyBytes."
    );
    Error::new(Kind::TooLarge, "payload_too_large", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::{Frame, SizeHint};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// Chunks of unannounced length, and then perhaps silence.
    struct Chunks(Vec<&'static [u8]>, bool);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match (self.0.is_empty(), self.1) {
                (false, _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.0.remove(0)))))),
                (true, true) => Poll::Pending,
                (true, false) => Poll::Ready(None),
            }
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::new()
        }
    }

    #[tokio::test]
    async fn reads_what_fits() {
        let mut none = RequestBody::new(Full::new(Bytes::new()));
        assert!(none.ended());
        assert_eq!(none.read(10, LONG).await.unwrap(), "");
        let mut whole = RequestBody::new(Full::new(Bytes::from_static(b"0123456789")));
        assert!(!whole.ended());
        assert_eq!(whole.read(10, LONG).await.unwrap(), "0123456789");
        assert!(whole.ended());
        let mut chunks = RequestBody::new(Chunks(vec![b"0123", b"456", b"789"], false));
        assert_eq!(chunks.read(10, LONG).await.unwrap(), "0123456789");
    }

    #[tokio::test]
    async fn refuses_what_is_too_large() {
        let mut announced = RequestBody::new(Full::new(Bytes::from_static(b"0123456789")));
        assert_eq!(announced.read(9, LONG).await.unwrap_err().kind(), Kind::TooLarge);
        let mut chunks = RequestBody::new(Chunks(vec![b"0123", b"456", b"789"], true));
        assert_eq!(chunks.read(9, LONG).await.unwrap_err().kind(), Kind::TooLarge);
        assert!(!chunks.ended());
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_on_a_slow_one() {
        let mut slow = RequestBody::new(Chunks(vec![b"0123"], true));
        assert_eq!(slow.read(100, LONG).await.unwrap_err().kind(), Kind::RequestTimeout);
        slow.drain(100).await;
        assert!(!slow.ended());
    }
}
