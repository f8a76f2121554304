//! The HTTP transport: accepting, limits and connections, and what is read of a request's head and body.
//!
//! `server` accepts connections and drains them, `crowd` knows whose they are; `connection` drives one of them and hands
//! its requests to a `Service`. `peer` says where a request came from, `origin` whether it may come from there;
//! `request_id` names requests; `cookie`, `bearer` and `media` read headers, `body` a request's body; `outgoing` is an
//! answer's; `upgrade` is how whoever asks for a WebSocket is refused; `client` is the command line's. Deliberately
//! absent: routes, callers and what is served.

pub(crate) mod bearer;
pub(crate) mod body;
mod capacity;
pub mod client;
mod connection;
pub mod cookie;
mod crowd;
mod flowing;
pub(crate) mod media;
mod metered;
pub mod origin;
mod outgoing;
pub(crate) mod path;
pub mod peer;
mod pulse;
pub mod request_id;
pub mod server;
pub(crate) mod service;
pub(crate) mod upgrade;

pub use http_types::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
pub use outgoing::{Body, Flow};

use hyper::http as http_types;

/// An HTTP answer.
pub type Response = hyper::Response<Body>;
