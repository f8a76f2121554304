//! What a new password must be.
//!
//! Long enough, and none of those that are guessed first: the user's own name, and the 100,000 passwords that leaks
//! show most often. Deliberately no rules about kinds of characters, which make passwords harder to remember and no
//! harder to guess. Passwords that are in use are never held against a rule: whoever has one logs in with it.

use super::password::MAX_PASSWORD;

/// The shortest new password, in characters.
pub const MIN_CHARACTERS: usize = 10;

/// Whether a new password has a good length.
pub fn has_good_length(password: &str) -> bool {
    password.chars().count() >= MIN_CHARACTERS && password.len() <= MAX_PASSWORD
}

/// Why a new password of `username` would be guessed first, if it would. Case does not matter. Reads a list of 1 MB.
pub fn weakness(username: &str, password: &str) -> Option<&'static str> {
    let lower = password.to_lowercase();
    if lower == username.to_lowercase() {
        return Some("this is the user's name; choose another password");
    }
    let common = passwords::analyzer::is_common_password;
    (common(password) || common(&lower)).then_some("this is one of the most common passwords; choose another")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_counted_in_characters_and_bounded_in_bytes() {
        assert!(!has_good_length("123456789") && has_good_length("1234567890"));
        assert!(!has_good_length(&"é".repeat(9)) && has_good_length(&"☃".repeat(10)));
        assert!(has_good_length(&"é".repeat(512)) && !has_good_length(&"é".repeat(513)));
    }

    #[test]
    fn what_is_guessed_first_is_weak_in_any_case() {
        for weak in ["1234567890", "password123", "PassWord123", "QWERTYUIOP", "q1w2e3r4t5y6", "Margarethe"] {
            assert!(weakness("margarethe", weak).is_some(), "{weak}");
        }
        for good in ["margarethe's own", "correct horse battery staple", "xkAe-9q2_M1s"] {
            assert_eq!(weakness("margarethe", good), None);
        }
    }
}
