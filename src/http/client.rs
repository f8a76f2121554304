//! A small HTTP client for the command line: one JSON request at a time to the server, over TCP or the local
//! operator's Unix socket, or to a host in this very process, as the local operator and without any socket.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::router::Router;
use super::service::{Door, Site};
use super::{Method, StatusCode};
use crate::host::Host;
use crate::local_socket;

/// How long a request may take, connecting included; longer than any handler does.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Where the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Its TCP address.
    Tcp(SocketAddr),
    /// Its Unix socket.
    Unix(PathBuf),
}

/// Sends one request and gives the answer's status and JSON; `null` for an answer without a JSON body.
///
/// # Errors
/// There is no server, or it does not answer within 30 s.
pub async fn request(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> io::Result<(StatusCode, Value)> {
    let exchange = async {
        match target {
            Target::Tcp(address) => {
                let host = address.to_string();
                send(TcpStream::connect(address).await?, &host, method, path, body).await
            }
            Target::Unix(socket) => {
                send(local_socket::connect(socket).await?, "localhost", method, path, body).await
            }
        }
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the server did not answer within 30 s");
    timeout(TIMEOUT, exchange).await.map_err(|_| late())?
}

/// Serves one request of the local operator in this process, with the same routes that a server has.
///
/// # Errors
/// The path is none.
pub async fn operate(
    host: &Arc<Host>,
    router: &Arc<Router>,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> io::Result<(StatusCode, Value)> {
    let request = build("localhost", method, path, body)?;
    let served = Site::new(host.clone(), router.clone()).serve(request, Door::Operator).await;
    let status = served.response.status();
    let body = served.response.into_body().collect().await.map_err(io::Error::other)?;
    Ok((status, serde_json::from_slice(&body.to_bytes()).unwrap_or_default()))
}

async fn send<T>(
    stream: T,
    host: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> io::Result<(StatusCode, Value)>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = build(host, method, path, body)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(io::Error::other)?;
        Ok((status, serde_json::from_slice(&body.to_bytes()).unwrap_or_default()))
    };
    // The connection must be driven for the exchange to move; what ends it early shows in the exchange.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

fn build(host: &str, method: Method, path: &str, body: Option<&Value>) -> io::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host)
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close");
    let mut bytes = Bytes::new();
    if let Some(body) = body {
        request = request.header(CONTENT_TYPE, "application/json");
        bytes = serde_json::to_vec(body)?.into();
    }
    request.body(Full::new(bytes)).map_err(io::Error::other)
}
