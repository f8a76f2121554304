//! `netignite agent` as a program: TLS, its refusals at start, its warnings, its end.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::support::binary::{command, run};
use super::support::wait::until;
use super::support::{Binary, soon};

const SECRET: &str = "correct horse battery staple";

fn agent(directory: &Path, server: &str) -> Command {
    let mut agent = command(directory, &["agent", "--server", server, "--id", "7"]);
    agent.env("NETIGNITE_AGENT_SECRET", SECRET);
    agent
}

/// A TLS server for `localhost`, and its certificate.
pub(super) async fn tls_server() -> (TcpListener, TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

async fn accept(listener: &TcpListener, tls: &TlsAcceptor) -> WebSocketStream<TlsStream<TcpStream>> {
    let (tcp, _) = soon("the agent", listener.accept()).await.unwrap();
    let stream = soon("the TLS handshake", tls.accept(tcp)).await.unwrap();
    soon("the handshake", tokio_tungstenite::accept_async(stream)).await.unwrap()
}

#[tokio::test]
async fn over_tls_it_works_runs_and_says_goodbye() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, tls, certificate) = tls_server().await;
    let trusted = directory.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["wss", "https"] {
        let mut program = agent(directory.path(), &format!("{scheme}://localhost:{port}"));
        program.env("SSL_CERT_FILE", &trusted);
        let program = Binary::spawn(program);
        let mut server = accept(&listener, &tls).await;
        server.send(Message::text("HEARTBEAT:1:{}")).await.unwrap();
        let reply = soon("the reply", server.next()).await.unwrap().unwrap();
        assert_eq!(reply.into_text().unwrap(), "HEARTBEAT:1:{}");

        program.signal(Signal::TERM);
        match soon("the goodbye", server.next()).await.unwrap().unwrap() {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1000),
            other => panic!("{other:?}"),
        }
        let _ = server.next().await;
        let (status, log) = program.ended().await;
        assert!(status.success(), "{log}");
        assert!(!log.contains("not encrypted") && !log.contains(SECRET), "{log}");
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, tls, _) = tls_server().await;
    let (_, _, other) = tls_server().await;
    let trusted = directory.path().join("trusted.pem");
    std::fs::write(&trusted, other).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut program = agent(directory.path(), &format!("wss://localhost:{port}"));
    program.env("SSL_CERT_FILE", &trusted);
    let program = Binary::spawn(program);
    let (tcp, _) = soon("the agent", listener.accept()).await.unwrap();
    assert!(soon("the TLS handshake", tls.accept(tcp)).await.is_err());
    program.line(&["not connected", "TLS", "certificate", "SSL_CERT_FILE"]).await;
}

#[tokio::test]
async fn tls_on_one_side_alone_is_reported_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, tls, _) = tls_server().await;
    let port = listener.local_addr().unwrap().port();

    let program = Binary::spawn(agent(directory.path(), &format!("http://localhost:{port}")));
    let (tcp, _) = soon("the agent", listener.accept()).await.unwrap();
    // The alert that this ends with is no HTTP.
    assert!(soon("the TLS handshake", tls.accept(tcp)).await.is_err());
    program.line(&["not connected", "check the port", "https://"]).await;

    let program = Binary::spawn(agent(directory.path(), &format!("https://localhost:{port}")));
    let (mut tcp, _) = soon("the agent", listener.accept()).await.unwrap();
    tcp.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    program.line(&["not connected", "no TLS at this port", "http://"]).await;
}

#[tokio::test]
async fn a_way_that_others_can_read_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let program = Binary::spawn(agent(directory.path(), "http://netignite.invalid:1"));
    program.line(&["not encrypted", "https://"]).await;
    program.line(&["not connected", "Trying again"]).await;
    program.signal(Signal::INT);
    let (status, log) = program.ended().await;
    assert!(status.success(), "{log}");

    let nobody: SocketAddr = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let program = Binary::spawn(agent(directory.path(), &format!("ws://{nobody}")));
    program.line(&["not connected", "Trying again"]).await;
    assert!(!program.log().contains("not encrypted"), "{}", program.log());
}

#[tokio::test]
async fn without_what_it_needs_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("empty"), "\n").unwrap();
    for (arguments, secret, words) in [
        (
            &["--server", "http://127.0.0.1:1", "--id", "7"][..],
            None,
            &["NETIGNITE_AGENT_SECRET", "--secret-file"][..],
        ),
        (&["--server", "http://127.0.0.1:1", "--id", "7"], Some(""), &["NETIGNITE_AGENT_SECRET", "empty"]),
        (
            &["--server", "http://127.0.0.1:1", "--id", "7", "--secret-file", "empty"],
            Some(SECRET),
            &["empty"],
        ),
        (&["--server", "http://127.0.0.1:1", "--id", "7", "--secret-file", "none"], Some(SECRET), &["none"]),
        (&["--server", "netignite.example", "--id", "7"], Some(SECRET), &["--server", "scheme"]),
        (&["--server", "http://7:hunter22@nas", "--id", "7"], Some(SECRET), &["must not hold"]),
    ] {
        let mut program = command(directory.path(), &["agent"]);
        program.args(arguments).stdin(Stdio::null());
        if let Some(secret) = secret {
            program.env("NETIGNITE_AGENT_SECRET", secret);
        }
        let (status, said) = run(program).await;
        assert_eq!(status.code(), Some(1), "{arguments:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
        assert!(!said.contains("hunter22") && !said.contains(SECRET), "{said}");
    }
}

#[tokio::test]
async fn it_stops_when_asked_even_while_the_system_keeps_it_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut program = agent(directory.path(), &format!("http://{nobody}"));
    program.env_remove("NETIGNITE_AGENT_SECRET").arg("--secret-file").arg(&secret);
    let program = Binary::spawn(program);
    program.line(&["not connected", "Trying again"]).await;

    // A pipe that somebody holds open and writes nothing into: reading the secret anew does not end.
    let pipe = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    std::fs::rename(&pipe, &secret).unwrap();
    let _held = until("the agent to read its secret", || {
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
        let opened = rustix::fs::open(&secret, flags, rustix::fs::Mode::empty()).ok();
        async { opened }
    })
    .await;
    program.signal(Signal::TERM);
    let (status, log) = program.ended().await;
    assert!(status.success(), "{log}");
}
