//! What the service must look like, kept beside it: agents, connections, callers and time, by rules of its own.
//!
//! The model talks to the service as the world does: handshakes, bytes on sockets, changes of agents, commands, time.
//! It shares no code with it, and after every step compares all that can be seen.

use std::net::IpAddr;

use super::model_check::{Caller, Flight, Link};
use super::wire::Wire;
use super::*;
use crate::clock::Millis;

pub(super) const AGENTS: usize = 3;
/// No frame for so long ends a connection.
pub(super) const SILENCE: u64 = 75_000;
/// A connection by a secret that is over is noticed at the next beat, and a bit for the wall clock, which runs on.
const BEAT: i64 = 21_500;

/// What an agent presents itself with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Secret {
    Current,
    Old,
    Wrong,
}

/// One step of a history. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Admit { agent: usize, secret: Secret, address: u8 },
    Attach { ticket: usize, early: bool },
    DropTicket(usize),
    Flap { agent: usize, times: u8 },
    Overtake(usize),
    Lose(usize),
    Close(usize),
    Violate(usize),
    Babble(usize),
    Reply { connection: usize, command: usize, spoilt: bool },
    ReplyLate { connection: usize, command: usize },
    Forge { connection: usize, id: u32 },
    Misname { connection: usize, command: usize },
    Beat(usize),
    ChangeSecret(usize),
    Rotate { agent: usize, grace: u8 },
    Edit(usize),
    Reconnect(usize),
    Delete(usize),
    Create(usize),
    Dispatch { agent: usize, question: bool, text: u8 },
    GiveUp(usize),
    Wait(u64),
}

/// The newest connection of an agent, while it lives.
pub(super) struct Live {
    pub(super) era: u32,
    pub(super) by_old: bool,
    pub(super) last_seen: u64,
}

/// An agent that is known.
pub(super) struct Known {
    incarnation: u32,
    secret: u32,
    old: Option<(u32, Millis)>,
    pub(super) live: Option<Live>,
    pub(super) why: &'static str,
    /// From when to when its state can have begun.
    pub(super) since: (Millis, Millis),
    pub(super) address: Option<IpAddr>,
}

/// An admitted connection whose socket is still to come.
struct Admitted {
    agent: usize,
    incarnation: u32,
    era: u32,
    ticket: Ticket,
    /// Why it is over, if it is.
    fate: Option<&'static str>,
}

