//! Accepting connections, and draining them at the end.
//!
//! There is room for a fixed number of connections, agents included, and for half as many of one address. Who finds no
//! place is answered 503 and hung up on; a process out of descriptors pauses and goes on. Neither ends the server.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Collected};
use hyper::header::CONTENT_LENGTH;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::connection::{DRAIN, End, Setup, close};
use super::crowd::{Crowd, NoPlace, Place};
use super::service::{Door, Service};
use super::{Response, capacity, upgrade};
use crate::config::Limits;
use crate::model::shutdown::Shutdown;

/// The code of the answer to a connection that finds no place.
pub const FULL: &str = "too_many_connections";
/// Connections that may wait to be accepted: after a restart the whole fleet dials at once, and the system lets those
/// wait for seconds that find no place.
const BACKLOG: u32 = 4096;
/// So many are accepted in a row, and so many of them then set off: fewer, since that costs far more than accepting, and
/// the places to wait must not run out meanwhile.
const TAKEN: usize = 96;
const SET_OFF: usize = 32;
/// How long a client may acknowledge nothing of what was sent, or take nothing of it: a stream in which little happens
/// would else hold its place for a quarter of an hour after its client vanished, and for ever for one that never reads.
const UNANSWERED: Duration = Duration::from_secs(30);
/// The local operator's connections at once, and those of a listener beside the main one.
const OPERATORS: usize = 64;
const BESIDE: usize = 64;
/// Connections without a place that are answered at once; further ones are just closed.
const REFUSING: usize = 32;
/// How long a client that is refused may take until its request's head has arrived.
const ASKED: Duration = Duration::from_secs(1);
/// As much is read of a request that is refused so.
const MAX_REFUSED_HEAD: usize = 4 * 1024;
/// The pause after the system refused a descriptor, and how often it is logged.
const PAUSE: Duration = Duration::from_millis(100);
const LOG_EVERY: Duration = Duration::from_secs(30);

/// Listens on `address`, with a backlog that bears a whole fleet dialling at once.
///
/// # Errors
/// The address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of an earlier run that are still winding down do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves everyone on `listener` until `shutdown` begins; returns when the requests in flight are answered, or a few
/// seconds later.
pub(crate) async fn serve<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    limits: &Limits,
    shutdown: Shutdown,
) {
    let capacity = capacity::connections(limits.connections);
    tracing::debug!(capacity, "Accepting connections");
    let setup = Setup::new(service, limits);
    accept(listener, &setup, capacity, shutdown).await;
}

/// Serves a few clients at an address of its own, as [`serve`] does.
pub(crate) async fn serve_beside<S: Service>(
    listener: TcpListener,
    service: Arc<S>,
    limits: &Limits,
    shutdown: Shutdown,
) {
    let setup = Setup::new(service, limits);
    accept(listener, &setup, BESIDE, shutdown).await;
}

async fn accept<S: Service>(
    listener: TcpListener,
    setup: &Arc<Setup<S>>,
    capacity: usize,
    shutdown: Shutdown,
) {
    let crowd = Crowd::new(capacity);
    let refusing = Arc::new(Semaphore::new(REFUSING));
    let full = "The server holds as many connections as it may. Try again in a few seconds.";
    let too_many = "Your address holds as many connections as one address may. Close some, or try again in a few seconds.";
    let (mut trouble, mut greedy) = (Trouble::default(), Trouble::default());
    let mut arrived = VecDeque::new();
    let mut taken = 0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept(), if taken < TAKEN => accepted,
            () = std::future::ready(()), if taken > 0 || !arrived.is_empty() => {
                taken = 0;
                arrived.drain(..SET_OFF.min(arrived.len())).for_each(|one: Arrived| one.set_off(setup));
                if arrived.is_empty() {
                    arrived.shrink_to(TAKEN);
                } else {
                    yield_now().await;
                }
                continue;
            }
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Whoever was accepted is served all the same: they are the ones who give descriptors back.
                arrived.drain(..).for_each(|one| one.set_off(setup));
                trouble.pause(&e).await;
                continue;
            }
        };
        // Whoever is refused counts too: those who found room must not wait for the end of a flood.
        taken += 1;
        // Answers and frames are small and complete: waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        give_up_after(&stream, Some(UNANSWERED));
        let exempt = setup.service.is_proxy(from.ip());
        let message = match crowd.admit(from.ip(), exempt) {
            Ok(place) => {
                arrived.push_back(Arrived { stream, from, place });
                continue;
            }
            Err(NoPlace::Full) => {
                trouble.log(|| "every connection is taken (limits.connections)".to_owned());
                full
            }
            Err(NoPlace::TooMany) => {
                greedy.log(|| {
                    format!(
                        "{} holds {}, half of what limits.connections allows; if many clients come through it, \
                         add it to trustedProxies",
                        from.ip().to_canonical(),
                        crowd.most()
                    )
                });
                too_many
            }
        };
        if let Ok(turn) = refusing.clone().try_acquire_owned() {
            let service = setup.service.clone();
            setup.service.tasks().spawn(async move {
                refuse(stream, &*service, message).await;
                drop(turn);
            });
        }
    }
    drop((listener, arrived));
    drain(setup).await;
}

