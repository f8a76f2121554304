//! Text on its way in and out: what files and people write around it, and what must not stand in it where people read
//! it.
//!
//! Editors write a byte order mark before a text and a line end behind it, people copy blanks along, and some programs
//! write UTF-16. [`read_file`] and [`unmarked`] take that off or name it. [`harmless`] is the other direction: existing
//! pages put the message of an answer into their document as HTML, so that none may hold markup.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The byte order mark, which says nothing in UTF-8.
const MARK: char = '\u{feff}';

/// The longest message, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// From which likeness on one name may be meant by another word, where 1 is the same.
const ALIKE: f64 = 0.75;

/// Whether a text is one line of 1 to `longest` characters; also for the compiler to ask.
pub const fn is_one_line(text: &str, longest: usize) -> bool {
    let text = text.trim_ascii().as_bytes();
    let (mut at, mut characters) = (0, 0);
    while at < text.len() {
        let byte = text[at];
        // Control characters are those below a blank, DEL, and U+0080 to U+009F, which are two bytes.
        let is_pair = byte == 0xC2 && at + 1 < text.len() && text[at + 1] < 0xA0;
        if byte < b' ' || byte == 0x7F || is_pair {
            return false;
        }
        // All bytes of a character but its first begin with the bits 10.
        if byte & 0xC0 != 0x80 {
            characters += 1;
        }
        at += 1;
    }
    1 <= characters && characters <= longest
}

/// The one of some names that is most like a word, if it is alike enough to be meant, whatever their case.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&word, &name.to_lowercase());
    let rated = known.into_iter().map(|name| (likeness(name), name));
    let (_, name) = rated.filter(|(rate, _)| *rate >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(name)
}

/// Why bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoText {
    /// They are text of another encoding.
    Utf16,
    /// They are no UTF-8.
    NotUtf8,
}

impl fmt::Display for NoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf16 => "it is text in UTF-16; write it in UTF-8",
            Self::NotUtf8 => "it is not text in UTF-8",
        })
    }
}

impl std::error::Error for NoText {}

/// The text without the byte order mark before it.
pub fn unmarked(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The text without byte order mark, blanks and line ends around it, for what never has any of its own.
pub fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// The bytes as text, without the byte order mark before it.
///
/// # Errors
/// They are no UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, NoText> {
    match bytes {
        // With a mark, or a letter of ASCII beside the empty half of its unit.
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => return Err(NoText::Utf16),
        [0, 1..=0x7F, 0, 1..=0x7F, ..] | [1..=0x7F, 0, 1..=0x7F, 0, ..] => return Err(NoText::Utf16),
        _ => {}
    }
    std::str::from_utf8(bytes).map(unmarked).map_err(|_| NoText::NotUtf8)
}

/// The text of a file of at most `limit` bytes, without the byte order mark before it. It may be a secret: it is wiped
/// from memory when dropped.
///
/// # Errors
/// The file cannot be read, is larger, or holds no text in UTF-8.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Zeroizing<String>> {
    let bytes = read_bytes(path, limit)?;
    let text = decode(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The bytes of a file of at most `limit` bytes, wiped from memory when dropped. No more are read, whatever the file says
/// of its size: a device has none and no end.
///
/// # Errors
/// The file cannot be read, or is larger.
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Whether a character shows nothing by itself, or changes the direction of what follows.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | MARK | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The text as the message of an answer may hold it: on one line, bounded, without markup and quotes, and without what
/// steers a terminal or is not seen.
pub fn harmless(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_plain = |c: char| meant(c) == Some(c);
    // Most are words and full stops, which are looked at byte by byte.
    let is_word = |byte: u8| IN_WORDS[usize::from(byte)];
    if text.len() <= LONGEST_MESSAGE && (text.bytes().all(is_word) || text.chars().all(is_plain)) {
        return text;
    }
    let mut kept: String = text.chars().filter_map(meant).take(LONGEST_MESSAGE).collect();
    if text.chars().filter_map(meant).nth(LONGEST_MESSAGE).is_some() {
        kept.pop();
        kept.push('…');
    }
    kept.into()
}

/// The bytes that nearly every message is made of, and that are shown as they are.
const IN_WORDS: [bool; 256] = {
    let (others, mut table, mut byte) = (b" .,:;/()-_", [false; 256], 0);
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

/// What stands for a character in a message; nothing for what is not seen.
fn meant(c: char) -> Option<char> {
    match c {
        '<' => Some('‹'),
        '>' => Some('›'),
        '&' => Some('+'),
        '"' => Some('”'),
        '\'' | '`' => Some('’'),
        '\u{2028}' | '\u{2029}' => Some(' '),
        c if c.is_control() => Some(' '),
        c if is_invisible(c) => None,
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn marks_blanks_and_line_ends_are_no_part_of_a_text() {
        assert_eq!(unmarked("\u{feff}a\u{feff}"), "a\u{feff}");
        for text in ["a b", " a b ", "\u{feff}a b\r\n", "\u{feff} a b\u{a0}\t\n", "\u{200b}a b\u{2029}"] {
            assert_eq!(bare(text), "a b");
        }
        assert_eq!(bare("\u{feff}\r\n"), "");
    }

    #[test]
    fn other_encodings_are_named() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let swapped = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for bytes in [utf16("\u{feff}text"), swapped("\u{feff}text"), utf16("text"), swapped("text")] {
            assert_eq!(decode(&bytes), Err(NoText::Utf16));
        }
        assert_eq!(decode(b"t\xFFxt"), Err(NoText::NotUtf8));
        assert_eq!(decode(b"\xEF\xBB\xBFtext"), Ok("text"));
        assert_eq!(decode(b""), Ok(""));
    }

    #[test]
    fn a_message_holds_no_markup() {
        let said = |text: &'static str| harmless(text.into());
        assert!(matches!(said("It’s off. Try again."), Cow::Borrowed(_)));
        assert_eq!(said("<a href='x'>&\"`"), "‹a href=’x’›+”’");
        assert_eq!(said("a\u{202e}b\r\n\u{1b}c\u{2028}d\u{feff}"), "ab  \u{20}c d");
        let long = harmless("☃".repeat(5000).into());
        assert!(long.chars().count() == LONGEST_MESSAGE && long.ends_with('…'));
    }
}
