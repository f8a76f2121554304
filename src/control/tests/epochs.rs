//! Connections that come, go and replace each other: one live owner, and nobody gets another's reply.

use super::peer::{Agent as Peered, dispatch};
use super::*;

#[tokio::test(start_paused = true)]
async fn the_newest_connection_wins() {
    let (control, events) = service();
    let mut old = Peered::connect(&control, 1);
    let lost = dispatch::<Act>(&control, 1, "lost").await;
    let sent = old.message().await;
    let mut new = Peered::connect(&control, 1);
    assert_eq!(lost.await.unwrap(), Err(DispatchError::Disconnected));
    assert_eq!(old.closed().await, (4001, "replaced".to_owned()));
    let kept = dispatch::<Act>(&control, 1, "kept").await;
    let second = new.message().await;
    assert_ne!(second.id, sent.id, "an ID is not used again");
    // Neither the old connection nor the old ID reaches the new command.
    old.reply(&format!("ACT:{}:{{\"text\":\"forged\"}}", second.id)).await;
    new.reply(&sent.echo()).await;
    drop(old);
    new.reply(&second.echo()).await;
    assert_eq!(kept.await.unwrap(), Ok(Text::of("kept")));
    assert_eq!(*events.lock(), ["online 1", "ACT Disconnected", "ACT Ok"]);
    let presence = control.presence(1).unwrap();
    assert_eq!((presence.state, presence.why), (PresenceState::Online, "connected"));
    assert_eq!(presence.address, Some([192, 0, 2, 7].into()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_and_a_deletion_disconnect_at_once() {
    let (control, events) = service();
    let mut agent = Peered::connect(&control, 1);
    control.put(credential(1, AgentKind::Microcontroller, SECRET));
    assert!(control.is_online(1), "nothing changed");
    control.put(credential(1, AgentKind::Microcontroller, "another secret"));
    assert!(!control.is_online(1));
    assert_eq!(agent.closed().await, (4002, "secret_changed".to_owned()));
    assert_eq!(admit(&control, 1, SECRET).unwrap_err().kind(), Kind::Unauthenticated);
    assert!(admit(&control, 1, "another secret").is_ok());

    let mut agent = Peered::connect(&control, 2);
    control.remove(2);
    assert_eq!(agent.closed().await, (4003, "deleted".to_owned()));
    assert_eq!(control.presence(2), None);
    assert_eq!(admit(&control, 2, SECRET).unwrap_err().kind(), Kind::Unauthenticated);
    assert!(events.lock().iter().any(|t| t == "offline 2 deleted"));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_comes_too_late_is_closed_with_the_reason() {
    for (end, code) in [(0, 4001), (1, 4002), (2, 4003), (3, 1001)] {
        let (control, _) = service();
        let ticket = admit(&control, 1, SECRET).unwrap();
        let newer = match end {
            0 => Some(admit(&control, 1, SECRET).unwrap()),
            1 => {
                control.put(credential(1, AgentKind::Server, "another secret"));
                None
            }
            2 => {
                control.remove(1);
                None
            }
            _ => {
                control.stop(Duration::ZERO).await;
                None
            }
        };
        let (stream, server) = tokio::io::duplex(1_000);
        let (read, write) = tokio::io::split(server);
        control.attach_transport(ticket, read, write, Bytes::new(), ());
        assert_eq!(Peered { stream }.closed().await.0, code);
        assert_eq!(control.is_online(1), newer.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_ticket_does_not_end_the_newer_connection() {
    let (control, _) = service();
    let old = admit(&control, 1, SECRET).unwrap();
    let mut agent = Peered::connect(&control, 1);
    drop(old);
    assert!(control.is_online(1));
    let pending = dispatch::<Act>(&control, 1, "x").await;
    let sent = agent.message().await;
    agent.reply(&sent.echo()).await;
    assert!(pending.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn since_survives_a_replacement_and_moves_with_the_state() {
    let (control, _) = service();
    let never = control.presence(1).unwrap();
    assert_eq!((never.state, never.why, never.address), (PresenceState::Offline, "never_connected", None));
    let first = Peered::connect(&control, 1);
    let online = control.presence(1).unwrap();
    control.core.clock.advance(Duration::from_secs(60));
    let second = Peered::connect(&control, 1);
    assert_eq!(control.presence(1).unwrap(), online);
    drop((first, second));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let offline = control.presence(1).unwrap();
    assert_eq!((offline.state, offline.why), (PresenceState::Offline, "connection_lost"));
    assert!(offline.since >= online.since + 60_000);
}

#[test]
fn events_of_one_agent_do_not_change_places() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = events.clone();
    let control = Control::new(
        Clock::default(),
        names(),
        Box::new(move |event| {
            // Whoever is late here is overtaken, unless something keeps the order.
            let online = matches!(event, Event::AgentOnline { .. });
            std::thread::sleep(Duration::from_micros(fastrand::u64(..200)));
            log.lock().push(online);
        }),
    );
    control.load(vec![credential(1, AgentKind::Server, SECRET)]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let control = &control;
            scope.spawn(move || (0..300).for_each(|_| drop(admit(control, 1, SECRET))));
        }
    });
    let events = events.lock();
    assert!(events.len() > 100);
    for (n, online) in events.iter().enumerate() {
        assert_eq!(*online, n % 2 == 0, "event {n} of {}", events.len());
    }
}
