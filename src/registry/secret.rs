//! An agent's secret as one end hands it to the other.

use std::fmt;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::model::shown::Hidden;

/// A secret that an agent can log in with and keep on a line of a file: 8 to 256 characters, none of them a control
/// character, a line break or invisible, and no blank at either end.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("minLength" = 8, "maxLength" = 256))]
pub struct AgentSecret(SecretString);

/// Why a text is no secret of an agent. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSecret;

impl fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected 8 to 256 visible characters on one line, without blanks at the beginning or the end",
        )
    }
}

impl std::error::Error for InvalidSecret {}

impl AgentSecret {
    /// The secret.
    pub fn get(&self) -> &SecretString {
        &self.0
    }
}

impl TryFrom<String> for AgentSecret {
    type Error = InvalidSecret;

    fn try_from(text: String) -> Result<Self, InvalidSecret> {
        let secret = SecretString::from(text);
        let text = secret.expose_secret();
        let length = text.chars().take(257).count();
        let good = (8..=256).contains(&length) && text.trim() == text && !text.chars().any(hides);
        if good { Ok(Self(secret)) } else { Err(InvalidSecret) }
    }
}

/// Whether a character would be lost, or do something, where a secret is written down.
fn hides(c: char) -> bool {
    Hidden::of(c).is_some_and(|why| why != Hidden::Unassigned)
}

impl Serialize for AgentSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl fmt::Debug for AgentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentSecret(…)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_cannot_keep_or_send_is_no_secret() {
        for good in ["12345678", "a secret of the server's", "ein Geheimnis mit ä", &"x".repeat(256)] {
            let secret = AgentSecret::try_from(good.to_owned()).unwrap();
            assert_eq!(secret.get().expose_secret(), good);
        }
        for bad in [
            "",
            "1234567",
            &"x".repeat(257),
            &"x".repeat(60_000),
            "two\nlines of it",
            "a return\r at once",
            " blank before",
            "blank after ",
            "\u{feff}with a mark",
            "nothing\0here at all",
            "turned\u{202e}around",
            "split\u{2028}in two",
        ] {
            let refused = serde_json::from_value::<AgentSecret>(bad.into()).unwrap_err();
            assert!(refused.to_string().contains("8 to 256"), "{bad:?}");
        }
    }

    #[test]
    fn it_is_not_shown() {
        let secret = AgentSecret::try_from("hidden-s3cret".to_owned()).unwrap();
        assert_eq!(format!("{secret:?}"), "AgentSecret(…)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"hidden-s3cret\"");
    }
}
