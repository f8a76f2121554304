//! One source of configuration values, as figment merges them.

use std::fmt;
use std::path::PathBuf;

use figment::value::{Dict, Map, Value as FigmentValue};
use figment::{Metadata, Profile, Provider};
use serde_json::Value;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A file that an environment variable names.
    NamedFile {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
    },
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::NamedFile { variable, path } => write!(f, "{variable} ({})", path.display()),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The values of one source: a JSON object.
pub(super) struct Layer {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

impl Layer {
    /// A layer that sets only `key`, nested by dots.
    pub(super) fn one(origin: Origin, key: &str, value: Value) -> Self {
        let nest = |inner, segment: &str| Value::Object([(segment.to_owned(), inner)].into_iter().collect());
        Self { origin, value: key.rsplit('.').fold(value, nest) }
    }
}

impl Provider for &Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = FigmentValue::serialize(&self.value)?.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}
