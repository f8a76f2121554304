//! The way of one request: route → session or token → cross-site check → permission → second factor, where one is
//! demanded → body → handler → answer.
//!
//! Every end of it is the envelope, a panicking handler's included. A handler that writes runs to its end even if its
//! client hangs up: what follows a commit, such as telling the Agent Control Service, must not get lost.

use std::any::Any;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use tokio_util::task::TaskTracker;

use super::body::RequestBody;
use super::peer::{Hints, Peer};
use super::router::{Router, without_slash};
use super::summary::{Seen, Summary};
use super::{Access, Call, Method, Response, bearer, cookie, origin, response};
use crate::audit::refusal;
use crate::auth::session::SessionKey;
use crate::auth::{Caller, second_factor};
use crate::config::Config;
use crate::control::Ticket;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::registry::BoxFuture;

/// The one path that takes agents' WebSockets.
pub const AGENT_PATH: &str = "/api/agent-control-service";

/// What every request is served from.
pub(super) struct Site {
    pub(super) host: Arc<Host>,
    pub(super) router: Arc<Router>,
    /// Handlers that must come to their end, and the connections.
    pub(super) tasks: TaskTracker,
    /// Whether agents may connect here.
    agents: bool,
    requests: AtomicU64,
    hints: Hints,
}

/// Where a request came in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door {
    /// Over the network, from this address.
    Network(IpAddr),
    /// Over the local socket that only the server's owner can open.
    Operator,
}

/// What became of a request.
pub(super) struct Served {
    pub(super) response: Response,
    /// With a 101: the agent the connection belongs to from now on.
    pub(super) ticket: Option<Ticket>,
    /// Whether the client may still be sending a body that nobody reads.
    pub(super) unread: bool,
}

/// A session whose cookie the browser should get again.
struct StaleCookie {
    key: SessionKey,
    set: HeaderValue,
}

impl Site {
    pub(super) fn new(host: Arc<Host>, router: Arc<Router>) -> Self {
        Self {
            host,
            router,
            tasks: TaskTracker::new(),
            agents: true,
            requests: AtomicU64::new(1),
            hints: Hints::default(),
        }
    }

    /// The same without the agents' path.
    pub(super) fn without_agents(self) -> Self {
        Self { agents: false, ..self }
    }

    /// Serves one request. It is borrowed because the futures on its way would each hold it anew.
    pub(super) async fn serve<B>(&self, parts: &mut Parts, body: &mut RequestBody<B>, door: Door) -> Served
    where
        B: Body<Data = Bytes> + Unpin,
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
        let summary = Summary {
            id: self.requests.fetch_add(1, Ordering::Relaxed),
            method: parts.method.clone(),
            peer,
            started,
        };
        let path = parts.uri.path();
        let is_api = path == "/api" || path.starts_with("/api/");
        let is_agent = self.agents && without_slash(path) == AGENT_PATH;
        let expects = parts.headers.contains_key(EXPECT);
        let mut seen = Seen { route: "other", caller: Caller::Nobody, subject: None };
        let mut ticket = None;
        let mut close = false;

