//! The `CMD:ID:JSON` codec.

use proptest::prelude::*;

use crate::control::message::{MAX_FRAME, Message, encode, fits};

proptest! {
    #[test]
    fn what_is_encoded_is_parsed(command in "[A-Z][A-Z0-9_]{0,31}", id in any::<u32>(), json in ".{0,300}") {
        let frame = encode(&command, id, &json);
        let head = if frame[1] < 126 { 2 } else { 4 };
        prop_assert_eq!(frame[0], 0x81);
        let message = Message::parse(&frame[head..]).expect("a message");
        prop_assert_eq!(message, Message { command: command.as_bytes(), id, json: json.as_bytes() });
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(message) = Message::parse(&bytes) {
            let id = message.id.to_string();
            prop_assert!(!message.command.contains(&b':'));
            prop_assert!(bytes.ends_with(message.json));
            prop_assert!(bytes.windows(id.len()).any(|window| window == id.as_bytes()));
        }
    }
}

#[test]
fn messages_and_what_is_none() {
    let parse = |text: &'static str| Message::parse(text.as_bytes()).map(|m| (m.id, m.json));
    assert_eq!(parse("HEARTBEAT:7:null"), Some((7, &b"null"[..])));
    assert_eq!(parse(r#"A:4294967295:{"a":"b:c"}"#), Some((u32::MAX, &br#"{"a":"b:c"}"#[..])));
    assert_eq!(parse("A:1:"), Some((1, &b""[..])));
    for none in [
        "",
        "A",
        "A:1",
        "A::{}",
        "A:-1:{}",
        "A:+1:{}",
        "A: 1:{}",
        "A:x:{}",
        "A:4294967296:{}",
        "A:00000000001:{}",
    ] {
        assert_eq!(parse(none), None, "{none}");
    }
}

#[test]
fn what_fits_is_never_larger_than_an_agent_takes() {
    let longest = (0..MAX_FRAME).rev().find(|&n| fits("GET_STATUS", &" ".repeat(n))).unwrap();
    assert_eq!(encode("GET_STATUS", u32::MAX, &" ".repeat(longest)).len(), MAX_FRAME);
}
