//! An agent's line: how many commands it gets at a time, who waits in what order, who shares, and for how long.

use std::time::Instant;

use serde_json::json;

use crate::support::firmware::{Firmware, Message};
use crate::support::scene::{MAC, ONLINE, Pending};
use crate::support::wait::until_equal;
use crate::support::{Scene, soon};

/// How many commands may wait for one agent.
const LINE: usize = 64;

/// Waits until exactly `refused` of the requests are answered, each with a 503, and gives the others.
async fn refused(mut pending: Vec<Pending>, refused: usize) -> Vec<Pending> {
    until_equal("requests answered before any reply", refused, || {
        let answered = pending.iter().filter(|p| p.is_answered()).count();
        async move { answered }
    })
    .await;
    for early in pending.extract_if(.., |p| p.is_answered()) {
        early.answer().await.expect(503);
    }
    pending
}

/// Fills window and line of an agent, counts what is on the wire, and answers it all.
async fn window_of(kind: &str, window: usize) {
    let scene = Scene::new(kind).await;
    let mut firmware = scene.firmware().await;
    let asked = (0..window + LINE + 8).map(|n| scene.ask(&format!("192.0.2.{n}"))).collect();
    let accepted = refused(asked, 8).await;
    let mut sent = Vec::new();
    for _ in 0..window {
        sent.push(firmware.command().await);
    }
    scene.assert_nothing_more(&mut firmware).await;
    // Each reply lets one more through.
    for answered in 0..window + LINE {
        let command = sent.pop().expect("one in flight");
        firmware.reply(&command, ONLINE).await;
        if answered < LINE {
            sent.push(firmware.command().await);
        }
    }
    for asked in accepted {
        asked.answer().await.expect(200);
    }
}

#[tokio::test]
async fn a_microcontroller_gets_one_command_at_a_time() {
    window_of("microcontroller", 1).await;
}

#[tokio::test]
async fn a_server_gets_sixteen_commands_at_a_time() {
    window_of("server", 16).await;
}

#[tokio::test]
async fn wakes_overtake_questions_in_line() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let first = scene.ask("192.0.2.1");
    let mut in_flight = firmware.command().await;
    let mut mixed = Vec::new();
    for n in 0..40 {
        mixed.push(scene.ask(&format!("198.51.100.{n}")));
        mixed.push(scene.wake_mac(&format!("AA:BB:CC:00:00:{n:02X}")));
    }
    let accepted = refused(mixed, 80 - LINE).await;
    let mut order = Vec::new();
    for _ in 0..LINE {
        firmware.reply_ok(&in_flight).await;
        in_flight = firmware.command().await;
        order.push(in_flight.command.clone());
    }
    firmware.reply_ok(&in_flight).await;
    let wakes = order.iter().filter(|name| *name == "WAKEUP").count();
    assert!(wakes > 0 && wakes < LINE, "both kinds were in line: {order:?}");
    assert!(order[..wakes].iter().all(|name| name == "WAKEUP"), "{order:?}");
    first.answer().await.expect(200);
    for pending in accepted {
        pending.answer().await.expect(200);
    }
}

#[tokio::test]
async fn the_same_question_is_sent_once_and_every_wake_is_sent() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let host = scene.server.host();
    let question = host.registry.get("GET_STATUS").expect("registered");
    let wake = host.registry.get("WAKEUP").expect("registered");
    let ask = |address: &str| {
        host.control.dispatch_json(scene.agent, question, json!({"address": address}).to_string())
    };
    let wakeup =
        || host.control.dispatch_json(scene.agent, wake, json!({"macAddress": MAC, "port": 9}).to_string());
    let agent = async {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let command = firmware.command().await;
            seen.push((command.command.clone(), command.json["address"].clone()));
            firmware.reply_ok(&command).await;
        }
        seen
    };
    let (a, b, c, other, w1, w2, seen) = tokio::join!(
        ask("192.0.2.1"),
        ask("192.0.2.1"),
        ask("192.0.2.1"),
        ask("192.0.2.2"),
        wakeup(),
        wakeup(),
        agent
    );
    for result in [&a, &b, &c, &other, &w1, &w2] {
        assert!(result.is_ok(), "{result:?}");
    }
    assert_eq!((&a, &a), (&b, &c), "everyone who asked hears the same");
    let count = |name: &str, address: serde_json::Value| {
        seen.iter().filter(|s| **s == (name.to_owned(), address.clone())).count()
    };
    assert_eq!(count("GET_STATUS", json!("192.0.2.1")), 1, "{seen:?}");
    assert_eq!(count("GET_STATUS", json!("192.0.2.2")), 1, "{seen:?}");
    assert_eq!(count("WAKEUP", json!(null)), 2, "{seen:?}");
}

