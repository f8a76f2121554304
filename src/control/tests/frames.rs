//! The frame reader: whatever the cutting, and whatever breaks the protocol.

use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;

use super::peer::encode;
use crate::control::frame::{Incoming, MAX_MESSAGE, Reader, Violation};

/// What was read, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// Reads `pieces` one after the other; also checks what the reader holds meanwhile.
pub(super) fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Read>, Result<(), Violation>) {
    let mut reader = Reader::default();
    let mut all = Vec::new();
    for piece in pieces {
        let result = reader.read(&mut piece.to_vec(), |incoming| {
            all.push(match incoming {
                Incoming::Message(bytes) => Read::Message(bytes.to_vec()),
                Incoming::Ping(bytes) => Read::Ping(bytes.to_vec()),
                Incoming::Pong => Read::Pong,
                Incoming::Close(code) => Read::Close(code),
            });
            ControlFlow::Continue(())
        });
        assert!(reader.held() <= MAX_MESSAGE + 125, "{} bytes held", reader.held());
        if result.is_err() || matches!(all.last(), Some(Read::Close(_))) {
            return (all, result);
        }
    }
    assert!(!reader.is_partial() || reader.held() <= MAX_MESSAGE + 125);
    (all, Ok(()))
}

fn whole(bytes: &[u8]) -> (Vec<Read>, Result<(), Violation>) {
    read([bytes])
}

