//! Agents that mean harm, over real sockets: one that never reads is cut off, and nobody else notices.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::Scene;
use crate::support::firmware::{Frame, PING, TEXT, basic, handshake, key};
use crate::support::scene::SECRET;
use crate::support::wait::{until, within};

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
    within(Duration::from_secs(60), "the flood is cut off", flood).await;
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
