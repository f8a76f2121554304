//! A terminal at which a program is started, and all that it shows.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What a terminal shows, with all that steers it.
pub struct Terminal {
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// A terminal, and the end of it that is a program's.
    pub fn open() -> (Self, File) {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("a terminal");
        unlockpt(&terminal).expect("a terminal");
        let name = ptsname(&terminal, Vec::new()).expect("its name");
        let name = name.to_str().expect("its name");
        let end = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let into = shown.clone();
        // It ends with an error when the program does.
        let reader = thread::spawn(move || {
            let mut reader = File::from(terminal);
            let mut bytes = [0; 4096];
            while let Ok(count) = reader.read(&mut bytes) {
                into.lock().extend_from_slice(&bytes[..count]);
            }
        });
        (Self { shown, reader }, end)
    }

    /// All that it has shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock()).into_owned()
    }

    /// All that it has shown when nobody writes to it any more: the program's last words may be read after its end.
    pub fn whole(self) -> String {
        let Self { shown, reader } = self;
        reader.join().expect("a reader");
        String::from_utf8_lossy(&shown.lock()).into_owned()
    }
}