#[tokio::test]
async fn one_who_stops_waiting_does_not_take_the_answer_from_the_others() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let host = scene.server.host();
    let question = host.registry.get("GET_STATUS").expect("registered");
    let ask =
        || host.control.dispatch_json(scene.agent, question, json!({"address": "192.0.2.1"}).to_string());
    let (mut impatient, patient) = (Box::pin(ask()), Box::pin(ask()));
    assert!(futures_util::poll!(&mut impatient).is_pending());
    let agent = async {
        let command = firmware.command().await;
        drop(impatient);
        firmware.reply(&command, ONLINE).await;
    };
    let (answer, ()) = tokio::join!(patient, agent);
    assert!(answer.is_ok(), "{answer:?}");
    // The window is free again.
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
}

#[tokio::test]
async fn a_caller_who_gave_up_frees_nothing_too_early() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let host = scene.server.host();
    let wake = host.registry.get("WAKEUP").expect("registered");
    let payload = json!({"macAddress": MAC, "port": 9}).to_string();
    let mut given_up = Box::pin(host.control.dispatch_json(scene.agent, wake, payload));
    assert!(futures_util::poll!(&mut given_up).is_pending());
    let abandoned = firmware.command().await;
    drop(given_up);
    // The agent is still busy with it: the next one waits for the reply, which is late and no error.
    let next = scene.wake();
    scene.assert_nothing_more(&mut firmware).await;
    firmware.reply_ok(&abandoned).await;
    let command = firmware.command().await;
    assert_ne!(command.id, abandoned.id);
    firmware.reply_ok(&command).await;
    next.answer().await.expect(200);
}

#[tokio::test]
async fn a_wake_times_out_five_seconds_after_it_is_sent() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let started = Instant::now();
    let timed = |pending: Pending| async move {
        let reply = pending.answer().await;
        (reply, started.elapsed().as_secs_f64())
    };
    let first = tokio::spawn(timed(scene.wake_mac("AA:BB:CC:00:00:01")));
    let unanswered = firmware.command().await;
    let second = tokio::spawn(timed(scene.wake_mac("AA:BB:CC:00:00:02")));
    let later = firmware.command().await;
    let (reply, after) = soon("the first answer", first).await.unwrap();
    reply.expect(504);
    assert!((4.9..7.0).contains(&after), "the first timed out after {after} s");
    // It was sent only when the first had timed out, and its five seconds began then.
    let (reply, after) = soon("the second answer", second).await.unwrap();
    reply.expect(504);
    assert!((9.8..13.0).contains(&after), "the second timed out after {after} s");
    // Late replies are no error, and no one else's.
    let third = scene.wake();
    let command = firmware.command().await;
    firmware.reply(&unanswered, r#"{"status":"ERROR","message":"late"}"#).await;
    firmware.reply(&later, "nonsense").await;
    firmware.reply_ok(&command).await;
    third.answer().await.expect(200);
    let heard = scene.server.host().control.counters();
    assert_eq!((heard.late, heard.unknown, heard.malformed), (2, 0, 0));
}

#[tokio::test]
async fn a_question_times_out_seven_seconds_after_it_is_sent() {
    let scene = Scene::new("microcontroller").await;
    let mut firmware = scene.firmware().await;
    let asked = scene.ask("192.0.2.1");
    let command = firmware.command().await;
    let sent = Instant::now();
    asked.answer().await.expect(504);
    let after = sent.elapsed().as_secs_f64();
    assert!((6.8..9.5).contains(&after), "timed out after {after} s");
    firmware.reply_ok(&command).await;
    assert_eq!(scene.admin.agent_status(scene.agent).await, "online");
}

#[tokio::test]
async fn two_commands_at_once_both_succeed() {
    let scene = Scene::new("microcontroller").await;
    let firmware = scene.firmware().await;
    let serving = tokio::spawn(firmware.serve());
    let wakes: Vec<_> = (0..10).map(|_| scene.wake()).collect();
    for wake in wakes {
        wake.answer().await.expect(200);
    }
    serving.abort();
}

#[tokio::test]
async fn a_silent_agent_does_not_hold_up_another() {
    let scene = Scene::new("microcontroller").await;
    let mut silent = scene.firmware().await;
    let other = scene.admin.create_agent("microcontroller", "another good secret").await;
    let mut firmware = Firmware::connect(scene.server.address(), other, "another good secret").await;
    let waiting = scene.wake();
    silent.command().await;
    let admin = scene.admin.clone();
    let asked =
        tokio::spawn(
            async move { admin.command(other, "GET_STATUS", json!({"address": "192.0.2.1"})).await },
        );
    let command: Message = firmware.command().await;
    firmware.reply_ok(&command).await;
    soon("the other agent's answer", asked).await.unwrap().expect(200);
    assert!(!waiting.is_answered());
}
