//! The API's frame: the route table, and the way of one request through it.
//!
//! `row` is what is known of a route, `route` that with its handler, and `router` finds it; `row_check` sees to it that
//! rows do not lie; `service` takes one request from there through session, permission
//! and body to its handler; `identify` says who calls; `call` is what a handler gets, `answer` what it gives; `envelope`
//! makes HTTP of that, or of an error; `request_log` is what is logged and noted of a request; `under_way` counts the
//! answers that are being sent; `document` makes the API's document of
//! all rows; `agent_door` is where agents come in; `files` are what pages are made of; `listen` serves
//! sockets, and `operate` the command line in its own process. Deliberately absent: what is served, which is `api/`'s and
//! the plugins', and sockets, which are `http/`'s.

mod agent_door;
pub mod answer;
pub mod call;
mod document;
pub mod envelope;
pub mod files;
mod identify;
pub mod listen;
pub mod operate;
mod request_log;
pub mod route;
pub mod router;
pub mod row;
mod row_check;
pub mod row_part;
pub mod service;
mod under_way;

pub use answer::{Answer, Data, Raw, escaped};
pub use call::{Call, Form, FromBody, Json, NoBody};
pub(crate) use call::{is_nearly, wrong_query};
pub use files::{StaticFile, StaticFiles};
pub use route::{Access, Route};
pub use row::Row;
pub use row_part::Tag;

pub use crate::http::{Body, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
