//! What the server does on its own, as time goes by: heartbeats, pings, and noticing who is gone.
//!
//! The clock is paused once everyone is connected, and jumps whenever nothing is left to do. Sockets on loopback
//! deliver at once, so that an hour passes in moments and no second too early. While it is paused nothing may be
//! asked that goes through a thread of its own, such as the database.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::support::firmware::{Firmware, Heard, Message};
use crate::support::{Scene, Server};

const MINUTE: Duration = Duration::from_secs(60);

/// What one agent heard, and when, counted from the start of the watch.
#[derive(Default, Debug)]
struct Watch {
    heartbeats: Vec<Duration>,
    pings: Vec<Duration>,
    end: Option<(Duration, u16, String)>,
}

/// Which of the server's questions an agent answers.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    Everything,
    Pings,
    Heartbeats,
    Nothing,
}

/// Lets an agent run for `span`.
async fn watch(mut firmware: Firmware, answers: Answers, span: Duration) -> Watch {
    let start = Instant::now();
    let mut watch = Watch::default();
    firmware.answers_pings = matches!(answers, Answers::Everything | Answers::Pings);
    let run = async {
        loop {
            let heard = firmware.next().await;
            let at = start.elapsed();
            match heard {
                Heard::Text(text) => {
                    let message = Message::parse(&text);
                    assert_eq!(message.command, "HEARTBEAT");
                    watch.heartbeats.push(at);
                    if matches!(answers, Answers::Everything | Answers::Heartbeats) {
                        firmware.reply(&message, "null").await;
                    }
                }
                Heard::Ping(_) => watch.pings.push(at),
                Heard::Pong(_) => {}
                Heard::Close(code, reason) => {
                    watch.end = Some((at, code, reason));
                    return;
                }
                Heard::Gone => {
                    watch.end = Some((at, 1006, String::new()));
                    return;
                }
            }
        }
    };
    timeout(span, run).await.ok();
    watch
}

/// Connects `count` agents and watches them all for `span` of paused time.
async fn watch_many(count: usize, answers: Answers, span: Duration) -> Vec<Watch> {
    let scene = Scene::new("microcontroller").await;
    let mut agents = Vec::new();
    for _ in 0..count {
        let agent = scene.admin.create_agent("microcontroller", "a common good secret").await;
        agents.push(Firmware::connect(scene.server.address(), agent, "a common good secret").await);
    }
    tokio::time::pause();
    let watches = agents.into_iter().map(|agent| tokio::spawn(watch(agent, answers, span)));
    let watches: Vec<_> = watches.collect();
    let mut seen = Vec::new();
    for watch in watches {
        seen.push(watch.await.unwrap());
    }
    tokio::time::resume();
    seen
}

#[tokio::test]
async fn heartbeats_come_once_a_minute_and_spread_over_it() {
    let watches = watch_many(40, Answers::Everything, 10 * MINUTE).await;
    let mut seconds = [0; 60];
    for watch in &watches {
        assert_eq!(watch.end, None, "a living agent stays: {watch:?}");
        assert!((9..=11).contains(&watch.heartbeats.len()), "{watch:?}");
        for pair in watch.heartbeats.windows(2) {
            let apart = (pair[1] - pair[0]).as_secs_f64();
            assert!((58.0..62.0).contains(&apart), "{apart} s apart: {watch:?}");
        }
        // The first may come at any time within the first minute.
        assert!(watch.heartbeats[0] <= MINUTE + Duration::from_secs(2), "{watch:?}");
        let second = watch.heartbeats[1].as_secs() % 60;
        seconds[usize::try_from(second).unwrap()] += 1;
    }
    let busiest = seconds.iter().max().unwrap();
    assert!(*busiest <= 10, "{busiest} of 40 in one second: {seconds:?}");
    let quarters: Vec<i32> = seconds.chunks(15).map(|quarter| quarter.iter().sum()).collect();
    assert!(quarters.iter().all(|count| *count > 0), "a quarter of the minute without any: {seconds:?}");
}

#[tokio::test]
async fn pings_come_at_least_every_25_seconds() {
    for watch in watch_many(10, Answers::Everything, 5 * MINUTE).await {
        let mut last = Duration::ZERO;
        for at in watch.pings.iter().copied().chain([5 * MINUTE]) {
            let apart = at - last;
            assert!(apart <= Duration::from_millis(25_500), "{apart:?} without a ping: {watch:?}");
            last = at;
        }
        // Proxies want to see traffic, not a flood.
        assert!(watch.pings.len() <= 60, "{watch:?}");
    }
}

#[tokio::test]
async fn a_silent_agent_is_dead_after_75_seconds() {
    for watch in watch_many(10, Answers::Nothing, 3 * MINUTE).await {
        let (at, code, _) = watch.end.clone().unwrap_or_else(|| panic!("still connected: {watch:?}"));
        assert_eq!(code, 4004, "{watch:?}");
        // It was last heard when it connected, moments before the watch began.
        let after = at.as_secs_f64();
        assert!((73.0..=76.0).contains(&after), "closed after {after} s");
    }
}

#[tokio::test]
async fn pongs_alone_keep_an_agent() {
    for watch in watch_many(5, Answers::Pings, 10 * MINUTE).await {
        assert_eq!(watch.end, None, "{watch:?}");
    }
}

#[tokio::test]
async fn frames_alone_keep_an_agent() {
    for watch in watch_many(5, Answers::Heartbeats, 10 * MINUTE).await {
        assert_eq!(watch.end, None, "{watch:?}");
    }
}

#[tokio::test]
async fn a_dead_connection_shows_as_offline() {
    let scene = Scene::new("microcontroller").await;
    let firmware = scene.firmware().await;
    let agent = scene.agent;
    assert!(scene.server.host().control.is_online(agent));
    tokio::time::pause();
    let watch = watch(firmware, Answers::Nothing, 2 * MINUTE).await;
    tokio::time::resume();
    assert!(watch.end.is_some(), "{watch:?}");
    assert_eq!(scene.admin.agent_status(agent).await, "offline");
}

#[tokio::test]
async fn a_stop_closes_agents_one_after_the_other() {
    const SPREAD: Duration = Duration::from_secs(10);
    let server = Server::start_with(|config| config.limits.stop_seconds = SPREAD.as_secs()).await;
    let admin = server.superadmin().await;
    let mut agents = Vec::new();
    for _ in 0..20 {
        let agent = admin.create_agent("server", "a common good secret").await;
        agents.push(Firmware::connect(server.address(), agent, "a common good secret").await);
    }
    tokio::time::pause();
    let watches: Vec<_> =
        agents.into_iter().map(|agent| tokio::spawn(watch(agent, Answers::Everything, MINUTE))).collect();
    let stopping = tokio::spawn(server.stop());
    let mut ends = Vec::new();
    for watch in watches {
        let (at, code, _) = watch.await.unwrap().end.expect("closed");
        assert_eq!(code, 1001);
        ends.push(at);
    }
    tokio::time::resume();
    stopping.await.unwrap();
    // The fleet comes back a minute later as spread as it left.
    let (first, last) = (*ends.iter().min().unwrap(), *ends.iter().max().unwrap());
    assert!(last <= SPREAD + Duration::from_secs(1), "the last was closed after {last:?}");
    assert!(last - first >= SPREAD / 2, "all within {:?}", last - first);
    let halfway = ends.iter().filter(|at| **at < SPREAD / 2).count();
    assert!((5..=15).contains(&halfway), "{halfway} of 20 in the first half: {ends:?}");
}
