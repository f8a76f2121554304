//! A request's body, read whole and bounded in size and time.
//!
//! All bodies that are still arriving share a bound on memory, so that many clients who hold back the end of a large one
//! fill no memory. Small ones do not count: they find room whatever others send.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::timeout;

use crate::error::{Error, Kind, Result};

/// How long the rest of a refused request's body is waited for, so that its client reads the answer instead of a
/// connection reset.
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The largest body that does not count, in bytes; nearly all are smaller.
const SMALL: usize = 8 * 1024;
/// How many bytes of larger ones there may be at once, while they arrive.
const ROOM: usize = 64 * 1024 * 1024;

/// The memory that arriving bodies hold, in bytes.
pub(crate) type Room = Arc<AtomicUsize>;

/// A part of the room, until this is dropped.
struct Share<'a> {
    room: &'a AtomicUsize,
    bytes: usize,
}

impl Share<'_> {
    /// Counts a body of which `bytes` have arrived.
    fn hold(&mut self, bytes: usize) -> Result<()> {
        if bytes <= SMALL {
            return Ok(());
        }
        let more = bytes - self.bytes;
        self.bytes = bytes;
        if self.room.fetch_add(more, Relaxed) + more <= ROOM {
            return Ok(());
        }
        let message = "Too many large requests are arriving at once. Try again in a moment.";
        Err(Error::new(Kind::Unavailable, "busy", message).retry_after(Duration::from_secs(1)))
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.room.fetch_sub(self.bytes, Relaxed);
    }
}

/// A request's body and whether it was read to its end.
pub(crate) struct RequestBody<B> {
    body: B,
    ended: bool,
    room: Room,
}

impl<B: Body<Data = Bytes> + Unpin> RequestBody<B> {
    /// A body that counts against `room` while it arrives.
    pub(crate) fn new(body: B, room: Room) -> Self {
        let ended = body.is_end_stream();
        Self { body, ended, room }
    }

    /// Whether everything the client announced was read, so that the connection can take another request.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// Reads it whole: at most `limit` bytes within `time`.
    ///
    /// # Errors
    /// 413 for more than `limit`, before anything is read if its length was announced; 408 after `time`; 400 if it
    /// breaks off; 503 if too much else is arriving.
    pub(crate) async fn read(&mut self, limit: usize, time: Duration) -> Result<Bytes> {
        if self.ended {
            return Ok(Bytes::new());
        }
        if self.announces_more_than(limit) {
            return Err(too_large(limit));
        }
        timeout(time, self.collect(limit)).await.unwrap_or_else(|_| {
            let message =
                format!("The request did not arrive within {} s. Send it again.", time.as_secs_f32());
            Err(Error::new(Kind::TooSlow, "request_timeout", message))
        })
    }

    /// Reads and forgets what is left of at most `limit` bytes, for a short time.
    pub(crate) async fn drain(&mut self, limit: usize) {
        if !self.ended && !self.announces_more_than(limit) {
            let _ = self.read(limit, DRAIN_TIME).await;
        }
    }

    fn announces_more_than(&self, limit: usize) -> bool {
        usize::try_from(self.body.size_hint().lower()).map_or(true, |announced| announced > limit)
    }

    async fn collect(&mut self, limit: usize) -> Result<Bytes> {
        // Nearly every body is one chunk, which is given as it is.
        let mut share = Share { room: &self.room, bytes: 0 };
        let mut first = Bytes::new();
        let mut more = BytesMut::new();
        while let Some(frame) = Pin::new(&mut self.body).frame().await {
            let frame = frame.map_err(|_| Error::invalid("The request's body broke off"))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if first.len() + more.len() + chunk.len() > limit {
                return Err(too_large(limit));
            }
            share.hold(first.len() + more.len() + chunk.len())?;
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
        let mut none = RequestBody::new(Full::new(Bytes::new()), Room::default());
        assert!(none.ended());
        assert_eq!(none.read(10, LONG).await.unwrap(), "");
        let mut whole = RequestBody::new(Full::new(Bytes::from_static(b"0123456789")), Room::default());
        assert!(!whole.ended());
        assert_eq!(whole.read(10, LONG).await.unwrap(), "0123456789");
        assert!(whole.ended());
        let mut chunks = RequestBody::new(Chunks(vec![b"0123", b"456", b"789"], false), Room::default());
        assert_eq!(chunks.read(10, LONG).await.unwrap(), "0123456789");
    }

    #[tokio::test]
    async fn refuses_what_is_too_large() {
        let mut announced = RequestBody::new(Full::new(Bytes::from_static(b"0123456789")), Room::default());
        assert_eq!(announced.read(9, LONG).await.unwrap_err().kind(), Kind::TooLarge);
        let mut chunks = RequestBody::new(Chunks(vec![b"0123", b"456", b"789"], true), Room::default());
        assert_eq!(chunks.read(9, LONG).await.unwrap_err().kind(), Kind::TooLarge);
        assert!(!chunks.ended());
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_on_a_slow_one() {
        let mut slow = RequestBody::new(Chunks(vec![b"0123"], true), Room::default());
        assert_eq!(slow.read(100, LONG).await.unwrap_err().kind(), Kind::TooSlow);
        slow.drain(100).await;
        assert!(!slow.ended());
    }

    #[tokio::test]
    async fn large_bodies_share_a_bound_and_small_ones_do_not() {
        static LARGE: [u8; SMALL + 1] = [b'x'; SMALL + 1];
        let room = Room::default();
        let mut large = RequestBody::new(Chunks(vec![&LARGE], false), room.clone());
        large.read(usize::MAX, LONG).await.unwrap();
        assert_eq!(room.load(Relaxed), 0, "given back");
        room.store(ROOM, Relaxed);
        let mut large = RequestBody::new(Chunks(vec![&LARGE[1..], b"x"], false), room.clone());
        let refused = large.read(usize::MAX, LONG).await.unwrap_err();
        assert_eq!((refused.kind(), refused.code()), (Kind::Unavailable, "busy"));
        let mut small = RequestBody::new(Chunks(vec![&LARGE[1..]], false), room.clone());
        small.read(usize::MAX, LONG).await.unwrap();
        assert_eq!(room.load(Relaxed), ROOM);
    }
}
