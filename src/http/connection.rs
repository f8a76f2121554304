//! One connection: requests one after the other, each phase with its time limit, until it ends or becomes an agent's.
//!
//! hyper's own timer would start the header's time when the connection falls idle, so the two are told apart here: the
//! header's time runs from its first byte (and from accepting), the idle time from the end of an answer. While the
//! answer is written every bit of progress counts anew; a client that stops reading is idle. During a request no timer
//! of the connection runs: the body and the handlers have their own.
//!
//! A client that closes its sending side counts as gone, as hyper has it: whoever wants an answer keeps it open.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, sleep_until, timeout};

use super::Response;
use super::body::RequestBody;
use super::service::{Door, Site};
use crate::config::Limits;
use crate::control::Ticket;
use crate::model::shutdown::Shutdown;
use crate::registry::BoxFuture;

/// Largest head of a request, in bytes; hyper answers 431 beyond it.
const MAX_HEAD: usize = 16 * 1024;
/// Largest read buffer, in bytes.
const MAX_BUFFER: usize = 32 * 1024;
/// How long requests in flight may still take once the server stops.
pub(super) const DRAIN: Duration = Duration::from_secs(5);
/// How long, and how much of it, a client that was refused may go on sending before the socket is closed: closed at
/// once, the system would send a reset, and the client lose the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// What all connections of a listener share.
pub(super) struct Line {
    pub(super) site: Arc<Site>,
    http: http1::Builder,
    head_time: Duration,
    idle_time: Duration,
    /// Told when the server stops; the flag is set first and saves looking at the token on every wake.
    stop: Shutdown,
    stopping: AtomicBool,
}

/// How a connection ended.
pub(super) enum End<T> {
    /// It is closed.
    Closed,
    /// It belongs to an agent: its socket and what was read beyond the handshake.
    Upgraded(Ticket, T, Bytes),
}

impl Line {
    pub(super) fn new(site: Arc<Site>, limits: &Limits) -> Arc<Self> {
        let mut http = http1::Builder::new();
        // No `timer`: hyper's only time limit is replaced here, and its default would need one.
        http.header_read_timeout(None).max_header_size(MAX_HEAD).max_buf_size(MAX_BUFFER);
        Arc::new(Self {
            site,
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
    pub(super) async fn drive<T>(&self, stream: T, door: Door) -> End<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let pulse = Arc::new(Pulse::new(self.head_time, self.idle_time));
        let io = TokioIo::new(Metered { stream, pulse: pulse.clone() });
        let visitor = Visitor { site: self.site.clone(), door, pulse: pulse.clone() };
        let mut connection = self.http.serve_connection(io, visitor);

        // The timer never sleeps longer than the shorter limit, so that it needs no moving when a limit begins.
        let tick = self.head_time.min(self.idle_time);
        let mut timer = std::pin::pin!(sleep_until(Instant::now() + tick));
        let mut told = std::pin::pin!(self.stop.cancelled());
        let mut watching = false;
        let mut draining = None;
        let ended = std::future::poll_fn(|cx| {
            if !watching {
                watching = true;
                // Registers this task's waker once; from then on the flag says it all.
                let _ = told.as_mut().poll(cx);
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

        let Some(result) = ended else { return End::Closed };
        let parts = connection.into_parts();
        let stream = parts.io.into_inner().stream;
        if let Some(ticket) = pulse.ticket.lock().take() {
            return match result {
                Ok(()) => End::Upgraded(ticket, stream, parts.read_buf),
                Err(_) => End::Closed,
            };
        }
        // A head that hyper refused may have more behind it.
        let unread = pulse.unread.load(Relaxed) || result.is_err_and(|e| e.is_parse());
        close(stream, unread).await;
        End::Closed
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

/// Where a connection is: written by its socket and its service, read by its driver, all in one task.
struct Pulse {
    born: Instant,
    head_time: Duration,
    idle_time: Duration,
    /// When the present phase ends, in milliseconds since `born`; never during a request.
    deadline: AtomicU64,
    /// Whether nothing of the next request has arrived yet.
    idle: AtomicBool,
    unread: AtomicBool,
    ticket: Mutex<Option<Ticket>>,
}

const NEVER: u64 = u64::MAX;

impl Pulse {
    fn new(head_time: Duration, idle_time: Duration) -> Self {
        let pulse = Self {
            born: Instant::now(),
            head_time,
            idle_time,
            deadline: AtomicU64::new(NEVER),
            idle: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            ticket: Mutex::new(None),
        };
        pulse.ends_in(head_time);
        pulse
    }

    fn ends_in(&self, time: Duration) {
        let end = self.born.elapsed() + time;
        self.deadline.store(u64::try_from(end.as_millis()).unwrap_or(NEVER), Relaxed);
    }

    fn deadline(&self) -> Option<Instant> {
        match self.deadline.load(Relaxed) {
            NEVER => None,
            millis => Some(self.born + Duration::from_millis(millis)),
        }
    }

    fn read(&self) {
        if self.idle.swap(false, Relaxed) {
            self.ends_in(self.head_time);
        }
    }

    fn wrote(&self) {
        if self.idle.load(Relaxed) {
            self.ends_in(self.idle_time);
        }
    }

    fn request_begins(&self) {
        self.idle.store(false, Relaxed);
        self.deadline.store(NEVER, Relaxed);
    }

    fn request_ends(&self) {
        self.idle.store(true, Relaxed);
        self.ends_in(self.idle_time);
    }
}

/// The service of one connection.
struct Visitor {
    site: Arc<Site>,
    door: Door,
    pulse: Arc<Pulse>,
}

impl hyper::service::Service<Request<Incoming>> for Visitor {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.pulse.request_begins();
        let (site, door, pulse) = (self.site.clone(), self.door, self.pulse.clone());
        let (mut parts, body) = request.into_parts();
        let mut body = RequestBody::new(body);
        Box::pin(async move {
            let served = site.serve(&mut parts, &mut body, door).await;
            if served.unread {
                pulse.unread.store(true, Relaxed);
            }
            if let Some(ticket) = served.ticket {
                *pulse.ticket.lock() = Some(ticket);
            }
            pulse.request_ends();
            Ok(served.response)
        })
    }
}

/// A socket that tells the pulse when bytes pass.
struct Metered<T> {
    stream: T,
    pulse: Arc<Pulse>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.read();
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> Metered<T> {
    fn progress(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = result {
            self.pulse.wrote();
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.progress(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.progress(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
