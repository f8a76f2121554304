//! Servers that refuse a handshake, or are none.

use super::*;

/// Connects to a server that gives one fixed answer.
async fn refused_by(answer: &'static str) -> ConnectError {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (listener, url) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = stream.read(&mut [0; 16]).await;
    });
    let connector = Connector::new(ServerUrl::parse(&url).unwrap(), 7, &Registry::build().unwrap()).unwrap();
    let refusal = soon(connector.connect(&"s3cret".into())).await.expect_err("no connection");
    server.abort();
    refusal
}

#[tokio::test]
async fn a_refusal_is_reported_as_one_in_the_servers_words() {
    let refusal = refused_by("HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}").await;
    assert!(matches!(refusal, ConnectError::Unauthorized) && refusal.lasts());
    assert!(refusal.to_string().contains("check --id and the secret"));

    let refusal =
        refused_by("HTTP/1.1 404 Not Found\r\ncontent-length: 23\r\n\r\n{\"message\":\"No\\u0007thing\"}")
            .await;
    assert!(refusal.lasts(), "{refusal}");
    assert!(!refusal.to_string().contains('\u{7}'));

    let refusal =
        refused_by("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 18\r\n\r\n{\"message\":\"Full\"}")
            .await;
    assert!(!refusal.lasts());
    assert_eq!(refusal.to_string(), "the server answered 503 Service Unavailable (Full)");

    let refusal = refused_by("SSH-2.0-OpenSSH_9.9\r\n").await;
    assert!(matches!(refusal, ConnectError::Unreachable(_)) && !refusal.lasts());

    let wrong_accept = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let refusal = refused_by(wrong_accept).await;
    assert!(refusal.to_string().contains("does not fit"), "{refusal}");
}

#[tokio::test]
async fn a_server_without_tls_is_distinguished_from_one_that_is_down() {
    let (listener, url) = listen().await;
    let url = url.replace("ws://", "wss://");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        drop(stream);
    });
    let connector = Connector::new(ServerUrl::parse(&url).unwrap(), 7, &Registry::build().unwrap()).unwrap();
    let refusal = soon(connector.connect(&"s3cret".into())).await.expect_err("no connection");
    assert!(refusal.to_string().starts_with("TLS: "), "{refusal}");
    server.await.unwrap();
}
