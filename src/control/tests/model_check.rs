//! The model's view of connections and callers: what agents say on them, and whether all that can be seen is right.

use std::collections::HashMap;
use std::sync::Weak;

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::model::{AGENTS, Model, Step, id, window};
use super::peer::{CLOSE, PING, PONG, TEXT, encode};
use super::wire::Wire;
use super::*;
use crate::control::command::Answered;

/// A command on its way.
pub(super) struct Flight {
    pub(super) id: u32,
    pub(super) command: &'static str,
    pub(super) json: String,
    sent: u64,
}

impl Flight {
    pub(super) fn deadline(&self) -> u64 {
        self.sent + if self.command == "ACT" { 5_000 } else { 7_000 }
    }
}

/// What an agent said to a command.
#[derive(Debug, Clone)]
struct Answer {
    reply: String,
    spoilt: bool,
}

/// A connection with its socket.
pub(super) struct Link {
    pub(super) agent: usize,
    pub(super) era: u32,
    pub(super) wire: Wire,
    /// Gone when the service let go of the socket.
    guard: Weak<()>,
    /// Why and when it ended, if it did.
    pub(super) fate: Option<(&'static str, u64)>,
    /// Whether its reading side has had the time to find that out.
    pub(super) noticed: bool,
    /// Commands written to it that are neither answered nor late.
    pub(super) flights: Vec<Flight>,
    /// IDs whose reply would be late, and the names of their commands.
    pub(super) late: Vec<(u32, &'static str)>,
    heartbeat: Option<u32>,
    /// What commands were answered with.
    answers: HashMap<u32, Answer>,
    closed: Option<Vec<u8>>,
    pongs: usize,
}

impl Link {
    pub(super) fn new(
        agent: usize,
        era: u32,
        wire: Wire,
        guard: Weak<()>,
        fate: Option<(&'static str, u64)>,
    ) -> Self {
        Self {
            agent,
            era,
            wire,
            guard,
            fate,
            noticed: fate.is_some(),
            flights: Vec::new(),
            late: Vec::new(),
            heartbeat: None,
            answers: HashMap::new(),
            closed: None,
            pongs: 0,
        }
    }

    fn send(&self, opcode: u8, payload: &[u8]) {
        self.wire.say(&encode(true, opcode, [5, 0, 7, 1], payload, false));
    }
}

/// A caller that waits.
pub(super) struct Caller {
    pub(super) agent: usize,
    /// Which of the agent's connections it was asked on; that connection's end must end it.
    pub(super) era: u32,
    pub(super) command: &'static str,
    pub(super) json: String,
    /// The ID of its command, once that was sent.
    pub(super) flight: Option<u32>,
    pub(super) asked: u64,
    pub(super) outcome: oneshot::Receiver<Answered>,
}

/// The close code an agent gets for a reason.
fn code(why: &str) -> Option<u16> {
    match why {
        "replaced" => Some(4001),
        "secret_changed" => Some(4002),
        "deleted" => Some(4003),
        "silent" => Some(4004),
        "secret_rotated" => Some(1012),
        "protocol_error" => Some(1002),
        "closed_by_agent" => Some(1000),
        _ => None,
    }
}

impl Model {
    /// Has a connection say something, live or not.
    pub(super) fn say(&mut self, step: &Step) {
        let (Step::Reply { connection, .. }
        | Step::ReplyLate { connection, .. }
        | Step::Forge { connection, .. }
        | Step::Misname { connection, .. }
        | Step::Close(connection)
        | Step::Violate(connection)
        | Step::Babble(connection)
        | Step::Beat(connection)) = *step
        else {
            return;
        };
        if self.links.is_empty() {
            return;
        }
        let n = connection % self.links.len();
        let (agent, era) = (self.links[n].agent, self.links[n].era);
        let live = self.links[n].fate.is_none();
        let link = &mut self.links[n];
        let said = match *step {
            Step::Close(_) => {
                link.send(CLOSE, &1000_u16.to_be_bytes());
                return self.ended(agent, era, "closed_by_agent");
            }
            Step::Violate(_) => {
                link.wire.say(&[0x81, 1, b'x']);
                // Read by a connection that was over, it is one all the same.
                self.counters.violations += u64::from(!link.noticed);
                return self.ended(agent, era, "protocol_error");
            }
            Step::Babble(_) => {
                link.send(TEXT, b"no message");
                self.counters.malformed += u64::from(live);
                true
            }
            Step::Reply { command, spoilt, .. } if !link.flights.is_empty() => {
                let Flight { id, command, .. } = link.flights.swap_remove(command % link.flights.len());
                let reply = format!("{{\"text\":\"{era} {id}\"}}");
                link.send(TEXT, format!("{command}:{id}:{}", if spoilt { "[]" } else { &reply }).as_bytes());
                if live {
                    link.answers.insert(id, Answer { reply, spoilt });
                }
                true
            }
            Step::ReplyLate { command, .. } if !link.late.is_empty() => {
                let (id, command) = link.late.swap_remove(command % link.late.len());
                link.send(TEXT, format!("{command}:{id}:{{\"text\":\"late\"}}").as_bytes());
                self.counters.late += u64::from(live);
                true
            }
            // An agent may answer its own commands as it likes; these are IDs it was not asked with.
            Step::Forge { id, .. }
                if link.flights.iter().all(|f| f.id != id)
                    && link.late.iter().all(|&(late, _)| late != id)
                    && link.heartbeat != Some(id) =>
            {
                link.send(TEXT, format!("ACT:{id}:{{\"text\":\"forged\"}}").as_bytes());
                self.counters.unknown += u64::from(live);
                true
            }
            // Under another command's name an answer is nobody's, whatever its ID.
            Step::Misname { command, .. } if !link.flights.is_empty() => {
                let Flight { id, command, .. } = &link.flights[command % link.flights.len()];
                let other = if *command == "ACT" { "ASK" } else { "ACT" };
                link.send(TEXT, format!("{other}:{id}:{{\"text\":\"misnamed\"}}").as_bytes());
                self.counters.unknown += u64::from(live);
                true
            }
            Step::Beat(_) => {
                match link.heartbeat.take() {
                    Some(id) => link.send(TEXT, format!("HEARTBEAT:{id}:null").as_bytes()),
                    None => {
                        link.send(PING, b"there?");
                        link.pongs += usize::from(live);
                    }
                }
                true
            }
            _ => false,
        };
        if said {
            assert_eq!(self.seen(agent, era), live);
        }
    }

    /// Notes what was written where.
    pub(super) fn collect(&mut self) {
        for link in &mut self.links {
            for (opcode, payload) in link.wire.frames() {
                assert_eq!(link.closed, None, "something was written behind a close frame");
                match opcode {
                    PING => {}
                    PONG => {
                        assert_eq!(payload, b"there?");
                        link.pongs = link.pongs.checked_sub(1).expect("a pong to a ping");
                    }
                    CLOSE => link.closed = Some(payload),
                    TEXT => {
                        let message = message::Message::parse(&payload).unwrap();
                        let id = message.id;
                        let taken =
                            link.late.iter().any(|&(late, _)| late == id) || link.heartbeat == Some(id);
                        assert!(
                            !taken && link.flights.iter().all(|f| f.id != id),
                            "the ID {id} twice under way"
                        );
                        assert!(!link.answers.contains_key(&id), "an ID is used again at once");
                        if message.command == b"HEARTBEAT" {
                            link.late.extend(link.heartbeat.replace(id).map(|id| (id, "HEARTBEAT")));
                            continue;
                        }
                        let json = String::from_utf8(message.json.to_vec()).unwrap();
                        assert!(
                            json.starts_with(&format!("{{\"text\":\"{} ", link.agent)),
                            "another's command"
                        );
                        let command = if message.command == b"ACT" { "ACT" } else { "ASK" };
                        let mut asked = 0;
                        for caller in
                            self.callers.iter_mut().filter(|c| c.era == link.era && c.flight.is_none())
                        {
                            if caller.command == command && caller.json == json {
                                caller.flight = Some(id);
                                asked += 1;
                            }
                        }
                        assert!(asked > 0, "a command was sent that nobody waits for");
                        link.flights.push(Flight { id, command, json, sent: self.now });
                    }
                    other => panic!("opcode {other}"),
                }
            }
        }
    }

    /// Compares all that can be seen.
    pub(super) fn check(&mut self) {
        self.check_presence();
        let mut callers = std::mem::take(&mut self.callers);
        callers.retain_mut(|caller| self.still_waits(caller));
        self.callers = callers;
        self.check_links();
        assert_eq!(self.control.counters(), self.counters);
    }

    fn check_presence(&mut self) {
        let now = self.control.core.clock.now();
        let mut online = 0;
        for agent in 0..AGENTS {
            let presence = self.control.presence(id(agent));
            let Some(known) = &mut self.agents[agent] else {
                assert_eq!(presence, None);
                continue;
            };
            let presence = presence.expect("it is known");
            let is_online = presence.state == PresenceState::Online;
            assert_eq!(is_online, known.live.is_some(), "agent {agent}: {presence:?}");
            assert_eq!(self.control.is_online(id(agent)), is_online);
            online += usize::from(is_online);
            assert_eq!((presence.why, presence.address), (known.why, known.address), "agent {agent}");
            let (from, to) = known.since;
            assert!(
                (from..=to.min(now)).contains(&presence.since),
                "agent {agent}: {presence:?}, {:?}",
                known.since
            );
            known.since = (presence.since, presence.since);
        }
        assert_eq!(self.control.online_count(), online);
        // Events of one agent come in order; of several that change at once, in any.
        let mut events = std::mem::take(&mut *self.events.lock());
        let mut expected = std::mem::take(&mut self.expected);
        events.sort_by_key(|(agent, _)| *agent);
        expected.sort_by_key(|(agent, _)| *agent);
        assert_eq!(events, expected);
    }

    fn check_links(&mut self) {
        for link in &self.links {
            assert_eq!(link.pongs, 0, "a ping was not answered");
            let live = self.agents[link.agent].as_ref().and_then(|known| known.live.as_ref());
            assert_eq!(
                live.is_some_and(|live| live.era == link.era),
                link.fate.is_none(),
                "agent {}",
                link.agent
            );
            let Some((why, ended)) = link.fate else {
                assert_eq!(link.closed, None);
                assert!(link.guard.strong_count() > 0, "the socket of a live connection was let go");
                let (flying, window) = (link.flights.len(), window(link.agent));
                assert!(flying <= window, "{flying} in flight");
                let waits = self.callers.iter().any(|c| c.era == link.era && c.flight.is_none());
                assert!(!waits || flying == window, "a command waits though its turn has come");
                continue;
            };
            let closed = link.closed.as_deref().map(|payload| u16::from_be_bytes([payload[0], payload[1]]));
            assert_eq!(closed, code(why), "{why}");
            // The peer had its moment to close in order.
            assert!(
                self.now < ended + 2_250 || link.guard.strong_count() == 0,
                "a dead connection keeps its socket"
            );
        }
        let now = self.now;
        // Dead connections are spoken on for a while, then forgotten.
        self.links.retain(|link| link.fate.is_none_or(|(_, ended)| now < ended + 100_000));
    }

    /// Whether a caller still waits, which must be right either way.
    fn still_waits(&self, caller: &mut Caller) -> bool {
        let link = self.links.iter().find(|link| link.era == caller.era);
        let live = self.agents[caller.agent].as_ref().and_then(|known| known.live.as_ref());
        let live = live.is_some_and(|live| live.era == caller.era);
        let of_flight = |link: &Link, id: u32| link.flights.iter().find(|f| f.id == id).map(Flight::deadline);
        let answer = link.zip(caller.flight).and_then(|(link, id)| link.answers.get(&id));
        match caller.outcome.try_recv() {
            Ok(Ok(reply)) => {
                let answer = answer.expect("a reply came that no agent gave");
                assert!(!answer.spoilt && answer.reply == reply, "{reply} is another's reply: {answer:?}");
                false
            }
            Ok(Err(DispatchError::BadReply(_))) => {
                assert!(answer.is_some_and(|answer| answer.spoilt), "no bad reply was given");
                false
            }
            Ok(Err(DispatchError::Disconnected)) => {
                assert!(!live && answer.is_none(), "failed though its connection lives or answered");
                false
            }
            Ok(Err(DispatchError::TimedOut)) => {
                let id = caller.flight.expect("timed out before it was sent");
                let pending = link.and_then(|link| of_flight(link, id));
                assert!(pending.is_none_or(|deadline| deadline <= self.now), "timed out early");
                assert!(answer.is_none(), "timed out though it was answered");
                false
            }
            Ok(Err(DispatchError::Busy)) => {
                assert!(caller.flight.is_none(), "given up though it was sent");
                // Who joins a question takes its place, and its time.
                assert!(caller.command == "ASK" || self.now >= caller.asked + 25_000, "given up early");
                false
            }
            Err(TryRecvError::Empty) => {
                let given_up = caller.flight.is_none() && self.now >= caller.asked + 25_250;
                assert!(!given_up, "left waiting for its turn");
                assert!(live, "left waiting on a dead connection");
                if let (Some(link), Some(id)) = (link, caller.flight) {
                    assert!(of_flight(link, id).is_some(), "left waiting for what was answered or timed out");
                }
                true
            }
            other => panic!("{other:?}"),
        }
    }
}
