//! The clockwork on a paused clock: heartbeats, pings, dead connections, time-outs, and the end.

use std::time::Duration;

use tokio::time::{Instant, advance, sleep, timeout};

use super::peer::{Agent, CLOSE, PING, PONG, TEXT, dispatch};
use super::*;

fn started() -> (Arc<Control>, Happenings) {
    let (control, events) = service();
    control.start(Shutdown::new());
    (control, events)
}

fn about(actual: Duration, expected: Duration) -> bool {
    actual >= expected && actual <= expected + Duration::from_millis(300)
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_every_minute_the_first_within_one_and_pings_every_25_seconds() {
    let (control, _) = started();
    let mut agent = Agent::connect(&control, 1);
    let (start, mut heartbeats, mut pings) = (Instant::now(), Vec::new(), vec![Duration::ZERO]);
    while start.elapsed() < Duration::from_secs(400) {
        match agent.frame().await.unwrap() {
            (TEXT, payload) => {
                let text = String::from_utf8(payload).unwrap();
                let id = text.strip_prefix("HEARTBEAT:").and_then(|t| t.strip_suffix(":{}")).unwrap();
                agent.reply(&format!("HEARTBEAT:{id}:null")).await;
                heartbeats.push(start.elapsed());
            }
            (PING, payload) => {
                agent.send(PONG, &payload).await;
                pings.push(start.elapsed());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(heartbeats[0] <= Duration::from_millis(60_300), "{heartbeats:?}");
    assert!(heartbeats.len() >= 6);
    for pair in heartbeats.windows(2) {
        let gap = pair[1] - pair[0];
        assert!(gap.abs_diff(Duration::from_secs(60)) <= Duration::from_millis(300), "{heartbeats:?}");
    }
    assert!(pings.windows(2).all(|pair| pair[1] - pair[0] <= Duration::from_secs(25)), "{pings:?}");
    assert_eq!(control.counters(), Counters::default(), "an answered heartbeat is nothing odd");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_of_many_agents_are_spread_over_the_minute() {
    let (control, _) = started();
    let mut agents = Vec::new();
    for id in 10..610 {
        control.put(credential(id, AgentKind::Microcontroller, SECRET));
        agents.push(Agent::connect(&control, id));
    }
    let start = Instant::now();
    let mut tasks = Vec::new();
    for mut agent in agents {
        tasks.push(tokio::spawn(async move {
            let first = agent.message().await;
            assert_eq!(first.command, "HEARTBEAT");
            start.elapsed().as_secs() / 10
        }));
    }
    let mut per_ten_seconds = [0; 7];
    for task in tasks {
        per_ten_seconds[usize::try_from(task.await.unwrap()).unwrap()] += 1;
    }
    assert!(per_ten_seconds[..6].iter().all(|n| (60..=140).contains(n)), "{per_ten_seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_says_nothing_for_75_seconds_is_gone() {
    let (control, events) = started();
    let mut agent = Agent::connect(&control, 1);
    sleep(Duration::from_secs(30)).await;
    agent.send(PONG, b"").await;
    let start = Instant::now();
    let waiting = dispatch::<Act>(&control, 2, "offline").await;
    assert_eq!(waiting.await.unwrap(), Err(DispatchError::Offline));
    loop {
        match agent.frame().await.unwrap() {
            (CLOSE, payload) => {
                assert_eq!(payload[..2], 4004_u16.to_be_bytes());
                assert_eq!(&payload[2..], b"silent");
                break;
            }
            (PING | TEXT, _) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(about(start.elapsed(), Duration::from_secs(75)), "{:?}", start.elapsed());
    assert_eq!(*events.lock(), ["online 1", "ACT Offline", "offline 1 silent"]);
    let presence = control.presence(1).unwrap();
    assert_eq!((presence.state, presence.why), (PresenceState::Offline, "silent"));
    // The socket is cut though the peer does not close.
    assert!(timeout(Duration::from_secs(3), agent.frame()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_server_stood_still_is_no_silence() {
    let (control, _) = started();
    let mut agent = Agent::connect(&control, 1);
    sleep(Duration::from_secs(1)).await;
    // As after a pause of the process: no tick came, and nothing was read.
    advance(Duration::from_secs(78)).await;
    sleep(Duration::from_millis(500)).await;
    assert!(control.is_online(1));
    let start = Instant::now();
    agent.send(PONG, b"").await;
    // From here on it is silent, as far as the server can tell.
    while control.is_online(1) {
        sleep(Duration::from_millis(250)).await;
    }
    let took = start.elapsed();
    assert!(took.abs_diff(Duration::from_secs(75)) <= Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_is_no_sign_of_life() {
    let (control, _) = started();
    let mut agent = Agent::connect(&control, 1);
    let start = Instant::now();
    let frame = super::peer::encode(true, TEXT, [0; 4], &[b'x'; 120], false);
    for byte in frame {
        use tokio::io::AsyncWriteExt;
        let _ = agent.stream.write_all(&[byte]).await;
        sleep(Duration::from_secs(1)).await;
        if !control.is_online(1) {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(77), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_command_times_out_from_when_its_frame_is_sent() {
    let (control, _) = started();
    let mut agent = Agent::connect(&control, 1);
    let start = Instant::now();
    let first = dispatch::<Act>(&control, 1, "first").await;
    let second = dispatch::<Ask>(&control, 1, "second").await;
    let sent = agent.message().await;
    assert!(sent.json.contains("first"));
    assert_eq!(first.await.unwrap(), Err(DispatchError::TimedOut));
    assert!(about(start.elapsed(), Duration::from_secs(5)), "{:?}", start.elapsed());
    // The place is free, and the time of the next begins.
    let next = agent.message().await;
    assert!(next.json.contains("second"));
    let began = Instant::now();
    assert_eq!(second.await.unwrap(), Err(DispatchError::TimedOut));
    assert!(about(began.elapsed(), Duration::from_secs(7)), "{:?}", began.elapsed());
    // Their replies come late, which is no error; a third would be unknown.
    agent.reply(&sent.echo()).await;
    agent.reply(&next.echo()).await;
    agent.reply(&next.echo()).await;
    agent.reply("no message").await;
    sleep(Duration::from_millis(10)).await;
    let counters = control.counters();
    assert_eq!((counters.late, counters.unknown, counters.malformed), (2, 1, 1));
    let third = dispatch::<Act>(&control, 1, "third").await;
    let sent = agent.message().await;
    agent.reply(&sent.echo()).await;
    assert_eq!(third.await.unwrap(), Ok(Text::of("third")), "the connection stayed open");
}

#[tokio::test(start_paused = true)]
async fn answered_commands_leave_nothing_on_the_wheel() {
    let (control, _) = started();
    let mut agent = Agent::connect(&control, 2);
    for round in 0..200 {
        let pending = dispatch::<Act>(&control, 2, "quick").await;
        let sent = agent.message().await;
        agent.reply(&sent.echo()).await;
        assert!(pending.await.unwrap().is_ok(), "{round}");
    }
    assert!(control.core.timer.waiting() <= 2, "{} entries", control.core.timer.waiting());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_cut_off_after_ten_seconds() {
    let (control, events) = started();
    let mut agent = Agent::connect_narrow(&control, 2, 1_000);
    let start = Instant::now();
    let big = "x".repeat(8_000);
    let pending = dispatch::<Act>(&control, 2, &big).await;
    // It writes all the time, which does not help it.
    while control.is_online(2) {
        agent.send(PONG, b"").await;
        sleep(Duration::from_millis(100)).await;
        assert!(start.elapsed() < Duration::from_secs(11));
    }
    // Its command's own time was over before.
    assert_eq!(pending.await.unwrap(), Err(DispatchError::TimedOut));
    assert_eq!(events.lock().last().map(String::as_str), Some("offline 2 stalled"));
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_for_a_peer_that_does_not_read_is_bounded() {
    let (control, events) = started();
    let mut agent = Agent::connect_narrow(&control, 2, 100);
    let mut sent = 0;
    while control.is_online(2) {
        agent.send(PING, &[0; 125]).await;
        sent += 127;
        assert!(sent < 80 * 1024, "nobody ended it");
        tokio::task::yield_now().await;
    }
    assert!(sent > 60 * 1024, "ended after {sent} bytes");
    assert_eq!(events.lock().last().map(String::as_str), Some("offline 2 stalled"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_everything_in_order() {
    let (control, _) = started();
    let mut agent = Agent::connect_narrow(&control, 2, 10);
    let mut pending = Vec::new();
    for i in 0..16 {
        pending.push(dispatch::<Act>(&control, 2, &format!("{i} {}", "y".repeat(1_000))).await);
    }
    for i in 0..16 {
        let sent = agent.message().await;
        assert!(sent.json.starts_with(&format!(r#"{{"text":"{i} y"#)), "{}", sent.json);
        agent.reply(&sent.echo()).await;
    }
    for pending in pending {
        assert!(pending.await.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_never_brings_its_socket_is_not_kept() {
    let (control, events) = started();
    let ticket = admit(&control, 1, SECRET).unwrap();
    assert!(control.is_online(1));
    drop(ticket);
    assert_eq!(control.presence(1).unwrap().why, "upgrade_failed");
    let _held = admit(&control, 1, SECRET).unwrap();
    sleep(Duration::from_secs(76)).await;
    assert!(!control.is_online(1));
    assert_eq!(*events.lock(), ["online 1", "offline 1 upgrade_failed", "online 1", "offline 1 silent"]);
}

#[tokio::test(start_paused = true)]
async fn stopping_fails_commands_at_once_and_closes_connections_spread_over_time() {
    let (control, _) = started();
    for id in 10..50 {
        control.put(credential(id, AgentKind::Server, SECRET));
    }
    let mut agents: Vec<_> = (10..50).map(|id| Agent::connect(&control, id)).collect();
    let pending = dispatch::<Act>(&control, 49, "lost").await;
    let start = Instant::now();
    let stopping = tokio::spawn({
        let control = control.clone();
        async move { control.stop(Duration::from_secs(4)).await }
    });
    assert_eq!(pending.await.unwrap(), Err(DispatchError::Disconnected));
    assert!(start.elapsed() < Duration::from_millis(100));
    assert_eq!(admit(&control, 2, SECRET).unwrap_err().kind(), Kind::Unavailable);
    let again = control.dispatch::<Act>(10, &Text::of("too late")).await;
    assert_eq!(again, Err(DispatchError::Offline));
    let _command = agents[39].message().await;
    let mut closing = Vec::new();
    for mut agent in agents {
        closing.push(tokio::spawn(async move {
            assert_eq!(agent.closed().await, (1001, "server_stopping".to_owned()));
            agent.send(CLOSE, &1001_u16.to_be_bytes()).await;
            start.elapsed()
        }));
    }
    let mut ends = Vec::new();
    for agent in closing {
        ends.push(agent.await.unwrap());
    }
    stopping.await.unwrap();
    let last = ends.iter().max().unwrap();
    assert!(*last > Duration::from_secs(3) && *last <= Duration::from_secs(4), "{last:?}");
    assert!(start.elapsed() < Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn after_the_shutdown_has_begun_nobody_is_admitted_but_commands_still_time_out() {
    let (control, _) = service();
    let shutdown = Shutdown::new();
    control.start(shutdown.clone());
    let _agent = Agent::connect(&control, 1);
    shutdown.cancel();
    advance(Duration::from_millis(250)).await;
    sleep(Duration::from_millis(250)).await;
    assert_eq!(admit(&control, 2, SECRET).unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_clockwork_ends_nothing() {
    let (control, events) = started();
    let _silent = Agent::connect(&control, 1);
    let agent = control.find(2).unwrap();
    control.core.timer.at(control.core.now() + 1, Due { agent, task: Task::Panic });
    // It comes up again and again, and the others are looked after all the same.
    sleep(Duration::from_secs(76)).await;
    assert_eq!(events.lock().last().map(String::as_str), Some("offline 1 silent"));
}

#[tokio::test(start_paused = true)]
async fn a_command_is_given_up_after_25_seconds_in_line() {
    let (control, _) = started();
    let mut agent = Agent::connect(&control, 1);
    let start = Instant::now();
    let mut pending = Vec::new();
    for i in 0..8 {
        pending.push(dispatch::<Act>(&control, 1, &i.to_string()).await);
    }
    let mut outcomes = Vec::new();
    for pending in pending {
        outcomes.push(pending.await.unwrap().unwrap_err());
    }
    assert!(about(start.elapsed(), Duration::from_secs(25)), "{:?}", start.elapsed());
    let timed_out = outcomes.iter().filter(|outcome| **outcome == DispatchError::TimedOut).count();
    // A tick more or less decides whether the last but one is sent.
    assert!((4..=6).contains(&timed_out), "{outcomes:?}");
    assert!(outcomes[timed_out..].iter().all(|outcome| *outcome == DispatchError::Busy), "{outcomes:?}");
    for i in 0..timed_out {
        assert!(agent.message().await.json.contains(&i.to_string()));
    }
}
