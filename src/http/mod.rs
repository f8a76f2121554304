//! The HTTP server: accepting, limits, routing, and the one conversion from results to answers.
//!
//! `server` accepts connections and drains them, `crowd` knows whose they are; `connection` drives one of them; `service`
//! takes one request from the route table through session, permission and body to its handler; `identify` says who
//! calls; `request_id` names requests; `route` is the table's row; `call` is what a handler gets, whose body `media` looks
//! at first; `answer` what it gives; `agent_door` is where agents come in, `upgrade` how whoever asks for a WebSocket is
//! refused; `response` makes HTTP of either, `outgoing` is its body; `files` are what pages are made
//! of. Deliberately absent: any domain knowledge.

mod agent_door;
pub mod answer;
mod bearer;
mod body;
pub mod call;
mod capacity;
pub mod client;
mod connection;
pub mod cookie;
mod crowd;
pub mod files;
mod identify;
mod media;
pub mod origin;
mod outgoing;
pub mod peer;
pub mod request_id;
pub mod response;
pub mod route;
pub mod router;
pub mod server;
pub mod service;
mod summary;
mod under_way;
mod upgrade;

pub use answer::{Answer, Data, Raw};
pub use call::{Call, Json, NoBody};
pub use files::{StaticFile, StaticFiles};
pub use http_types::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
pub use outgoing::Body;
pub use route::{Access, Route};

use hyper::http as http_types;

/// An HTTP answer.
pub type Response = hyper::Response<Body>;