#[derive(Debug, Clone)]
enum Part {
    Message { text: bool, payload: Vec<u8>, cuts: usize },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn part() -> impl Strategy<Value = Part> {
    let size = prop_oneof![0..20_usize, 120..130_usize, 65_530..=MAX_MESSAGE];
    let message = (any::<bool>(), size, any::<u8>(), 1..4_usize).prop_map(|(text, size, byte, cuts)| {
        let byte = if text { byte & 0x7f } else { byte };
        Part::Message { text, payload: vec![byte; size], cuts }
    });
    let control = vec(any::<u8>(), 0..=125);
    prop_oneof![3 => message, 1 => control.clone().prop_map(Part::Ping), 1 => control.prop_map(Part::Pong)]
}

/// The bytes of parts, control frames put between the fragments of messages, and what is to be read from them.
fn write(parts: &[Part], masks: &[[u8; 4]], wide: bool) -> (Vec<u8>, Vec<Read>) {
    let (mut bytes, mut expected, mut masks) = (Vec::new(), Vec::new(), masks.iter().cycle().copied());
    let mut mask = || masks.next().unwrap_or_default();
    for part in parts {
        match part {
            Part::Ping(payload) => {
                bytes.extend(encode(true, 9, mask(), payload, false));
                expected.push(Read::Ping(payload.clone()));
            }
            Part::Pong(payload) => {
                bytes.extend(encode(true, 10, mask(), payload, false));
                expected.push(Read::Pong);
            }
            Part::Message { text, payload, cuts } => {
                let fragments: Vec<&[u8]> = match payload.len().div_ceil(*cuts) {
                    0 => vec![&[]; *cuts],
                    size => payload.chunks(size).collect(),
                };
                for (i, fragment) in fragments.iter().enumerate() {
                    let opcode = if i > 0 { 0 } else { 2 - u8::from(*text) };
                    let last = i + 1 == fragments.len();
                    bytes.extend(encode(last, opcode, mask(), fragment, wide));
                    if !last {
                        bytes.extend(encode(true, 9, mask(), b"between", false));
                        expected.push(Read::Ping(b"between".to_vec()));
                    }
                }
                expected.push(Read::Message(payload.clone()));
            }
        }
    }
    (bytes, expected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_frames_are_read_the_same_however_they_are_cut(
        parts in vec(part(), 1..5),
        masks in vec(any::<[u8; 4]>(), 1..4),
        wide in any::<bool>(),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (bytes, expected) = write(&parts, &masks, wide);
        prop_assert_eq!(whole(&bytes), (expected.clone(), Ok(())));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(read(pieces), (expected, Ok(())));
    }

    #[test]
    fn any_bytes_end_the_same_whole_and_byte_by_byte(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(whole(&bytes), read(bytes.chunks(1)));
    }

    #[test]
    fn frames_with_one_byte_changed_end_the_same_whole_and_byte_by_byte(
        parts in vec(part(), 1..3),
        at in 0..20_usize,
        byte in any::<u8>(),
    ) {
        let (mut bytes, _) = write(&parts, &[[1, 2, 3, 4]], false);
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        prop_assert_eq!(whole(&bytes), read(bytes.chunks(1)));
    }
}

/// What becomes of bytes, whole and byte by byte.
fn outcome(bytes: &[u8]) -> Result<Vec<Read>, Violation> {
    let (all, result) = whole(bytes);
    assert_eq!((all.clone(), result), read(bytes.chunks(1)));
    result.map(|()| all)
}

#[track_caller]
fn breaks_protocol(bytes: &[u8]) {
    assert!(matches!(outcome(bytes), Err(Violation::Protocol(_))), "{:?}", outcome(bytes));
}

const MASK: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];

pub(super) fn frame(last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    encode(last, opcode, MASK, payload, false)
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(true, 8, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn unmasked_frames_and_reserved_bits_and_opcodes_break_the_protocol() {
    breaks_protocol(&[0x81, 0x02, b'h', b'i']);
    for bit in [0x40, 0x20, 0x10] {
        let mut bytes = frame(true, 1, b"hi");
        bytes[0] |= bit;
        breaks_protocol(&bytes);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        breaks_protocol(&frame(true, opcode, b""));
    }
}

#[test]
fn what_is_wrong_in_the_first_bytes_is_judged_without_waiting_for_the_rest() {
    breaks_protocol(&[0x83]);
    breaks_protocol(&[0x91]);
    breaks_protocol(&[0x81, 0x05]);
    breaks_protocol(&[0x89, 0x80 | 126]);
    breaks_protocol(&[0x09]);
}

#[test]
fn control_frames_are_whole_and_short() {
    assert_eq!(outcome(&frame(true, 9, &[1; 125])), Ok(vec![Read::Ping(vec![1; 125])]));
    breaks_protocol(&frame(true, 9, &[1; 126]));
    breaks_protocol(&frame(false, 9, b"x"));
    breaks_protocol(&frame(true, 8, &[0; 126]));
}

#[test]
fn fragments_come_in_order() {
    breaks_protocol(&frame(true, 0, b"x"));
    breaks_protocol(&frame(false, 0, b"x"));
    breaks_protocol(&[frame(false, 1, b"x"), frame(true, 1, b"y")].concat());
    breaks_protocol(&[frame(false, 1, b"x"), frame(true, 2, b"y")].concat());
    let good = [frame(false, 2, b""), frame(false, 0, b"ab"), frame(true, 10, b""), frame(true, 0, b"")];
    assert_eq!(outcome(&good.concat()), Ok(vec![Read::Pong, Read::Message(b"ab".to_vec())]));
}

#[test]
fn a_message_holds_64_kib_its_fragments_counted_together() {
    let full = vec![b'x'; MAX_MESSAGE];
    assert_eq!(outcome(&frame(true, 1, &full)), Ok(vec![Read::Message(full.clone())]));
    let more = vec![b'x'; MAX_MESSAGE + 1];
    assert_eq!(outcome(&frame(true, 1, &more)), Err(Violation::TooBig));
    let halves = [frame(false, 1, &full), frame(true, 0, b"y")].concat();
    assert_eq!(outcome(&halves), Err(Violation::TooBig));
    // Announced is enough: nothing of it needs to come.
    assert_eq!(outcome(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]), Err(Violation::TooBig));
    assert_eq!(
        outcome(&[0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]),
        Err(Violation::TooBig)
    );
    breaks_protocol(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
}

#[test]
fn an_announced_length_costs_no_memory_until_it_arrives() {
    let mut reader = Reader::default();
    let mut bytes = frame(true, 2, &[0; 60_000]);
    bytes.truncate(20);
    reader.read(&mut bytes, |_| ControlFlow::Continue(())).unwrap();
    assert!(reader.held() < 100, "{} bytes held", reader.held());
}

#[test]
fn an_idle_reader_holds_nothing() {
    let mut reader = Reader::default();
    for byte in [frame(false, 1, b"some"), frame(true, 0, b"thing")].concat() {
        reader.read(&mut [byte], |_| ControlFlow::Continue(())).unwrap();
    }
    assert!(!reader.is_partial());
    assert_eq!(size_of::<Reader>(), size_of::<usize>());
}

#[test]
fn the_firmwares_habits_are_read() {
    // A longer frame comes as header and payload, its mask zero.
    let payload = vec![b'a'; 2_000];
    let bytes = encode(true, 1, [0; 4], &payload, false);
    assert_eq!(read([&bytes[..8], &bytes[8..]]), (vec![Read::Message(payload)], Ok(())));
    // 65,535 bytes come with a 64-bit length; so may any other.
    for size in [0, 5, 125, 126, 65_535] {
        let payload = vec![b'b'; size];
        assert_eq!(outcome(&encode(true, 1, MASK, &payload, true)), Ok(vec![Read::Message(payload)]));
    }
}

#[test]
fn text_is_utf_8_and_binary_is_anything() {
    assert_eq!(outcome(&frame(true, 1, &[0xce, 0xba, 0xff])), Err(Violation::NotUtf8));
    assert_eq!(outcome(&frame(true, 1, &[0xed, 0xa0, 0x80])), Err(Violation::NotUtf8));
    assert_eq!(outcome(&frame(true, 2, &[0xff])), Ok(vec![Read::Message(vec![0xff])]));
    // A character may be cut by fragments.
    let cut = [frame(false, 1, &[0xce]), frame(true, 0, &[0xba])].concat();
    assert_eq!(outcome(&cut), Ok(vec![Read::Message(vec![0xce, 0xba])]));
    let broken = [frame(false, 1, &[0xce]), frame(true, 0, b"x")].concat();
    assert_eq!(outcome(&broken), Err(Violation::NotUtf8));
}

#[test]
fn close_frames_carry_nothing_or_a_code_that_may_be_sent() {
    assert_eq!(outcome(&frame(true, 8, b"")), Ok(vec![Read::Close(None)]));
    breaks_protocol(&frame(true, 8, &[3]));
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        assert_eq!(outcome(&close(code, b"bye")), Ok(vec![Read::Close(Some(code))]), "{code}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        breaks_protocol(&close(code, b""));
    }
    assert_eq!(outcome(&close(1000, &[0xff])), Err(Violation::NotUtf8));
    let after = [close(1000, b""), vec![0xff; 20]].concat();
    assert_eq!(outcome(&after), Ok(vec![Read::Close(Some(1000))]));
}
