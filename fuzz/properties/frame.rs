//! What holds for any bytes that an agent may send: nothing panics, they are read the same however they are cut, and
//! what is held stays within its bounds.

use std::ops::ControlFlow;

use netignite::control::frame::{Incoming, MAX_CONTROL, MAX_MESSAGE, Reader, Violation};
use netignite::control::message::Message;

/// Panics unless it holds.
pub(crate) fn holds(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    for size in [1, 7] {
        assert_eq!(whole, read(bytes, size), "in pieces of {size}");
    }
}

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
