//! The query of a list that is asked for in pages: how many, from where on, sorted how, and which.
//!
//! A list of which none of these keys is asked for is answered whole.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;

use super::query_keys::{MOST, USUAL, limit, take_all};
use crate::domain::page::{Asked, Needles, Order, Place, Sort};
use crate::error::{FieldError, Result};
use crate::model::id::parse_id;
use crate::rest::Call;

/// The most characters that are looked for.
const LONGEST: usize = 255;
/// The longest cursor: a folded name and an address, each of 256 characters, and a MAC address.
const LONGEST_CURSOR: usize = 4096;
/// The keys of every list.
const KEYS: [&str; 5] = ["cursor", "limit", "sort", "q", "ids"];
/// Words of `sort`, without the sign.
const ORDERS: [(&str, Order); 4] =
    [("id", Order::Id), ("name", Order::Name), ("type", Order::Kind), ("state", Order::State)];

/// The keys that every list has.
#[derive(schemars::JsonSchema)]
#[allow(dead_code)]
pub(super) struct PageQuery {
    /// How many; 100 unless given. This or any of the following keys has the list answered in pages.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
    /// Where to go on: out of the `Link` of an earlier answer.
    cursor: Option<String>,
    /// What names hold, and of devices addresses and MAC addresses in any notation; without regard to case and accents.
    #[schemars(length(max = 255), regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"))]
    q: Option<String>,
    /// What it is sorted by, from the least on or, with `-`, from the greatest; `id` unless given.
    #[schemars(extend("enum" = ["id", "-id", "name", "-name", "type", "-type", "state", "-state"]))]
    sort: Option<String>,
    /// Only those of these IDs: at most 500, with commas between them. IDs of nothing that the caller sees are passed over.
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,17}(,[1-9][0-9]{0,17}){0,499}$"))]
    ids: Option<String>,
}

/// The keys of a list's own, taken one at a time.
pub(super) trait Filter: Default {
    /// The list's name, which its cursors are good for.
    const NAME: &'static str;

    /// What is looked for.
    fn look_for(&mut self, needles: Option<Needles>);

    /// Which IDs alone are meant.
    fn only(&mut self, ids: Arc<[i64]>);

    /// The keys it has beside those of every list.
    const KEYS: &'static [&'static str];

    /// Takes one of its keys; what was expected if its value is none.
    fn take(&mut self, key: &str, value: &str) -> Result<(), String>;
}

/// What the query asks for; none if that is the whole list. Keys that are none are passed over, as in other lists.
///
/// # Errors
/// 400 naming every key whose value is none, or that comes twice.
pub(super) fn asked<F: Filter>(call: &Call) -> Result<Option<(F, Asked)>> {
    let mut filter = F::default();
    let sort = Sort { order: Order::Id, descending: false };
    let mut asked = Asked { sort, after: None, limit: USUAL };
    let mut cursor = None;
    let mut taken = take_all(call, &[&KEYS, F::KEYS].concat(), |key, value| {
        match key {
            "cursor" => cursor = Some(value.to_owned()),
            "limit" => asked.limit = limit(value)?,
            "sort" => asked.sort = sorted(value)?,
            "q" => filter.look_for(needles(value)?),
            "ids" => filter.only(ids(value)?),
            key => return filter.take(key, value),
        }
        Ok(())
    });
    if let Some(cursor) = cursor {
        asked.after = place(F::NAME, asked.sort, &cursor);
        if asked.after.is_none() && taken.wrong.is_empty() {
            let expected = "expected the cursor of an earlier answer of this list, sorted the same way";
            taken.wrong.push(FieldError::new("cursor", expected));
        }
    }
    let any = taken.any;
    taken.check()?;
    Ok(any.then_some((filter, asked)))
}

fn sorted(text: &str) -> Result<Sort, String> {
    let (word, descending) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
    let found = ORDERS.iter().find(|(known, _)| *known == word);
    let expected = || "id, name, type or state, with - before it for the greatest first".to_owned();
    found.map(|(_, order)| Sort { order: *order, descending }).ok_or_else(expected)
}

fn needles(text: &str) -> Result<Option<Needles>, String> {
    if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        return Err(format!("at most {LONGEST} characters, and no control characters"));
    }
    Ok(Needles::of(text))
}

/// An ID.
pub(super) fn id(text: &str) -> Result<i64, String> {
    parse_id(text).ok_or_else(|| "an ID, a whole number".to_owned())
}

/// Some IDs, as many as a page has at most.
fn ids(text: &str) -> Result<Arc<[i64]>, String> {
    let ids: Option<Arc<[i64]>> = text.split(',').map(parse_id).collect();
    let expected = || format!("at most {MOST} IDs with commas between them, as in 1,2");
    ids.filter(|ids| ids.len() <= MOST).ok_or_else(expected)
}

/// Yes or no.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "true or false".to_owned())
}

/// One of the words of an enum.
pub(super) fn word<T: DeserializeOwned>(text: &str, expected: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|_| expected.to_owned())
}

/// A place as clients are given it, to send it back: which list, how it is sorted, and the place, with a checksum, so
/// that one that was cut off or made up is noticed. What it leads to is within the caller's reach whatever it says.
pub(super) fn cursor(list: &str, sort: Sort, place: &Place) -> String {
    let text = format!("{}{}\n{}", head(list, sort), place.id, place.value);
    let mut bytes = crc32fast::hash(text.as_bytes()).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn head(list: &str, sort: Sort) -> String {
    let word = ORDERS.iter().find(|(_, order)| *order == sort.order).map_or("", |(word, _)| word);
    format!("{list}\n{}{word}\n", if sort.descending { "-" } else { "" })
}

/// The place of a cursor of this list, sorted this way.
fn place(list: &str, sort: Sort, cursor: &str) -> Option<Place> {
    let bytes = (cursor.len() <= LONGEST_CURSOR).then(|| URL_SAFE_NO_PAD.decode(cursor).ok()).flatten()?;
    let (sum, text) = bytes.split_first_chunk()?;
    if *sum != crc32fast::hash(text).to_le_bytes() {
        return None;
    }
    let (id, value) = std::str::from_utf8(text).ok()?.strip_prefix(&head(list, sort))?.split_once('\n')?;
    Some(Place { value: value.to_owned(), id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_given_to_its_list_alone() {
        let sort = |order, descending| Sort { order, descending };
        let by_name = sort(Order::Name, true);
        let there = Place { value: "ä\u{1}\n\u{1}AB:CD".to_owned(), id: 7 };
        let text = cursor("devices", by_name, &there);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
        assert_eq!(place("devices", by_name, &text), Some(there));
        assert_eq!(place("agents", by_name, &text), None);
        assert_eq!(place("devices", sort(Order::Name, false), &text), None);
        assert_eq!(place("devices", sort(Order::Id, true), &text), None);
        for junk in ["", "7", "AAAA", "AAAAAAAA", &text[1..], &text[..text.len() - 1], &format!("{text}A")] {
            assert_eq!(place("devices", by_name, junk), None, "{junk}");
        }
    }
}
