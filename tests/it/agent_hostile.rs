//! Agents that mean harm, over real sockets: none costs more than its share of memory, none stays without being heard
//! or without reading, and nobody else notices.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::binary::{Binary, superadmin};
use crate::support::firmware::{CONTINUATION, Firmware, Frame, Heard, PING, TEXT, basic, handshake, key};
use crate::support::scene::SECRET;
use crate::support::wait::{until, within};
use crate::support::{Client, Scene};

/// More pings than any socket's buffers take the pongs of.
const MOST: usize = 64 * 1024 * 1024;

#[tokio::test]
async fn a_peer_that_asks_and_never_reads_is_cut_off_while_others_are_served() {
    let scene = Scene::new("server").await;
    let (admin, agent) = (&scene.admin, scene.agent);
    let address = scene.server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(handshake(address, &basic(agent, SECRET), &key()).as_bytes()).await.unwrap();
    until("the agent is online", || async { (admin.agent_status(agent).await == "online").then_some(()) })
        .await;

    let (head, payload) = Frame::new(PING, vec![b'x'; 125]).encode();
    let pings = [head, payload].concat().repeat(500);
    let flood = async {
        for _ in 0..MOST / pings.len() {
            if stream.write_all(&pings).await.is_err() {
                return;
            }
        }
        panic!("{MOST} bytes of pings were taken from a peer that reads nothing");
    };
    let flood = within(Duration::from_secs(60), "the flood is cut off", flood);
    tokio::join!(flood, scene.serves_another());
    let presence = until("the agent is offline", || async {
        let presence = admin.get(&format!("/api/agents/{agent}")).await.data()["presence"].clone();
        (presence["state"] == "offline").then_some(presence)
    })
    .await;
    assert_eq!(presence["why"], "stalled");

    // It may come again and behave.
    let mut firmware = scene.firmware().await;
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply_ok(&command).await;
    wake.answer().await.expect(200);
    firmware.send(&Frame::new(TEXT, "no message")).await;
    assert_eq!(admin.agent_status(agent).await, "online");
}

/// Agents that do their worst to one server process, whose memory is watched.
const CROWD: usize = 100;
/// What a connection may hold: a message of 64 KiB, and the few KiB that any connection has.
const SHARE: usize = (64 + 8) * 1024;

/// A server in a process of its own, and its agents, all of which it has heard.
struct Crowd {
    _directory: tempfile::TempDir,
    server: Binary,
    admin: Client,
    ids: Vec<i64>,
    agents: Vec<Firmware>,
    /// The server's memory before they do anything else.
    before: usize,
}

impl Crowd {
    async fn gather() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (server, address) = Binary::serve(directory.path()).await;
        let admin = superadmin(directory.path(), address).await;
        let (mut ids, mut agents) = (Vec::new(), Vec::new());
        for _ in 0..CROWD {
            let id = admin.create_agent("server", SECRET).await;
            ids.push(id);
            agents.push(Firmware::connect(address, id, SECRET).await);
        }
        all_read(&mut agents).await;
        let before = server.memory();
        Self { _directory: directory, server, admin, ids, agents, before }
    }

    /// The bytes that the server's memory has grown by.
    fn grown(&self) -> usize {
        self.server.memory().saturating_sub(self.before)
    }
}

/// Has every agent be heard, so that everything it sent before has been read.
async fn all_read(agents: &mut [Firmware]) {
    for agent in agents {
        agent.send(&Frame::new(PING, "read?")).await;
        while agent.heard().await != Heard::Pong(b"read?".to_vec()) {}
    }
}

#[tokio::test]
async fn unfinished_messages_cost_no_more_than_their_limit_and_announced_ones_nothing() {
    let mut crowd = Crowd::gather().await;
    let (announcing, unfinished) = crowd.agents.split_at_mut(CROWD / 2);
    // A frame of 64 KiB is announced, and a byte of it sent.
    for agent in announcing {
        agent.send_bytes(&[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7]).await;
    }
    // A message of 64 KiB lacks only its end. The empty fragments behind it cost nothing.
    let kept = vec![b'x'; 64 * 1024];
    for agent in &mut *unfinished {
        for (n, part) in kept.chunks(1000).enumerate() {
            let opcode = if n == 0 { TEXT } else { CONTINUATION };
            agent.send(&Frame { fin: false, ..Frame::new(opcode, part) }).await;
        }
        for _ in 0..1000 {
            agent.send(&Frame { fin: false, ..Frame::new(CONTINUATION, "") }).await;
        }
    }
    all_read(unfinished).await;
    let grown = crowd.grown();
    assert!(grown <= CROWD / 2 * SHARE + (1 << 20), "{grown} bytes more");

    // One byte more ends it, and the server goes on.
    for agent in &mut crowd.agents[CROWD / 2..] {
        agent.try_send(&Frame { fin: false, ..Frame::new(CONTINUATION, "x") }).await.ok();
        assert_eq!(agent.closed().await.0, 1009);
    }
    assert_eq!(crowd.admin.agent_status(crowd.ids[0]).await, "online");
    assert_eq!(crowd.admin.agent_status(crowd.ids[CROWD - 1]).await, "offline");
}

#[tokio::test]
async fn a_crowd_that_never_reads_is_cut_off_and_leaves_no_memory_behind() {
    let mut crowd = Crowd::gather().await;
    let (head, payload) = Frame::new(PING, vec![b'x'; 125]).encode();
    let pings = [head, payload].concat().repeat(500);
    let mut most = 0;
    for n in 0..CROWD {
        let agent = &mut crowd.agents[n];
        let flood = async { while agent.try_send_bytes(&pings).await.is_ok() {} };
        within(Duration::from_secs(60), "the flood is cut off", flood).await;
        most = most.max(crowd.grown());
    }
    assert!(most <= SHARE + (1 << 20), "{most} bytes more");
    for &id in &crowd.ids {
        let gone = || async { (crowd.admin.agent_status(id).await == "offline").then_some(()) };
        until("the agent is offline", gone).await;
    }
}

#[tokio::test]
async fn a_frame_that_drips_does_not_keep_a_connection() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let (head, payload) = Frame::new(TEXT, vec![b'x'; 120]).encode();
    let control = &scene.server.host().control;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for byte in [head, payload].concat() {
        if firmware.try_send_bytes(&[byte]).await.is_err() || !control.is_online(scene.agent) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let seconds = begun.elapsed().as_secs();
    tokio::time::resume();
    assert!((74..=77).contains(&seconds), "cut off after {seconds} s");
    assert_eq!(control.presence(scene.agent).unwrap().why, "silent");
}
