//! The `Link` header of a list that has more pages.

use std::fmt::Display;

use hyper::header::LINK;

use crate::rest::{Answer, Call, HeaderValue};

/// What the header says, in the API's document.
pub(super) const SAYS_LINK: &str = "The next page, while there is one";

/// The answer, and where the next page is, if there is one: the same query, from this cursor on.
pub(super) fn with_next<T>(answer: Answer<T>, call: &Call, cursor: Option<impl Display>) -> Answer<T> {
    let Some(cursor) = cursor else { return answer };
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in call.queries().filter(|(key, _)| key != "cursor") {
        query.append_pair(&key, &value);
    }
    query.append_pair("cursor", &cursor.to_string());
    let path = call.path.trim_end_matches('/');
    match HeaderValue::from_str(&format!("<{path}?{}>; rel=\"next\"", query.finish())) {
        Ok(link) => answer.header(LINK, link),
        Err(_) => answer,
    }
}
