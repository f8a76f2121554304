//! Codes that people type: enrolment codes and recovery codes. Short enough for that, and too long to be guessed.
//!
//! A code is 16 characters of Crockford's base32, which has no two that look alike, in groups of four: 80 random bits,
//! of which only the SHA-256 is stored. It is read in either case, with `O` for 0 and `I` and `L` for 1, however it is
//! grouped.

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::text::is_invisible;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The characters of a code.
const LENGTH: usize = 16;
/// The characters of a group.
const GROUP: usize = 4;
/// The random bytes of a code: five bits a character.
const BYTES: usize = LENGTH * 5 / 8;

/// The digest of a code as it was typed; none for what is no code at all.
pub fn digest(typed: &str) -> Option<Digest> {
    let mut code = Zeroizing::new(Vec::with_capacity(LENGTH));
    for typed in typed.chars().filter(|c| !groups(*c)) {
        let meant = match typed.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let meant = u8::try_from(meant).ok().filter(|meant| ALPHABET.contains(meant))?;
        if code.len() == LENGTH {
            return None;
        }
        code.push(meant);
    }
    (code.len() == LENGTH).then(|| Digest::of(&*code))
}

/// Whether a character only groups those of a code, or came along with it: blanks, hyphens as word processors write
/// them, and what is not seen.
pub fn groups(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}') || c.is_whitespace() || is_invisible(c)
}

/// A fresh code as it is shown, and its digest. The code is known only now.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh() -> Result<(SecretString, Digest)> {
    let mut random = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *random).map_err(Error::internal)?;
    let mut code = Zeroizing::new(Vec::with_capacity(LENGTH));
    // Forty bits at a time are eight characters.
    for bytes in random.chunks_exact(5) {
        let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        code.extend((0..8).rev().map(|place| ALPHABET[(bits >> (5 * place) & 31) as usize]));
    }
    let mut shown = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
    for (place, character) in code.iter().enumerate() {
        if place > 0 && place % GROUP == 0 {
            shown.push('-');
        }
        shown.push(char::from(*character));
    }
    Ok((SecretString::from(shown.as_str()), Digest::of(&*code)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_fresh_code_has_the_form_and_its_own_key() {
        let (code, key) = fresh().unwrap();
        let code = code.expose_secret();
        let groups: Vec<_> = code.split('-').collect();
        assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{code}");
        assert!(digest(code) == Some(key) && fresh().unwrap().1 != key);
    }

    #[test]
    fn it_may_be_typed_as_it_looks() {
        let key = digest("0123-4567-89AB-CDE1");
        assert!(key.is_some());
        for typed in [
            "0123456789abcde1",
            "\u{feff}0123\u{2013}4567\u{a0}89AB\u{2011}CDE1\r\n",
            "O1234567 89ABCDEI",
            "o i23-4567-89ab-cdel-",
            " 0-1-2 3456789ABCDEL ",
        ] {
            assert_eq!(digest(typed), key, "{typed}");
        }
        assert_ne!(digest("0123-4567-89AB-CDE2"), key);
    }

    #[test]
    fn what_is_no_code_has_no_key() {
        for typed in [
            "",
            "0123-4567-89AB-CDE",
            "0123-4567-89AB-CDE12",
            "0123-4567-89AB-CDEU",
            "0123_4567_89AB_CDE1",
            "０123-4567-89AB-CDE1",
            "é",
            &"0".repeat(1_000_000),
        ] {
            assert_eq!(digest(typed), None);
        }
    }

    #[test]
    fn every_character_comes_up_everywhere() {
        let mut seen = vec![HashSet::new(); LENGTH];
        for _ in 0..1000 {
            let code = fresh().unwrap().0.expose_secret().replace('-', "");
            code.bytes().enumerate().for_each(|(place, byte)| {
                seen[place].insert(byte);
            });
        }
        assert!(seen.iter().all(|seen| seen.len() == ALPHABET.len()), "{seen:?}");
    }
}
