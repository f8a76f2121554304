//! What a device is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A server.
    Server,
    /// A desktop computer.
    Desktop,
    /// A laptop.
    Laptop,
    /// A printer.
    Printer,
    /// A network-attached storage.
    Nas,
}

impl DeviceKind {
    /// The word it is stored and shown as.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Desktop => "desktop",
            Self::Laptop => "laptop",
            Self::Printer => "printer",
            Self::Nas => "nas",
        }
    }

    /// The kind of a stored word. An unknown word reads as a desktop: the kind decides nothing but a picture.
    pub fn from_stored(word: &str) -> Self {
        match word {
            "server" => Self::Server,
            "laptop" => Self::Laptop,
            "printer" => Self::Printer,
            "nas" => Self::Nas,
            _ => Self::Desktop,
        }
    }
}
