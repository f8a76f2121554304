//! The floors: what the same work costs with nothing of ours in it.

use std::convert::Infallible;
use std::io::Write;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Runs a floor as this process's role: prints its port, then serves until it is killed.
pub fn run(name: &str) {
    if name == "epoll" {
        return super::epoll::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let runtime = runtime.unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        std::io::stdout().flush().unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            match name {
                "hello" => drop(tokio::spawn(hello(stream))),
                "echo" => drop(tokio::spawn(echo(stream))),
                "websocket" => drop(tokio::spawn(websocket(stream))),
                other => panic!("no floor {other}"),
            }
        }
    });
}

/// As many threads as the server serves with: fewer wake each other less, which must not look like the server's merit.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1)
}

/// Bare hyper: a constant answer of the session's size.
async fn hello(stream: tokio::net::TcpStream) {
    const BODY: &str = r#"{"status":"OK","message":"Session retrieved","data":{"userID":1,"username":"admin","role":"admin","favorites":[],"expirationTimestamp":1700000000000}}"#;
    let service = service_fn(|_: Request<Incoming>| async {
        let mut response = Response::new(Full::new(Bytes::from_static(BODY.as_bytes())));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        Ok::<_, Infallible>(response)
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A raw TCP echo.
async fn echo(mut stream: tokio::net::TcpStream) {
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// A bare fastwebsockets echo behind a hand-written handshake that accepts anyone.
async fn websocket(mut stream: tokio::net::TcpStream) {
    let mut head = Vec::with_capacity(512);
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut head).await, Ok(1..)) {
            return;
        }
    }
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    if stream.write_all(answer.as_bytes()).await.is_err() {
        return;
    }
    let mut socket = fastwebsockets::WebSocket::after_handshake(stream, fastwebsockets::Role::Server);
    while let Ok(frame) = socket.read_frame().await {
        // Anew, because a frame that was read keeps its mask, and a server's must have none.
        let answer = fastwebsockets::Frame::new(true, frame.opcode, None, frame.payload);
        if frame.opcode == fastwebsockets::OpCode::Close || socket.write_frame(answer).await.is_err() {
            return;
        }
    }
}
