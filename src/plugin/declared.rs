//! What a plugin declares of itself: checked while it is compiled, and once more at the start.
//!
//! `register_plugin!` has the compiler do it, which then points at the line of the macro. What only a running program
//! knows, such as another plugin of the same name, is left to the start: [`collisions`](super::collisions).

use super::Plugin;
use crate::model::audit::Action;
use crate::model::permission::Permission;
use crate::text::is_one_line;

/// The longest name of a plugin.
const LONGEST_NAME: usize = 40;
/// The longest summary, in characters.
const LONGEST_SUMMARY: usize = 100;
/// The longest name of a plugin's permission or action.
pub(super) const LONGEST_WORD: usize = 64;
/// The longest sentence about one, in characters.
pub(super) const LONGEST_ABOUT: usize = 200;

/// Whether the bytes from `at` on are lower-case letters, digits, `-` and `_`, and there is one at least.
const fn is_lower(text: &[u8], mut at: usize) -> bool {
    let any = at < text.len();
    while at < text.len() {
        let byte = text[at];
        if !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_') {
            return false;
        }
        at += 1;
    }
    any
}

/// Whether a text can be the name of a plugin.
pub(super) const fn is_name(name: &str) -> bool {
    let name = name.as_bytes();
    name.len() <= LONGEST_NAME && is_lower(name, 0) && name[0].is_ascii_lowercase()
}

/// Whether a text can be the name of a permission or action of the plugin: its name, the mark and a word.
pub(super) const fn is_word(text: &str, plugin: &str, mark: char) -> bool {
    let (text, plugin) = (text.as_bytes(), plugin.as_bytes());
    if text.len() > LONGEST_WORD || text.len() <= plugin.len() || text[plugin.len()] != mark as u8 {
        return false;
    }
    let mut at = 0;
    while at < plugin.len() {
        if text[at] != plugin[at] {
            return false;
        }
        at += 1;
    }
    is_lower(text, plugin.len() + 1)
}

/// Whether a text can say what a permission or action is.
pub(super) const fn is_about(about: &str) -> bool {
    is_one_line(about, LONGEST_ABOUT)
}

/// Ends the compilation where what `P` declares can be used by no program.
#[doc(hidden)]
#[track_caller]
pub const fn declared<P: Plugin>() {
    assert!(
        is_name(P::NAME),
        "the NAME of a plugin must be 1 to 40 lower-case letters, digits, - and _, and begin with a letter"
    );
    assert!(
        is_one_line(P::SUMMARY, LONGEST_SUMMARY),
        "the SUMMARY of a plugin must be one line of 1 to 100 characters"
    );
    let mut at = 0;
    while at < P::PERMISSIONS.len() {
        let Permission::Plugin(of) = &P::PERMISSIONS[at] else {
            panic!(
                "PERMISSIONS holds one of the server's own: list those alone that Permission::of_plugin made"
            )
        };
        assert!(
            is_word(of.name, P::NAME, ':'),
            "a permission of a plugin must be named as the plugin, a colon and a word of lower-case letters, digits, - and \
             _, 64 characters in all"
        );
        assert!(is_about(of.about), "what a permission allows must be one line of 1 to 200 characters");
        at += 1;
    }
    at = 0;
    while at < P::ACTIONS.len() {
        let Action::Plugin(of) = &P::ACTIONS[at] else {
            panic!("ACTIONS holds one of the server's own: list those alone that Action::of_plugin made")
        };
        assert!(
            is_word(of.name, P::NAME, '.'),
            "an action of a plugin must be named as the plugin, a dot and a word of lower-case letters, digits, - and _, \
             64 characters in all"
        );
        assert!(is_about(of.about), "what an action is must be one line of 1 to 200 characters");
        at += 1;
    }
}
