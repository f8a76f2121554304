//! What a new name of a user must not hold, and which names look the same.
//!
//! Names are shown beside what their users do, and rights are given by name: one that passes for another's, or for
//! nothing, deceives whoever reads it. Names in use are not held against this: an adopted database may hold any.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::model::shown::Hidden;

/// What is wrong with a name, in words that hold nothing of the name that would not show.
pub fn flaw(name: &str) -> Option<String> {
    let hidden = name.chars().find_map(|c| Some((c, Hidden::of(c)?)));
    if let Some((c, why)) = hidden {
        return Some(format!("holds {why} (U+{:04X}): write the name without it", u32::from(c)));
    }
    if name.chars().all(char::is_whitespace) {
        return Some("holds nothing but blanks: expected a name that can be seen".to_owned());
    }
    if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        return Some("begins or ends with a blank: write the name without it".to_owned());
    }
    if name.chars().next().is_some_and(is_combining_mark) {
        return Some("begins with a mark that belongs to a letter before it: begin with a letter".to_owned());
    }
    None
}

/// What is the same of two names that look the same: the letters in one form (NFKC) and one case, without what does
/// not show, every stretch of blanks a single one.
pub fn look(name: &str) -> String {
    let folded: String = name.nfkc().filter(|c| Hidden::of(*c).is_none()).flat_map(fold).collect();
    // Folding may leave letters in another form than the one they were brought to.
    let normal: String = folded.nfkc().collect();
    normal.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A letter without its case: to upper case first, since several small letters share one large one.
fn fold(c: char) -> impl Iterator<Item = char> {
    c.to_uppercase().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_that_show_are_good() {
        for name in ["a", "ann.green", "Ann Green", "Jürgen Groß", "李小龍", "山田　太郎", "<img src=x>"]
        {
            assert_eq!(flaw(name), None, "{name}");
        }
    }

    #[test]
    fn a_flaw_is_named_and_not_shown() {
        for (name, words) in [
            ("ad\u{200b}min", "an invisible character (U+200B)"),
            ("admin\u{202e}", "direction of text (U+202E)"),
            ("\u{3164}", "an invisible character (U+3164)"),
            ("a\u{e0061}", "(U+E0061)"),
            ("a\nb", "a control character (U+000A)"),
            ("a\u{2028}b", "a line separator (U+2028)"),
            ("\u{f8ff}", "private use"),
            (" admin", "begins or ends with a blank"),
            ("admin\u{a0}", "begins or ends with a blank"),
            ("\u{3000} ", "nothing but blanks"),
            ("\u{301}ann", "begins with a mark"),
        ] {
            let flaw = flaw(name).unwrap();
            assert!(flaw.contains(words), "{name:?}: {flaw}");
            assert!(flaw.is_ascii(), "{flaw}");
        }
    }

    #[test]
    fn what_looks_the_same_is_the_same() {
        for (one, other) in [
            ("admin", "ADMIN"),
            ("admin", "ａｄｍｉｎ"),
            ("admin", "𝐚𝐝𝐦𝐢𝐧"),
            ("admin", "ad\u{200b}min"),
            ("admin", " admin "),
            ("ann lee", "ann\u{a0}\u{3000}lee"),
            ("Straße", "STRASSE"),
            ("ﬁnn", "FINN"),
            ("zoë", "ZOE\u{308}"),
            ("σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ſam", "Sam"),
        ] {
            assert_eq!(look(one), look(other), "{one} {other}");
        }
        assert_ne!(look("ann"), look("anne"));
        assert_ne!(look("zoe"), look("zoë"));
    }
}
