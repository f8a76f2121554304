//! The `Link` header of a list that has more pages.

use crate::rest::{Call, HeaderValue};

/// What the header says, in the API's document.
pub(super) const SAYS_LINK: &str = "The next page, while there is one";

/// Where the next page is: the same query, from this cursor on.
pub(super) fn next_page(call: &Call, cursor: &str) -> Option<HeaderValue> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in call.queries().filter(|(key, _)| key != "cursor") {
        query.append_pair(&key, &value);
    }
    query.append_pair("cursor", cursor);
    let path = call.path.trim_end_matches('/');
    HeaderValue::from_str(&format!("<{path}?{}>; rel=\"next\"", query.finish())).ok()
}
