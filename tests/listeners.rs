//! Plugins that listen: what is wrong with one of them is its own. They are submitted for the whole binary, so it holds
//! nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code, unused_imports)]

#[path = "it/support/mod.rs"]
mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use netignite::prelude::*;
use serde_json::json;
use support::wait::{until, until_equal};
use support::{Scene, soon};

/// While it is set, `Slow` does not come back from an event.
static HELD: AtomicBool = AtomicBool::new(false);
/// What `Good` heard of agents: which, and whether it came or went.
static HEARD: Mutex<Vec<(i64, bool)>> = Mutex::new(Vec::new());

/// Of how many events `Faulty` heard.
static FAULTS: AtomicUsize = AtomicUsize::new(0);

macro_rules! listener {
    ($name:ident, $text:literal, $on:expr) => {
        struct $name;

        impl Plugin for $name {
            const NAME: &'static str = $text;
            const SUMMARY: &'static str = "A listener of the tests";
            type Config = Empty;

            fn new(_: Empty, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
                Ok(Some(Self))
            }

            fn on_event(&self, event: &Event) {
                let on: fn(&Event) = $on;
                on(event);
            }
        }

        register_plugin!($name);
    };
}

listener!(Faulty, "faulty", |event| {
    FAULTS.fetch_add(1, SeqCst);
    panic!("a fault of the tests on {event:?}")
});
listener!(Slow, "slow", |_| {
    while HELD.load(SeqCst) {
        std::thread::sleep(Duration::from_millis(10));
    }
});
listener!(Good, "good", |event| match event {
    Event::AgentOnline { agent } => HEARD.lock().unwrap().push((*agent, true)),
    Event::AgentOffline { agent, .. } => HEARD.lock().unwrap().push((*agent, false)),
    _ => {}
});

/// What `Ending` found to be heard when it was stopped; none before.
static STOPPED: Mutex<Option<usize>> = Mutex::new(None);

/// A plugin that takes its time to stop.
struct Ending;

impl Plugin for Ending {
    const NAME: &'static str = "ending";
    const SUMMARY: &'static str = "A plugin of the tests that stops";
    type Config = Empty;

    fn new(_: Empty, _: &Arc<Host>) -> Result<Option<Self>, PluginError> {
        Ok(Some(Self))
    }

    async fn stop(self: &Arc<Self>) {
        let heard = HEARD.lock().unwrap().len();
        tokio::time::sleep(Duration::from_millis(200)).await;
        *STOPPED.lock().unwrap() = Some(heard);
    }
}

register_plugin!(Ending);

/// The names of this process's threads.
fn threads() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default()).collect()
}

/// Lets the slow listener go, however a test ends.
struct Held;

impl Held {
    fn begin() -> Self {
        HELD.store(true, SeqCst);
        Self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.store(false, SeqCst);
    }
}

/// One test, since the listeners are those of the whole binary. Its runtime has one thread: whoever blocks that, blocks
/// everything.
#[tokio::test]
async fn a_listeners_fault_stays_its_own() {
    let held = Held::begin();
    let scene = Scene::new("microcontroller").await;
    // Requests are answered, agents get in, and commands get through and time out, which the clockwork sees to.
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
    let lost = scene.wake();
    firmware.command().await;
    assert_eq!(lost.answer().await.expect(504).code(), "agent_timeout");
    drop(firmware);
    until_equal("the agent to be offline", "offline".to_owned(), || scene.admin.agent_status(scene.agent))
        .await;

    // What happens to one agent is heard in its order.
    let address = scene.server.address();
    let others: Vec<_> = (0..8)
        .map(|_| {
            let agent = scene.agent;
            tokio::spawn(async move {
                for _ in 0..20 {
                    support::Firmware::connect(address, agent, support::scene::SECRET).await.vanish();
                }
            })
        })
        .collect();
    for other in others {
        soon("connections", other).await.unwrap();
    }
    until_equal("the agent to be offline", "offline".to_owned(), || scene.admin.agent_status(scene.agent))
        .await;
    scene.server.host().events.caught_up("good").await;
    {
        let heard = HEARD.lock().unwrap();
        assert!(heard.len() >= 4 && heard.len().is_multiple_of(2), "{heard:?}");
        for (n, (agent, online)) in heard.iter().enumerate() {
            assert_eq!((*agent, *online), (scene.agent, n % 2 == 0), "{n}: {heard:?}");
        }
    }
    // The one with a fault goes on hearing.
    scene.server.host().events.caught_up("faulty").await;
    let faults = FAULTS.load(SeqCst);
    assert!(faults > 20, "it heard of {faults} events");
    // One that does not hear has no thread.
    until("the end of its thread", async || (!threads().contains("on ending")).then_some(())).await;
    assert!(threads().contains("on good"), "{}", threads());
    // The slow one gets what it has missed meanwhile, and the stop waits for it.
    drop(held);
    assert_eq!(*STOPPED.lock().unwrap(), None);
    drop(soon("the stop", scene.server.stop()).await);
    // Every event was passed on before.
    let heard = HEARD.lock().unwrap().len();
    assert_eq!(*STOPPED.lock().unwrap(), Some(heard));
}
