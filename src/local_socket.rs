//! The local operator's Unix socket in the data directory: whoever may open it is the server's owner.
//!
//! A socket's path holds 107 bytes at most, a data directory's may be longer: then the directory is opened and the
//! socket reached through the process's own descriptor of it, whose path is always short.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// The socket, in the data directory.
pub const NAME: &str = "netignite.sock";

/// The longest path that fits into a socket's address, in bytes, the ending null left out.
const MAX_PATH: usize = 107;

/// Listens at `path`, for the socket's owner only. One that a server which died left there is replaced; call this
/// only while holding the directory's [`DataLock`](crate::lock::DataLock).
///
/// # Errors
/// The socket cannot be made, as on a file system without sockets.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    // Made under another name, so that it is never reachable before its permissions are narrow.
    let draft = path.with_extension("new");
    for path in [&draft, path] {
        match fs::symlink_metadata(path) {
            Ok(is) if !is.file_type().is_socket() => {
                let text = format!("{} is no socket; move it away", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
            }
            _ => {}
        }
    }
    crate::files::remove_if_there(&draft)?;
    let listener = UnixListener::bind(&ShortPath::of(&draft)?.path)?;
    // Without them everyone who reaches the directory would be the operator.
    if let Err(e) = fs::set_permissions(&draft, Permissions::from_mode(0o600)) {
        let _ = fs::remove_file(&draft);
        return Err(e);
    }
    fs::rename(&draft, path)?;
    Ok(listener)
}

/// Which socket lies at `path`, if one does.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    let is = fs::symlink_metadata(path).ok()?;
    is.file_type().is_socket().then(|| (is.dev(), is.ino()))
}

/// Connects to the server that listens at `path`.
///
/// # Errors
/// No server listens there, or this user may not ask it.
pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let short = ShortPath::of(path)?;
    UnixStream::connect(&short.path).await
}

/// A path that fits into a socket's address, good as long as this lives.
struct ShortPath {
    path: PathBuf,
    _directory: Option<File>,
}

impl ShortPath {
    fn of(path: &Path) -> io::Result<Self> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if path.as_os_str().len() > MAX_PATH => {
                let directory = File::open(parent)?;
                let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name);
                Ok(Self { path, _directory: Some(directory) })
            }
            _ => Ok(Self { path: path.to_owned(), _directory: None }),
        }
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
            let path = directory.join(NAME);
            assert_eq!(connect(&path).await.unwrap_err().kind(), io::ErrorKind::NotFound);
            drop(bind(&path).unwrap());
            assert_eq!(connect(&path).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);

            let listener = bind(&path).unwrap();
            let (client, server) = tokio::join!(connect(&path), listener.accept());
            assert!(client.is_ok() && server.is_ok());
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
        }
    }
}
