//! Network namespaces of a test's own: machines that have any addresses and disturb nobody.

use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace; it goes with this.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    /// Makes one with nothing but loopback; none, with a word about it, where the system does not allow that.
    pub fn make() -> Option<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("netignite-{}-{number}", std::process::id()) };
        if !ip(&["netns", "add", &namespace.name]) {
            eprintln!("SKIPPED: this user cannot make network namespaces (`ip netns add`)");
            return None;
        }
        namespace.ip(&["link", "set", "lo", "up"]);
        Some(namespace)
    }

    /// Runs `ip` in it.
    pub fn ip(&self, arguments: &[&str]) {
        let whole = [&["-n", self.name.as_str()], arguments].concat();
        assert!(ip(&whole), "ip {}", whole.join(" "));
    }

    /// Lays a cable to another one; the ends are interfaces with these names, and up.
    pub fn connect(&self, interface: &str, other: &Self, interface_there: &str) {
        self.ip(&[
            "link",
            "add",
            interface,
            "type",
            "veth",
            "peer",
            "name",
            interface_there,
            "netns",
            &other.name,
        ]);
        self.ip(&["link", "set", interface, "up"]);
        other.ip(&["link", "set", interface_there, "up"]);
    }

    /// What `make` makes there: a socket stays where it was made.
    pub fn inside<T: Send + 'static>(&self, make: impl FnOnce() -> T + Send + 'static) -> T {
        let file = std::fs::File::open(format!("/var/run/netns/{}", self.name)).unwrap();
        // A thread of its own, which ends there.
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            make()
        });
        thread.join().unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).stderr(std::process::Stdio::null()).status().is_ok_and(|s| s.success())
}
