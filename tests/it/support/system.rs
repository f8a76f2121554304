//! A system that lacks something: a C library put in front of the real one for a program under test. It moves the wall
//! clock, and refuses what some file systems refuse.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Seconds are added to the wall clock by what the file named in `SYSTEM_CLOCK` says; calls whose names are in
/// `SYSTEM_LACKS` fail as they do where they do not exist.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int lacks(const char *what) {
    const char *all = getenv("SYSTEM_LACKS");
    return all && strstr(all, what);
}

static long shift(void) {
    const char *path = getenv("SYSTEM_CLOCK");
    FILE *file = path ? fopen(path, "re") : NULL;
    long seconds = 0;
    if (file) {
        if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
        fclose(file);
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && clock == CLOCK_REALTIME) now->tv_sec += shift();
    return done;
}

#define REFUSE(what, error) if (lacks(what)) { errno = error; return -1; }

int chmod(const char *path, mode_t mode) { REFUSE("chmod", EPERM) return syscall(SYS_fchmodat, AT_FDCWD, path, mode); }
int fchmod(int fd, mode_t mode) { REFUSE("chmod", EPERM) return syscall(SYS_fchmod, fd, mode); }
int flock(int fd, int how) { REFUSE("flock", ENOLCK) return syscall(SYS_flock, fd, how); }

int fsync(int fd) {
    struct stat is;
    if (lacks("dirsync") && syscall(SYS_fstat, fd, &is) == 0 && S_ISDIR(is.st_mode)) { errno = EINVAL; return -1; }
    return syscall(SYS_fsync, fd);
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
    if (lacks("socket") && address->sa_family == AF_UNIX) { errno = EPERM; return -1; }
    return syscall(SYS_bind, fd, address, length);
}
"#;

/// The library, compiled once for all tests of this process.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let (source, library) = (directory.path().join("system.c"), directory.path().join("system.so"));
        std::fs::write(&source, SOURCE).expect("a file");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-include", "fcntl.h", "-o"])
            .args([&library, &source])
            .status()
            .expect("the C compiler that the build needs, too");
        assert!(compiled.success());
        (directory, library)
    });
    path
}

/// Has a program's wall clock follow `clock`, a file with the seconds to add.
pub fn with_clock(program: &mut tokio::process::Command, clock: &Path) {
    program.env("LD_PRELOAD", library()).env("SYSTEM_CLOCK", clock);
}

/// Has a program run where the calls in `what` are refused.
pub fn without(program: &mut tokio::process::Command, what: &str) {
    program.env("LD_PRELOAD", library()).env("SYSTEM_LACKS", what);
}

/// Whether this process may do what only root may; if not, says aloud which test is left out.
pub fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("LEFT OUT: {test} needs to run as root");
    }
    root
}

/// A small file system in memory. It is gone when this is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of `size` at `path`, or says aloud that `test` is left out.
    pub fn mount(path: &Path, size: &str, test: &str) -> Option<Self> {
        std::fs::create_dir_all(path).expect("a directory");
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path).output();
        if mount.as_ref().is_ok_and(|done| done.status.success()) {
            return Some(Self(path.to_owned()));
        }
        eprintln!("LEFT OUT: {test} needs to mount a file system: {mount:?}");
        None
    }

    /// Writes zeros until nothing more fits, and answers the file.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("filler");
        let mut file = std::fs::File::create(&path).expect("a file");
        for size in [64 * 1024, 4096, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
