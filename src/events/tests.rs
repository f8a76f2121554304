//! The hub: order, faults of listeners, bounds, and the end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;

use super::*;

fn online(agent: i64) -> Event {
    Event::AgentOnline { agent }
}

fn measurement() -> Event {
    Event::RequestDone { route: "other".into(), method: "GET", status: 200, user: None, took: Duration::ZERO }
}

#[tokio::test]
async fn events_arrive_in_the_order_of_their_numbers() {
    let events = Arc::new(Events::default());
    let (to, from) = mpsc::channel();
    events.listen("test", move |happened| to.send(happened.clone()).unwrap()).unwrap();
    std::thread::scope(|scope| {
        for agent in 0..4 {
            let events = &events;
            scope.spawn(move || {
                for n in 0..500 {
                    events.emit(Event::AgentOnline { agent: agent * 1000 + n });
                }
            });
        }
    });
    events.caught_up("test").await;
    let heard: Vec<_> = from.try_iter().collect();
    assert_eq!(heard.iter().map(|h| h.number).collect::<Vec<_>>(), (1..=2000).collect::<Vec<_>>());
    for thread in 0..4 {
        let of_one: Vec<_> = heard
            .iter()
            .filter_map(|h| match h.event {
                Event::AgentOnline { agent } if agent / 1000 == thread => Some(agent % 1000),
                _ => None,
            })
            .collect();
        assert_eq!(of_one, (0..500).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn who_listens_to_changes_is_spared_measurements() {
    let events = Events::default();
    let (to, from) = mpsc::channel();
    events.listen_to_changes("changes", move |happened| to.send(happened.number).unwrap()).unwrap();
    events.emit(measurement());
    events.emit(online(1));
    events.emit(measurement());
    let begun = Instant::now();
    events.caught_up("changes").await;
    assert!(begun.elapsed() < PATIENCE, "nothing of what it wants is missing");
    assert_eq!(from.try_iter().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_fault_of_one_listener_stays_its_own() {
    let events = Events::default();
    let (heard, begun) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (release, blocked) = mpsc::channel::<()>();
    let (counting, stuck) = (heard.clone(), begun.clone());
    events.listen("panics", |_| panic!("on purpose")).unwrap();
    events
        .listen("blocks", move |_| {
            stuck.fetch_add(1, SeqCst);
            let _ = blocked.recv();
        })
        .unwrap();
    events
        .listen("good", move |_| {
            counting.fetch_add(1, SeqCst);
        })
        .unwrap();
    for agent in 0..100 {
        events.emit(online(agent));
    }
    events.caught_up("good").await;
    events.caught_up("panics").await;
    assert_eq!(heard.load(SeqCst), 100);
    assert!(begun.load(SeqCst) <= 1);
    // The end waits for the slow one, and not for ever.
    events.close().await;
    drop(release);
}

#[tokio::test]
async fn a_listener_that_leaves_hears_no_more_and_costs_nothing() {
    let events = Events::default();
    let heard = Arc::new(AtomicU64::new(0));
    let counting = heard.clone();
    events
        .listen("leaves", move |_| {
            counting.fetch_add(1, SeqCst);
            leave();
        })
        .unwrap();
    for agent in 0..100 {
        events.emit(online(agent));
    }
    events.caught_up("leaves").await;
    events.emit(online(7));
    events.close().await;
    assert_eq!(heard.load(SeqCst), 1);
    assert_eq!(Arc::strong_count(&heard), 1, "the listener is gone");
    assert!(events.0.hub.lock().queues[0].waiting.is_empty());
    assert_eq!(events.missed(), 0);
}

#[tokio::test]
async fn a_queue_is_bounded_and_keeps_room_for_what_is_rare() {
    let events = Events::default();
    let (release, blocked) = mpsc::channel::<()>();
    let (to, from) = mpsc::channel();
    let (begun, begins) = mpsc::channel();
    events
        .listen("slow", move |happened| {
            let _ = begun.send(());
            let _ = blocked.recv();
            if !happened.event.is_measurement() {
                to.send(happened.number).unwrap();
            }
        })
        .unwrap();
    // The listener takes this one out of the queue, and nothing after it.
    events.emit(measurement());
    begins.recv().unwrap();
    for _ in 0..MAX_MEASUREMENTS + 1000 {
        events.emit(measurement());
    }
    events.emit(online(7));
    assert_eq!(events.missed(), 1000);
    let number = events.0.hub.lock().last;
    drop(release);
    events.close().await;
    assert_eq!(from.try_iter().collect::<Vec<_>>(), [number]);
}

#[tokio::test]
async fn what_was_emitted_before_the_end_is_still_passed_on() {
    let events = Events::default();
    let heard = Arc::new(AtomicU64::new(0));
    let counting = heard.clone();
    events
        .listen("last", move |_| {
            counting.fetch_add(1, SeqCst);
        })
        .unwrap();
    events.emit(online(1));
    events.close().await;
    assert_eq!(heard.load(SeqCst), 1);
    assert_eq!(Arc::strong_count(&heard), 1, "the listener is gone");
}

#[tokio::test]
async fn a_listener_may_spawn_tasks_and_emit() {
    let events = Arc::new(Events::default());
    let (to, mut from) = tokio::sync::mpsc::unbounded_channel();
    let weak = Arc::downgrade(&events);
    events
        .listen("spawns", move |happened| {
            if let (Event::AgentOnline { agent: 1 }, Some(events)) = (&happened.event, weak.upgrade()) {
                events.emit(online(2));
            }
            let (to, number) = (to.clone(), happened.number);
            tokio::spawn(async move { to.send(number) });
        })
        .unwrap();
    events.emit(online(1));
    assert_eq!((from.recv().await, from.recv().await), (Some(1), Some(2)));
}
