//! What a token looks like: `nig_`, 30 random characters, and 6 that tell a mistyped or cut token from a real one.
//!
//! The prefix lets people and secret scanners recognise a token, the checksum lets the server refuse what cannot be
//! one without looking it up.

use secrecy::SecretString;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::model::digest::Digest;

const PREFIX: &str = "nig_";
/// Random characters: 178 bits.
const RANDOM: usize = 30;
/// Characters of the checksum, which 32 bits always fit in.
const CHECKSUM: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The digest of what was sent as a token; none for what is no token at all.
pub(super) fn digest(sent: &str) -> Option<Digest> {
    let (random, checksum) = sent.strip_prefix(PREFIX)?.as_bytes().split_at_checked(RANDOM)?;
    let good = checksum_of(random).ct_eq(checksum);
    bool::from(good).then(|| Digest::of(sent))
}

/// A fresh token and its digest. The text is known only now.
///
/// # Errors
/// The system has no randomness to give.
pub(super) fn fresh() -> Result<(SecretString, Digest)> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + RANDOM + CHECKSUM));
    text.push_str(PREFIX);
    let mut bytes = Zeroizing::new([0; 2 * RANDOM]);
    while text.len() < PREFIX.len() + RANDOM {
        getrandom::fill(&mut *bytes).map_err(Error::internal)?;
        // The largest multiple of 62 in a byte: what is beyond it would favour the first characters.
        let fair = bytes.iter().filter(|&&byte| byte < 248).take(PREFIX.len() + RANDOM - text.len());
        text.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    let checksum = checksum_of(&text.as_bytes()[PREFIX.len()..]);
    text.extend(checksum.map(char::from));
    let digest = Digest::of(text.as_bytes());
    Ok((SecretString::from(text.as_str()), digest))
}

/// The CRC32 of the random characters in base62, the highest digit first.
fn checksum_of(random: &[u8]) -> [u8; CHECKSUM] {
    let mut rest = crc32fast::hash(random);
    let mut digits = [0; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_fresh_token_has_the_form_and_its_own_key() {
        let (text, key) = fresh().unwrap();
        let text = text.expose_secret();
        assert_eq!(text.len(), 40);
        assert!(text.starts_with("nig_") && text[4..].bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");
        assert_eq!(digest(text), Some(key));
        assert_ne!(fresh().unwrap().1, key);
    }

    #[test]
    fn the_checksum_is_crc32_in_base62() {
        // The check value of CRC-32, cbf43926.
        assert_eq!(&checksum_of(b"123456789"), b"3jZRME");
    }

    #[test]
    fn every_single_wrong_character_is_noticed() {
        let (text, _) = fresh().unwrap();
        let text = text.expose_secret();
        for place in 0..text.len() {
            for &other in ALPHABET.iter().chain(b"_-. ") {
                let mut wrong = text.as_bytes().to_vec();
                if wrong[place] == other {
                    continue;
                }
                wrong[place] = other;
                assert_eq!(digest(std::str::from_utf8(&wrong).unwrap()), None);
            }
        }
    }

    #[test]
    fn what_is_no_token_has_no_key() {
        let (text, _) = fresh().unwrap();
        let text = text.expose_secret();
        for sent in ["", "nig_", "a", &text[..39], &text[4..], &format!("{text}0"), "nig_éééééééééééééééééé"]
        {
            assert_eq!(digest(sent), None, "{sent}");
        }
    }

    #[test]
    fn every_character_comes_up() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            seen.extend(fresh().unwrap().0.expose_secret()[4..34].bytes());
        }
        assert_eq!(seen.len(), 62);
    }
}
