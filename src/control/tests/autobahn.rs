//! The cases of the Autobahn test suite that apply to a server of ours, by their numbers.
//!
//! The suite (crossbar.io, autobahn-testsuite) plays a client against a server that echoes. Ours echoes nothing, so a
//! case tells what is read in its place, and which close code the peer gets. Each case goes through the frame reader cut
//! in several ways, and through a connection of the service, whose pongs and close frames are compared.
//!
//! Not here, because they do not apply: 6.4 asks that broken UTF-8 fails before its message is whole, which the suite
//! itself counts as non-strict; 9.1.2–9.2.6 and their like send messages above our bound of 64 KiB, whose outcome is the
//! refusal in 9.1.2; 9.7 and 9.8 measure time; 10 is about fragmenting what is sent, which we never do; 12 and 13 are
//! compression, which is never agreed on.

use super::frames::{Read, frame, read};
use super::wire::Wire;
use super::*;
use crate::control::frame::{MAX_MESSAGE, Violation};

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It stays open.
    Open,
    /// It is closed with this code; none for a close frame without one.
    Closed(Option<u16>),
}
use End::{Closed, Open};

struct Case {
    number: String,
    frames: Vec<Vec<u8>>,
    read: Vec<Read>,
    end: End,
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, number: &str, frames: Vec<Vec<u8>>, read: Vec<Read>, end: End) {
        self.0.push(Case { number: number.to_owned(), frames, read, end });
    }

    /// A message of one frame that is read as it is.
    fn whole(&mut self, number: &str, opcode: u8, payload: &[u8]) {
        self.add(number, vec![frame(true, opcode, payload)], vec![message(payload)], Open);
    }

    /// Text in one frame, and again cut into frames of one byte, that is read or refused with 1007.
    fn utf8(&mut self, number: &str, text: &[u8], valid: bool) {
        let (read, end) = if valid { (vec![message(text)], Open) } else { (vec![], Closed(Some(1007))) };
        self.add(number, vec![frame(true, 1, text)], read.clone(), end);
        if text.len() > 1 {
            let last = text.len() - 1;
            let cut = text.iter().enumerate().map(|(i, b)| frame(i == last, u8::from(i == 0), &[*b]));
            self.add(&format!("{number}, fragmented"), cut.collect(), read, end);
        }
    }

    /// Frames that end the connection with 1002, after `read`.
    fn broken(&mut self, number: &str, frames: Vec<Vec<u8>>, read: Vec<Read>) {
        self.add(number, frames, read, Closed(Some(1002)));
    }
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

fn message(payload: &[u8]) -> Read {
    Read::Message(payload.to_vec())
}

fn ping(payload: &[u8]) -> Read {
    Read::Ping(payload.to_vec())
}

