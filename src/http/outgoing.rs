//! The body of an answer: all of it at once, in parts as they come, or as a flow that goes on as long as its reader stays.
//!
//! A body can hold something until its last byte was written to the socket: each part carries it, and hyper drops a part
//! when the system has taken it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::flowing::Begun;
use crate::error::{Error, Result};
use crate::registry::BoxFuture;

/// What a body holds.
pub(super) type Held = Arc<dyn Send + Sync>;

/// The body of an answer.
pub struct Body {
    kind: Kind,
    held: Option<Held>,
}

#[derive(Debug)]
enum Kind {
    Whole(Full<Bytes>),
    Parts(Parts, Watch),
    Flow(Flowing),
    /// A flow that is taken over once it has begun.
    Begun(Arc<Begun>),
}

/// Parts that come as long as their reader stays, and that end by themselves where the reader may no longer have them.
pub trait Flow: Send {
    /// The next part; none at the end.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;
}

struct Flowing(Box<dyn Flow>);

impl std::fmt::Debug for Flowing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flow")
    }
}

/// Ends when whoever reads an answer may no longer, if anyone watches that.
#[derive(Default)]
struct Watch(Option<BoxFuture<'static, Error>>);

/// Parts as they come, perhaps with something before and after them. Then the last part is empty: an end without it is
/// none.
#[derive(Debug)]
struct Parts {
    first: Option<Bytes>,
    parts: mpsc::Receiver<Result<Bytes>>,
    last: Option<Bytes>,
}

impl Parts {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        self.parts.poll_recv(cx).map(|part| match part {
            Some(Ok(part)) if part.is_empty() => {
                self.parts.close();
                self.last.take().map(Ok)
            }
            Some(part) => Some(part),
            None => self.last.take().map(|_| Err(Error::internal("an answer in parts broke off"))),
        })
    }
}

/// What a body in parts counts as: about what it holds of them at once.
const PARTS_HELD: usize = 256 * 1024;

impl Body {
    /// A body whose parts come through a channel; an error cuts the answer off, so that its reader notices.
    pub fn in_parts(parts: mpsc::Receiver<Result<Bytes>>) -> Self {
        Kind::Parts(Parts { first: None, parts, last: None }, Watch::default()).into()
    }

    /// A body of `first`, then `parts` up to an empty one, then `last`.
    pub(crate) fn between(first: Bytes, parts: mpsc::Receiver<Result<Bytes>>, last: Bytes) -> Self {
        Kind::Parts(Parts { first: Some(first), parts, last: Some(last) }, Watch::default()).into()
    }

    /// A body that goes on as long as its reader stays.
    pub fn flow(parts: impl Flow + 'static) -> Self {
        Kind::Flow(Flowing(Box::new(parts))).into()
    }

    /// Whether it goes on as long as its reader stays.
    pub(crate) fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::Flow(_) | Kind::Begun(_))
    }

    /// About how many bytes it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.kind {
            Kind::Whole(body) => {
                usize::try_from(hyper::body::Body::size_hint(body).lower()).unwrap_or(usize::MAX)
            }
            Kind::Parts(..) => PARTS_HELD,
            Kind::Flow(_) | Kind::Begun(_) => 0,
        }
    }

    /// The same body, and where a flow is taken from once it has begun.
    pub(super) fn begun(self) -> (Self, Option<Arc<Begun>>) {
        let Self { kind: Kind::Flow(Flowing(flow)), held } = self else { return (self, None) };
        let begun = Begun::new(flow);
        (Self { kind: Kind::Begun(begun.clone()), held }, Some(begun))
    }

    /// The same body, which holds `held` until its last byte was written to the socket.
    pub(super) fn holding(self, held: Held) -> Self {
        Self { held: Some(held), ..self }
    }

    /// The same body, whose parts end when `over` says that their reader may no longer have them. It is cut off then, so
    /// that its reader notices.
    pub(crate) fn watched(self, over: impl Future<Output = Error> + Send + 'static) -> Self {
        let Self { kind: Kind::Parts(parts, _), held } = self else { return self };
        Self { kind: Kind::Parts(parts, Watch(Some(Box::pin(over)))), held }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Self { kind, held: None }
    }
}

/// A part of a body, with what the body holds.
struct Part {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Watch" } else { "nobody" })
    }
}

impl Default for Body {
    fn default() -> Self {
        Kind::Whole(Full::default()).into()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Kind::Whole(Full::new(bytes)).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = match &mut self.kind {
            Kind::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Kind::Parts(parts, watch) => {
                if let Some(over) = &mut watch.0
                    && let Poll::Ready(error) = over.as_mut().poll(cx)
                {
                    watch.0 = None;
                    // Whoever sends parts sends no more.
                    parts.parts.close();
                    return Poll::Ready(Some(Err(error)));
                }
                parts.poll_part(cx).map(|part| part.map(|part| part.map(Frame::data)))
            }
            Kind::Flow(flow) => flow.0.poll_part(cx).map(|part| part.map(|part| Ok(Frame::data(part)))),
            Kind::Begun(flow) => flow.poll_part(cx).map(|part| part.map(|part| Ok(Frame::data(part)))),
        };
        let Some(held) = &self.held else { return frame };
        let holding = |bytes| Bytes::from_owner(Part { bytes, _held: held.clone() });
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(holding))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Parts(..) | Kind::Flow(_) | Kind::Begun(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(body) => body.size_hint(),
            Kind::Parts(..) | Kind::Flow(_) | Kind::Begun(_) => SizeHint::default(),
        }
    }
}
