//! How an agent gets in, and who does not: the handshake on the Agent Control Service's path.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Error;

use crate::support::firmware::{Frame, Heard, PATH, PING, basic, handshake, key};
use crate::support::raw::{RawAnswer, RawConnection, exchange};
use crate::support::scene::SECRET;
use crate::support::{Agent, Firmware, Scene};

/// Whether a handshake with this `Authorization` is let in.
async fn admitted(scene: &Scene, authorization: &str) -> bool {
    let key = key();
    let request = handshake(scene.server.address(), authorization, &key);
    Firmware::dial(scene.server.address(), &request, &key).await.is_ok()
}

/// The answer to the firmware's handshake with `from` replaced by `to`.
async fn altered(scene: &Scene, from: &str, to: &str) -> RawAnswer {
    let address = scene.server.address();
    let request = handshake(address, &basic(scene.agent, SECRET), "dGhlIHNhbXBsZSBub25jZQ==");
    assert!(request.contains(from), "{from:?} is not in the handshake");
    exchange(address, &request.replace(from, to)).await
}

/// The firmware's handshake without credentials and with this `Origin`.
fn without_credentials(scene: &Scene, origin: &str) -> String {
    let good = basic(scene.agent, SECRET);
    let request = handshake(scene.server.address(), &good, &key());
    request.replace(&format!("Authorization: {good}\r\n"), "").replace("Origin: file://\r\n", origin)
}

/// Checks a refusal: whoever asked for a WebSocket reads the reason in a header and gets no body, the others get the
/// envelope.
fn assert_error(answer: &RawAnswer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    if answer.header("NetIgnite-Error").is_some() {
        assert_eq!((answer.header("Content-Length"), answer.body.len()), (Some("0"), 0), "{answer:?}");
        return;
    }
    let body = answer.json();
    assert_eq!(body["status"], "ERROR", "{answer:?}");
    assert!(body["message"].is_string() && body["code"].is_string() && body["data"].is_null(), "{answer:?}");
}

#[tokio::test]
async fn the_firmware_gets_the_answer_it_insists_on() {
    let scene = Scene::new("microcontroller").await;
    let answer = altered(&scene, "arduino\r\n", "arduino\r\n").await;
    assert_eq!(answer.status, 101);
    assert!(answer.header("Connection").unwrap().eq_ignore_ascii_case("upgrade"), "{answer:?}");
    assert!(answer.header("Upgrade").unwrap().eq_ignore_ascii_case("websocket"), "{answer:?}");
    // The example of RFC 6455, section 1.3.
    assert_eq!(answer.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), Some("arduino"));
    assert_eq!(answer.header("Sec-WebSocket-Extensions"), None);
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn of_several_subprotocols_the_first_is_answered() {
    let scene = Scene::new("server").await;
    let answer = altered(&scene, "Protocol: arduino", "Protocol: netignite.v2, arduino").await;
    assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, Some("netignite.v2")));
    let answer = altered(&scene, "Protocol: arduino", "Protocol: one\r\nSec-WebSocket-Protocol: two").await;
    assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, Some("one")));
}

#[tokio::test]
async fn without_a_subprotocol_none_is_answered() {
    let scene = Scene::new("server").await;
    let answer = altered(&scene, "Sec-WebSocket-Protocol: arduino\r\n", "").await;
    assert_eq!((answer.status, answer.header("Sec-WebSocket-Protocol")), (101, None));
}

