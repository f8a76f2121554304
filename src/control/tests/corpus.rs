//! Replays what fuzzing starts from, so that every test run walks the same inputs.

use std::ops::ControlFlow;
use std::path::Path;

use crate::control::frame::Reader;
use crate::control::handshake;
use crate::control::message::Message;
use crate::http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Calls `check` with every file of a target's corpus.
fn replay(target: &str, check: impl Fn(&str, &[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).expect("the corpus is part of the repository");
    let mut count = 0;
    for file in files {
        let path = file.expect("readable").path();
        check(&path.display().to_string(), &std::fs::read(&path).expect("readable"));
        count += 1;
    }
    assert!(count >= 10, "{} holds only {count} files", folder.display());
}

#[test]
fn frames() {
    replay("frame", |name, bytes| {
        let run = |pieces: Vec<&[u8]>| {
            let (mut reader, mut seen) = (Reader::default(), Vec::new());
            for piece in pieces {
                let result = reader.read(&mut piece.to_vec(), |incoming| {
                    if let crate::control::frame::Incoming::Message(bytes) = incoming {
                        let _ = Message::parse(bytes);
                    }
                    seen.push(format!("{incoming:?}"));
                    ControlFlow::Continue(())
                });
                if result.is_err() || seen.last().is_some_and(|last| last.starts_with("Close")) {
                    return (seen, result);
                }
            }
            (seen, Ok(()))
        };
        assert_eq!(run(vec![bytes]), run(bytes.chunks(1).collect()), "{name}");
    });
}

#[test]
fn handshakes() {
    replay("handshake", |name, bytes| {
        let mut headers = HeaderMap::new();
        for line in bytes.split(|&b| b == b'\n') {
            let mut parts = line.splitn(2, |&b| b == b':');
            let (header, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if let (Ok(header), Ok(value)) =
                (HeaderName::from_bytes(header), HeaderValue::from_bytes(value.trim_ascii()))
            {
                headers.append(header, value);
            }
        }
        let result = handshake::judge(&Method::GET, hyper::Version::HTTP_11, &headers, false);
        let good = Path::new(name).file_name().is_some_and(|name| name.to_string_lossy().starts_with("good"));
        assert_eq!(result.is_ok(), good, "{name}");
    });
}
