//! Files that are the server's or the agent's own: put in place whole, for whom they belong to, on whatever file
//! system there is.
//!
//! Whoever is root and works on a service's data leaves files that the service can use: a file that is replaced keeps
//! its owner, and its mode if that lets not everyone in, a new one gets the owner of its directory. A symbolic link stays one. What a file system does
//! not have, such as permissions or a sync of directories, is no reason to refuse service: the caller learns of it and
//! warns.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Whether an error says that the file system has no such thing, not that it failed.
pub(crate) fn is_lacking(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
        || [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTTY]
            .iter()
            .any(|lacking| error.raw_os_error() == Some(lacking.raw_os_error()))
}

/// What to do about an error, for the end of a message.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(Errno::IO.raw_os_error()) {
        return "its disk fails: look at the system's log, and check disk and file system";
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "make it and its directory readable and writable for the user that this runs as"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space on its file system"
        }
        io::ErrorKind::FileTooLarge => "a limit on the size of files is reached: raise it (ulimit -f)",
        io::ErrorKind::ReadOnlyFilesystem => {
            "its file system is read-only: mount it writable, or choose another directory"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            "something else is in its way: make it a plain file, in a directory"
        }
        _ => "check it, its directory and the file system",
    }
}

/// Whether hardly anything more can be written beside `path`. Not every error of a full disk says so.
pub(crate) fn is_full(path: &Path) -> bool {
    const LITTLE: u64 = 64 * 1024;
    let directory = path.parent().unwrap_or(path);
    rustix::fs::statvfs(directory).is_ok_and(|is| is.f_bavail.saturating_mul(is.f_frsize) < LITTLE)
}

/// Makes what was created or renamed in `directory` survive a power cut, where the file system can.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory)?.sync_all() {
        Err(e) if is_lacking(&e) => Ok(()),
        done => done,
    }
}

/// Takes a file away from everyone but its owner. Answers whether it is so now: not every file system has permissions,
/// and not every file is ours to change.
pub(crate) fn make_private(path: &Path) -> io::Result<bool> {
    let mode = |path| Ok::<_, io::Error>(fs::metadata(path)?.permissions().mode() & 0o777);
    if mode(path)? == 0o600 {
        return Ok(true);
    }
    match fs::set_permissions(path, Permissions::from_mode(0o600)) {
        Ok(()) => Ok(mode(path)? & 0o077 == 0),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied || is_lacking(&e) => {
            Ok(mode(path)? & 0o077 == 0)
        }
        Err(e) => Err(e),
    }
}

/// Whether others than its owner may read a file.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Opens a file to read and write; one that is missing is made, for its owner alone.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut open = OpenOptions::new();
    open.read(true).write(true);
    match open.open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    match open.create_new(true).mode(0o600).open(path) {
        // A link to nothing is followed, and so is whoever was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            open.create_new(false).create(true).truncate(false).open(path)
        }
        Ok(file) => {
            give_to_owner(&file, path)?;
            Ok(file)
        }
        Err(e) => Err(e),
    }
}

/// Makes a new file, for its owner alone, and writes nothing to it yet.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    give_to_owner(&file, path)?;
    Ok(file)
}

/// Makes a directory that is missing, for its owner alone. One that root makes in another's belongs to that other.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    give_to_owner(&File::open(path)?, path)
}

/// What root makes in another's directory belongs to that other.
fn give_to_owner(file: &File, path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(directory)?;
    if owner.uid() == 0 { Ok(()) } else { give(file, &owner) }
}

fn give(file: &File, to: &Metadata) -> io::Result<()> {
    let is = file.metadata()?;
    if (is.uid(), is.gid()) == (to.uid(), to.gid()) {
        return Ok(());
    }
    match fchown(file, Some(to.uid()), Some(to.gid())) {
        // Without owners there is nothing to keep; and whoever may not give a file away keeps it.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied || is_lacking(&e) => Ok(()),
        done => done,
    }
}

/// Where a file lies: what a symbolic link at `path` leads to, else `path` itself.
///
/// # Errors
/// A link that another user has put there is not followed: it may lead to what that user must not change.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let Ok(link) = fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    if !link.is_symlink() {
        return Ok(path.to_owned());
    }
    let own = rustix::process::geteuid().as_raw();
    let owner_of_target = fs::metadata(path).map(|target| target.uid());
    if link.uid() != own && !owner_of_target.is_ok_and(|uid| uid == link.uid()) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is a symbolic link that another user has made",
        ));
    }
    path.canonicalize().or_else(|_| {
        let target = fs::read_link(path)?;
        Ok(path.parent().map_or_else(|| target.clone(), |directory| directory.join(&target)))
    })
}

/// Writes `content` to a new file `draft`, complete and on disk, that is to take the place of `target`: with its owner
/// and mode if it is there, else for the owner of the directory alone. Everyone's it never is.
pub(crate) fn write_draft(draft: &Path, target: &Path, content: &[u8]) -> io::Result<()> {
    remove_if_there(draft)?;
    let mut file = create_new(draft)?;
    if let Ok(replaced) = fs::metadata(target) {
        give(&file, &replaced)?;
        // What everyone may read was hardly meant so: these files hold secrets.
        let mode = match replaced.permissions().mode() & 0o777 {
            open if open & 0o007 != 0 => 0o600,
            chosen => chosen,
        };
        match file.set_permissions(Permissions::from_mode(mode)) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied || is_lacking(&e) => {}
            done => done?,
        }
    }
    file.write_all(content)?;
    file.sync_all()?;
    draft.parent().map_or(Ok(()), sync_directory)
}

/// Gives a draft its name.
pub(crate) fn put_in_place(draft: &Path, target: &Path) -> io::Result<()> {
    fs::rename(draft, target)?;
    target.parent().map_or(Ok(()), sync_directory)
}

/// Puts a file with `content` in the place of whatever is at `path`, whole or not at all.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = resolve(&std::path::absolute(path)?)?;
    let draft = with_suffix(&path, ".netignite-draft");
    let done = write_draft(&draft, &path, content).and_then(|()| put_in_place(&draft, &path));
    if done.is_err() {
        let _ = fs::remove_file(&draft);
    }
    done
}

/// The path with `suffix` at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
