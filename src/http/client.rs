//! A small HTTP client for the command line: one JSON request at a time to the server, over TCP, the local operator's
//! Unix socket, or whatever connection the caller made.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Method, StatusCode};
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
    request_with(target, build(&host_of(target), method, path, body)?).await
}

/// [`request`] with a request that has headers of its own.
pub(crate) async fn request_with(
    target: &Target,
    request: Request<Full<Bytes>>,
) -> io::Result<(StatusCode, Value)> {
    timeout(TIMEOUT, exchange(target, request, read_whole)).await.map_err(|_| late())?
}

/// [`request_with`] over a connection that was made already.
pub(crate) async fn request_over(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> io::Result<(StatusCode, Value)> {
    let exchange = async { read_whole(sender.send_request(request).await.map_err(io::Error::other)?).await };
    timeout(TIMEOUT, exchange).await.map_err(|_| late())?
}

/// How a download ended.
#[derive(Debug)]
pub enum Downloaded {
    /// All of it was taken.
    Whole,
    /// Whoever takes the parts takes no more.
    Stopped(io::Error),
    /// The server refused, with this answer.
    Refused(StatusCode, Value),
}

/// Gets an answer of any size, and gives each part of it to `take` as it comes.
///
/// # Errors
/// There is no server, it is silent for 30 s, or it breaks the answer off.
pub async fn download(
    target: &Target,
    path: &str,
    take: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Downloaded> {
    download_with(target, build(&host_of(target), Method::GET, path, None)?, take).await
}

/// [`download`] with a request that has headers of its own.
pub(crate) async fn download_with(
    target: &Target,
    request: Request<Full<Bytes>>,
    take: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Downloaded> {
    exchange(target, request, async |response| read_parts(response, take).await).await
}

/// [`download_with`] over a connection that was made already.
pub(crate) async fn download_over(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    take: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Downloaded> {
    let response = timeout(TIMEOUT, sender.send_request(request)).await.map_err(|_| late())?;
    read_parts(response.map_err(io::Error::other)?, take).await
}

/// The value of the `Host` header for a target.
fn host_of(target: &Target) -> String {
    match target {
        Target::Tcp(address) => address.to_string(),
        Target::Unix(_) => "localhost".to_owned(),
    }
}

/// Connects, sends a request and has `read` read what is answered.
async fn exchange<R>(
    target: &Target,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(hyper::Response<Incoming>) -> io::Result<R>,
) -> io::Result<R> {
    match target {
        Target::Tcp(address) => send(TcpStream::connect(address).await?, request, read).await,
        Target::Unix(socket) => send(local_socket::connect(socket).await?, request, read).await,
    }
}

/// Reads an answer part by part; a refusal whole.
pub(crate) async fn read_parts<B>(
    response: hyper::Response<B>,
    take: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Downloaded>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    if !response.status().is_success() {
        let (status, answer) = read_whole(response).await?;
        return Ok(Downloaded::Refused(status, answer));
    }
    let mut body = response.into_body();
    while let Some(frame) = timeout(TIMEOUT, body.frame()).await.map_err(|_| late())? {
        let Ok(part) = frame.map_err(io::Error::other)?.into_data() else { continue };
        if let Err(e) = take(&part) {
            return Ok(Downloaded::Stopped(e));
        }
    }
    Ok(Downloaded::Whole)
}

/// Reads an answer of the usual size.
pub(crate) async fn read_whole<B>(response: hyper::Response<B>) -> io::Result<(StatusCode, Value)>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(io::Error::other)?;
    Ok((status, serde_json::from_slice(&body.to_bytes()).unwrap_or_default()))
}

/// Sends a request and has `read` read what is answered.
async fn send<T, R>(
    stream: T,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(hyper::Response<Incoming>) -> io::Result<R>,
) -> io::Result<R>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let exchange = async {
        let response = timeout(TIMEOUT, sender.send_request(request)).await.map_err(|_| late())?;
        read(response.map_err(io::Error::other)?).await
    };
    // The connection must be driven for the exchange to move; what ends it early shows in the exchange.
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server did not answer within 30 s")
}

pub(crate) fn build(
    host: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> io::Result<Request<Full<Bytes>>> {
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
