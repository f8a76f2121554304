//! The local operator's Unix socket in the data directory: whoever may open it is the server's owner.
//!
//! A socket's path holds 107 bytes at most, a data directory's may be longer: then the directory is opened and the
//! socket reached through the process's own descriptor of it, whose path is always short.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket, in the data directory.
pub const NAME: &str = "netignite.sock";

/// The longest path that fits into a socket's address, in bytes, the ending null left out.
const MAX_PATH: usize = 107;

/// Listens on the data directory's socket, for its owner only. One that a server which died left there is replaced;
/// call this only while holding the directory's [`DataLock`](crate::lock::DataLock).
///
/// # Errors
/// The socket cannot be made, such as on a file system without sockets.
pub fn bind(data_directory: &Path) -> io::Result<UnixListener> {
    // Made under another name, so that it is never reachable before its permissions are narrow.
    let draft = ShortPath::of(data_directory, "netignite.sock.new")?;
    match std::fs::remove_file(&draft.path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(&draft.path)?;
    std::fs::set_permissions(&draft.path, Permissions::from_mode(0o600))?;
    std::fs::rename(&draft.path, data_directory.join(NAME))?;
    Ok(listener)
}

/// Connects to the server that serves the data directory.
///
/// # Errors
/// No server listens there, or this user may not ask it.
pub async fn connect(data_directory: &Path) -> io::Result<UnixStream> {
    let socket = ShortPath::of(data_directory, NAME)?;
    UnixStream::connect(&socket.path).await
}

/// Removes the socket of a server that stops. One that is gone already is as good.
///
/// # Errors
/// The socket is there and cannot be removed.
pub fn remove(data_directory: &Path) -> io::Result<()> {
    match std::fs::remove_file(data_directory.join(NAME)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// A path that fits into a socket's address, good as long as this lives.
struct ShortPath {
    path: PathBuf,
    _directory: Option<File>,
}

impl ShortPath {
    fn of(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(name);
        if path.as_os_str().len() <= MAX_PATH {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(directory)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn it_is_private_replaces_a_dead_one_and_fits_any_directory() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["short", &"long".repeat(40)] {
            let directory = parent.path().join(name);
            std::fs::create_dir(&directory).unwrap();
            assert_eq!(connect(&directory).await.unwrap_err().kind(), io::ErrorKind::NotFound);
            drop(bind(&directory).unwrap());
            assert_eq!(connect(&directory).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);

            let listener = bind(&directory).unwrap();
            let (client, server) = tokio::join!(connect(&directory), listener.accept());
            assert!(client.is_ok() && server.is_ok());
            let mode = std::fs::metadata(directory.join(NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            remove(&directory).unwrap();
            remove(&directory).unwrap();
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        }
    }
}
