//! Connections that come, go and replace each other: one live owner, and nobody gets another's reply.

use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::AsyncWrite;
use tokio::sync::oneshot;

use super::peer::{Agent as Peered, dispatch, encode};
use super::*;
use crate::clock::Clock;
use crate::control::agent::Agent;
use crate::control::frame::{Incoming, Reader};
use crate::control::line::Outcome;

#[tokio::test(start_paused = true)]
async fn the_newest_connection_wins() {
    let (control, told) = service();
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
    assert_eq!(*told.lock(), ["online 1", "ACT Disconnected", "ACT Ok"]);
    let presence = control.presence(1).unwrap();
    assert_eq!((presence.state, presence.why), (PresenceState::Online, "connected"));
    assert_eq!(presence.address, Some([192, 0, 2, 7].into()));
}

#[tokio::test(start_paused = true)]
async fn a_changed_secret_and_a_deletion_disconnect_at_once() {
    let (control, told) = service();
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
    assert!(told.lock().iter().any(|t| t == "offline 2 deleted"));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_comes_too_late_is_told_why() {
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

/// Everything written to a connection in memory.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.lock().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One step of a history. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    Admit { agent: usize, good: bool },
    Attach(usize),
    DropTicket(usize),
    Lose(usize),
    Close(usize),
    Reply { connection: usize, command: usize },
    Forge { connection: usize, id: u32 },
    ChangeSecret(usize),
    Delete(usize),
    Create(usize),
    Dispatch { agent: usize, question: bool, text: u8 },
    GiveUp(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..8_usize;
    let agent = 0..3_usize;
    prop_oneof![
        4 => (agent.clone(), prop::bool::weighted(0.9)).prop_map(|(agent, good)| Step::Admit { agent, good }),
        4 => n.clone().prop_map(Step::Attach),
        1 => n.clone().prop_map(Step::DropTicket),
        1 => n.clone().prop_map(Step::Lose),
        1 => n.clone().prop_map(Step::Close),
        8 => (n.clone(), n.clone()).prop_map(|(connection, command)| Step::Reply { connection, command }),
        2 => (n.clone(), 0..12_u32).prop_map(|(connection, id)| Step::Forge { connection, id }),
        1 => agent.clone().prop_map(Step::ChangeSecret),
        1 => agent.clone().prop_map(Step::Delete),
        1 => agent.clone().prop_map(Step::Create),
        8 => (agent, any::<bool>(), 0..4_u8)
            .prop_map(|(agent, question, text)| Step::Dispatch { agent, question, text }),
        1 => n.prop_map(Step::GiveUp),
    ]
}

/// A connection as the model sees it.
struct Link {
    agent: usize,
    object: Arc<Agent>,
    epoch: u32,
    wire: Wire,
    reader: Reader,
    /// Commands written to it that were not answered: ID and payload.
    open: Vec<(u32, String)>,
    read: usize,
}

/// A caller that waits.
struct Waiting {
    agent: usize,
    /// Which of the agent's connections it was asked on; a connection's end must end it.
    era: u32,
    text: String,
    outcome: oneshot::Receiver<Outcome>,
}

/// What the service must look like, kept beside it.
#[derive(Default)]
struct Model {
    secrets: [u32; 3],
    /// The number of the agent's live connection.
    live: [Option<u32>; 3],
    eras: u32,
    tickets: Vec<(usize, u32, Ticket)>,
    links: Vec<(u32, Link)>,
    waiting: Vec<Waiting>,
    exists: [bool; 3],
}

impl Model {
    fn secret(&self, agent: usize) -> String {
        format!("secret number {} of {agent}", self.secrets[agent])
    }

    fn id(agent: usize) -> i64 {
        i64::try_from(agent).unwrap() + 1
    }

    fn credential(&self, agent: usize) -> Credential {
        let kind = if agent == 0 { AgentKind::Microcontroller } else { AgentKind::Server };
        credential(Self::id(agent), kind, &self.secret(agent))
    }

    /// Runs a step on both.
    fn run(&mut self, control: &Arc<Control>, step: &Step) {
        match *step {
            Step::Admit { agent, good } => {
                let secret = if good { self.secret(agent) } else { "wrong".to_owned() };
                let ticket = admit(control, Self::id(agent), &secret);
                assert_eq!(ticket.is_ok(), good && self.exists[agent]);
                if let Ok(ticket) = ticket {
                    self.eras += 1;
                    self.live[agent] = Some(self.eras);
                    self.tickets.push((agent, self.eras, ticket));
                }
            }
            Step::Attach(n) if !self.tickets.is_empty() => {
                let (agent, era, mut ticket) = self.tickets.remove(n % self.tickets.len());
                ticket.attached = true;
                let wire = Wire::default();
                let outlet = Outlet::new(Sink::Other(Box::new(wire.clone())));
                let attached = ticket.agent.attach(&control.core, ticket.epoch, outlet);
                assert_eq!(attached, self.live[agent] == Some(era), "only a live connection gets its socket");
                let (object, epoch) = (ticket.agent.clone(), ticket.epoch);
                let link =
                    Link { agent, object, epoch, wire, reader: Reader::default(), open: vec![], read: 0 };
                self.links.push((era, link));
            }
            Step::DropTicket(n) if !self.tickets.is_empty() => {
                let (agent, era, _) = self.tickets.remove(n % self.tickets.len());
                self.end(agent, era);
            }
            Step::Lose(n) if !self.links.is_empty() => {
                let (era, link) = self.links.remove(n % self.links.len());
                link.object.end(&control.core, link.epoch, Why::Lost);
                self.end(link.agent, era);
            }
            Step::Close(n) if !self.links.is_empty() => {
                let n = n % self.links.len();
                self.hear(control, n, &encode(true, 8, [1; 4], &1000_u16.to_be_bytes(), false));
                let (era, link) = self.links.remove(n);
                self.end(link.agent, era);
            }
            Step::Reply { connection, command } if !self.links.is_empty() => {
                let n = connection % self.links.len();
                let link = &mut self.links[n].1;
                if !link.open.is_empty() {
                    let (id, json) = link.open.remove(command % link.open.len());
                    let reply = format!("X:{id}:{json}");
                    self.hear(control, n, &encode(true, 2, [5; 4], reply.as_bytes(), false));
                }
            }
            Step::Forge { connection, id } if !self.links.is_empty() => {
                let n = connection % self.links.len();
                // An agent may answer its own commands as it likes; these are IDs it was not asked with.
                if self.links[n].1.open.iter().all(|(open, _)| *open != id) {
                    let reply = format!("X:{id}:{{\"text\":\"forged\"}}");
                    self.hear(control, n, &encode(true, 1, [5; 4], reply.as_bytes(), false));
                }
            }
            Step::ChangeSecret(agent) if self.exists[agent] => {
                self.secrets[agent] += 1;
                control.put(self.credential(agent));
                self.live[agent] = None;
            }
            Step::Delete(agent) => {
                control.remove(Self::id(agent));
                self.exists[agent] = false;
                self.live[agent] = None;
            }
            Step::Create(agent) => {
                control.put(self.credential(agent));
                self.exists[agent] = true;
            }
            Step::Dispatch { agent, question, text } => {
                let text = format!("{{\"text\":\"{agent} {text}\"}}");
                let entry = if question { &ASK } else { &ACT };
                let asked = control.find(Self::id(agent)).ok_or(DispatchError::Offline);
                let asked = asked.and_then(|object| object.ask(&control.core, entry, text.clone()));
                match (asked, self.live[agent]) {
                    (Ok(outcome), Some(era)) => self.waiting.push(Waiting { agent, era, text, outcome }),
                    (Err(DispatchError::Busy), Some(_)) | (Err(DispatchError::Offline), None) => {}
                    (asked, live) => panic!("{:?} with {live:?}", asked.err()),
                }
            }
            Step::GiveUp(n) if !self.waiting.is_empty() => {
                drop(self.waiting.remove(n % self.waiting.len()));
            }
            _ => {}
        }
        self.collect();
        self.check(control);
    }

    fn end(&mut self, agent: usize, era: u32) {
        if self.live[agent] == Some(era) {
            self.live[agent] = None;
        }
    }

    /// Has a connection say something.
    fn hear(&mut self, control: &Arc<Control>, n: usize, bytes: &[u8]) {
        let (era, link) = &mut self.links[n];
        let live = self.live[link.agent] == Some(*era);
        let Link { object, epoch, reader, .. } = link;
        reader
            .read(&mut bytes.to_vec(), |incoming| {
                let flow = object.receive(&control.core, *epoch, incoming);
                if !matches!(incoming, Incoming::Close(_)) {
                    assert_eq!(flow.is_continue(), live, "only a live connection is heard");
                }
                flow
            })
            .unwrap();
    }

    /// Notes which commands were written where.
    fn collect(&mut self) {
        for (era, link) in &mut self.links {
            let bytes = link.wire.0.lock();
            while link.read < bytes.len() {
                let (opcode, length) = (bytes[link.read] & 15, usize::from(bytes[link.read + 1]));
                let payload = &bytes[link.read + 2..link.read + 2 + length];
                link.read += 2 + length;
                if opcode == 1 {
                    assert_eq!(self.live[link.agent], Some(*era), "a command went to a dead connection");
                    let message = message::Message::parse(payload).unwrap();
                    let json = String::from_utf8(message.json.to_vec()).unwrap();
                    assert!(json.contains(&format!("\"{} ", link.agent)), "another agent's command");
                    assert!(link.open.iter().all(|(id, _)| *id != message.id), "an ID twice in flight");
                    link.open.push((message.id, json));
                    let window = if link.agent == 0 { 1 } else { 16 };
                    assert!(link.open.len() <= window, "{} in flight", link.open.len());
                }
            }
        }
    }

    /// Compares what can be seen.
    fn check(&mut self, control: &Arc<Control>) {
        for agent in 0..3 {
            let online = control.is_online(Self::id(agent));
            assert_eq!(online, self.live[agent].is_some(), "agent {agent}");
        }
        let live = self.live;
        self.waiting.retain_mut(|waiting| match waiting.outcome.try_recv() {
            Ok(Ok(reply)) => {
                assert_eq!(reply, waiting.text, "a reply reached another's caller");
                false
            }
            Ok(Err(error)) => {
                assert_eq!(error, DispatchError::Disconnected);
                assert_ne!(live[waiting.agent], Some(waiting.era), "failed on a live connection");
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => {
                assert_eq!(live[waiting.agent], Some(waiting.era), "left waiting on a dead connection");
                true
            }
            Err(oneshot::error::TryRecvError::Closed) => panic!("a caller was forgotten"),
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("NETIGNITE_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
    ))]

    /// More histories by the environment's `NETIGNITE_HISTORIES`.
    #[test]
    fn any_history_has_one_live_owner_and_no_reply_goes_astray(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _context = runtime.enter();
        let control = Control::new(Clock::default(), Box::new(|_| {}));
        let mut model = Model { exists: [true; 3], ..Model::default() };
        control.load((0..3).map(|agent| model.credential(agent)).collect());
        for step in &steps {
            model.run(&control, step);
        }
    }
}
