//! The handshake: what is one, whose it is, and what is answered.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hyper::header::{HeaderName, ORIGIN, SEC_WEBSOCKET_PROTOCOL};

use super::*;
use crate::error::Kind;

fn ask(control: &Arc<Control>, headers: &HeaderMap) -> Result<(Response<()>, Ticket)> {
    let admitted = control.admit(&Method::GET, Version::HTTP_11, headers, None, false);
    admitted.map_err(|refused| refused.error)
}

fn kind(result: Result<(Response<()>, Ticket)>) -> Option<Kind> {
    result.err().map(|e| e.kind())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).unwrap());
}

#[test]
fn a_good_handshake_is_answered_as_the_firmware_wants_it() {
    let (control, _) = service();
    let mut headers = headers(1, SECRET);
    set(&mut headers, SEC_WEBSOCKET_PROTOCOL, "arduino, other");
    set(&mut headers, ORIGIN, "file://");
    let (response, _ticket) = ask(&control, &headers).unwrap();
    assert_eq!(response.status(), 101);
    let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap());
    assert_eq!(header("connection"), Some("upgrade"));
    assert_eq!(header("upgrade"), Some("websocket"));
    assert_eq!(header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(header("sec-websocket-protocol"), Some("arduino"));
    assert_eq!(header("sec-websocket-extensions"), None);
    assert!(control.is_online(1));
}

#[test]
fn credentials_come_in_the_ways_clients_write_them() {
    let (control, _) = service();
    let text = format!("1:{SECRET}");
    let (padded, bare) = (STANDARD.encode(&text), STANDARD_NO_PAD.encode(&text));
    assert_ne!(padded, bare, "the text is chosen so that padding shows");
    for good in [format!("Basic {padded}"), format!("basic {bare}"), format!("BASIC  {bare} ")] {
        let mut headers = headers(1, SECRET);
        set(&mut headers, AUTHORIZATION, &good);
        assert!(ask(&control, &headers).is_ok(), "{good}");
    }
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let bad = [
        "Basic".to_owned(),
        "Basic !!!!".to_owned(),
        format!("Bearer {padded}"),
        basic("1"),
        basic("1:"),
        basic("1:correct"),
        basic(&format!("2 :{SECRET}")),
        basic(&format!("+1:{SECRET}")),
        basic(&format!("0x1:{SECRET}")),
        basic(&format!("99999999999999999999:{SECRET}")),
        basic(&format!("3:{SECRET}")),
        basic(&format!(":{SECRET}")),
        basic(""),
    ];
    for bad in bad {
        let mut headers = headers(1, SECRET);
        set(&mut headers, AUTHORIZATION, &bad);
        assert_eq!(kind(ask(&control, &headers)), Some(Kind::Unauthenticated), "{bad}");
    }
    let mut none = headers(1, SECRET);
    none.remove(AUTHORIZATION);
    assert_eq!(kind(ask(&control, &none)), Some(Kind::Unauthenticated));
}

#[test]
fn an_agent_with_an_empty_secret_never_connects() {
    let (control, _) = service();
    control.put(credential(3, AgentKind::Server, ""));
    assert!(admit(&control, 3, "").is_err());
    assert!(admit(&control, 3, "anything").is_err());
    assert!(!control.is_online(3));
}

#[test]
fn what_is_no_handshake_is_refused_by_its_kind() {
    let (control, _) = service();
    let good = headers(1, SECRET);
    let peer = None;
    let other = |method: Method, version| {
        kind(control.admit(&method, version, &good, peer, false).map_err(|refused| refused.error))
    };
    assert_eq!(other(Method::POST, Version::HTTP_11), Some(Kind::NotOffered));
    assert_eq!(other(Method::GET, Version::HTTP_10), Some(Kind::OtherProtocol));
    let cases = [
        (CONNECTION, Some("keep-alive"), Some(Kind::OtherProtocol)),
        (CONNECTION, None, Some(Kind::OtherProtocol)),
        (CONNECTION, Some("keep-alive, Upgrade"), None),
        (UPGRADE, Some("h2c"), Some(Kind::OtherProtocol)),
        (UPGRADE, Some("WebSocket"), None),
        (SEC_WEBSOCKET_VERSION, Some("8"), Some(Kind::OtherProtocol)),
        (SEC_WEBSOCKET_VERSION, None, Some(Kind::OtherProtocol)),
        (SEC_WEBSOCKET_KEY, None, Some(Kind::Invalid)),
        (SEC_WEBSOCKET_KEY, Some("c2hvcnQ="), Some(Kind::Invalid)),
    ];
    for (name, value, expected) in cases {
        let mut headers = good.clone();
        headers.remove(&name);
        if let Some(value) = value {
            set(&mut headers, name.clone(), value);
        }
        assert_eq!(kind(ask(&control, &headers)), expected, "{name}: {value:?}");
    }
}

#[test]
fn a_foreign_page_does_not_get_in() {
    let (control, _) = service();
    let peer = None;
    for (origin, ours, expected) in [
        ("https://evil.example", false, Kind::Forbidden),
        ("null", false, Kind::Forbidden),
        ("https://ours.example", true, Kind::Unauthenticated),
        ("file://", false, Kind::Unauthenticated),
    ] {
        let mut headers = headers(1, SECRET);
        set(&mut headers, ORIGIN, origin);
        let admit = |headers: &HeaderMap| {
            let result = control.admit(&Method::GET, Version::HTTP_11, headers, peer, ours);
            kind(result.map_err(|refused| refused.error))
        };
        // Whoever brings credentials is no page.
        assert_eq!(admit(&headers), None, "{origin}");
        headers.remove(AUTHORIZATION);
        assert_eq!(admit(&headers), Some(expected), "{origin}");
    }
}

#[test]
fn a_secret_shows_nowhere() {
    let digest = crate::model::credential::digest("hunter2hunter2");
    assert_eq!(format!("{digest:?}"), "Some(Digest(…))");
    assert_eq!(crate::model::credential::digest(""), None);
}
