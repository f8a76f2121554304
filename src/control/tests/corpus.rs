//! Replays what fuzzing starts from and what it found, with the properties it looks for, so that every test run walks
//! the same inputs. A file added to a corpus is replayed from then on.

use std::path::Path;

#[path = "../../../fuzz/properties/frame.rs"]
mod frame;
#[path = "../../../fuzz/properties/handshake.rs"]
mod handshake;

/// Calls `check` with every file of a target's corpus and its name.
fn replay(target: &str, check: impl Fn(&str, &[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).expect("the corpus is part of the repository");
    let mut count = 0;
    for file in files {
        let file = file.expect("readable");
        let name = file.file_name().into_string().expect("a plain name");
        // What fails names no file; the last one printed is it.
        println!("{target}/{name}");
        check(&name, &std::fs::read(file.path()).expect("readable"));
        count += 1;
    }
    assert!(count >= 10, "{} holds only {count} files", folder.display());
}

#[test]
fn frames() {
    replay("frame", |_, bytes| frame::holds(bytes));
}

#[test]
fn handshakes() {
    replay("handshake", |name, bytes| {
        let good = handshake::holds(bytes);
        // What a person added says in its name what it is; what the fuzzer found is named by its hash.
        let found = name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(found || good == name.starts_with("good"), "{name}: {good}");
    });
}
