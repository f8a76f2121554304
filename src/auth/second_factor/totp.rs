//! One-time passwords that follow the clock: RFC 6238 as every authenticator app speaks it, with SHA-1, six digits and
//! steps of 30 seconds.
//!
//! The arithmetic is totp-rs's. Here are the seed, the URL that apps read it from, and which step a code belongs to.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret};
use zeroize::Zeroizing;

use crate::clock::Millis;
use crate::error::{Error, Result};

/// The digits of a code.
pub const DIGITS: usize = 6;

/// Random bytes of a seed: the 160 bits that RFC 4226 recommends.
const SEED_BYTES: usize = 20;
/// What apps show beside the user's name.
const ISSUER: &str = "NetIgnite";
const BASE32: base32::Alphabet = base32::Alphabet::Rfc4648 { padding: false };

/// A fresh seed, in base32 as people type it into an app.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh_seed() -> Result<SecretString> {
    let mut bytes = Zeroizing::new([0; SEED_BYTES]);
    getrandom::fill(&mut *bytes).map_err(Error::internal)?;
    Ok(base32::encode(BASE32, &*bytes).into())
}

/// The `otpauth` URL that apps read from a QR code.
pub fn url(seed: &SecretString, username: &str) -> SecretString {
    let name = utf8_percent_encode(username, NON_ALPHANUMERIC);
    format!("otpauth://totp/{ISSUER}:{name}?secret={}&issuer={ISSUER}", seed.expose_secret()).into()
}

/// The time step that `code` is for, if that is the present one or a neighbour: clocks differ, and typing takes time.
pub fn step_of(seed: &SecretString, code: &SecretString, now: Millis) -> Option<i64> {
    let bytes = base32::decode(BASE32, seed.expose_secret())?;
    // What the builder sets by itself is what the essay says.
    let totp = Builder::new().with_secret(Secret::new(bytes.into())).build().ok()?;
    let seconds = u64::try_from(now).ok()? / 1000;
    totp.check(code.expose_secret(), seconds).and_then(|step| i64::try_from(step).ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    /// The seed of RFC 6238's test vectors, whose codes are cut to six digits here.
    fn seed() -> SecretString {
        base32::encode(BASE32, b"12345678901234567890").into()
    }

    #[test]
    fn the_vectors_of_rfc_6238_belong_to_their_steps() {
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(step_of(&seed(), &secret(code), time * 1000), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn neighbouring_steps_count_and_no_others() {
        let code = secret("050471");
        let step = 1_111_111_111 / 30;
        let at = |seconds: i64| step_of(&seed(), &code, seconds * 1000);
        assert_eq!(at((step - 1) * 30), Some(step));
        assert_eq!(at((step + 2) * 30 - 1), Some(step));
        assert_eq!(at((step - 1) * 30 - 1), None);
        assert_eq!(at((step + 2) * 30), None);
        for (seed, code, now) in [
            (seed(), secret("050472"), step * 30_000),
            (seed(), secret("05047"), step * 30_000),
            (seed(), secret(""), step * 30_000),
            (seed(), code.clone(), -1),
            (secret("not base32!"), code.clone(), step * 30_000),
            (secret(""), code.clone(), step * 30_000),
        ] {
            assert_eq!(step_of(&seed, &code, now), None);
        }
    }

    #[test]
    fn a_seed_is_fresh_and_its_url_holds_any_name() {
        let seed = fresh_seed().unwrap();
        assert_eq!(seed.expose_secret().len(), 32);
        assert_ne!(seed.expose_secret(), fresh_seed().unwrap().expose_secret());
        let url = url(&secret("ABC"), "Zoë: a/b?c&d=e");
        assert_eq!(
            url.expose_secret(),
            "otpauth://totp/NetIgnite:Zo%C3%AB%3A%20a%2Fb%3Fc%26d%3De?secret=ABC&issuer=NetIgnite"
        );
    }
}
