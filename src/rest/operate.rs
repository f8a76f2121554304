//! Requests of the local operator to a host in this very process, without any socket: the same routes answer.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;

use super::router::Router;
use super::service::Site;
use super::{Method, Response, StatusCode};
use crate::host::Host;
use crate::http::body::{RequestBody, Room};
use crate::http::client::{Downloaded, build, read_parts, read_whole};
use crate::http::service::{Door, Service};

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
    read_whole(serve(host, router, build("localhost", method, path, body)?).await).await
}

/// Gets an answer of any size from this process, as [`download`](crate::http::client::download) does from a server.
///
/// # Errors
/// The path is none, or the answer breaks off.
pub async fn operate_download(
    host: &Arc<Host>,
    router: &Arc<Router>,
    path: &str,
    take: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Downloaded> {
    read_parts(serve(host, router, build("localhost", Method::GET, path, None)?).await, take).await
}

async fn serve(host: &Arc<Host>, router: &Arc<Router>, request: Request<Full<Bytes>>) -> Response {
    let (mut parts, body) = request.into_parts();
    let site = Site::new(host.clone(), router.clone());
    site.serve(&mut parts, &mut RequestBody::new(body, Room::default()), Door::Operator).await.response
}
