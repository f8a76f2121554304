//! What befalls a host of a simulated network that is connected with `server`, one trouble after the other.

use std::time::Duration;

use turmoil::Sim;

/// What can befall an agent.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// Packets wait, in both directions.
    Held,
    /// Its process ends, and its system says so.
    Killed,
    /// It starts anew, and soon once more.
    Restarted,
    /// It loses power; nobody says so.
    Off,
    /// Packets are lost, in both directions.
    Cut,
    /// What the service sends is lost.
    Deaf,
    /// What the agent sends is lost.
    Mute,
}

/// The first ones are those that microcontrollers meet, too.
const TROUBLES: [Trouble; 7] = [
    Trouble::Held,
    Trouble::Killed,
    Trouble::Restarted,
    Trouble::Off,
    Trouble::Cut,
    Trouble::Deaf,
    Trouble::Mute,
];
/// How many microcontrollers meet.
const FEW: usize = 4;

/// What befalls a host.
pub(crate) struct Fate {
    host: String,
    many: usize,
    trouble: Option<Trouble>,
    until: Duration,
}

impl Fate {
    /// The fate of a host, which begins at `until`; `everything` can befall it, or what lets both ends know in time.
    pub(crate) fn new(host: String, everything: bool, until: Duration) -> Self {
        let many = if everything { TROUBLES.len() } else { FEW };
        Self { host, many, trouble: None, until }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    fn begin(&mut self, sim: &mut Sim<'_>, dice: &mut fastrand::Rng) {
        let host = self.host.as_str();
        let trouble = TROUBLES[dice.usize(..self.many)];
        match trouble {
            Trouble::Held => sim.hold(host, "server"),
            Trouble::Cut => sim.partition(host, "server"),
            Trouble::Deaf => sim.partition_oneway("server", host),
            Trouble::Mute => sim.partition_oneway(host, "server"),
            Trouble::Off => {
                // First, so that the farewells of its sockets are lost.
                sim.partition(host, "server");
                sim.crash(host);
            }
            Trouble::Killed => sim.crash(host),
            Trouble::Restarted => sim.bounce(host),
        }
        self.trouble = Some(trouble);
    }

    /// Ends what trouble there is.
    pub(crate) fn end(&mut self, sim: &mut Sim<'_>) {
        let host = self.host.as_str();
        match self.trouble.take() {
            Some(Trouble::Held) => sim.release(host, "server"),
            Some(Trouble::Cut) => sim.repair(host, "server"),
            Some(Trouble::Deaf) => sim.repair_oneway("server", host),
            Some(Trouble::Mute) => sim.repair_oneway(host, "server"),
            Some(Trouble::Off) => {
                sim.repair(host, "server");
                sim.bounce(host);
            }
            Some(Trouble::Killed | Trouble::Restarted) => sim.bounce(host),
            None => {}
        }
    }

    /// Begins or ends a trouble, if it is time.
    pub(crate) fn go_on(&mut self, sim: &mut Sim<'_>, dice: &mut fastrand::Rng) {
        if sim.elapsed() < self.until {
            return;
        }
        let mut lasts = if dice.bool() { dice.u64(100..10_000) } else { dice.u64(10_000..120_000) };
        if self.trouble.is_some() {
            self.end(sim);
            lasts /= 2;
        } else {
            self.begin(sim, dice);
            if matches!(self.trouble, Some(Trouble::Restarted)) {
                lasts %= 5_000;
            }
        }
        self.until = sim.elapsed() + Duration::from_millis(lasts);
    }
}
