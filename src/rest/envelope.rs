//! The envelope: from results to HTTP answers, in the only place that does it.

use bytes::Bytes;
use hyper::header::{
    ACCEPT, ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, VARY, X_FRAME_OPTIONS,
};
use serde::Serialize;

use super::{Answer, Body, Data, Raw, Response, StatusCode, escaped};
use crate::error::{Error, FieldError, Kind, Result};
use crate::model::request_id::RequestId;
use crate::text::harmless;

#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    message: &'a str,
    data: Option<&'a serde_json::Value>,
    code: &'a str,
    #[serde(rename = "agentCode", skip_serializing_if = "Option::is_none")]
    agent_code: Option<&'a str>,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(rename = "requestID")]
    request_id: &'a str,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The envelope of a success.
///
/// # Errors
/// The data cannot be written as JSON.
pub fn enveloped<T: Data>(answer: Answer<T>, id: &RequestId) -> Result<Response> {
    let Answer { status, message, data, headers } = answer;
    let mut body = Vec::with_capacity(1024);
    body.extend_from_slice(br#"{"status":"OK","message":"#);
    harmless(message).append_to(&mut body)?;
    body.extend_from_slice(br#","data":"#);
    let mut rest = None;
    match data {
        Some(mut data) => {
            data.append_to(&mut body)?;
            rest = data.rest();
        }
        None => body.extend_from_slice(b"null"),
    }
    let end = |json: &mut Vec<u8>| {
        json.extend_from_slice(br#","requestID":"#);
        id.as_str().append_to(json)?;
        json.push(b'}');
        Ok::<_, Error>(())
    };
    let body = match rest {
        Some(rest) => {
            let mut last = Vec::new();
            end(&mut last)?;
            Body::between(body.into(), rest, last.into())
        }
        None => {
            end(&mut body)?;
            Bytes::from(body).into()
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// An answer outside the envelope.
///
/// # Errors
/// In debug builds, and so in every test: it sets a header that the server sets itself. Other builds leave that out.
pub fn raw(answer: Raw) -> Result<Response> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let is_document = is_document(&answer.content_type);
    if is_document {
        for (name, value) in FOR_DOCUMENTS {
            headers.insert(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, answer.content_type);
    for (name, value) in answer.headers {
        // Of several policies a browser keeps to all, so that a further one can only be stricter.
        let further = name == CONTENT_SECURITY_POLICY;
        let of_document = is_document && !further && FOR_DOCUMENTS.iter().any(|(own, _)| *own == name);
        if of_document || name == CONTENT_TYPE {
            if cfg!(debug_assertions) {
                let why =
                    format!("An answer sets the header {name}, which the server sets itself: leave it out");
                return Err(Error::new(Kind::Internal, "internal", why.clone()).detail(why));
            }
            continue;
        }
        headers.append(name, value);
    }
    Ok(response)
}

/// The way to the login's page, and from there back to what was asked for.
///
/// # Errors
/// What was asked for cannot stand in a header.
pub(super) fn to_login(asked: &hyper::Uri) -> Result<Response> {
    let path = asked.path_and_query().map_or("/", |path| path.as_str());
    let next = form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
    Raw::see_other(&format!("/?next={next}")).and_then(raw)
}

/// Whether whoever asks reads pages, as a browser does that follows a link or sends a form.
pub(super) fn reads_pages(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}

/// An error as a page for people, with all else that its answer has.
pub(super) fn as_page(mut failed: Response, message: &str) -> Response {
    let status = failed.status();
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{status}</title><h1>{status}</h1><p>{}</p>",
        escaped(&harmless(message.into()))
    );
    *failed.body_mut() = html.into();
    let headers = failed.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    for (name, value) in FOR_DOCUMENTS {
        headers.insert(name, value);
    }
    failed
}

/// What every document is served with, whoever serves it: nothing runs, loads, frames or is reached but what this server
/// serves, and other servers are sent nothing.
pub(super) const FOR_DOCUMENTS: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'self'; form-action 'self'; \
             frame-ancestors 'none'",
        ),
    ),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// Whether a browser shows a media type as a document, which can run scripts.
fn is_document(media_type: &HeaderValue) -> bool {
    let text = media_type.as_bytes();
    [&b"text/html"[..], b"image/svg+xml", b"application/xhtml+xml"].iter().any(|kind| text.starts_with(kind))
}

/// The HTTP status of an error's class.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::NotOffered => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Unreadable => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Reused => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Kind::AgentFailed => StatusCode::BAD_GATEWAY,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Kind::OtherProtocol => StatusCode::UPGRADE_REQUIRED,
    }
}

/// The envelope of an error. What only the log may know is left to whoever knows the request.
pub fn failed(error: &Error, id: &RequestId) -> Response {
    let mut response = Response::new(failed_text(error, id).into());
    *response.status_mut() = status(error.kind());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if error.kind() == Kind::OtherProtocol {
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    if let Some(after) = error.retry_delay() {
        // Rounded up: a client that waits as long must not come too early.
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0)));
    }
    if let Some(allow) = error.offered().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(path) = error.operation().and_then(|path| HeaderValue::from_str(path).ok()) {
        headers.insert(LOCATION, path);
        // Whoever would rather not wait for its end prefers so.
        headers.insert(VARY, HeaderValue::from_static("Prefer"));
    }
    response
}

/// The envelope of an error as text.
fn failed_text(error: &Error, id: &RequestId) -> String {
    // Harmless since it was set; but this is the door.
    let message = harmless(error.message().into());
    let failure = Failure {
        status: "ERROR",
        message: &message,
        data: error.data(),
        code: error.code(),
        agent_code: error.agent_code(),
        errors: error.fields(),
        request_id: id.as_str(),
    };
    serde_json::to_string(&failure).unwrap_or_default()
}
