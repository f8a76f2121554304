//! The way of one request: route → session or token → cross-site check → permission → second factor, where one is
//! demanded → body → the same once more → handler → answer.
//!
//! Whoever holds back the end of a body must not keep what is taken from them meanwhile, so that it is decided who calls
//! and what they may when all of it is there; the first look spares the server the bodies of those it refuses anyway.
//!
//! Every end of it is the envelope, a panicking handler's included. A handler that writes runs to its end even if its
//! client hangs up, and so does what is noted of it: what follows a commit, such as telling the Agent Control Service,
//! must not get lost.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderValue, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::identify::{StaleCookie, identify};
use super::request_log::{Seen, Summary};
use super::router::{Found, Router, is_api};
use super::row_check::checked;
use super::under_way::UnderWay;
use super::{Access, Call, Method, Response, Route, StatusCode, agent_door, call, envelope};
use crate::auth::Caller;
use crate::config::Config;
use crate::control::Ticket;
use crate::domain::By;
use crate::domain::admission::may_enter;
use crate::domain::hang_up::without_caller;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::http::body::{RequestBody, Room};
use crate::http::peer::{self, Hints, Peer};
use crate::http::service::{Door, Served, Service};
use crate::http::upgrade::RefusalLog;
use crate::http::{media, origin, request_id, upgrade};
use crate::model::request_id::within;
use crate::registry::BoxFuture;

/// When whoever found no place may try again.
const OVERLOADED: Duration = Duration::from_secs(5);

/// What every request is served from.
pub(super) struct Site {
    host: Arc<Host>,
    router: Arc<Router>,
    /// Handlers that must come to their end, and the connections.
    tasks: TaskTracker,
    /// The log of WebSockets that were refused.
    refusals: RefusalLog,
    hints: Hints,
    under_way: Arc<UnderWay>,
    /// What bodies hold that are still arriving.
    bodies: Room,
}

/// A request on its way to its handler.
struct Request<'a, B> {
    parts: &'a mut Parts,
    body: &'a mut RequestBody<B>,
    door: Door,
    config: &'a Config,
    summary: &'a Summary,
}

/// What decides whether a request is let in, beside the configuration.
struct Knock<'a> {
    headers: &'a HeaderMap,
    peer: Peer,
    door: Door,
    writes: bool,
    access: Access,
}

impl Site {
    pub(super) fn new(host: Arc<Host>, router: Arc<Router>) -> Self {
        Self {
            host,
            router,
            tasks: TaskTracker::new(),
            refusals: RefusalLog::default(),
            hints: Hints::default(),
            under_way: Arc::default(),
            bodies: Room::default(),
        }
    }

