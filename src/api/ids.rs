//! The query `ids=1,2`: which of the caller's things are asked about.

use std::collections::HashSet;

use schemars::JsonSchema;

use crate::error::Result;
use crate::model::id::parse_id;
use crate::rest::{Call, wrong_query};

/// The query.
#[derive(JsonSchema)]
#[allow(dead_code)]
pub(super) struct AskedIds {
    /// The IDs that are asked about, with commas between them; without it all. What is no ID is skipped.
    ids: Option<String>,
}

/// The IDs asked for, or none if the query does not say, which means all. They may be listed, and the key repeated and
/// bracketed, as clients write lists: `ids=1,2`, `ids=1&ids=2`, `ids[]=1&ids[]=2`, `ids[0]=1`. Junk is skipped, so that
/// an `ids` of nothing but junk asks for nothing.
///
/// # Errors
/// 400 for a key that is nearly this one: it must not silently mean all.
pub(super) fn asked_ids(call: &Call) -> Result<Option<HashSet<i64>>> {
    let mut asked = None;
    for (key, ids) in call.queries() {
        if is_ids(&key) {
            asked.get_or_insert_with(HashSet::new).extend(parse(&ids));
        } else if is_nearly_ids(&key) {
            return Err(wrong_query("ids", "expected this key as it is written here, as in ids=1,2"));
        }
    }
    Ok(asked)
}

fn is_nearly_ids(key: &str) -> bool {
    let key = key.trim().to_ascii_lowercase();
    key == "id"
        || key.strip_prefix("ids").is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
}

fn is_ids(key: &str) -> bool {
    key.strip_prefix("ids")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('[') && rest.ends_with(']'))
}

fn parse(ids: &str) -> impl Iterator<Item = i64> {
    ids.split(',').filter_map(|id| parse_id(id.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_skipped() {
        assert_eq!(parse("1,2").collect::<Vec<_>>(), [1, 2]);
        assert_eq!(parse(" 3 ,x,,-4,0,07,5.5,99999999999999999999,6").collect::<Vec<_>>(), [3, 6]);
        for none in ["", ",", "x", "0", "-1", "1e3", "0x10", "１"] {
            assert_eq!(parse(none).count(), 0, "{none}");
        }
    }

    #[test]
    fn a_key_may_be_bracketed() {
        for (key, good) in
            [("ids", true), ("ids[]", true), ("ids[3]", true), ("ids[", false), ("idsx", false)]
        {
            assert_eq!(is_ids(key), good, "{key}");
        }
    }
}
