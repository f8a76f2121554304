//! One connection: requests one after the other, each phase with its time limit, until it ends or becomes an agent's.
//!
//! hyper's own timer would start the header's time when the connection falls idle, so that the times are kept here, by the
//! connection's [`Pulse`].
//!
//! A client that closes its sending side counts as gone, as hyper has it: whoever wants an answer keeps it open.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::Response;
use super::body::RequestBody;
use super::flowing::Rest;
use super::metered::Metered;
use super::pulse::{Pulse, Times};
use super::service::{Door, Service};
use crate::config::Limits;
use crate::model::shutdown::Shutdown;
use crate::registry::BoxFuture;

/// Largest head of a request, in bytes; hyper answers 431 beyond it.
const MAX_HEAD: usize = 16 * 1024;
/// Largest read buffer, in bytes.
const MAX_BUFFER: usize = 32 * 1024;
/// How long requests in flight may still take once the server stops.
pub(super) const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take nothing of its answer, unless the idle time is shorter.
const STALLED: Duration = Duration::from_secs(30);
/// How long, and how much of it, a client that was refused may go on sending before the socket is closed: closed at
/// once, the system would send a reset, and the client lose the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// What all connections of a listener share.
pub(super) struct Setup<S> {
    pub(super) service: Arc<S>,
    http: http1::Builder,
    head_time: Duration,
    idle_time: Duration,
    /// Canceled when the server stops; the flag is set first and saves looking at the token on every wake.
    stop: Shutdown,
    stopping: AtomicBool,
}

/// How a connection ended.
pub(super) enum End<U, T> {
    /// It is closed.
    Closed,
    /// It was upgraded: what it belongs to, its socket and what was read beyond the handshake.
    Upgraded(U, T, Bytes),
    /// It is at an answer that goes on as long as its reader stays.
    Flowing(Rest<T>),
}

impl<S: Service> Setup<S> {
    pub(super) fn new(service: Arc<S>, limits: &Limits) -> Arc<Self> {
        let mut http = http1::Builder::new();
        // No `timer`: hyper's only time limit is replaced here, and its default would need one.
        http.header_read_timeout(None).max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFER);
        Arc::new(Self {
            service,
            http,
            head_time: Duration::from_secs(limits.header_seconds.max(1)),
            idle_time: Duration::from_secs(limits.idle_seconds.max(1)),
            stop: Shutdown::new(),
            stopping: AtomicBool::new(false),
        })
    }

    /// Tells every connection to end after the request it is at.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.stop.cancel();
    }

    /// Drives a connection to its end.
    pub(super) async fn drive<T>(&self, stream: T, door: Door) -> End<S::Upgrade, T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let times =
            Times { head: self.head_time, idle: self.idle_time, stalled: self.idle_time.min(STALLED) };
        let pulse = Arc::new(Pulse::new(times));
        let io = TokioIo::new(Metered { stream, pulse: pulse.clone() });
        let visitor = Visitor { service: self.service.clone(), door, pulse: pulse.clone() };
        let mut connection = self.http.serve_connection(io, visitor);

        // The timer never sleeps longer than the shortest limit, so that it needs no moving when a limit begins.
        let tick = times.head.min(times.stalled);
        let mut timer = std::pin::pin!(sleep_until(Instant::now() + tick));
        let mut stopped = std::pin::pin!(self.stop.cancelled());
        let mut watching = false;
        let mut draining = None;
        let mut flowing = None;
        let ended = std::future::poll_fn(|cx| {
            if !watching {
                watching = true;
                // Registers this task's waker once; from then on the flag says it all.
                let _ = stopped.as_mut().poll(cx);
            }
            if draining.is_none() && self.stopping.load(Relaxed) {
                let end = Instant::now() + DRAIN;
                draining = Some(end);
                timer.as_mut().reset(end);
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
                return Poll::Ready(Some(result));
            }
            flowing = pulse.take_flow();
            if flowing.is_some() {
                return Poll::Ready(None);
            }
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                if draining.is_some_and(|end| end <= now) || pulse.deadline().is_some_and(|end| end <= now) {
                    return Poll::Ready(None);
                }
                let next = pulse.deadline().unwrap_or(now + tick).min(now + tick);
                timer.as_mut().reset(draining.unwrap_or(next));
            }
            Poll::Pending
        })
        .await;

        if let Some((flow, held)) = flowing {
            let stream = connection.into_parts().io.into_inner().stream;
            return End::Flowing(Rest { stream, flow, stalled: times.stalled, drain: DRAIN, held });
        }
        let Some(result) = ended else { return End::Closed };
        let parts = connection.into_parts();
        let stream = parts.io.into_inner().stream;
        if let Some(upgrade) = pulse.upgrade.lock().take() {
            return match result {
                Ok(()) => End::Upgraded(upgrade, stream, parts.read_buf),
                Err(_) => End::Closed,
            };
        }
        // A head that hyper refused may have more behind it.
        let unread = pulse.unread.load(Relaxed) || result.is_err_and(|e| e.is_parse());
        close(stream, unread).await;
        End::Closed
    }

    /// Sends what is left of an answer that goes on as long as its reader stays, and closes the connection.
    pub(super) async fn follow<T: AsyncRead + AsyncWrite + Unpin>(&self, rest: Rest<T>) {
        close(rest.send(&self.stop).await, false).await;
    }
}

/// Closes a socket so that the client gets what was written last.
pub(super) async fn close<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, unread: bool) {
    let _ = timeout(LINGER, async {
        if stream.shutdown().await.is_err() || !unread {
            return;
        }
        // On the heap: the future of every connection would carry it.
        let mut rest = vec![0; 1024];
        let mut read = 0;
        while read < LINGER_BYTES {
            match stream.read(&mut rest).await {
                Ok(0) | Err(_) => return,
                Ok(n) => read += n,
            }
        }
    })
    .await;
}

/// The service of one connection.
struct Visitor<S: Service> {
    service: Arc<S>,
    door: Door,
    pulse: Arc<Pulse<S::Upgrade>>,
}

impl<S: Service> hyper::service::Service<Request<Incoming>> for Visitor<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.pulse.request_begins();
        let (service, door, pulse) = (self.service.clone(), self.door, self.pulse.clone());
        let (mut parts, body) = request.into_parts();
        let version = parts.version;
        let mut body = RequestBody::new(body, service.bodies().clone());
        Box::pin(async move {
            let served = service.serve(&mut parts, &mut body, door).await;
            if served.unread {
                pulse.unread.store(true, Relaxed);
            }
            if let Some(upgrade) = served.upgrade {
                *pulse.upgrade.lock() = Some(upgrade);
            }
            let (mut head, mut body) = served.response.into_parts();
            if body.is_flow() {
                // It ends with such an answer, which whoever sends the next request ahead must know.
                head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
                // Before, there are no chunks.
                if version == Version::HTTP_11 {
                    let begun;
                    (body, begun) = body.begun();
                    *pulse.flow.lock() = begun.map(|begun| (begun, served.held.clone()));
                }
            }
            if head.headers.contains_key(CONNECTION) {
                // To an answer of a newer version than the request's hyper would add that the connection lives on.
                head.version = version;
            }
            let answering = pulse.answer_begins(served.held);
            Ok(Response::from_parts(head, body.holding(answering)))
        })
    }
}