    async fn answer<B>(&self, found: Found<'_>, request: Request<'_, B>, seen: &mut Seen) -> Result<Response>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let Found { route, params } = found;
        let Request { parts, body, door, config, summary } = request;
        let writes = !parts.method.is_safe();
        let knock = Knock { headers: &parts.headers, peer: summary.peer, door, writes, access: route.access };
        let waits = !body.ended();
        let (mut caller, mut stale) = self.let_in(&knock, config, seen).await?;
        let limits = config.limits;
        let body = body.read(limits.body_bytes, Duration::from_secs(limits.body_seconds)).await?;
        if waits {
            (caller, stale) = self.let_in(&knock, &self.host.config.load_full(), seen).await?;
        }
        // A route that takes no body passes over whatever comes.
        if writes && route.takes.is_some() && !route.passes_over && !media::is_blank(&body) {
            media::check_json(&parts.headers)?;
        }
        // From here on it counts: what a client is slow to send costs little.
        seen.slot =
            caller.user_id().map(|user| self.under_way.begin(user, &limits)).transpose()?.map(Arc::new);
        let query = parts.uri.query();
        let by = By {
            host: self.host.clone(),
            caller,
            address: summary.peer.address,
            admin_mode: route.admin_mode && query.is_some_and(call::is_admin_mode),
            access: route.access,
        };
        let call = Call {
            by,
            peer: summary.peer,
            headers: std::mem::take(&mut parts.headers),
            params,
            query: query.map(str::to_owned),
            path: parts.uri.path().to_owned(),
            request: summary.id.clone(),
            router: self.router.clone(),
            body: Bytes::new(),
        };
        let mut response = if writes {
            Handler { running: Some(route.call(call, body)), rest: Some((&self.tasks, summary, seen)) }
                .await?
        } else {
            // A write is done, however long its answer is.
            let response = self.read(route, call, body).await?;
            if response.body().is_flow() {
                // Such streams have a bound of their own, and stay for hours.
                seen.slot = None;
            } else if let Some(slot) = &seen.slot {
                slot.hold(response.body().held_bytes())?;
            }
            response
        };
        if let Some(StaleCookie { key, set }) = stale
            && !response.headers().contains_key(SET_COOKIE)
        {
            response.headers_mut().insert(SET_COOKIE, set);
            self.host.sessions.cookie_sent(key);
        }
        Ok(response)
    }

    /// Who calls, if they may.
    async fn let_in(
        &self,
        knock: &Knock<'_>,
        config: &Config,
        seen: &mut Seen,
    ) -> Result<(Caller, Option<StaleCookie>)> {
        let (caller, stale) = match (knock.door, knock.access) {
            (Door::Operator, _) => (Caller::Operator, None),
            (Door::Network(_), Access::Public) => (Caller::Nobody, None),
            (Door::Network(_), _) => identify(&self.host, knock.headers, &knock.peer, config).await?,
        };
        seen.caller = caller.clone();
        // A browser sends cookies by itself, and nothing else that says who calls.
        if knock.writes && matches!(caller, Caller::Nobody | Caller::User { .. }) {
            origin::check_write(knock.headers, &knock.peer, &config.allowed_origins)?;
        }
        may_enter(&caller, knock.access, config)?;
        Ok((caller, stale))
    }

    /// Has something read that is answered only to whoever may still see it by then.
    async fn read(&self, route: &Route, call: Call, body: Bytes) -> Result<Response> {
        let admission = call.admission();
        let mut handler = Handler { running: Some(route.call(call, body)), rest: None };
        let at_once = poll_fn(|cx| Poll::Ready(Pin::new(&mut handler).poll(cx))).await;
        let response = match at_once {
            // No time has passed since it was decided that the caller may.
            Poll::Ready(response) => response?,
            Poll::Pending => {
                let response = handler.await?;
                admission.stands().await?;
                response
            }
        };
        Ok(response.map(|body| body.watched(async move { admission.over().await })))
    }
}

impl Service for Site {
    type Upgrade = Ticket;

    async fn serve<B>(&self, parts: &mut Parts, body: &mut RequestBody<B>, door: Door) -> Served<Ticket>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let started = Instant::now();
        let config = self.host.config.load_full();
        let peer = match door {
            Door::Network(socket) => {
                let peer = Peer::of(socket, &parts.headers, &config.trusted_proxies);
                if !peer.proxied {
                    self.hints.look(&parts.headers, peer.address);
                }
                peer
            }
            Door::Operator => Peer::LOCAL,
        };
        let id = request_id::of(&self.host.requests, &parts.headers, &peer);
        let summary = Summary::new(self.host.clone(), id, parts.method.clone(), peer, started);
        let path = parts.uri.path();
        let is_api = is_api(path);
        let found = self.router.find(&parts.method, path);
        let is_agent = found.as_ref().is_ok_and(|found| found.route.access == Access::Agent);
        let expects = parts.headers.contains_key(EXPECT);
        let upgrade = upgrade::is_asked(&parts.headers);
        let mut seen = Seen { caller: Caller::Nobody, subject: None, slot: None };
        let mut ticket = None;
        let mut close = is_agent;
        let mut reads_pages = false;

