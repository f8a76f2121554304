//! The second factor: what a user shows besides the password, once they have set it up or where the configuration
//! wants it of their role.
//!
//! `totp` are the one-time passwords of an authenticator app, `recovery` the codes for whoever lost it. Here is what
//! both have in common: a code as it was typed, and of whom a second factor is required. That each code is good once
//! is the business of `store::second_factors`, which takes them; that guessing is slow, the throttle's.

pub mod recovery;
pub mod totp;

use secrecy::SecretString;
use zeroize::Zeroizing;

use self::recovery::RecoveryKey;
use super::accounts::Account;
use super::permission::Role;
use crate::config::{Config, RoleWord};

/// A code as a user typed it.
#[derive(Debug, Clone)]
pub enum Code {
    /// Six digits.
    Totp(SecretString),
    /// Anything else can only be a recovery code.
    Recovery(RecoveryKey),
}

impl Code {
    /// Reads a code. Blanks, hyphens and case are the typist's own; none where there is nothing else.
    pub fn read(text: &str) -> Option<Self> {
        let plain = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
        let plain = Zeroizing::new(plain.map(|c| c.to_ascii_uppercase()).collect::<String>());
        let digits = plain.len() == totp::DIGITS && plain.bytes().all(|byte| byte.is_ascii_digit());
        match plain.as_str() {
            "" => None,
            code if digits => Some(Self::Totp(code.into())),
            code => Some(Self::Recovery(RecoveryKey::of_plain(code))),
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
    !account.second_factor && is_required(account.role, config)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn six_digits_are_one_time_passwords_and_all_else_is_for_recovery() {
        for text in ["012345", " 012 345 ", "012-345"] {
            let Some(Code::Totp(code)) = Code::read(text) else { panic!("{text}") };
            assert_eq!(code.expose_secret(), "012345");
        }
        for text in ["01234", "0123456", "01234a", "٠١٢٣٤٥", "ABCD-EFGH-IJKL-MNOP"] {
            assert!(matches!(Code::read(text), Some(Code::Recovery(_))), "{text}");
        }
        for text in ["", " ", "- -"] {
            assert!(Code::read(text).is_none());
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
