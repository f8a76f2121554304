//! An agent's WebSocket handshake: is it one, may its page ask, who does it claim to be, and what is the answer.
//!
//! Judged from the request's head alone. The library computes the accept key and builds the 101; what it leaves
//! unchecked is checked here. Extensions are never negotiated, and no answer invites a browser to ask for a password.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::header::{
    AUTHORIZATION, AsHeaderName, CONNECTION, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Method, Request, Response, Version};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::model::audit::Action;
use crate::model::digest::Digest;
use crate::model::id::parse_id;

/// Base64 whose padding is optional.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// The bytes of a handshake's key.
const KEY: usize = 16;

/// Who an agent claims to be.
pub struct Claim {
    /// Its ID.
    pub id: i64,
    /// The digest of the secret it gave.
    pub digest: Digest,
}

/// Judges a handshake: the 101 to answer, and who claims to be there. Credentials come before the origin. `origin_ok` says whether an `http(s)` Origin is
/// one of ours.
///
/// # Errors
/// 405, 426 or 400 for what is no WebSocket handshake, without usable credentials 403 for a foreign Origin and 401 else.
pub fn judge(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    origin_ok: bool,
) -> Result<(Response<()>, Claim)> {
    let answer = upgrade(method, version, headers)?;
    // A page cannot set the header of credentials, so whoever brings them is none, whatever origin a library made up.
    if let Some(claim) = claim(headers) {
        return Ok((answer, claim));
    }
    match headers.get(ORIGIN).map(HeaderValue::as_bytes) {
        None | Some(b"file://") => {}
        Some(_) if origin_ok => {}
        Some(_) => {
            return Err(Error::new(
                Kind::Forbidden,
                "foreign_origin",
                "Web pages of another origin may not connect here, and no credentials came with the request. An agent \
                 sends its ID and secret as Authorization: Basic.",
            ));
        }
    }
    Err(refused().refusing(Action::AgentConnect, None))
}

/// The answer to wrong or missing credentials; it does not tell which.
pub(super) fn refused() -> Error {
    Error::unauthenticated(
        "Unknown agent or wrong secret. Check the ID and the secret the agent is set up with.",
    )
}

/// Whether the request is a WebSocket handshake, and the 101 to answer.
fn upgrade(method: &Method, version: Version, headers: &HeaderMap) -> Result<Response<()>> {
    if method != Method::GET {
        return Err(Error::new(
            Kind::NotOffered,
            "method_not_allowed",
            "Agents connect here with GET and a WebSocket handshake.",
        )
        .offering("GET"));
    }
    if version != Version::HTTP_11
        || !lists(headers, CONNECTION, "upgrade")
        || !lists(headers, UPGRADE, "websocket")
    {
        return Err(upgrade_required(
            "Agents connect here by WebSocket: a handshake over HTTP/1.1 is expected.",
        ));
    }
    if single(headers, SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes) != Some(b"13") {
        return Err(upgrade_required("Only version 13 of the WebSocket protocol is spoken here."));
    }
    let key = single(headers, SEC_WEBSOCKET_KEY)
        .filter(|key| BASE64.decode(key.as_bytes()).is_ok_and(|key| key.len() == KEY))
        .ok_or_else(|| {
            Error::new(
                Kind::Invalid,
                "invalid_handshake",
                "The WebSocket handshake has no valid Sec-WebSocket-Key: 16 bytes in base64 are expected.",
            )
        })?;
    // The library wants a request; these two headers are all it reads of it.
    let mut request = Request::new(());
    request.headers_mut().insert(SEC_WEBSOCKET_KEY, key.clone());
    request.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let (answer, _) = fastwebsockets::upgrade::upgrade(&mut request).map_err(Error::internal)?;
    let mut answer = answer.map(drop);
    if let Some(protocol) = first_protocol(headers) {
        answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    Ok(answer)
}

fn upgrade_required(message: &'static str) -> Error {
    Error::new(Kind::OtherProtocol, "upgrade_required", message)
}

/// The only header of a name.
fn single(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// The items of a header that holds a list.
fn items(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii)
}

fn lists(headers: &HeaderMap, name: impl AsHeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// The first subprotocol the agent offers.
fn first_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let first = items(headers, SEC_WEBSOCKET_PROTOCOL).find(|item| !item.is_empty())?;
    HeaderValue::from_bytes(first).ok()
}

/// Who the agent claims to be: `Basic base64(ID:secret)`, split at the first colon.
fn claim(headers: &HeaderMap) -> Option<Claim> {
    let value = single(headers, AUTHORIZATION)?.as_bytes();
    let space = value.iter().position(|&b| b == b' ')?;
    let (scheme, encoded) = value.split_at(space);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(encoded.trim_ascii()).ok()?);
    let colon = decoded.iter().position(|&b| b == b':')?;
    let id = parse_id(std::str::from_utf8(&decoded[..colon]).ok()?)?;
    let secret = &decoded[colon + 1..];
    (!secret.is_empty()).then(|| Claim { id, digest: Digest::of(secret) })
}