        let host = match door {
            Door::Network(_) => origin::check_host(parts, &peer, &config.allowed_hosts),
            Door::Operator => Ok(()),
        };
        if is_agent {
            seen.route = AGENT_PATH;
        }
        let result = if let Err(error) = host {
            Err(error)
        } else if is_agent {
            self.admit(parts, peer, door).map(|(response, admitted)| {
                ticket = Some(admitted);
                response
            })
        } else {
            self.answer(parts, body, peer, door, &mut seen).await
        };
        let route = seen.route;
        let mut response = result.unwrap_or_else(|error| {
            close = route == AGENT_PATH || error.kind() == Kind::RequestTimeout;
            summary.failed(route, &error);
            summary.refused(&self.host, &seen, &error);
            response::failed(&error)
        });

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
        if summary.method == Method::HEAD {
            bodiless(&mut response);
        }
        summary.done(&self.host, route, response.status().as_u16());
        Served { response, ticket, unread: !body.ended() }
    }

    /// The agents' door.
    fn admit(&self, parts: &Parts, peer: Peer, door: Door) -> Result<(Response, Ticket)> {
        if let Door::Operator = door {
            return Err(Error::invalid(
                "Agents connect to the server's network address, not to its local socket",
            ));
        }
        let origin_ok = origin::may_connect(&parts.headers, &peer, &self.host.config.load().allowed_origins);
        let admitted =
            self.host.control.admit(&parts.method, parts.version, &parts.headers, peer, origin_ok)?;
        if let Some((agent, until)) = admitted.1.retired_secret() {
            let host = self.host.clone();
            self.tasks.spawn(async move { host.old_secret_retired(agent, until).await });
        }
        Ok(admitted)
    }

    async fn answer<'a, B>(
        &'a self,
        parts: &mut Parts,
        body: &mut RequestBody<B>,
        peer: Peer,
        door: Door,
        seen: &mut Seen<'a>,
    ) -> Result<Response>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let found = self.router.find(&parts.method, parts.uri.path())?;
        let route = found.route;
        seen.route = &route.path;
        seen.subject = refusal::subject_of(&route.path, &found.params);
        let writes = !parts.method.is_safe();

        let (caller, stale) = match (door, route.access) {
            (Door::Operator, _) => (Caller::Operator, None),
            (Door::Network(_), Access::Public) => (Caller::Nobody, None),
            (Door::Network(_), _) => self.identify(&parts.headers, &peer).await?,
        };
        seen.caller = caller.clone();
        // A browser sends cookies by itself, and nothing else that says who calls.
        if writes && matches!(caller, Caller::Nobody | Caller::User { .. }) {
            origin::check_write(&parts.headers, &peer, &self.host.config.load().allowed_origins)?;
        }
        check_access(&caller, route.access)?;
        check_second_factor(&caller, route.access, &self.host.config.load())?;
        let limits = self.host.config.load().limits;
        let body = body.read(limits.body_bytes, Duration::from_secs(limits.body_seconds)).await?;
        if writes && !body.is_empty() && !is_json(&parts.headers) {
            return Err(Error::new(
                Kind::UnsupportedMedia,
                "unsupported_media_type",
                "The body must be JSON: send it with Content-Type: application/json",
            ));
        }
        let call = Call {
            host: self.host.clone(),
            caller,
            peer,
            headers: std::mem::take(&mut parts.headers),
            params: found.params,
            query: parts.uri.query().map(str::to_owned),
        };
        let handler = Handler { running: Some(route.call(call, body)), tasks: writes.then_some(&self.tasks) };
        let mut response = handler.await?;
        if let Some(StaleCookie { key, set }) = stale
            && !response.headers().contains_key(SET_COOKIE)
        {
            response.headers_mut().insert(SET_COOKIE, set);
            self.host.sessions.cookie_sent(key);
        }
        Ok(response)
    }

    /// Who the request's token or session says that calls. Where a token is sent it alone counts, good or not.
    async fn identify(&self, headers: &HeaderMap, peer: &Peer) -> Result<(Caller, Option<StaleCookie>)> {
        let host = &self.host;
        if let Some(sent) = bearer::token(headers) {
            let refused = || {
                Error::new(
                    Kind::Unauthenticated,
                    "invalid_token",
                    "The API token is not valid: it is mistyped, expired or revoked, or its user is gone",
                )
            };
            let token = host.tokens.find(sent).ok_or_else(refused)?;
            let account = host.accounts.get(token.row.user).await?.ok_or_else(refused)?;
            return Ok((Caller::Token { account, token }, None));
        }
        let mut brought = false;
        for token in cookie::tokens(headers) {
            brought = true;
            let Some(session) = host.sessions.find(token) else { continue };
            let Some(account) = host.accounts.get(session.user).await? else {
                host.sessions.forget_all_of(session.user, None);
                continue;
            };
            let stale = session.cookie_due.then(|| StaleCookie {
                key: session.key,
                set: cookie::set(&token.to_owned().into(), cookie::secure(&host.config.load(), peer)),
            });
            return Ok((Caller::User { account, session: session.key }, stale));
        }
        Err(Error::unauthenticated(if brought { "Invalid session" } else { "No session found" }))
    }
}

/// A route's handler at work. A panic in it is an error; and one that has `tasks` goes on among them if its client
/// hangs up.
struct Handler<'a> {
    running: Option<BoxFuture<'static, Result<Response>>>,
    tasks: Option<&'a TaskTracker>,
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
        if let Some(rest) = self.running.take()
            && let Some(tasks) = self.tasks
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            tasks.spawn_on(rest, &runtime);
        }
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
    Error::internal(format!("a handler panicked: {text}"))
}

/// Refuses a caller whom a route is not for.
fn check_access(caller: &Caller, access: Access) -> Result<()> {
    match access {
        Access::Public | Access::SignedIn => Ok(()),
        Access::Session | Access::SettingUp => caller.refuse_token(),
        Access::Needs(permission) => caller.require(permission),
        Access::Operator if caller.is_operator() => Ok(()),
        Access::Operator => Err(Error::forbidden(
            "Only whoever owns the server's data directory may do this, with the netignite command there",
        )),
    }
}

/// Refuses a user, and their tokens, from whom the configuration wants a second factor that they do not have: nothing
/// is open to them but setting it up.
fn check_second_factor(caller: &Caller, access: Access, config: &Config) -> Result<()> {
    if matches!(access, Access::Public | Access::SettingUp) {
        return Ok(());
    }
    match caller.account() {
        Some(account) if second_factor::is_missing(account, config) => Err(Error::new(
            Kind::Forbidden,
            "totp_setup_required",
            "Your role must have a second factor: log in and set it up with POST /api/account/totp first",
        )),
        _ => Ok(()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

/// Drops the body for `HEAD` and keeps its length.
fn bodiless(response: &mut Response) {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = super::Body::default();
}
