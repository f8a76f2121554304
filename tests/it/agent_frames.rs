//! Frames from agents: everything RFC 6455 allows is read, however it is cut, and what it forbids ends the
//! connection with the right code.

use crate::support::Scene;
use crate::support::firmware::{
    BINARY, CLOSE, CONTINUATION, Firmware, Frame, Heard, Length, Message, PING, PONG, TEXT, Writes,
};

/// The largest message the server takes.
const LARGEST: usize = 64 * 1024;

/// A reply to WAKEUP of exactly `length` bytes.
fn reply_of(command: &Message, length: usize) -> String {
    let empty = format!("WAKEUP:{}:{{\"status\":\"OK\",\"message\":\"\"}}", command.id);
    let filled = "m".repeat(length - empty.len());
    format!("WAKEUP:{}:{{\"status\":\"OK\",\"message\":\"{filled}\"}}", command.id)
}

/// Wakes the device and answers with `frames`, which must be taken as the reply.
async fn answered_by(scene: &Scene, firmware: &mut Firmware, frames: impl FnOnce(&Message) -> Vec<Frame>) {
    let wake = scene.wake();
    let command = firmware.command().await;
    for frame in frames(&command) {
        firmware.send(&frame).await;
    }
    wake.answer().await.expect(200);
}

/// A message cut into a first frame and continuations of `size` bytes.
fn fragments(opcode: u8, message: &str, size: usize) -> Vec<Frame> {
    let count = message.len().div_ceil(size);
    let cut = message.as_bytes().chunks(size).enumerate().map(|(n, part)| {
        let opcode = if n == 0 { opcode } else { CONTINUATION };
        Frame { fin: n + 1 == count, ..Frame::new(opcode, part) }
    });
    cut.collect()
}

#[tokio::test]
async fn a_reply_of_any_length_is_read() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    // Around each form of the length, and around the library's change from one write to two.
    for length in [50, 125, 126, 127, 1399, 1400, 1401, 15_360, 65_534, 65_535, LARGEST] {
        answered_by(&scene, &mut firmware, |command| vec![Frame::new(TEXT, reply_of(command, length))]).await;
    }
}

#[tokio::test]
async fn a_reply_may_be_binary() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    answered_by(&scene, &mut firmware, |command| vec![Frame::new(BINARY, reply_of(command, 100))]).await;
}

#[tokio::test]
async fn a_reply_may_come_in_fragments() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for opcode in [TEXT, BINARY] {
        for (length, size) in [(80, 1), (80, 7), (300, 299), (5000, 1400), (LARGEST, 10_000)] {
            answered_by(&scene, &mut firmware, |command| fragments(opcode, &reply_of(command, length), size))
                .await;
        }
    }
}

#[tokio::test]
async fn empty_fragments_are_fragments() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    answered_by(&scene, &mut firmware, |command| {
        vec![
            Frame { fin: false, ..Frame::new(TEXT, "") },
            Frame { fin: false, ..Frame::new(CONTINUATION, reply_of(command, 60)) },
            Frame::new(CONTINUATION, ""),
        ]
    })
    .await;
}

#[tokio::test]
async fn text_may_be_cut_within_a_letter() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    answered_by(&scene, &mut firmware, |command| {
        fragments(TEXT, &format!("WAKEUP:{}:{{\"status\":\"OK\",\"message\":\"☃☃☃☃\"}}", command.id), 1)
    })
    .await;
}