/// The service and what it must look like.
pub(super) struct Model {
    pub(super) control: Arc<Control>,
    pub(super) events: Arc<Mutex<Vec<(i64, &'static str)>>>,
    pub(super) expected: Vec<(i64, &'static str)>,
    pub(super) counters: Counters,
    pub(super) agents: [Option<Known>; AGENTS],
    /// Counts secrets, connections, incarnations of agents and actions.
    numbers: u32,
    tickets: Vec<Admitted>,
    pub(super) links: Vec<Link>,
    pub(super) callers: Vec<Caller>,
    pub(super) now: u64,
    /// The wall clock before the step.
    before: Millis,
}

pub(super) fn id(agent: usize) -> i64 {
    i64::try_from(agent).unwrap() + 1
}

/// How many commands an agent takes at a time.
pub(super) fn window(agent: usize) -> usize {
    if agent == 1 { 16 } else { 1 }
}

fn secret(number: u32) -> String {
    // Short: many are hashed.
    format!("s{number}")
}

impl Model {
    pub(super) fn new() -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = events.clone();
        let control = Control::new(
            Clock::default(),
            names(),
            Box::new(move |event| match event {
                Event::AgentOnline { agent } => log.lock().push((agent, "online")),
                Event::AgentOffline { agent, why } => log.lock().push((agent, why)),
                _ => {}
            }),
        );
        let mut model = Self {
            before: control.core.clock.now(),
            control,
            events,
            expected: Vec::new(),
            counters: Counters::default(),
            agents: [None, None, None],
            numbers: 0,
            tickets: Vec::new(),
            links: Vec::new(),
            callers: Vec::new(),
            now: 0,
        };
        (0..AGENTS).for_each(|agent| model.create(agent));
        model
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    /// Runs a step on both, and compares. After a hasty one the connections' tasks have not run yet, so that the next
    /// step meets those that are over and do not know it.
    pub(super) async fn run(&mut self, step: &Step, hasty: bool) {
        self.before = self.control.core.clock.now();
        match *step {
            Step::Admit { agent, secret, address } => {
                self.admit(agent, secret, address);
            }
            Step::Attach { ticket, early } => self.attach(ticket, early),
            Step::DropTicket(n) if !self.tickets.is_empty() => {
                let n = n % self.tickets.len();
                let Admitted { agent, era, ticket, .. } = self.tickets.remove(n);
                drop(ticket);
                self.ended(agent, era, "upgrade_failed");
            }
            Step::Flap { agent, times } => {
                for _ in 0..times {
                    if self.admit(agent, Secret::Current, 1) {
                        self.attach(self.tickets.len() - 1, false);
                        self.settle().await;
                        self.lose(self.links.len() - 1);
                        self.settle().await;
                    }
                }
            }
            Step::Overtake(n) if !self.links.is_empty() => self.overtake(n % self.links.len()),
            Step::Lose(n) if !self.links.is_empty() => self.lose(n % self.links.len()),
            Step::Dispatch { agent, question, text } => self.dispatch(agent, question, text),
            Step::GiveUp(n) if !self.callers.is_empty() => {
                drop(self.callers.swap_remove(n % self.callers.len()));
            }
            Step::Wait(quarters) => self.wait(quarters * 250).await,
            Step::ChangeSecret(_) | Step::Rotate { .. } | Step::Edit(_) | Step::Reconnect(_) => {
                self.change(step)
            }
            Step::Delete(agent) => self.delete(agent),
            Step::Create(agent) if self.agents[agent].is_none() => self.create(agent),
            _ => self.say(step),
        }
        // What is said or ended on a socket has to be read before anything else happens.
        let waits =
            matches!(step, Step::Admit { .. } | Step::Attach { .. } | Step::Delete(_) | Step::Reconnect(_));
        let waits = waits || matches!(step, Step::ChangeSecret(_) | Step::Rotate { .. } | Step::Edit(_));
        if hasty && waits {
            self.collect();
        } else {
            self.settle().await;
        }
        self.check();
    }

    /// Ends a history: whatever still waits is answered in its time, and every dead connection lets go of its socket.
    pub(super) async fn finish(&mut self) {
        for _ in 0..2 {
            self.run(&Step::Wait(300), false).await;
        }
        assert!(self.callers.is_empty(), "{} callers wait for ever", self.callers.len());
    }

    /// Lets the connections' tasks run until all of them wait.
    async fn settle(&mut self) {
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        self.links.iter_mut().for_each(|link| link.noticed = link.fate.is_some());
        self.collect();
    }

    fn admit(&mut self, agent: usize, presented: Secret, address: u8) -> bool {
        let address = Some(IpAddr::from([192, 0, 2, address]));
        let known = self.agents[agent].as_ref();
        let text = secret(match (presented, known) {
            (Secret::Current, Some(known)) => known.secret,
            (Secret::Old, Some(Known { old: Some((old, _)), .. })) => *old,
            _ => 0,
        });
        let peer = address;
        let headers = headers(id(agent), &text);
        let answer = self.control.admit(&Method::GET, Version::HTTP_11, &headers, peer, false);
        let after = self.control.core.clock.now();
        let good = match (presented, known) {
            (Secret::Current, Some(_)) => true,
            (Secret::Old, Some(Known { old: Some((_, until)), .. })) => {
                // At the very end of its time both answers are right.
                if (self.before..=after).contains(until) { answer.is_ok() } else { after < *until }
            }
            _ => false,
        };
        assert_eq!(answer.is_ok(), good, "{presented:?} of agent {agent}");
        let (Ok((_, ticket)), Some(known)) = (answer, self.agents[agent].as_mut()) else {
            self.counters.refused += 1;
            return false;
        };
        let by_old = matches!(presented, Secret::Old);
        let retired = if by_old { None } else { known.old.take().map(|(_, until)| (id(agent), until)) };
        assert_eq!(ticket.retired_secret(), retired);
        let incarnation = known.incarnation;
        let era = self.number();
        let known = self.agents[agent].as_mut().unwrap();
        known.address = address;
        let replaced = known.live.replace(Live { era, by_old, last_seen: self.now });
        match replaced {
            Some(Live { era, .. }) => self.hang_up(era, "replaced"),
            None => {
                known.why = "connected";
                known.since = (self.before, Millis::MAX);
                self.expected.push((id(agent), "online"));
            }
        }
        for older in self.tickets.iter_mut().filter(|t| t.incarnation == incarnation) {
            older.fate = Some("replaced");
        }
        self.tickets.push(Admitted { agent, incarnation, era, ticket, fate: None });
        true
    }

    fn attach(&mut self, n: usize, early: bool) {
        if self.tickets.is_empty() {
            return;
        }
        let n = n % self.tickets.len();
        let Admitted { agent, era, ticket, fate, .. } = self.tickets.remove(n);
        let (wire, guard) = (Wire::default(), Arc::new(()));
        let link =
            Link::new(agent, era, wire.clone(), Arc::downgrade(&guard), fate.map(|why| (why, self.now)));
        let leftover = if early { peer::encode(true, peer::PONG, [0; 4], b"", false) } else { Vec::new() };
        self.control.attach_transport(ticket, wire.clone(), wire, leftover.into(), guard);
        self.links.push(link);
        self.seen(agent, era);
    }

    fn lose(&mut self, n: usize) {
        let Link { agent, era, wire, .. } = &self.links[n];
        wire.end();
        let (agent, era) = (*agent, *era);
        self.ended(agent, era, "connection_lost");
    }

    /// Has a newer connection take over and get a command, and the older one, which has not noticed, answer that.
    fn overtake(&mut self, n: usize) {
        let (agent, older) = (self.links[n].agent, self.links[n].wire.clone());
        if !self.admit(agent, Secret::Current, 2) {
            return;
        }
        self.attach(self.tickets.len() - 1, false);
        self.dispatch(agent, false, 0);
        self.collect();
        if let Some(flight) = self.links.last().and_then(|newer| newer.flights.first()) {
            let forged = format!("ACT:{}:{{\"text\":\"forged\"}}", flight.id);
            older.say(&peer::encode(true, peer::TEXT, [0; 4], forged.as_bytes(), false));
        }
        older.say(&peer::encode(true, peer::CLOSE, [0; 4], &[], false));
    }

    fn create(&mut self, agent: usize) {
        let (incarnation, secret) = (self.number(), self.number());
        self.agents[agent] = Some(Known {
            incarnation,
            secret,
            old: None,
            live: None,
            why: "never_connected",
            since: (self.before, Millis::MAX),
            address: None,
        });
        self.put(agent);
        // So that what is forged meets IDs that were used.
        if let Some(agent) = self.control.find(id(agent)) {
            agent.set_last_id(0);
        }
    }

    fn delete(&mut self, agent: usize) {
        self.control.remove(id(agent));
        self.ended_now(agent, "deleted");
        if let Some(known) = self.agents[agent].take() {
            for ticket in self.tickets.iter_mut().filter(|t| t.incarnation == known.incarnation) {
                ticket.fate = Some("deleted");
            }
        }
    }

    /// Tells the service what the agent is known by.
    fn put(&mut self, agent: usize) {
        let kind = if agent == 1 { AgentKind::Server } else { AgentKind::Microcontroller };
        if let Some(known) = &self.agents[agent] {
            let old = known.old.map(|(number, until)| OldSecret {
                digest: crate::model::credential::digest(&secret(number)).unwrap(),
                until,
            });
            self.control.put(Credential { old, ..credential(id(agent), kind, &secret(known.secret)) });
        }
    }

    fn change(&mut self, step: &Step) {
        let (Step::ChangeSecret(agent)
        | Step::Rotate { agent, .. }
        | Step::Edit(agent)
        | Step::Reconnect(agent)) = *step
        else {
            return;
        };
        let number = self.number();
        let Some(known) = &mut self.agents[agent] else { return };
        match *step {
            Step::Reconnect(_) => {
                self.control.reconnect(id(agent));
                return self.ended_now(agent, "secret_rotated");
            }
            Step::ChangeSecret(_) => {
                (known.secret, known.old) = (number, None);
                self.put(agent);
                return self.ended_now(agent, "secret_changed");
            }
            Step::Rotate { grace, .. } => {
                let until = self.before + [0, 10_125, 90_125][usize::from(grace)];
                known.old = Some((known.secret, until));
                known.secret = number;
                // A connection by the secret before the last is over; one by the last is one by the old secret now.
                let over = known.live.as_ref().is_some_and(|live| live.by_old) || grace == 0;
                known.live.iter_mut().for_each(|live| live.by_old = true);
                self.put(agent);
                if over {
                    self.ended_now(agent, "secret_changed");
                }
            }
            _ => self.put(agent),
        }
        self.notice_old_secrets(Millis::MIN);
    }

    /// Connections by a secret whose time is over may have ended; if it was over before `must`, they have.
    fn notice_old_secrets(&mut self, must: Millis) {
        let after = self.control.core.clock.now();
        for agent in 0..AGENTS {
            let Some(Known { live: Some(live), old: Some((_, until)), .. }) = &self.agents[agent] else {
                continue;
            };
            if live.by_old && *until <= after {
                let ended = !self.control.is_online(id(agent));
                assert!(ended || *until >= must, "agent {agent} stays with a secret that is over");
                if ended {
                    self.ended_now(agent, "secret_changed");
                }
            }
        }
    }

    fn dispatch(&mut self, agent: usize, question: bool, text: u8) {
        let number = self.number();
        // The same question may be shared; every action is one of its own.
        let text = if question { u32::from(text) } else { number };
        let json = format!("{{\"text\":\"{agent} {text}\"}}");
        let entry = if question { &ASK } else { &ACT };
        let asked = self.control.find(id(agent)).ok_or(DispatchError::Offline);
        let asked = asked
            .and_then(|object| object.ask(&self.control.core, entry, json.clone(), Requester::Server, None));
        let era = self.agents[agent].as_ref().and_then(|known| known.live.as_ref()).map(|live| live.era);
        match (asked, era) {
            (Ok(outcome), Some(era)) => {
                let link = self.links.iter().find(|link| link.era == era);
                let shared =
                    link.and_then(|link| link.flights.iter().find(|f| question && f.is(entry.name, &json)));
                let flight = shared.map(|flight| flight.id);
                let asked = self.now;
                self.callers.push(Caller { agent, era, command: entry.name, json, flight, asked, outcome });
            }
            (Err(DispatchError::Offline), None) => {}
            (asked, era) => panic!("{:?} by agent {agent} with {era:?}", asked.err()),
        }
    }

    async fn wait(&mut self, time: u64) {
        self.settle().await;
        let time_ = Duration::from_millis(time);
        self.control.core.clock.advance(time_);
        tokio::time::advance(time_).await;
        self.now += time;
        self.control.tick().await;
        for agent in 0..AGENTS {
            let live = self.agents[agent].as_ref().and_then(|known| known.live.as_ref());
            if live.is_some_and(|live| self.now >= live.last_seen + SILENCE) {
                self.ended_now(agent, "silent");
            }
        }
        self.notice_old_secrets(self.before + i64::try_from(time).unwrap() - BEAT);
        let (now, agents) = (self.now, &self.agents);
        for link in &mut self.links {
            // What was ended was ended with its commands; who got which answer is checked with the callers.
            let live = agents[link.agent].as_ref().and_then(|known| known.live.as_ref());
            if live.is_some_and(|live| live.era == link.era) {
                let late = link.flights.extract_if(.., |flight| flight.deadline() <= now);
                link.late.extend(late.map(|flight| (flight.id, flight.command)));
            }
        }
    }

    /// The connection of an era was heard.
    pub(super) fn seen(&mut self, agent: usize, era: u32) -> bool {
        let live = self.agents[agent].as_mut().and_then(|known| known.live.as_mut());
        let live = live.filter(|live| live.era == era);
        live.map(|live| live.last_seen = self.now).is_some()
    }

    /// The connection of an era ended, which means nothing unless it was the live one.
    pub(super) fn ended(&mut self, agent: usize, era: u32, why: &'static str) {
        let live = self.agents[agent].as_ref().and_then(|known| known.live.as_ref());
        if live.is_some_and(|live| live.era == era) {
            self.ended_now(agent, why);
        }
    }

    fn ended_now(&mut self, agent: usize, why: &'static str) {
        let Some(known) = &mut self.agents[agent] else { return };
        let Some(Live { era, .. }) = known.live.take() else { return };
        known.why = why;
        known.since = (self.before, Millis::MAX);
        self.expected.push((id(agent), why));
        self.hang_up(era, why);
    }

    fn hang_up(&mut self, era: u32, why: &'static str) {
        self.tickets.iter_mut().filter(|t| t.era == era).for_each(|t| t.fate = Some(why));
        self.links.iter_mut().filter(|l| l.era == era).for_each(|l| l.fate = Some((why, self.now)));
    }
}

impl Flight {
    fn is(&self, command: &str, json: &str) -> bool {
        self.command == command && self.json == json
    }
}
