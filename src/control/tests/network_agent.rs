//! An agent of a simulated network: dials, answers what it is asked, and dials again after a fixed pause.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use turmoil::net::TcpStream;
use turmoil::net::tcp::OwnedWriteHalf;

use super::network_watch::{Stage, Watch, kind, now};
use super::peer::{CLOSE, PING, PONG, Sent, TEXT, encode};
use super::*;

/// The port of the service.
pub(super) const PORT: u16 = 80;
/// How long an agent waits for the answer to its handshake.
pub(super) const DIAL: Duration = Duration::from_secs(5);
/// After how long without a word of the service an agent gives up a connection. The firmware never does.
pub(super) const PATIENCE: Duration = Duration::from_secs(80);
/// How many answers an agent repeats on its next connection.
const REPEATED: usize = 10;
/// How long an agent tries to write.
const WRITE: Duration = Duration::from_secs(20);

/// How long an agent waits before it dials again.
pub(super) fn pause(agent: i64) -> Duration {
    match kind(agent) {
        AgentKind::Microcontroller => Duration::from_secs(60),
        AgentKind::Server => Duration::from_secs(10),
    }
}

/// An answer, and when it is ready.
struct Answer {
    at: Instant,
    message: String,
}

/// The agent's life, from its start to its crash.
pub(super) async fn live(watch: Watch, id: i64, seed: u64) -> turmoil::Result {
    let mut dice = fastrand::Rng::with_seed(seed ^ (id.cast_unsigned() << 48) ^ (now().as_secs() << 32));
    watch.connected(id, false);
    // Outlives connections: an agent may answer on its next one what it was asked on the last.
    let mut answers = Vec::new();
    loop {
        let known = watch.stage() != Stage::Rough || dice.f32() > 0.05;
        if let Ok(Ok(stream)) = timeout(DIAL, dial(id, known)).await {
            watch.connected(id, true);
            let said = talk(&watch, id, stream, &mut answers, &mut dice).await;
            watch.connected(id, false);
            // It cannot know what of its last words arrived. A microcontroller forgets them.
            let repeated = if kind(id) == AgentKind::Server { REPEATED } else { 0 };
            for message in said.into_iter().rev().take(repeated) {
                let pause = pause(id) + Duration::from_millis(dice.u64(..15_000));
                answers.push(Answer { at: Instant::now() + pause, message });
            }
        }
        tokio::time::sleep(pause(id)).await;
    }
}

/// Connects and says who it is, with its secret or a wrong one; the answer is one byte.
async fn dial(id: i64, known: bool) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("server", PORT)).await?;
    let mut hello = id.to_be_bytes().to_vec();
    hello.push(known.into());
    stream.write_all(&hello).await?;
    stream.read_u8().await?;
    Ok(stream)
}

/// Answers what comes until the connection is lost: the answers given.
async fn talk(
    watch: &Watch,
    id: i64,
    stream: TcpStream,
    answers: &mut Vec<Answer>,
    dice: &mut fastrand::Rng,
) -> Vec<String> {
    let (mut read, mut write) = stream.into_split();
    let (mut buffer, mut heard, mut said) = (Vec::new(), Instant::now(), Vec::new());
    loop {
        let next = (0..answers.len()).min_by_key(|&i| answers[i].at);
        let patience = match kind(id) {
            AgentKind::Microcontroller => Duration::from_secs(3600),
            AgentKind::Server => PATIENCE,
        };
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(next.map_or(heard, |i| answers[i].at)), if next.is_some() => {
                let answer = answers.swap_remove(next.unwrap_or_default());
                if !send(&mut write, TEXT, answer.message.as_bytes()).await {
                    return said;
                }
                said.push(answer.message);
            }
            got = timeout_at(heard + patience, read.read_buf(&mut buffer)) => {
                if !matches!(got, Ok(Ok(1..))) {
                    return said;
                }
                heard = Instant::now();
                while let Some((opcode, payload)) = frame(&mut buffer) {
                    let sent = match opcode {
                        PING => send(&mut write, PONG, &payload).await,
                        CLOSE => {
                            send(&mut write, CLOSE, &payload).await;
                            false
                        }
                        _ => {
                            answers.push(answer(watch, id, &Sent::parse(&payload), answers, dice));
                            true
                        }
                    };
                    if !sent {
                        return said;
                    }
                }
            }
        }
    }
}

/// Takes the next whole frame from what was read.
fn frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let length = usize::from(*buffer.get(1)?);
    assert!(length < 126, "the tests' commands are short");
    let payload = buffer.get(2..2 + length)?.to_vec();
    let opcode = buffer[0] & 15;
    buffer.drain(..2 + length);
    Some((opcode, payload))
}

/// Sends a frame; whether it could.
async fn send(write: &mut OwnedWriteHalf, opcode: u8, payload: &[u8]) -> bool {
    let frame = encode(true, opcode, [7, 1, 9, 200], payload, false);
    matches!(timeout(WRITE, write.write_all(&frame)).await, Ok(Ok(())))
}

/// What an agent answers and when: in turn if it is a microcontroller, else in any order, and sometimes too late.
fn answer(watch: &Watch, id: i64, sent: &Sent, others: &[Answer], dice: &mut fastrand::Rng) -> Answer {
    if sent.command == "HEARTBEAT" {
        return Answer { at: Instant::now(), message: format!("HEARTBEAT:{}:null", sent.id) };
    }
    let text: Text = serde_json::from_str(&sent.json).expect("a text");
    let reply = serde_json::to_string(&Text::of(&format!("{} by {id}", text.text))).expect("JSON");
    let took = match dice.u8(..10) {
        _ if watch.stage() != Stage::Rough => 100,
        0 if kind(id) == AgentKind::Server => dice.u64(2_000..25_000),
        0 => dice.u64(2_000..9_000),
        _ => dice.u64(10..1_500),
    };
    let busy = others.iter().map(|other| other.at).max().filter(|_| kind(id) == AgentKind::Microcontroller);
    let start = busy.unwrap_or_else(Instant::now).max(Instant::now());
    let message = format!("{}:{}:{reply}", sent.command, sent.id);
    Answer { at: start + Duration::from_millis(took), message }
}