#[tokio::test]
async fn a_length_may_be_longer_than_needed() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for length in [Length::Bits16, Length::Bits64] {
        for size in [50, 125, 126, 2000] {
            answered_by(&scene, &mut firmware, |command| {
                vec![Frame { length, ..Frame::new(TEXT, reply_of(command, size)) }]
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_frame_may_come_byte_by_byte() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for length in [60, 200] {
        answered_by(&scene, &mut firmware, |command| {
            vec![Frame { writes: Writes::ByteByByte, ..Frame::new(TEXT, reply_of(command, length)) }]
        })
        .await;
    }
}

#[tokio::test]
async fn many_frames_may_come_at_once() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let wakes: Vec<_> = (0..16).map(|_| scene.wake()).collect();
    let mut bytes = Vec::new();
    for _ in 0..16 {
        let command = firmware.command().await;
        let (header, payload) = Frame::new(TEXT, reply_of(&command, 80)).encode();
        bytes.extend(header);
        bytes.extend(payload);
    }
    firmware.send_bytes(&bytes).await;
    for wake in wakes {
        wake.answer().await.expect(200);
    }
}

#[tokio::test]
async fn a_mask_of_zero_and_any_other_are_taken() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for mask in [[0; 4], [0xFF; 4], [1, 2, 3, 4]] {
        answered_by(&scene, &mut firmware, |command| {
            vec![Frame { mask: Some(mask), ..Frame::new(TEXT, reply_of(command, 99)) }]
        })
        .await;
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    for payload in [Vec::new(), b"ping".to_vec(), vec![0xFF; 125]] {
        firmware.send(&Frame::new(PING, payload.clone())).await;
        assert_eq!(firmware.heard().await, Heard::Pong(payload));
    }
    // A pong that nobody asked for is nothing.
    firmware.send(&Frame::new(PONG, "unasked")).await;
    // Between fragments of a message, too.
    let wake = scene.wake();
    let command = firmware.command().await;
    for fragment in fragments(TEXT, &reply_of(&command, 60), 30) {
        firmware.send(&fragment).await;
        firmware.send(&Frame::new(PING, "between")).await;
        assert_eq!(firmware.heard().await, Heard::Pong(b"between".to_vec()));
    }
    wake.answer().await.expect(200);
}

/// Panics unless each of these, on a fresh connection, ends it with `code`.
async fn assert_closed_with(code: u16, cases: Vec<(&str, Vec<Frame>)>) {
    let scene = Scene::new("server").await;
    for (name, frames) in cases {
        let mut firmware = scene.firmware().await;
        for frame in frames {
            // The server may have closed before the last one.
            firmware.try_send(&frame).await.ok();
        }
        assert_eq!(firmware.closed().await.0, code, "{name}");
    }
    let mut firmware = scene.firmware().await;
    answered_by(&scene, &mut firmware, |command| vec![Frame::new(TEXT, reply_of(command, 60))]).await;
}

#[tokio::test]
async fn what_the_protocol_forbids_is_closed_with_1002() {
    let unmasked = |opcode| Frame { mask: None, ..Frame::new(opcode, "A:1:{}") };
    let reserved = |bits| Frame { reserved: bits, ..Frame::new(TEXT, "A:1:{}") };
    let first = || Frame { fin: false, ..Frame::new(TEXT, "A:1:") };
    assert_closed_with(
        1002,
        vec![
            ("unmasked text", vec![unmasked(TEXT)]),
            ("unmasked ping", vec![unmasked(PING)]),
            ("first reserved bit", vec![reserved(4)]),
            ("second reserved bit", vec![reserved(2)]),
            ("third reserved bit", vec![reserved(1)]),
            ("opcode 3", vec![Frame::new(3, "")]),
            ("opcode 7", vec![Frame::new(7, "x")]),
            ("opcode 11", vec![Frame::new(11, "")]),
            ("opcode 15", vec![Frame::new(15, "x")]),
            ("a ping in fragments", vec![Frame { fin: false, ..Frame::new(PING, "x") }]),
            ("a close in fragments", vec![Frame { fin: false, ..Frame::new(CLOSE, vec![3, 232]) }]),
            ("a ping of 126 bytes", vec![Frame::new(PING, vec![0; 126])]),
            ("a pong of 1000 bytes", vec![Frame::new(PONG, vec![0; 1000])]),
            ("a continuation of nothing", vec![Frame::new(CONTINUATION, "x")]),
            ("a message within a message", vec![first(), Frame::new(TEXT, "B:1:{}")]),
            ("a fragment of another message", vec![first(), first()]),
            ("a close of one byte", vec![Frame::new(CLOSE, vec![3])]),
            ("the close code 999", vec![Frame::new(CLOSE, 999_u16.to_be_bytes())]),
            ("the close code 1005", vec![Frame::new(CLOSE, 1005_u16.to_be_bytes())]),
            ("the close code 1006", vec![Frame::new(CLOSE, 1006_u16.to_be_bytes())]),
            ("the close code 5000", vec![Frame::new(CLOSE, 5000_u16.to_be_bytes())]),
        ],
    )
    .await;
}

#[tokio::test]
async fn text_that_is_none_is_closed_with_1007() {
    let cut = || Frame { fin: false, ..Frame::new(TEXT, vec![b'A', 0xE2, 0x98]) };
    assert_closed_with(
        1007,
        vec![
            ("a stray byte", vec![Frame::new(TEXT, vec![b'A', 0xFF])]),
            ("a letter cut off", vec![Frame::new(TEXT, vec![b'A', 0xE2, 0x98])]),
            ("a surrogate", vec![Frame::new(TEXT, vec![0xED, 0xA0, 0x80])]),
            ("an overlong form", vec![Frame::new(TEXT, vec![0xC0, 0xAF])]),
            ("fragments that do not fit", vec![cut(), Frame::new(CONTINUATION, "x")]),
            ("a reason that is no text", vec![Frame::new(CLOSE, vec![3, 232, 0xFF])]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_closed_with_1009() {
    let scene = Scene::new("server").await;
    // Closed on the header alone: the payload is never read, however long it says it is.
    for length in [LARGEST as u64 + 1, 1 << 20, 1 << 40, i64::MAX as u64] {
        let mut firmware = scene.firmware().await;
        let mut header = vec![0x81, 0xFF];
        header.extend(length.to_be_bytes());
        header.extend([0; 4]);
        firmware.send_bytes(&header).await;
        assert_eq!(firmware.closed().await.0, 1009, "{length} bytes");
    }
    // Whole messages count, not frames.
    let mut firmware = scene.firmware().await;
    firmware.send(&Frame { fin: false, ..Frame::new(TEXT, vec![b'x'; LARGEST]) }).await;
    firmware.send(&Frame::new(CONTINUATION, "x")).await;
    assert_eq!(firmware.closed().await.0, 1009);
    let mut firmware = scene.firmware().await;
    for n in 0..200 {
        let opcode = if n == 0 { TEXT } else { CONTINUATION };
        let sent = firmware.try_send(&Frame { fin: false, ..Frame::new(opcode, vec![b'x'; 1000]) }).await;
        if sent.is_err() {
            break;
        }
    }
    // The server may reset the connection with frames of ours unread, which loses its close frame.
    assert!([1009, 1006].contains(&firmware.closed().await.0));
    assert_eq!(scene.admin.agent_status(scene.agent).await, "offline");
}

#[tokio::test]
async fn endless_empty_fragments_do_not_wear_the_server_out() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    firmware.send(&Frame { fin: false, ..Frame::new(TEXT, "") }).await;
    for _ in 0..5000 {
        firmware.send(&Frame { fin: false, ..Frame::new(CONTINUATION, "") }).await;
    }
    firmware.send(&Frame::new(CONTINUATION, "")).await;
    answered_by(&scene, &mut firmware, |command| vec![Frame::new(TEXT, reply_of(command, 60))]).await;
}