/// Sets after how long the system gives a connection up whose peer acknowledges or takes nothing; none for its own time.
fn give_up_after(stream: &TcpStream, time: Option<Duration>) {
    // Only Linux has it. Elsewhere, and where it is refused, the system's own time runs.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_user_timeout(time);
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, time);
}

/// An accepted connection that found room.
struct Arrived {
    stream: TcpStream,
    from: SocketAddr,
    place: Place,
}

impl Arrived {
    /// Serves it, on a task of its own.
    fn set_off<S: Service>(self, setup: &Arc<Setup<S>>) {
        let Self { stream, from, place } = self;
        let setup = setup.clone();
        let tasks = setup.service.tasks().clone();
        tasks.spawn(async move {
            // Boxed, so that it is gone when the socket goes on as something else.
            let end = Box::pin(setup.drive(stream, Door::Network(from.ip()))).await;
            match end {
                End::Closed => {}
                End::Flowing(rest) => Box::pin(setup.follow(rest)).await,
                End::Upgraded(upgrade, stream, leftover) => {
                    // Whether an agent is still there is for its heartbeats to say, which bear longer silence.
                    give_up_after(&stream, None);
                    setup.service.upgraded(upgrade, stream, leftover, place);
                }
            }
        });
    }
}

/// Serves the local operator on `listener`, as [`serve`] does, without sessions.
pub(crate) async fn serve_unix<S: Service>(
    listener: UnixListener,
    service: Arc<S>,
    limits: &Limits,
    shutdown: Shutdown,
) {
    let setup = Setup::new(service, limits);
    let room = Arc::new(Semaphore::new(OPERATORS));
    let mut trouble = Trouble::default();
    loop {
        // A place comes before accepting: the operator waits rather than being refused.
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = async {
                let place = room.clone().acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        match accepted {
            (Ok((stream, _)), place) => {
                let setup = setup.clone();
                let tasks = setup.service.tasks().clone();
                tasks.spawn(async move {
                    if let End::Flowing(rest) = Box::pin(setup.drive(stream, Door::Operator)).await {
                        setup.follow(rest).await;
                    }
                    drop(place);
                });
            }
            (Err(e), _) => trouble.pause(&e).await,
        }
    }
    drop(listener);
    drain(&setup).await;
}

/// Ends idle connections at once and waits for requests in flight.
async fn drain<S: Service>(setup: &Setup<S>) {
    setup.stop();
    let tasks = setup.service.tasks();
    tasks.close();
    // A second beyond what each connection grants itself: here only a handler that hangs can be waited for.
    if timeout(DRAIN + Duration::from_secs(1), tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "Some requests did not end in time");
    }
}

/// What is logged of an accept loop's trouble, which would otherwise fill the log.
#[derive(Default)]
struct Trouble {
    logged: Option<Instant>,
}

impl Trouble {
    fn log(&mut self, what: impl FnOnce() -> String) {
        if self.logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            self.logged = Some(Instant::now());
            tracing::warn!("Connections are being refused: {}", what());
        }
    }

    /// A connection that ended before it was accepted is nothing; anything else needs time to pass.
    async fn pause(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return;
        }
        self.log(|| format!("{error}; raise the file limit (ulimit -n, LimitNOFILE=)"));
        sleep(PAUSE).await;
    }
}

async fn refuse<S: Service>(mut stream: TcpStream, service: &S, message: &'static str) {
    // A client that is answered before it asked takes the answer for a fault of the connection. And whether it asks for
    // a WebSocket, and so may get no body, shows in the whole head.
    let mut head = Vec::new();
    let _ = timeout(ASKED, async {
        while head.len() < MAX_REFUSED_HEAD && !is_whole(&head) {
            match stream.read_buf(&mut head).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    })
    .await;
    let bare = !is_whole(&head) || upgrade::is_asked_by(&head);
    let answer = written_out(service.overload(FULL, message, bare)).await;
    let written = timeout(Duration::from_secs(2), stream.write_all(&answer)).await;
    if let Ok(Ok(())) = written {
        close(stream, true).await;
    }
}

/// Whether a request's head has come to its end.
fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|end| end == b"\r\n\r\n") || head.windows(2).any(|end| end == b"\n\n")
}

/// An answer as it goes over the wire.
async fn written_out(response: Response) -> Vec<u8> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\n", head.status);
    if !head.headers.contains_key(CONTENT_LENGTH) {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    text.push_str("\r\n");
    let mut written = text.into_bytes();
    written.extend_from_slice(&body);
    written
}