/// A frame with reserved bits.
fn reserved(bits: u8, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame(true, opcode, payload);
    bytes[0] |= bits << 4;
    bytes
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(true, CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// 1: framing. 9: sizes.
fn messages(cases: &mut Cases) {
    for (section, opcode, byte) in [(1, TEXT, b'*'), (2, BINARY, 0xfe)] {
        for (case, size) in [(1, 0), (2, 125), (3, 126), (4, 127), (5, 128), (6, 65_535), (7, 65_536)] {
            cases.whole(&format!("1.{section}.{case}"), opcode, &vec![byte; size]);
        }
        let full = vec![byte; MAX_MESSAGE];
        cases.whole(&format!("9.{section}.1"), opcode, &full);
        let larger = frame(true, opcode, &vec![byte; 256 * 1024]);
        cases.add(&format!("9.{section}.2"), vec![larger], vec![], Closed(Some(1009)));
        for (case, size) in [(1, 64), (2, 256), (3, 1024), (4, 4096), (5, 16_384), (6, 65_536)] {
            let pieces: Vec<_> = full.chunks(size).collect();
            let last = pieces.len() - 1;
            let opcode = |i| if i == 0 { opcode } else { CONTINUATION };
            let frames = pieces.iter().enumerate().map(|(i, piece)| frame(i == last, opcode(i), piece));
            cases.add(&format!("9.{}.{case}", section + 2), frames.collect(), vec![message(&full)], Open);
        }
        let mut endless = vec![frame(false, opcode, &full[..32_768])];
        endless.extend((0..3).map(|_| frame(false, CONTINUATION, &full[..32_768])));
        cases.add(&format!("9.{}.7", section + 2), endless, vec![], Closed(Some(1009)));
    }
}

/// 2: pings and pongs. 3: reserved bits. 4: reserved opcodes.
fn controls(cases: &mut Cases) {
    for (case, payload) in
        [(1, &b""[..]), (2, b"Hello, world!"), (3, &[0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0]), (4, &[0xfe; 125])]
    {
        cases.add(&format!("2.{case}"), vec![frame(true, PING, payload)], vec![ping(payload)], Open);
    }
    cases.broken("2.5", vec![frame(true, PING, &[0xfe; 126])], vec![]);
    cases.add("2.7", vec![frame(true, PONG, b"")], vec![Read::Pong], Open);
    cases.add("2.8", vec![frame(true, PONG, b"unasked")], vec![Read::Pong], Open);
    let both = vec![frame(true, PONG, b"unasked"), frame(true, PING, b"asked")];
    cases.add("2.9", both, vec![Read::Pong, ping(b"asked")], Open);
    let ten: Vec<_> = (0..10).map(|i| format!("ping {i}").into_bytes()).collect();
    let frames = ten.iter().map(|payload| frame(true, PING, payload)).collect();
    cases.add("2.10", frames, ten.iter().map(|payload| ping(payload)).collect(), Open);

    cases.broken("3.1", vec![reserved(1, TEXT, b"x")], vec![]);
    for bits in 2..=4 {
        let frames = vec![frame(true, TEXT, b"good"), reserved(bits, TEXT, b"x"), frame(true, PING, b"")];
        cases.broken(&format!("3.{bits}"), frames, vec![message(b"good")]);
    }
    for (bits, opcode) in [(5, BINARY), (6, PING), (7, CLOSE)] {
        cases.broken(&format!("3.{bits}"), vec![reserved(bits, opcode, &[3, 232])], vec![]);
    }

    for (section, first) in [(1, 3), (2, 11)] {
        for (case, opcode) in (first..first + 5).enumerate() {
            let payload: &[u8] = if case % 2 == 0 { b"" } else { b"reserved" };
            let alone = vec![frame(true, opcode, payload), frame(true, PING, b"")];
            let (frames, read) = if case < 2 {
                (alone, vec![])
            } else {
                ([vec![frame(true, TEXT, b"good")], alone].concat(), vec![message(b"good")])
            };
            cases.broken(&format!("4.{section}.{}", case + 1), frames, read);
        }
    }
}

/// 5: fragmentation.
fn fragments(cases: &mut Cases) {
    cases.broken("5.1", vec![frame(false, PING, b"a"), frame(true, CONTINUATION, b"b")], vec![]);
    cases.broken("5.2", vec![frame(false, PONG, b"a"), frame(true, CONTINUATION, b"b")], vec![]);
    let two = || [frame(false, TEXT, b"one "), frame(true, CONTINUATION, b"two")];
    for case in ["5.3", "5.4", "5.5"] {
        cases.add(case, two().to_vec(), vec![message(b"one two")], Open);
    }
    for case in ["5.6", "5.7", "5.8"] {
        let [first, second] = two();
        let frames = vec![first, frame(true, PING, b"between"), second];
        cases.add(case, frames, vec![ping(b"between"), message(b"one two")], Open);
    }
    for (last, numbers) in [(true, ["5.9", "5.10", "5.11"]), (false, ["5.12", "5.13", "5.14"])] {
        for number in numbers {
            let frames = vec![frame(last, CONTINUATION, b"of nothing"), frame(true, TEXT, b"x")];
            cases.broken(number, frames, vec![]);
        }
    }
    let [first, second] = two();
    let frames = vec![first, second, frame(false, CONTINUATION, b"of nothing"), frame(true, TEXT, b"x")];
    cases.broken("5.15", frames, vec![message(b"one two")]);
    for (number, last) in [("5.16", false), ("5.17", true)] {
        let round =
            [frame(last, CONTINUATION, b"a"), frame(false, TEXT, b"b"), frame(true, CONTINUATION, b"c")];
        cases.broken(number, [round.clone(), round].concat(), vec![]);
    }
    cases.broken("5.18", vec![frame(false, TEXT, b"a"), frame(true, TEXT, b"b")], vec![]);
    for number in ["5.19", "5.20"] {
        let mut frames = vec![frame(false, TEXT, b"1"), frame(false, CONTINUATION, b"2")];
        frames.extend([frame(true, PING, b"first"), frame(false, CONTINUATION, b"3")]);
        frames.extend([frame(false, CONTINUATION, b"4"), frame(true, PING, b"second")]);
        frames.push(frame(true, CONTINUATION, b"5"));
        cases.add(number, frames, vec![ping(b"first"), ping(b"second"), message(b"12345")], Open);
    }
}

/// 6: UTF-8.
fn texts(cases: &mut Cases) {
    let (empty, more) = (frame(false, TEXT, b""), frame(false, CONTINUATION, b""));
    cases.whole("6.1.1", TEXT, b"");
    let frames = vec![empty.clone(), more.clone(), frame(true, CONTINUATION, b"")];
    cases.add("6.1.2", frames, vec![message(b"")], Open);
    let frames = vec![empty, frame(false, CONTINUATION, b"middle"), frame(true, CONTINUATION, b"")];
    cases.add("6.1.3", frames, vec![message(b"middle")], Open);

    let greek = "κόσμε";
    cases.utf8("6.2", "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(), true);
    cases.utf8("6.3", &[greek.as_bytes(), &[0xed, 0xa0, 0x80], b"edited"].concat(), false);
    cases.utf8("6.5", greek.as_bytes(), true);
    for end in 1..=greek.len() {
        cases.utf8(&format!("6.6.{end}"), &greek.as_bytes()[..end], greek.is_char_boundary(end));
    }
    // Each group: whether its texts are good, and the texts.
    let groups: [(&str, bool, &[&[u8]]); 12] = [
        ("6.7", true, &[b"\0", &[0xc2, 0x80], &[0xe0, 0xa0, 0x80], &[0xf0, 0x90, 0x80, 0x80]]),
        ("6.8", false, &[&[0xf8, 0x88, 0x80, 0x80, 0x80], &[0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]]),
        ("6.9", true, &[&[0x7f], &[0xdf, 0xbf], &[0xef, 0xbf, 0xbf], &[0xf4, 0x8f, 0xbf, 0xbf]]),
        (
            "6.10",
            false,
            &[
                &[0xf7, 0xbf, 0xbf, 0xbf],
                &[0xfb, 0xbf, 0xbf, 0xbf, 0xbf],
                &[0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf],
            ],
        ),
        (
            "6.11",
            true,
            &[&[0xed, 0x9f, 0xbf], &[0xee, 0x80, 0x80], &[0xef, 0xbf, 0xbd], &[0xf4, 0x8f, 0xbf, 0xbf]],
        ),
        ("6.12", false, &[&[0x80], &[0xbf], &[0x80, 0xbf], &[0x80, 0xbf, 0x80], &[0x80, 0xbf, 0x80, 0xbf]]),
        ("6.13", false, &[b"\xc0 \xc1 ", b"\xe0 \xe1 ", b"\xf0 \xf1 ", b"\xf8 \xf9 ", b"\xfc \xfd "]),
        (
            "6.14",
            false,
            &[&[0xc0], &[0xe0, 0x80], &[0xf0, 0x80, 0x80], &[0xdf], &[0xef, 0xbf], &[0xf7, 0xbf, 0xbf]],
        ),
        ("6.16", false, &[&[0xfe], &[0xff], &[0xfe, 0xfe, 0xff, 0xff]]),
        (
            "6.17",
            false,
            &[&[0xc0, 0xaf], &[0xe0, 0x80, 0xaf], &[0xf0, 0x80, 0x80, 0xaf], &[0xc1, 0xbf], &[0xc0, 0x80]],
        ),
        (
            "6.20",
            false,
            &[
                &[0xed, 0xa0, 0x80],
                &[0xed, 0xad, 0xbf],
                &[0xed, 0xae, 0x80],
                &[0xed, 0xaf, 0xbf],
                &[0xed, 0xb0, 0x80],
                &[0xed, 0xbf, 0xbf],
            ],
        ),
        ("6.21", false, &[&[0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80], &[0xed, 0xaf, 0xbf, 0xed, 0xbf, 0xbf]]),
    ];
    for (group, valid, texts) in groups {
        for (i, text) in texts.iter().enumerate() {
            cases.utf8(&format!("{group}.{}", i + 1), text, valid);
        }
    }
    for (i, plane) in (0..=0x10_u32).enumerate() {
        for (j, last) in [0xfffe, 0xffff].into_iter().enumerate() {
            let text = char::from_u32(plane << 16 | last).unwrap().to_string();
            cases.utf8(&format!("6.22.{}", 2 * i + j + 1), text.as_bytes(), true);
        }
    }
    cases.utf8("6.23", "\u{fff9}\u{fffa}\u{fffb}\u{fffc}\u{fffd}\u{fffe}\u{ffff}".as_bytes(), true);
}

/// 7: closing.
fn closes(cases: &mut Cases) {
    let bye = || close(1000, b"");
    let closed = Closed(Some(1000));
    let hello = || frame(true, TEXT, b"hello");
    cases.add("7.1.1", vec![hello(), bye()], vec![message(b"hello"), Read::Close(Some(1000))], closed);
    for (number, after) in [("7.1.2", bye()), ("7.1.3", frame(true, PING, b"late")), ("7.1.4", hello())] {
        cases.add(number, vec![bye(), after], vec![Read::Close(Some(1000))], closed);
    }
    let frames = vec![frame(false, TEXT, b"a"), bye(), frame(true, CONTINUATION, b"b")];
    cases.add("7.1.5", frames, vec![Read::Close(Some(1000))], closed);
    cases.add("7.3.1", vec![frame(true, CLOSE, b"")], vec![Read::Close(None)], Closed(None));
    cases.broken("7.3.2", vec![frame(true, CLOSE, b"a")], vec![]);
    for (number, reason) in [("7.3.3", &b""[..]), ("7.3.4", b"Hello World!"), ("7.3.5", &[b'*'; 123])] {
        cases.add(number, vec![close(1000, reason)], vec![Read::Close(Some(1000))], closed);
    }
    cases.broken("7.3.6", vec![close(1000, &[b'*'; 124])], vec![]);
    let reason = ["κόσμε".as_bytes(), &[0xed, 0xa0, 0x80][..], b"edited"].concat();
    cases.add("7.5.1", vec![close(1000, &reason)], vec![], Closed(Some(1007)));
    let good = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for (i, code) in good.into_iter().enumerate() {
        let read = vec![Read::Close(Some(code))];
        cases.add(&format!("7.7.{}", i + 1), vec![close(code, b"")], read, Closed(Some(code)));
    }
    for (i, code) in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].into_iter().enumerate() {
        cases.broken(&format!("7.9.{}", i + 1), vec![close(code, b"")], vec![]);
    }
    for (number, code) in [("7.13.1", 5000), ("7.13.2", 65_535)] {
        cases.broken(number, vec![close(code, b"")], vec![]);
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Cases::default();
    for section in [messages, controls, fragments, texts, closes] {
        section(&mut cases);
    }
    cases.0
}

/// The code that the peer gets, from what the reader says.
fn end(read: &[Read], result: Result<(), Violation>) -> End {
    match result {
        Ok(()) => match read.last() {
            Some(Read::Close(code)) => Closed(*code),
            _ => Open,
        },
        Err(Violation::Protocol(_)) => Closed(Some(1002)),
        Err(Violation::NotUtf8) => Closed(Some(1007)),
        Err(Violation::TooBig) => Closed(Some(1009)),
    }
}

#[test]
fn each_case_is_read_the_same_however_it_is_cut() {
    let cases = cases();
    assert!(cases.len() > 250, "{} cases", cases.len());
    for Case { number, frames, read: expected, end: ends } in cases {
        let bytes = frames.concat();
        for size in [1, 2, 7, 997, 16 * 1024, bytes.len()] {
            let (found, result) = read(bytes.chunks(size));
            assert_eq!((&found, end(&found, result)), (&expected, ends), "case {number} in chunks of {size}");
        }
        let (found, result) = read(frames.iter().map(Vec::as_slice));
        assert_eq!((&found, end(&found, result)), (&expected, ends), "case {number} frame by frame");
    }
}

#[tokio::test]
async fn each_case_is_answered_by_a_connection() {
    for Case { number, frames, read, end } in cases() {
        let (control, _) = service();
        let wire = Wire::default();
        let ticket = admit(&control, 1, SECRET).unwrap();
        control.attach_transport(ticket, wire.clone(), wire.clone(), Bytes::new(), ());
        for bytes in frames {
            wire.say(&bytes);
            tokio::task::yield_now().await;
        }
        // What is read of 64 KiB takes a few turns.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let expected: Vec<_> = read
            .into_iter()
            .filter_map(|read| if let Read::Ping(payload) = read { Some((PONG, payload)) } else { None })
            .collect();
        let mut answers = wire.frames();
        if let Closed(code) = end {
            // The reason is ours to choose.
            let (opcode, payload) = answers.pop().unwrap_or_else(|| panic!("case {number}: no close frame"));
            let sent = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
            assert_eq!((opcode, sent), (CLOSE, code), "case {number}");
        }
        assert_eq!(answers, expected, "case {number}");
        assert_eq!(control.is_online(1), end == Open, "case {number}");
    }
}
