//! Reads arbitrary bytes as frames, whole and byte by byte: nothing panics, both read the same, and what is held
//! stays within its bounds.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use netignite::control::frame::{Incoming, MAX_CONTROL, MAX_MESSAGE, Reader, Violation};
use netignite::control::message::Message;

fn read(bytes: &[u8], size: usize) -> (Vec<String>, Result<(), Violation>) {
    let (mut reader, mut seen) = (Reader::default(), Vec::new());
    for piece in bytes.chunks(size) {
        let mut closed = false;
        let result = reader.read(&mut piece.to_vec(), |incoming| {
            if let Incoming::Message(bytes) = incoming {
                let _ = Message::parse(bytes);
            }
            closed |= matches!(incoming, Incoming::Close(_));
            seen.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        assert!(reader.held() <= MAX_MESSAGE + MAX_CONTROL);
        if result.is_err() || closed {
            return (seen, result);
        }
    }
    (seen, Ok(()))
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(read(bytes, bytes.len().max(1)), read(bytes, 1));
});
