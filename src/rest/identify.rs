//! Who calls, by the token or the session's cookie that a request brings.

use super::{HeaderMap, HeaderValue};
use crate::auth::Caller;
use crate::config::Config;
use crate::domain::admission::{bad_token, session_over};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::http::peer::Peer;
use crate::http::{bearer, cookie};
use crate::model::digest::Digest;

/// A session whose cookie the browser should get again.
pub(super) struct StaleCookie {
    pub(super) key: Digest,
    pub(super) set: HeaderValue,
}

/// Who the request's token or session says that calls. Where a token is sent it alone counts, good or not.
///
/// # Errors
/// 401 if neither is good.
pub(super) async fn identify(
    host: &Host,
    headers: &HeaderMap,
    peer: &Peer,
    config: &Config,
) -> Result<(Caller, Option<StaleCookie>)> {
    if let Some(sent) = bearer::token(headers) {
        let token = host.tokens.find(sent).ok_or_else(bad_token)?;
        let account = host.accounts.get(token.row.user).await?.ok_or_else(bad_token)?;
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
            set: cookie::set(&token.to_owned().into(), cookie::secure(config, peer)),
        });
        return Ok((Caller::User { account, session: session.key }, stale));
    }
    Err(if brought { session_over() } else { Error::unauthenticated("No session found") })
}
