//! What of a text does not show as what it is: characters that steer a terminal, turn the direction of the text around
//! them, or leave no trace on a screen.
//!
//! Names may hold them, since adopted databases do and since people paste. Whoever shows a text in a terminal or a log
//! writes them as escapes ([`Shown`], [`shown_json`]); new names of users hold none at all (`model::username`).

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Why a character does not show as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It does something instead of showing something.
    Control,
    /// It ends a line or a paragraph.
    Separator,
    /// It changes the direction in which the text around it is written.
    Direction,
    /// It leaves no trace, or nothing but a blank.
    Invisible,
    /// Nobody knows how it looks: it is for private use, or means nothing yet.
    Unassigned,
}

impl Hidden {
    /// Why `c` does not show as what it is; none if it does, as a plain blank does.
    pub fn of(c: char) -> Option<Self> {
        if (' '..='~').contains(&c) {
            return None;
        }
        match c {
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                return Some(Self::Direction);
            }
            // Letters, marks and symbols that by their category should show: the combining grapheme joiner, Hangul
            // fillers, Khmer inherent vowels, variation selectors, the blank of Braille.
            '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2065}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1d159}'
            | '\u{e0000}'..='\u{e0fff}' => return Some(Self::Invisible),
            _ => {}
        }
        match c.general_category() {
            GeneralCategory::Control => Some(Self::Control),
            GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => Some(Self::Separator),
            GeneralCategory::Format => Some(Self::Invisible),
            GeneralCategory::PrivateUse | GeneralCategory::Unassigned | GeneralCategory::Surrogate => {
                Some(Self::Unassigned)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "a control character",
            Self::Separator => "a line separator",
            Self::Direction => "a character that changes the direction of text",
            Self::Invisible => "an invisible character",
            Self::Unassigned => "a character for private use or without a meaning",
        })
    }
}

/// A text whose hidden characters are written as escapes, so that it stays on its line and leaves the terminal alone.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match (c, Hidden::of(c)) {
                ('\t' | '\n' | '\r', _) => write!(f, "{}", c.escape_default())?,
                (_, Some(_)) => write!(f, "{}", c.escape_unicode())?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A text in a cell of a table: as [`Shown`], with the blanks as escapes that a reader would take for the table's own, at
/// its ends and after another blank.
pub struct Cell<'a>(pub &'a str);

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut after_blank = true;
        let mut rest = self.0.chars();
        while let Some(c) = rest.next() {
            let is_blank = c.is_whitespace();
            if is_blank && !c.is_control() && (after_blank || rest.as_str().is_empty()) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                Shown(c.encode_utf8(&mut [0; 4])).fmt(f)?;
            }
            after_blank = is_blank;
        }
        Ok(())
    }
}

/// JSON that means the same, with the hidden characters in its texts as JSON's escapes. What lies between the texts,
/// such as line ends, stays.
pub fn shown_json(json: &str) -> Cow<'_, str> {
    // JSON has no control characters below the blank in its texts.
    let hides = |c: char| c >= ' ' && Hidden::of(c).is_some();
    if !json.contains(hides) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if hides(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_people_write_shows() {
        for text in
            ["ann", "Jürgen Groß", "Zoë O'Neil-Smith", "李小龍", "山田　太郎", "محمد", "🦀", "e\u{301}"]
        {
            assert!(text.chars().all(|c| Hidden::of(c).is_none()), "{text}");
            assert_eq!(Shown(text).to_string(), text);
        }
    }

    #[test]
    fn what_deceives_does_not() {
        for (c, why) in [
            ('\0', Hidden::Control),
            ('\u{1b}', Hidden::Control),
            ('\u{7f}', Hidden::Control),
            ('\u{9b}', Hidden::Control),
            ('\u{2028}', Hidden::Separator),
            ('\u{2029}', Hidden::Separator),
            ('\u{202e}', Hidden::Direction),
            ('\u{2066}', Hidden::Direction),
            ('\u{200f}', Hidden::Direction),
            ('\u{ad}', Hidden::Invisible),
            ('\u{34f}', Hidden::Invisible),
            ('\u{115f}', Hidden::Invisible),
            ('\u{180e}', Hidden::Invisible),
            ('\u{200b}', Hidden::Invisible),
            ('\u{200d}', Hidden::Invisible),
            ('\u{2060}', Hidden::Invisible),
            ('\u{2800}', Hidden::Invisible),
            ('\u{3164}', Hidden::Invisible),
            ('\u{fe0f}', Hidden::Invisible),
            ('\u{feff}', Hidden::Invisible),
            ('\u{fff9}', Hidden::Invisible),
            ('\u{e0041}', Hidden::Invisible),
            ('\u{e0100}', Hidden::Invisible),
            ('\u{e000}', Hidden::Unassigned),
            ('\u{10fffd}', Hidden::Unassigned),
            ('\u{378}', Hidden::Unassigned),
            ('\u{ffff}', Hidden::Unassigned),
        ] {
            assert_eq!(Hidden::of(c), Some(why), "{c:?}");
            assert!(Shown(&format!("a{c}b")).to_string().is_ascii(), "{c:?}");
        }
    }

    #[test]
    fn blanks_in_a_cell_are_no_columns() {
        for (text, cell) in [
            ("a b", "a b"),
            (" x ", r"\u{20}x\u{20}"),
            ("a  b", r"a \u{20}b"),
            ("\u{3000}x\u{a0}", r"\u{3000}x\u{a0}"),
            ("  ", r"\u{20}\u{20}"),
            ("a\n", r"a\n"),
        ] {
            assert_eq!(Cell(text).to_string(), cell, "{text:?}");
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a\u{202e}": ["b\u{9b}31m", "\u{e0041}\u{7f}", "Zoë 🦀\n"]});
        for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let shown = shown_json(&json);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
            assert!(shown.chars().all(|c| c == '\n' || Hidden::of(c).is_none()), "{shown}");
            assert!(shown.contains("Zoë 🦀"), "{shown}");
        }
        assert!(matches!(shown_json(r#"{"a":"ü"}"#), Cow::Borrowed(_)));
    }
}
