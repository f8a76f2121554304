//! The master key as the operator gives it: in a variable, or in the file that a variable names.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::KeyError;
use super::master::MasterKey;
use crate::text;

/// The variable that holds the master key. With `_FILE` at its end it names a file.
const CURRENT: &str = "NETIGNITE_SECRET_KEY";
/// The variable that holds the master key to come.
const NEXT: &str = "NETIGNITE_NEW_SECRET_KEY";
/// Longer than any key, in bytes; a file beyond it is the wrong file.
const LONGEST: u64 = 4096;

/// What the environment says of the master key. Nothing, by default: then it lies in the data directory.
#[derive(Debug, Clone, Default)]
pub struct Given {
    pub(super) current: Option<Named>,
    pub(super) next: Option<Named>,
}

/// A key's text, and what to call it in a message.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    text: SecretString,
}

impl Named {
    /// The keys that the text may mean, the likeliest first.
    pub(super) fn keys(&self) -> Result<Vec<MasterKey>, KeyError> {
        MasterKey::candidates(self.text.expose_secret())
            .map_err(|e| KeyError::new(format_args!("the master key of {} is {e}", self.name)))
    }
}

impl Given {
    /// Reads the environment, and the files it names. Blocks.
    ///
    /// # Errors
    /// A variable and its `…_FILE` are both set, or the file cannot be read.
    pub fn from_environment() -> Result<Self, KeyError> {
        Self::read(|name| std::env::var_os(name))
    }

    pub(super) fn read(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, KeyError> {
        Ok(Self { current: named(CURRENT, &get)?, next: named(NEXT, &get)? })
    }

    /// Whether what is given can be a key.
    ///
    /// # Errors
    /// It is too weak.
    pub fn check(&self) -> Result<(), KeyError> {
        self.current.as_ref().map_or(Ok(()), |named| named.keys().map(drop))
    }

    /// The key to come, if one is given.
    pub fn next(&self) -> Option<&SecretString> {
        self.next.as_ref().map(|named| &named.text)
    }
}

fn named(variable: &str, get: impl Fn(&str) -> Option<OsString>) -> Result<Option<Named>, KeyError> {
    // An empty variable counts as not set, as everywhere.
    let set = |name: &str| get(name).filter(|value| !value.is_empty());
    let file_variable = format!("{variable}_FILE");
    match (set(variable), set(&file_variable)) {
        (Some(_), Some(_)) => {
            Err(KeyError::new(format_args!("{variable} and {file_variable} are both set; unset one of them")))
        }
        (Some(text), None) => match text.into_string() {
            Ok(text) => Ok(Some(Named { name: variable.to_owned(), text: text.into() })),
            Err(_) => Err(KeyError::new(format_args!("{variable}: expected text in UTF-8"))),
        },
        (None, Some(path)) => {
            let path = Path::new(&path);
            let name = format!("{file_variable} ({})", path.display());
            match read_text(path) {
                Ok(text) => Ok(Some(Named { name, text: text.as_str().into() })),
                Err(e) => Err(KeyError::new(format_args!("cannot read the master key of {name}: {e}"))),
            }
        }
        (None, None) => Ok(None),
    }
}

/// A small file's text, the byte order mark before it included: earlier versions took it for a part of the key.
pub(super) fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes, so it is no key")));
    }
    text::decode(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let whole = std::str::from_utf8(&bytes).map_err(io::Error::other)?;
    Ok(Zeroizing::new(whole.to_owned()))
}
