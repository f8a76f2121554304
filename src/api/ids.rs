//! The query `ids=1,2`: which of the caller's things are asked about.

use std::collections::HashSet;

use crate::http::Call;
use crate::model::id::parse_id;

/// The IDs asked for, or none if the query does not say, which means all. Junk is skipped, so that an `ids` of
/// nothing but junk asks for nothing.
pub(super) fn asked_ids(call: &Call) -> Option<HashSet<i64>> {
    call.query("ids").map(|ids| parse(&ids))
}

fn parse(ids: &str) -> HashSet<i64> {
    ids.split(',').filter_map(|id| parse_id(id.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_skipped() {
        assert_eq!(parse("1,2"), HashSet::from([1, 2]));
        assert_eq!(parse(" 3 ,x,,-4,0,07,5.5,99999999999999999999,6"), HashSet::from([3, 6]));
        for none in ["", ",", "x", "0", "-1", "1e3", "0x10", "１"] {
            assert!(parse(none).is_empty(), "{none}");
        }
    }
}
