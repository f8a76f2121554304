//! New names of users, where a body gives one.

use super::bounded::{UserName, bounded, text};
use super::check::Check;
use super::field::Field;
use crate::model::username::flaw;

bounded!(
    /// The name of a new user, or a user's new one; beyond its length it is checked by [`new_username`].
    NewUserName: String => String,
    UserName::expected(),
    |_| text(1..=64),
    UserName::read
);

/// The user name of a field that must be there. One that is sent as it is `stored` passes in any case: users of an
/// adopted database stay editable. `None` has been noted as wrong.
pub(super) fn new_username(
    check: &mut Check,
    name: &str,
    field: Field<NewUserName>,
    stored: Option<&str>,
) -> Option<String> {
    let field = match field {
        Field::Value(same) if stored == Some(same.as_str()) => return Some(same),
        Field::Value(given) if (1..=64).contains(&given.chars().count()) => match flaw(&given) {
            None => return Some(given),
            Some(flaw) => {
                check.wrong(name, flaw);
                return None;
            }
        },
        other => other,
    };
    check.required(name, field)
}