#[tokio::test]
async fn an_independent_client_connects() {
    let scene = Scene::new("server").await;
    let mut agent = Agent::connect(scene.server.address(), scene.agent, SECRET).await;
    let wake = scene.wake();
    let command = agent.message().await;
    agent.reply(&command, r#"{"status":"OK","message":"sent"}"#).await;
    wake.answer().await.expect(200);
}

#[tokio::test]
async fn other_clients_ways_of_asking_are_understood() {
    let scene = Scene::new("server").await;
    for (from, to) in [
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "connection: upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        ("Upgrade: websocket", "Upgrade: WebSocket"),
        ("Origin: file://", "Sec-WebSocket-Extensions: permessage-deflate"),
    ] {
        let answer = altered(&scene, from, to).await;
        assert_eq!(answer.status, 101, "{to:?}: {answer:?}");
        assert_eq!(answer.header("Sec-WebSocket-Extensions"), None, "{to:?}");
    }
}

#[tokio::test]
async fn a_secret_may_hold_colons() {
    let scene = Scene::new("server").await;
    let secret = "with:colons::in it:";
    let agent = scene.admin.create_agent("server", secret).await;
    assert!(admitted(&scene, &basic(agent, secret)).await);
    assert!(!admitted(&scene, &basic(agent, "with")).await, "the part before the colon is not the secret");
}

#[tokio::test]
async fn a_secret_may_hold_any_letters() {
    let scene = Scene::new("server").await;
    let secret = "sécret☃ мой пароль";
    let agent = scene.admin.create_agent("server", secret).await;
    assert!(admitted(&scene, &basic(agent, secret)).await);
}

#[tokio::test]
async fn scheme_case_and_padding_do_not_matter() {
    let scene = Scene::new("server").await;
    // One secret for each length modulo three, so that each padding is met.
    for secret in ["a longer padding", "a longer padding-", "a longer padding--"] {
        let agent = scene.admin.create_agent("server", secret).await;
        let plain = format!("{agent}:{secret}");
        for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
            for encoded in [STANDARD.encode(&plain), STANDARD_NO_PAD.encode(&plain)] {
                assert!(admitted(&scene, &format!("{scheme} {encoded}")).await, "{scheme} {encoded}");
            }
        }
    }
}

#[tokio::test]
async fn an_id_is_a_plain_decimal_integer() {
    let scene = Scene::new("server").await;
    let id = scene.agent;
    for odd in [
        format!("+{id}"),
        format!(" {id}"),
        format!("{id} "),
        format!("-{id}"),
        format!("{id}.0"),
        format!("0x{id}"),
        format!("{id}e0"),
        String::new(),
        "99999999999999999999999999".to_owned(),
        "१".to_owned(),
    ] {
        assert!(!admitted(&scene, &basic(&odd, SECRET)).await, "{odd:?}");
    }
    assert!(admitted(&scene, &basic(id, SECRET)).await);
}

#[tokio::test]
async fn wrong_credentials_are_answered_before_the_upgrade() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    let good = basic(scene.agent, SECRET);
    let long = basic(scene.agent, &"x".repeat(4000));
    let unknown = basic(scene.agent + 1000, SECRET);
    let bearer = good.replace("Basic", "Bearer");
    let no_colon = format!("Basic {}", STANDARD.encode("1"));
    let other_alphabet = format!("Basic {}", STANDARD.encode([0xFF, 0xFE, b':', 0xFF]));
    for authorization in [
        &basic(scene.agent, "wrong secret"),
        &basic(scene.agent, &format!("{SECRET} ")),
        &basic(scene.agent, &SECRET[..SECRET.len() - 1]),
        &basic(scene.agent, ""),
        &unknown,
        &long,
        &bearer,
        &no_colon,
        &other_alphabet,
        "Basic",
        "Basic ",
        "Basic !!!!",
        "",
    ] {
        let mut connection = RawConnection::open(address).await;
        connection.send(handshake(address, authorization, &key())).await;
        let answer = connection.answer().await.expect("an answer");
        assert_error(&answer, 401);
        assert!(
            answer.header("Connection").unwrap().eq_ignore_ascii_case("close"),
            "{authorization}: {answer:?}"
        );
        assert_eq!(answer.header("WWW-Authenticate"), None);
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        connection.closed().await;
    }
    let answer = altered(&scene, &format!("Authorization: {good}\r\n"), "").await;
    assert_error(&answer, 401);
    assert!(answer.header("Connection").unwrap().eq_ignore_ascii_case("close"), "{answer:?}");
    assert_eq!(answer.header("WWW-Authenticate"), None);
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
}

#[tokio::test]
async fn an_independent_client_reads_the_refusal() {
    let scene = Scene::new("server").await;
    let refused = Agent::try_connect(scene.server.address(), scene.agent, "wrong secret").await;
    match refused.map(drop).map_err(|e| *e) {
        Err(Error::Http(response)) => assert_eq!(response.status(), 401),
        other => panic!("expected a 401, got {other:?}"),
    }
}

