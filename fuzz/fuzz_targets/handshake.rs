//! Judges arbitrary header lines as a handshake.
#![no_main]

#[path = "../properties/handshake.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    property::holds(bytes);
});
