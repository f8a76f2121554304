//! The webhook loses nothing: what happened while the other side was away, or the server was stopped, is sent later.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;

use netignite::prelude::*;
use netignite::testkit::{Directory, TestServer, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
// Its plugin is found when it is linked.
use webhook_plugin as _;

/// The other side: takes every post and keeps its body.
async fn other_side(listener: TcpListener, heard: Arc<Mutex<Vec<String>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = vec![0; 4096];
        let mut read = 0;
        while !request[..read].ends_with(b"}") {
            match stream.read(&mut request[read..]).await {
                Ok(more @ 1..) => read += more,
                _ => break,
            }
        }
        let text = String::from_utf8_lossy(&request[..read]).into_owned();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        heard.lock().unwrap().push(body.to_owned());
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    }
}

#[tokio::test]
async fn nothing_is_lost_at_a_stop() {
    // Nobody listens yet.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let section = || json!({ "url": format!("http://{address}/hook"), "allowPrivate": true });
    let directory = Arc::new(Directory::new());
    let server = TestServer::fresh_in(directory.clone(), [("webhook", section())]).await;
    let admin = server.admin().await;
    let agent = server.fake_agent(&admin, |_, _| "{}".to_owned()).await;
    until("the webhook to fail", async || (server.nobody().get("/readyz").await.status == 503).then_some(()))
        .await;
    server.stop().await;

    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(other_side(listener, heard.clone()));
    let _server = TestServer::fresh_in(directory, [("webhook", section())]).await;
    let wanted = [true, false].map(|online| json!({ "agent": agent.id, "online": online }).to_string());
    until("both events", async || (heard.lock().unwrap().len() == 2).then_some(())).await;
    assert_eq!(*heard.lock().unwrap(), wanted);
}

#[test]
fn everything_is_in_the_program() {
    netignite::testkit::assert_registered(env!("CARGO_MANIFEST_DIR"));
}
