//! Whether a route answers what its row says.
//!
//! In debug builds, and so in every test, an answer that the row does not have is replaced by an internal error which
//! says what the row lacks. In release builds nothing is looked at.

use hyper::header::{CONTENT_TYPE, ETAG, SET_COOKIE};

use super::envelope::FOR_DOCUMENTS;
use super::router::is_api;
use super::row::Row;
use super::row_part::Gives;
use super::{Access, HeaderName, HeaderValue, Response};
use crate::error::{Error, Kind, Result, failures};

/// The same result, if the row has it.
///
/// # Errors
/// Those of `result`; the row does not have it.
pub(super) fn checked(row: &Row, result: Result<Response>) -> Result<Response> {
    // Pages are for people, and no part of the API's document.
    let is_page = matches!(row.gives, Gives::Raw(types) if types.contains(&"*/*")) && !is_api(&row.path);
    if !cfg!(debug_assertions) || is_page {
        return result;
    }
    let lack = match &result {
        Ok(response) => lack_of_answer(row, response),
        Err(error) => lack_of_error(row, error),
    };
    let Some(lack) = lack else { return result };
    let message = format!("The row of {} {} does not say that it {lack}", row.method, row.path);
    Err(Error::new(Kind::Internal, "internal", message.clone()).detail(message))
}

fn lack_of_error(row: &Row, error: &Error) -> Option<String> {
    let known =
        row.failures().iter().any(|failure| (failure.kind, failure.code) == (error.kind(), error.code()));
    (!known).then(|| {
        let (kind, code) = (error.kind(), error.code());
        let add = match failures::name_of(kind, code) {
            Some(name) => format!("failures::{name}"),
            None => format!("Failure::new(ErrorKind::{kind:?}, {code:?}, \"what it means\")"),
        };
        format!("can fail with {kind:?} {code}: add .fails(&[{add}]) to it")
    })
}

fn lack_of_answer(row: &Row, response: &Response) -> Option<String> {
    if !row.statuses.contains(&response.status()) {
        let status = response.status();
        return Some(format!("answers {status}: add .statuses(&[…]) with all that it answers to it"));
    }
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let good = match (row.gives, media_type) {
        (Gives::Envelope(_), Some(media_type)) => media_type == "application/json",
        (Gives::Raw(types), Some(media_type)) => {
            let bare = media_type.split(';').next().unwrap_or_default();
            types.iter().any(|known| *known == "*/*" || *known == bare)
        }
        (Gives::Raw(_), None) => true,
        (Gives::Upgrade, _) | (Gives::Envelope(_), None) => false,
    };
    if !good {
        return Some(format!("answers the media type {media_type:?}: name that where its handler is given"));
    }
    let unsaid = response.headers().iter().find(|(name, value)| !is_said(row, name, value));
    unsaid.map(|(name, _)| format!("sends the header {name}: add .sends(name, \"what it says\") to it"))
}

fn is_said(row: &Row, name: &HeaderName, value: &HeaderValue) -> bool {
    let of_document = || FOR_DOCUMENTS.iter().any(|(known, policy)| known == name && policy == value);
    let refreshed = name == SET_COOKIE && row.access != Access::Public;
    name == CONTENT_TYPE
        || refreshed
        || row.sends.iter().any(|header| header.name == *name)
        || matches!(row.gives, Gives::Raw(_)) && (name == ETAG || of_document())
}
