//! The first admin: made when there is no user at all, with a random password that only a file of the data directory
//! tells.
//!
//! A server that has a page also makes a link with which the first admin chooses a password there, once and for a day. It
//! is shown on a terminal, where nothing keeps it, and else written to a file beside that of the password.
//!
//! The file is complete and on disk before the user is: whatever interrupts a start, the next one either finds no
//! user and writes a new password, or finds the user and the file that belongs to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::files;

pub use crate::model::account::{FIRST_ADMIN as ID, FIRST_ADMIN_NAME as USERNAME};

/// Where the first admin's credentials lie.
pub fn credentials_path(data_directory: &Path) -> PathBuf {
    data_directory.join("initial_admin_credentials")
}

/// Where the link lies with which the first admin chooses a password, where no terminal shows it.
pub fn link_path(data_directory: &Path) -> PathBuf {
    data_directory.join("initial_admin_link")
}

/// A random password of 192 bits, in characters that survive copy and paste.
///
/// # Errors
/// The system has no randomness to give.
pub fn random_password() -> io::Result<SecretString> {
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(random)))
}

/// Writes the credentials file: complete, readable by its owner only, and on disk, or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn write_credentials(data_directory: &Path, password: &SecretString) -> io::Result<PathBuf> {
    let path = credentials_path(data_directory);
    let text = Zeroizing::new(format!("username: {USERNAME}\npassword: {}\n", password.expose_secret()));
    files::replace(&path, text.as_bytes())?;
    Ok(path)
}

/// Writes the link's file, as [`write_credentials`].
///
/// # Errors
/// The file cannot be written.
pub fn write_link(data_directory: &Path, link: &SecretString) -> io::Result<PathBuf> {
    let path = link_path(data_directory);
    let text = Zeroizing::new(format!("{}\n", link.expose_secret()));
    files::replace(&path, text.as_bytes())?;
    Ok(path)
}

/// Removes the files of credentials and link after the password was changed. Says whether there were credentials.
///
/// # Errors
/// A file is there and cannot be removed.
pub fn remove_credentials(data_directory: &Path) -> io::Result<bool> {
    let credentials = match fs::remove_file(credentials_path(data_directory)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    };
    files::remove_if_there(&link_path(data_directory))?;
    credentials
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_private_and_replaces_an_older_one() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let password = random_password().unwrap();
            let path = write_credentials(directory.path(), &password).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("username: admin\npassword: {}\n", password.expose_secret()));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(remove_credentials(directory.path()).unwrap());
        assert!(!remove_credentials(directory.path()).unwrap());
    }
}
