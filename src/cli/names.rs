//! Whom a name means: people say users' names, the API wants IDs.

use serde_json::Value;

use super::failure::Failure;
use super::operator::Operator;
use crate::http::Method;
use crate::text::nearest;

/// The users' route.
pub(super) const USERS: &str = "/api/admin/users";

/// All users, as the API shows them.
pub(super) async fn users(operator: &Operator) -> Result<Vec<Value>, Failure> {
    match operator.request(Method::GET, USERS, None).await? {
        Value::Array(users) => Ok(users),
        _ => Ok(Vec::new()),
    }
}

/// The ID of the user of this name.
pub(super) async fn user_id(operator: &Operator, name: &str) -> Result<i64, Failure> {
    let users = users(operator).await?;
    let found = users.iter().find(|user| user["username"] == name).and_then(|user| user["id"].as_i64());
    found.ok_or_else(|| unknown(name, users.iter().filter_map(|user| user["username"].as_str())))
}

/// The name of the user of this ID; the ID itself for a user who is gone.
pub(super) fn name_of(users: &[Value], id: &Value) -> String {
    let user = users.iter().find(|user| user["id"] == *id);
    user.and_then(|user| user["username"].as_str()).map_or_else(|| id.to_string(), ToOwned::to_owned)
}

/// A path with the owner of what is made there, if one is named.
pub(super) async fn for_owner(
    operator: &Operator,
    path: &str,
    owner: Option<&str>,
) -> Result<String, Failure> {
    match owner {
        Some(name) => Ok(format!("{path}?ownerID={}", user_id(operator, name).await?)),
        None => Ok(path.to_owned()),
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let meant = meant(name, known);
    Failure::new(format!("there is no user {name:?}; {meant}`netignite user list` shows all"))
}

/// The question whether the nearest of the known names is meant; nothing if none is near.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map(|name| format!("did you mean {name:?}? ")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_if_one_is_near() {
        let message = |name: &str| unknown(name, ["admin", "bob", "ann.green"].into_iter()).to_string();
        assert!(
            message("amdin").contains("did you mean \"admin\"? `netignite user list`"),
            "{}",
            message("amdin")
        );
        assert!(message("Ann.Green").contains("did you mean \"ann.green\"?"));
        assert_eq!(message("zoe"), "there is no user \"zoe\"; `netignite user list` shows all");
    }
}
