//! An agent's line: windows, order, sharing, bounds, and which reply goes to whom.

use super::peer::{Agent, Pending, Sent, dispatch};
use super::*;

async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_microcontroller_gets_one_command_at_a_time_actions_first() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    let mut pending = Vec::new();
    pending.push(dispatch::<Ask>(&control, 1, "q0").await);
    pending.push(dispatch::<Ask>(&control, 1, "q1").await);
    pending.push(dispatch::<Act>(&control, 1, "a0").await);
    pending.push(dispatch::<Ask>(&control, 1, "q2").await);
    pending.push(dispatch::<Act>(&control, 1, "a1").await);
    for expected in ["q0", "a0", "a1", "q1", "q2"] {
        let sent = agent.message().await;
        assert_eq!(sent.json, format!(r#"{{"text":"{expected}"}}"#));
        agent.hears_nothing(Duration::from_millis(500)).await;
        agent.reply(&sent.echo()).await;
    }
    for (pending, text) in pending.into_iter().zip(["q0", "q1", "a0", "q2", "a1"]) {
        assert_eq!(pending.await.unwrap(), Ok(Text::of(text)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_gets_sixteen_at_once_and_answers_in_any_order() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 2);
    let mut pending = Vec::new();
    for i in 0..20 {
        pending.push(dispatch::<Act>(&control, 2, &i.to_string()).await);
    }
    let mut sent = Vec::new();
    for _ in 0..16 {
        sent.push(agent.message().await);
    }
    agent.hears_nothing(Duration::from_millis(500)).await;
    for _ in 16..20 {
        // The newest first; its place goes to the next in line.
        agent.reply(&sent.pop().unwrap().echo()).await;
        sent.insert(0, agent.message().await);
    }
    while let Some(last) = sent.pop() {
        agent.reply(&last.echo()).await;
    }
    for (i, pending) in pending.into_iter().enumerate() {
        assert_eq!(pending.await.unwrap(), Ok(Text::of(&i.to_string())));
    }
    assert_eq!(control.counters(), Counters::default());
}

#[tokio::test(start_paused = true)]
async fn the_window_follows_the_kind_of_the_agent() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    let _first = dispatch::<Act>(&control, 1, "a").await;
    let _second = dispatch::<Act>(&control, 1, "b").await;
    agent.message().await;
    control.put(credential(1, AgentKind::Server, SECRET));
    assert!(agent.message().await.json.contains('b'));
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_sent_once_and_the_same_action_twice() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    let mut questions: Vec<Pending> = Vec::new();
    for text in ["same", "same", "other", "same", "other"] {
        questions.push(dispatch::<Ask>(&control, 1, text).await);
    }
    let actions = [dispatch::<Act>(&control, 1, "same").await, dispatch::<Act>(&control, 1, "same").await];
    for (command, text) in [("ASK", "same"), ("ACT", "same"), ("ACT", "same"), ("ASK", "other")] {
        let sent = agent.message().await;
        assert_eq!(
            (sent.command.as_str(), sent.json.as_str()),
            (command, format!(r#"{{"text":"{text}"}}"#).as_str())
        );
        agent.reply(&sent.echo()).await;
    }
    for (pending, text) in questions.into_iter().zip(["same", "same", "other", "same", "other"]) {
        assert_eq!(pending.await.unwrap(), Ok(Text::of(text)));
    }
    for pending in actions {
        assert_eq!(pending.await.unwrap(), Ok(Text::of("same")));
    }
    agent.hears_nothing(Duration::from_millis(500)).await;
}

#[tokio::test(start_paused = true)]
async fn at_most_64_wait_and_callers_that_left_make_room() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    let mut pending = Vec::new();
    for i in 0..65 {
        pending.push(dispatch::<Act>(&control, 1, &i.to_string()).await);
    }
    assert_eq!(control.dispatch::<Act>(1, &Text::of("one more")).await, Err(DispatchError::Busy));
    let first = agent.message().await;
    for pending in pending.drain(1..60) {
        pending.abort();
    }
    settle().await;
    let late = dispatch::<Act>(&control, 1, "late").await;
    settle().await;
    assert!(!late.is_finished(), "there is room again");
    agent.reply(&first.echo()).await;
    // Nobody waits for 1 to 59.
    assert_eq!(agent.message().await.json, r#"{"text":"60"}"#);
}

#[tokio::test(start_paused = true)]
async fn control_commands_pass_the_line_and_are_bounded_too() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    let _act = dispatch::<Act>(&control, 1, "busy").await;
    agent.message().await;
    let nudge = dispatch::<Nudge>(&control, 1, "now").await;
    let sent = agent.message().await;
    assert_eq!(sent.command, "NUDGE");
    agent.reply(&sent.echo()).await;
    assert_eq!(nudge.await.unwrap(), Ok(Text::of("now")));
    for _ in 0..64 {
        drop(dispatch::<Nudge>(&control, 1, "more").await);
    }
    assert_eq!(control.dispatch::<Nudge>(1, &Text::of("too many")).await, Err(DispatchError::Busy));
}

async fn answer(json: &str) -> Result<Text, DispatchError> {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 2);
    let pending = dispatch::<Act>(&control, 2, "x").await;
    let Sent { id, .. } = agent.message().await;
    // Under another command's name it meets nobody.
    for name in ["ASK", "NUDGE", "HEARTBEAT"] {
        agent.reply(&format!("{name}:{id}:{json}")).await;
    }
    settle().await;
    assert_eq!((control.counters().unknown, pending.is_finished()), (3, false));
    // A name that is no command's is not looked at: the ID is enough.
    agent.reply(&format!("WHATEVER:{id}:{json}")).await;
    pending.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_judged_by_the_commands_type_at_once() {
    assert_eq!(answer(r#"{"text":"a:b:c"}"#).await, Ok(Text::of("a:b:c")));
    let failed = answer(r#"{"status":"ERROR","message":"No network"}"#).await;
    let said = |code| CommandError { code, message: "No network".to_owned() };
    assert_eq!(failed, Err(DispatchError::Failed(said(None))));
    let failed = answer(r#"{"status":"ERROR","code":"no_network","message":"No network"}"#).await;
    assert_eq!(failed, Err(DispatchError::Failed(said(Some("no_network".into())))));
    for code in [r#""No""#, r#""""#, "7", "null", r#"{"a":1}"#, &format!("{:?}", "x".repeat(65))] {
        let failed = answer(&format!(r#"{{"status":"ERROR","code":{code},"message":"No network"}}"#)).await;
        assert_eq!(failed, Err(DispatchError::Failed(said(None))), "{code}");
    }
    let unknown = answer(r#"{"status":"ERROR","message":"Unknown command"}"#).await;
    assert_eq!(unknown, Err(DispatchError::Unsupported));
    for bad in ["", "null", "{", r#"{"text":5}"#, "[]"] {
        assert!(matches!(answer(bad).await, Err(DispatchError::BadReply(_))), "{bad}");
    }
    let long = format!(r#"{{"text":{{"{}":1}}}}"#, "é".repeat(5_000));
    let Err(DispatchError::BadReply(text)) = answer(&long).await else { panic!() };
    assert!(text.len() <= 300);
}

#[tokio::test(start_paused = true)]
async fn replies_reach_only_whom_they_belong_to() {
    let (control, events) = service();
    let mut one = Agent::connect(&control, 1);
    let mut two = Agent::connect(&control, 2);
    let for_one = dispatch::<Act>(&control, 1, "one").await;
    let for_two = dispatch::<Act>(&control, 2, "two").await;
    let (sent_one, sent_two) = (one.message().await, two.message().await);
    // Each answers with every ID but its own first.
    two.reply(&format!("ACT:{}:{{\"text\":\"forged\"}}", sent_one.id.wrapping_add(1000))).await;
    one.reply(&format!("ACT:{}:{{\"text\":\"forged\"}}", sent_two.id.wrapping_add(1000))).await;
    settle().await;
    assert!(!for_one.is_finished() && !for_two.is_finished());
    assert_eq!(control.counters().unknown, 2);
    two.reply(&sent_two.echo()).await;
    assert_eq!(for_two.await.unwrap(), Ok(Text::of("two")));
    assert!(!for_one.is_finished());
    one.reply(&sent_one.echo()).await;
    assert_eq!(for_one.await.unwrap(), Ok(Text::of("one")));
    assert_eq!(*events.lock(), ["online 1", "online 2", "ACT Ok", "ACT Ok"]);
}

#[tokio::test(start_paused = true)]
async fn commands_wait_for_a_socket_that_is_on_its_way() {
    let (control, _) = service();
    let ticket = admit(&control, 1, SECRET).unwrap();
    let pending = dispatch::<Act>(&control, 1, "early").await;
    let (stream, server) = tokio::io::duplex(10_000);
    let (read, write) = tokio::io::split(server);
    // Its first message came with the handshake.
    let leftover = super::peer::encode(true, 9, [0; 4], b"hi", false);
    control.attach_transport(ticket, read, write, leftover.into(), ());
    let mut agent = Agent { stream };
    let sent = agent.message().await;
    assert_eq!(agent.frame().await, Some((10, b"hi".to_vec())));
    agent.reply(&sent.echo()).await;
    assert_eq!(pending.await.unwrap(), Ok(Text::of("early")));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_said_at_once() {
    let (control, events) = service();
    let _agent = Agent::connect(&control, 2);
    for payload in ["null", "[]", "5", "{", "{} {}", ""] {
        let result = control.dispatch_json(2, &ACT, payload.to_owned()).await;
        assert!(matches!(result, Err(DispatchError::Payload(_))), "{payload}");
    }
    let large = Text::of(&"x".repeat(15_360));
    assert!(matches!(control.dispatch::<Act>(2, &large).await, Err(DispatchError::Payload(_))));
    assert_eq!(control.dispatch::<Act>(1, &Text::of("x")).await, Err(DispatchError::Offline));
    assert_eq!(control.dispatch::<Act>(77, &Text::of("x")).await, Err(DispatchError::Offline));
    assert_eq!(events.lock().iter().filter(|t| *t == "ACT Refused").count(), 7);
}

#[tokio::test(start_paused = true)]
async fn ids_run_around_without_meeting_one_in_flight() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 2);
    let held = dispatch::<Act>(&control, 2, "held").await;
    let first = agent.message().await;
    control.find(2).unwrap().set_last_id(first.id.wrapping_sub(1));
    let next = dispatch::<Act>(&control, 2, "next").await;
    let second = agent.message().await;
    assert_eq!(second.id, first.id.wrapping_add(1));
    control.find(2).unwrap().set_last_id(u32::MAX);
    let wrapped = dispatch::<Act>(&control, 2, "wrapped").await;
    let third = agent.message().await;
    assert_eq!(third.id, 0);
    for sent in [third, second, first] {
        agent.reply(&sent.echo()).await;
    }
    assert_eq!(held.await.unwrap(), Ok(Text::of("held")));
    assert_eq!(next.await.unwrap(), Ok(Text::of("next")));
    assert_eq!(wrapped.await.unwrap(), Ok(Text::of("wrapped")));
}

#[tokio::test(start_paused = true)]
async fn long_commands_have_a_window_of_their_own_and_hold_nothing_up() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 2);
    let mut long: Vec<Pending> = Vec::new();
    for i in 0..6 {
        long.push(dispatch::<Toil>(&control, 2, &i.to_string()).await);
    }
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(agent.message().await);
    }
    agent.hears_nothing(Duration::from_millis(500)).await;
    // The whole window of the others is free.
    let mut short = Vec::new();
    for i in 0..16 {
        short.push(dispatch::<Act>(&control, 2, &i.to_string()).await);
    }
    for pending in short {
        let act = agent.message().await;
        assert_eq!(act.command, "ACT");
        agent.reply(&act.echo()).await;
        assert!(pending.await.unwrap().is_ok());
    }
    // What waits for its turn is given up as any command is; what was sent has its hour.
    tokio::time::sleep(Duration::from_secs(1)).await;
    agent.reply(&sent.remove(0).echo()).await;
    assert_eq!(agent.message().await.json, r#"{"text":"4"}"#);
    assert_eq!(long.remove(0).await.unwrap(), Ok(Text::of("0")));
}

#[tokio::test(start_paused = true)]
async fn a_microcontroller_is_sent_no_long_command() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    assert_eq!(control.dispatch::<Toil>(1, &Text::of("x")).await, Err(DispatchError::TooLong));
    agent.hears_nothing(Duration::from_millis(500)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wake_waits_for_nothing_but_wakes() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 2);
    let mut others = Vec::new();
    for i in 0..16 + 60 {
        others.push(dispatch::<Act>(&control, 2, &i.to_string()).await);
    }
    for _ in 0..16 {
        assert_eq!(agent.message().await.command, "ACT");
    }
    for i in 0..4 {
        others.push(dispatch::<Toil>(&control, 2, &i.to_string()).await);
        assert_eq!(agent.message().await.command, "TOIL");
    }
    let mut wakes = Vec::new();
    for i in 0..17 {
        wakes.push(dispatch::<Rouse>(&control, 2, &i.to_string()).await);
    }
    let mut sent = Vec::new();
    for _ in 0..16 {
        sent.push(agent.message().await);
    }
    assert!(sent.iter().all(|wake| wake.command == "ROUSE"));
    agent.hears_nothing(Duration::from_millis(500)).await;
    agent.reply(&sent[0].echo()).await;
    assert_eq!(agent.message().await.json, r#"{"text":"16"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_wake_takes_a_place_in_a_full_line_and_is_a_microcontrollers_next() {
    let (control, _) = service();
    let mut agent = Agent::connect(&control, 1);
    let mut others = Vec::new();
    for i in 0..1 + 64 {
        others.push(dispatch::<Act>(&control, 1, &i.to_string()).await);
    }
    let first = agent.message().await;
    let wake = dispatch::<Rouse>(&control, 1, "up").await;
    assert_eq!(others.pop().unwrap().await.unwrap(), Err(DispatchError::Busy));
    agent.reply(&first.echo()).await;
    let next = agent.message().await;
    assert_eq!(next.command, "ROUSE");
    agent.reply(&next.echo()).await;
    assert_eq!(wake.await.unwrap(), Ok(Text::of("up")));
    assert_eq!(agent.message().await.command, "ACT");
}
