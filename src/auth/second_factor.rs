//! The second factor: what a user shows besides the password, once they have set it up or where the configuration
//! wants it of their role.
//!
//! `totp` are the one-time passwords of an authenticator app; recovery codes, for whoever lost it, are typed codes. Here
//! is what both have in common: a code as it was typed, and of whom a second factor is required. That each code is good
//! once is seen to by the transaction that takes it; that guessing is slow, by the throttle.

pub mod totp;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::accounts::Account;
use super::permission::Role;
use super::typed_code::{self, groups};
use crate::clock::Millis;
use crate::config::{Config, RoleWord};
use crate::error::Result;
use crate::model::digest::Digest;
use crate::store::standing::Standing;
use crate::store::{Conn, second_factors};

/// Recovery codes that a user gets at once.
pub const RECOVERY_CODES: usize = 10;

/// A code as a user typed it.
#[derive(Debug, Clone)]
pub enum Code {
    /// Six digits of the app.
    Totp(SecretString),
    /// A recovery code, by its key.
    Recovery(Digest),
}

impl Code {
    /// Reads a code, however it is grouped; none for what is no code at all.
    pub fn read(text: &str) -> Option<Self> {
        let plain: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !groups(*c)).take(totp::DIGITS + 1).collect());
        if plain.len() == totp::DIGITS && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Self::Totp(plain.as_str().into()));
        }
        typed_code::digest(text).map(Self::Recovery)
    }
}

/// Puts the factor in force whose seed `code` was made with, in the transaction of `db`, and stores its recovery codes.
/// Answers whether the code was right; none if there is nothing to confirm.
///
/// # Errors
/// The database refuses.
pub fn confirm(db: &Conn, user: i64, code: &Code, codes: &[Digest], now: Millis) -> Result<Option<bool>> {
    let Some(seed) = second_factors::seed_to_confirm(db, user)? else { return Ok(None) };
    let Some(step) = step_of(user, seed, code, now) else { return Ok(Some(false)) };
    let hashes: Vec<_> = codes.iter().map(|key| key.0).collect();
    second_factors::confirm(db, user, step, &hashes, now)?;
    Ok(Some(true))
}

/// Takes a code of the factor in force, in the transaction of `db`: it is then used up, as are all of earlier steps.
/// Answers whether it was good.
///
/// # Errors
/// The database refuses.
pub fn take(db: &Conn, user: i64, code: &Code, now: Millis) -> Result<bool> {
    let Some(seed) = second_factors::seed_in_force(db, user)? else { return Ok(false) };
    if let Code::Recovery(Digest(hash)) = code {
        return second_factors::use_recovery_code(db, user, hash);
    }
    step_of(user, seed, code, now).map_or(Ok(false), |step| second_factors::use_step(db, user, step))
}

/// The step that a one-time password is for. A seed that cannot be opened takes none; recovery codes are still good.
fn step_of(user: i64, seed: Result<SecretString>, code: &Code, now: Millis) -> Option<i64> {
    let Code::Totp(code) = code else { return None };
    match seed {
        Ok(seed) => totp::step_of(&seed, code, now),
        Err(e) => {
            tracing::error!("the second factor of the user {user} takes no code until it is removed: {e}");
            None
        }
    }
}

/// Whether the configuration wants a second factor of whoever has `role`.
pub fn is_required(role: Role, config: &Config) -> bool {
    let word = match role {
        Role::User => RoleWord::User,
        Role::Admin | Role::Superadmin => RoleWord::Admin,
    };
    config.auth.require_totp.contains(&word)
}

/// Whether a user must set up a second factor before anything else.
pub fn is_missing(account: &Account, config: &Config) -> bool {
    lacks(Standing { role: account.role, second_factor: account.second_factor }, config)
}

/// Whether a user of this standing must set up a second factor before anything else.
pub fn lacks(standing: Standing, config: &Config) -> bool {
    !standing.second_factor && is_required(standing.role, config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn six_digits_are_of_the_app_and_sixteen_characters_for_recovery() {
        for text in ["012345", " 012 345 ", "012-345", "\u{feff}012\u{a0}345\r\n"] {
            let Some(Code::Totp(code)) = Code::read(text) else { panic!("{text}") };
            assert_eq!(code.expose_secret(), "012345");
        }
        for text in ["ABCD-EFGH-1JKM-N0PQ", "abcd efgh 1jkm n0pq", "0123456789012345"] {
            assert!(matches!(Code::read(text), Some(Code::Recovery(_))), "{text}");
        }
        for text in ["", " ", "- -", "01234", "0123456", "01234a", "٠١٢٣٤٥", "ABCD-EFGH-1JKM-N0P"] {
            assert!(Code::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_superadmin_counts_as_an_admin() {
        let mut config = Config::default();
        assert!(!is_required(Role::Superadmin, &config));
        config.auth.require_totp = vec![RoleWord::Admin];
        let required = [Role::User, Role::Admin, Role::Superadmin].map(|role| is_required(role, &config));
        assert_eq!(required, [false, true, true]);
    }
}
