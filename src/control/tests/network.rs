//! The service on a simulated network whose links are cut, held and slow and whose agents crash, in virtual time.
//!
//! A seed decides everything that happens. A held link is one whose packets are resent until they arrive, as TCP does
//! it; what a cut one loses stays lost, so that one end may never learn that the other is gone. Microcontrollers only
//! meet the former, for their firmware has no means to notice the latter.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use turmoil::Sim;
use turmoil::net::{TcpListener, TcpStream};

use super::network_agent::{PORT, live};
use super::network_fate::Fate;
use super::network_seeds::run_all;
use super::network_watch::{AGENTS, Stage, UPGRADE, Watch, kind};
use super::*;

/// The seeds every run of the tests goes through; `NETIGNITE_NETWORK` names one to be run alone.
const SEEDS: u64 = 200;
/// The step of the simulation.
const STEP: Duration = Duration::from_millis(100);
/// How often the watch looks.
const LOOK: Duration = Duration::from_millis(250);
/// How long the network is rough.
const ROUGH: Duration = Duration::from_secs(300);
/// How long what still waits in line at the end may take, and the end itself.
const END: Duration = Duration::from_secs(600);

/// The host of the service, with its callers.
async fn serve(watch: Watch, seed: u64) -> turmoil::Result {
    let watcher = watch.clone();
    let control = Control::new(Clock::default(), names(), Box::new(move |event| watcher.note(&event)));
    control.load((1..=AGENTS).map(|id| credential(id, kind(id), SECRET)).collect());
    control.start(Shutdown::new());
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let (control_, watch_) = (control.clone(), watch.clone());
    tokio::spawn(async move {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0xacce);
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(welcome(control_.clone(), watch_.clone(), stream, dice.fork()));
        }
    });
    tokio::spawn(call(control.clone(), watch.clone(), seed));
    let mut ending = false;
    while watch.stage() != Stage::Done {
        sleep(LOOK).await;
        watch.look(&control);
        if watch.stage() == Stage::Final && !ending {
            ending = true;
            tokio::spawn(end(control.clone(), watch.clone()));
        }
    }
    Ok(())
}

/// The handshake: an ID and whether the secret is known; a byte if the agent is admitted.
async fn welcome(control: Arc<Control>, watch: Watch, mut stream: TcpStream, mut dice: fastrand::Rng) {
    let mut hello = [0; 9];
    let Ok(Ok(_)) = timeout(Duration::from_secs(10), stream.read_exact(&mut hello)).await else { return };
    let [id @ .., known] = hello;
    let (id, secret) = (i64::from_be_bytes(id), if known == 1 { SECRET } else { "wrong" });
    let Ok(ticket) = admit(&control, id, secret) else { return };
    let link = watch.came(id);
    if watch.stage() == Stage::Rough && dice.f32() < 0.3 {
        // The answer may take its time, or not be written at all; a newer connection may come in the meantime.
        sleep(UPGRADE.mul_f32(dice.f32())).await;
        if dice.bool() {
            return;
        }
    }
    if stream.write_all(&[1]).await.is_ok() {
        let (read, write) = stream.into_split();
        link.attached();
        control.attach_transport(ticket, link.ear(read), write, Bytes::new(), link);
    }
}

/// Asks agents something at random times, now and then more than they can take.
async fn call(control: Arc<Control>, watch: Watch, seed: u64) {
    let mut dice = fastrand::Rng::with_seed(seed ^ 0xca11);
    let mut last = String::new();
    while matches!(watch.stage(), Stage::Rough | Stage::Calm) {
        sleep(Duration::from_millis(dice.u64(10..2_500))).await;
        let agent = dice.i64(1..=AGENTS);
        let count = if watch.stage() == Stage::Rough && dice.f32() < 0.02 { dice.u32(2..90) } else { 1 };
        for _ in 0..count {
            let question = dice.bool();
            // The same question asked again is shared.
            if dice.f32() > 0.1 || !question {
                last = format!("{agent}/{}", dice.u32(..));
            }
            tokio::spawn(ask(control.clone(), watch.clone(), agent, question, last.clone()));
        }
    }
}

async fn ask(control: Arc<Control>, watch: Watch, agent: i64, question: bool, text: String) -> bool {
    let (number, payload) = (watch.asks(agent), Text::of(&text));
    let result = if question {
        control.dispatch::<Ask>(agent, &payload).await
    } else {
        control.dispatch::<Act>(agent, &payload).await
    };
    watch.answered(agent, number, &text, &result);
    result.is_ok()
}

/// Everyone must answer once more; then the service stops.
async fn end(control: Arc<Control>, watch: Watch) {
    for agent in 1..=AGENTS {
        if !ask(control.clone(), watch.clone(), agent, false, format!("{agent}/last")).await {
            watch.fault(format!("agent {agent} does not answer though all is well"));
        }
    }
    watch.set_stage(Stage::Stopping);
    control.stop(Duration::from_secs(1)).await;
    // Callers hear of it when their tasks get their turn.
    sleep(LOOK).await;
    watch.look_back();
}

/// One step of the simulation; nothing may be wrong after it.
fn step(sim: &mut Sim<'_>, watch: &Watch, seed: u64) {
    let result = sim.step();
    let faults = watch.faults();
    assert!(
        result.is_ok() && faults.is_empty(),
        "seed {seed} (NETIGNITE_NETWORK={seed} runs it alone): {result:?}\n{}",
        faults.join("\n"),
    );
}

/// Runs one seed: what happened how often.
fn run(seed: u64) -> BTreeMap<String, u32> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(STEP)
        .simulation_duration(ROUGH + END)
        .min_message_latency(Duration::from_millis(dice.u64(..100)))
        .max_message_latency(Duration::from_millis(dice.u64(100..1_000)))
        .enable_random_order()
        .build();
    let watch = Watch::default();
    let watching = watch.clone();
    sim.host("server", move || serve(watching.clone(), seed));
    let mut fates = Vec::new();
    for agent in 1..=AGENTS {
        let (host, watching) = (format!("agent-{agent}"), watch.clone());
        sim.host(host.as_str(), move || live(watching.clone(), agent, seed));
        let everything = kind(agent) == AgentKind::Server;
        fates.push((agent, Fate::new(host, everything, Duration::from_millis(dice.u64(..60_000)))));
    }
    while sim.elapsed() < ROUGH {
        for (agent, fate) in &mut fates {
            fate.go_on(&mut sim, &mut dice);
            if !sim.is_host_running(fate.host()) {
                watch.connected(*agent, false);
            }
        }
        step(&mut sim, &watch, seed);
    }
    fates.iter_mut().for_each(|(_, fate)| fate.end(&mut sim));
    watch.repaired(sim.elapsed());
    while sim.elapsed() <= watch.all_back_by() {
        step(&mut sim, &watch, seed);
    }
    watch.set_stage(Stage::Final);
    while watch.stage() != Stage::Done {
        step(&mut sim, &watch, seed);
        assert!(sim.elapsed() < ROUGH + END, "seed {seed} does not come to an end");
    }
    watch.tally()
}

#[test]
fn whatever_the_network_does_nobody_waits_in_vain_and_everyone_comes_back() {
    let Some(tally) = run_all(SEEDS, "NETIGNITE_NETWORK", run) else { return };
    let tried =
        "Ok,Disconnected,TimedOut,Offline,Busy,silent,connection_lost,stalled,upgrade_failed,late socket";
    for what in tried.split(',') {
        assert!(tally.get(what).is_some_and(|&count| count >= 10), "{what} is not tried enough: {tally:?}");
    }
}