        let host = match door {
            Door::Network(_) => origin::check_host(parts, &peer, &config.allowed_hosts),
            Door::Operator => Ok(()),
        };
        let result = if let Err(error) = host {
            if let (true, Ok(found)) = (is_agent, &found) {
                summary.at(found.route.path.clone());
            }
            Err(error)
        } else {
            match found {
                Ok(found) if is_agent => {
                    summary.at(found.route.path.clone());
                    agent_door::admit(&self.host, &self.tasks, parts, peer, door).map(
                        |(response, admitted)| {
                            ticket = Some(admitted);
                            close = false;
                            response
                        },
                    )
                }
                Ok(found) => {
                    // A route for the rest, such as that of a page's files, stands for no one thing.
                    if !found.route.path.contains("{*") {
                        summary.at(found.route.path.clone());
                    }
                    seen.subject = found.subject();
                    let row = found.route.row();
                    reads_pages = row.or_login && envelope::reads_pages(&parts.headers);
                    let to_login = row.or_login && (parts.method.is_safe() || reads_pages);
                    let asked = to_login.then(|| parts.uri.clone());
                    let request = Request { parts, body, door, config: &config, summary: &summary };
                    let answer = within(summary.id.clone(), self.answer(found, request, &mut seen)).await;
                    match (asked, answer) {
                        (Some(asked), Err(e)) if e.kind() == Kind::Unauthenticated => {
                            envelope::to_login(&asked).map_err(|_| e)
                        }
                        (_, answer) => checked(row, answer),
                    }
                }
                Err(e) => Err(e),
            }
        };
        close |= result.as_ref().is_err_and(|error| error.kind() == Kind::TooSlow);
        let mut code = result.as_ref().err().map_or("refused", Error::code);
        let why = result.as_ref().err().filter(|_| reads_pages).map(|error| error.message().to_owned());
        let mut response = summary.ended(&seen, result);
        if let Some(message) = why {
            response = envelope::as_page(response, &message);
        }
        // A page is for browsers, and none of them: firmware that was given the wrong path would hang in it.
        if upgrade && ticket.is_none() && upgrade::is_page(&response) {
            *response.status_mut() = StatusCode::NOT_FOUND;
            code = "not_found";
        }
        if upgrade && (response.status().is_client_error() || response.status().is_server_error()) {
            close = true;
            response = upgrade::without_body(response, code);
            // The door logs those by itself, each of them.
            if !(is_agent && response.status() == StatusCode::UNAUTHORIZED) {
                self.refusals.add(peer.address, code);
            }
        }

        if !body.ended() && ticket.is_none() {
            // A client that waits for `100 Continue` has not sent its body and shall not.
            if !close && !expects {
                body.drain(config.limits.body_bytes).await;
            }
            close |= !body.ended();
        }
        let headers = response.headers_mut();
        if close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if is_api {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if ticket.is_none() {
            headers.insert(request_id::HEADER, summary.id.header());
        }
        if summary.method == Method::HEAD {
            bodiless(&mut response);
        }
        let held = seen.slot.map(|slot| slot as Arc<dyn Send + Sync>);
        Served { response, upgrade: ticket, unread: !body.ended(), held }
    }

    fn upgraded(&self, ticket: Ticket, stream: TcpStream, leftover: Bytes, place: impl Send + 'static) {
        self.host.control.attach(ticket, stream, leftover, place);
    }

    fn overload(&self, code: &'static str, message: &'static str, bare: bool) -> Response {
        let id = self.host.requests.fresh();
        let error = Error::new(Kind::Unavailable, code, message).retry_after(OVERLOADED);
        let mut response = envelope::failed(&error, &id);
        if bare {
            response = upgrade::without_body(response, code);
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(request_id::HEADER, id.header());
        response
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        peer::trusts(&self.host.config.load().trusted_proxies, address)
    }

    fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    fn bodies(&self) -> &Room {
        &self.bodies
    }
}

/// A route's handler at work. A panic in it is an error; and one that has a `rest` goes on if its client hangs up, among
/// the tasks there, and is noted as any other.
struct Handler<'a> {
    running: Option<BoxFuture<'static, Result<Response>>>,
    rest: Option<(&'a TaskTracker, &'a Summary, &'a Seen)>,
}

impl Future for Handler<'_> {
    type Output = Result<Response>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
        if !matches!(polled, Ok(Poll::Pending)) {
            self.running = None;
        }
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic.as_ref()))))
    }
}

impl Drop for Handler<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take()
            && let Some((tasks, summary, seen)) = self.rest
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (summary, seen) = (summary.taken_over(), seen.clone());
            let id = summary.id.clone();
            let rest = async move {
                let result = without_caller(Handler { running: Some(running), rest: None }).await;
                summary.ended(&seen, result);
            };
            let rest = within(id, rest);
            tasks.spawn_on(rest, &runtime);
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    Error::internal(format!("a handler panicked: {text}"))
}

/// Drops the body for `HEAD` and keeps its length.
fn bodiless(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = super::Body::default();
}