#[tokio::test]
async fn a_foreign_page_does_not_get_in() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    for origin in [
        "http://evil.example".to_owned(),
        "https://evil.example:8443".to_owned(),
        "HTTPS://evil.example".to_owned(),
        format!("http://{address}.evil.example"),
        format!("http://evil.example/{address}"),
        "http://".to_owned(),
    ] {
        let answer = exchange(address, &without_credentials(&scene, &format!("Origin: {origin}\r\n"))).await;
        assert_error(&answer, 403);
        assert_eq!(answer.header("NetIgnite-Error"), Some("foreign_origin"));
    }
    // Others are asked for credentials, and with these nobody is asked for an origin.
    for own in [
        format!("Origin: http://{address}\r\n"),
        format!("Origin: ws://{address}\r\n"),
        format!("Origin: wss://{}\r\n", address.ip()),
        "Origin: file://\r\n".to_owned(),
        String::new(),
    ] {
        let answer = exchange(address, &without_credentials(&scene, &own)).await;
        assert_error(&answer, 401);
    }
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
}

#[tokio::test]
async fn a_listed_origin_is_asked_for_credentials() {
    let server = crate::support::Server::start_with(|config| {
        config.allowed_origins = vec!["https://home.example".to_owned()];
    })
    .await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    for (origin, status) in [
        ("https://home.example", 401),
        ("https://home.example.evil.example", 403),
        ("https://other.example", 403),
    ] {
        let credentials = basic(agent, SECRET);
        let request = handshake(server.address(), &credentials, &key());
        let request = request.replace("Origin: file://", &format!("Origin: {origin}"));
        // The remedy of the refusal: send the ID and the secret.
        let bare = request.replace(&format!("Authorization: {credentials}\r\n"), "");
        let answer = exchange(server.address(), &bare).await;
        assert_eq!(answer.status, status, "{origin}: {answer:?}");
        let answer = exchange(server.address(), &request).await;
        assert_eq!(answer.status, 101, "{origin}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_websocket_handshake_is_refused() {
    let scene = Scene::new("server").await;
    for (from, to) in [
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket\r\n", ""),
        ("Connection: Upgrade", "Connection: keep-alive"),
        ("GET ", "POST "),
        ("GET ", "PUT "),
    ] {
        let answer = altered(&scene, from, to).await;
        assert!((400..500).contains(&answer.status), "{to:?}: {answer:?}");
        assert_error(&answer, answer.status);
    }
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
}

#[tokio::test]
async fn upgrades_are_taken_on_one_path_alone() {
    let scene = Scene::new("server").await;
    for path in [
        "/",
        "/api",
        "/api/agents",
        "/api/auth/session",
        "/api/agent-control-service/ws",
        "/api/agent-control-servicex",
        "/agent-control-service",
        "/livez",
        "/_ws",
    ] {
        let answer = altered(&scene, PATH, path).await;
        assert_ne!(answer.status, 101, "{path}");
    }
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
}

#[tokio::test]
async fn a_frame_right_behind_the_handshake_is_not_lost() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    let key = key();
    let mut bytes = handshake(address, &basic(scene.agent, SECRET), &key).into_bytes();
    let (header, payload) = Frame::new(PING, "early").encode();
    bytes.extend(header);
    bytes.extend(payload);
    let mut connection = RawConnection::open(address).await;
    connection.send(bytes).await;
    let mut firmware = Firmware::judge(connection, &key).await.expect("admitted");
    assert_eq!(firmware.heard().await, Heard::Pong(b"early".to_vec()));
}

#[tokio::test]
async fn a_handshake_may_come_byte_by_byte() {
    let scene = Scene::new("server").await;
    let address = scene.server.address();
    let key = key();
    let mut connection = RawConnection::open(address).await;
    for byte in handshake(address, &basic(scene.agent, SECRET), &key).bytes() {
        connection.stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let firmware = Firmware::judge(connection, &key).await;
    assert!(firmware.is_ok());
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
}
