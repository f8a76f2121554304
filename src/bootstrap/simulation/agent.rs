//! A simulated agent: dials, does what it is asked or does not, answers or does not, and dials again.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use turmoil::net::TcpStream;
use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::world::{Says, Stage, World, now};
use super::{HOSTED, device_of, kind};
use crate::control::AgentKind;
use crate::control::tests::peer::{CLOSE, PING, PONG, Sent, TEXT, encode};
use crate::registry::{CANCELED, UNKNOWN_COMMAND};

/// The port of the server.
pub(super) const PORT: u16 = 80;
/// How long an agent waits for the answer to its handshake.
const DIAL: Duration = Duration::from_secs(5);
/// How long after a lost connection an agent dials again.
const PAUSE: Duration = Duration::from_secs(3);
/// After how long without a word of the server an agent gives up a connection. The firmware never does.
const PATIENCE: Duration = Duration::from_secs(80);
/// How long an agent tries to write.
const WRITE: Duration = Duration::from_secs(20);

/// An answer, and when it is ready.
struct Answer {
    at: Instant,
    id: u32,
    command: String,
    number: Option<u32>,
    /// None for what is no command of ours.
    says: Option<Says>,
    json: Value,
}

/// The agent's life, from its start to its crash.
pub(super) async fn live(world: World, id: i64, seed: u64) -> turmoil::Result {
    let dice = fastrand::Rng::with_seed(seed ^ (id.cast_unsigned() << 48) ^ (now().as_secs() << 32));
    let mut agent = Agent { world, id, link: 0, wrote: 0, answers: Vec::new(), off: None, dice };
    loop {
        if let Ok(Ok(stream)) = timeout(DIAL, agent.dial()).await {
            agent.talk(stream).await;
        }
        // It knows nothing on its next connection of what it was asked on the last.
        agent.answers.clear();
        if let Some(off) = agent.off.take() {
            sleep_until(off).await;
            agent.machine_is_up(false);
            sleep(Duration::from_millis(agent.dice.u64(5_000..40_000))).await;
            agent.machine_is_up(true);
        }
        sleep(PAUSE).await;
    }
}

struct Agent {
    world: World,
    id: i64,
    /// The connection, and how many bytes were written to it.
    link: u32,
    wrote: u64,
    answers: Vec<Answer>,
    /// When its machine shuts down.
    off: Option<Instant>,
    dice: fastrand::Rng,
}

impl Agent {
    /// Connects and says who it is; the answer is the number of the connection.
    async fn dial(&mut self) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(("server", PORT)).await?;
        let mut hello = self.id.to_be_bytes().to_vec();
        hello.push((kind(self.id) == AgentKind::Server).into());
        stream.write_all(&hello).await?;
        (self.link, self.wrote) = (stream.read_u32().await?, 0);
        Ok(stream)
    }

    /// Does what comes until the connection is lost, or given up.
    async fn talk(&mut self, stream: TcpStream) {
        let (mut read, mut write) = stream.into_split();
        let (mut buffer, mut heard) = (Vec::new(), Instant::now());
        loop {
            let next = (0..self.answers.len()).min_by_key(|&i| self.answers[i].at);
            let off = self.off.unwrap_or_else(|| Instant::now() + PATIENCE);
            tokio::select! {
                biased;
                () = sleep_until(off), if self.off.is_some() => return,
                () = sleep_until(next.map_or(heard, |i| self.answers[i].at)), if next.is_some() => {
                    let answer = self.answers.swap_remove(next.unwrap_or_default());
                    if !self.say(&mut write, &answer).await {
                        return;
                    }
                }
                got = hear(&mut read, &mut buffer, heard, self.id) => {
                    if !got {
                        return;
                    }
                    heard = Instant::now();
                    while let Some((opcode, payload)) = frame(&mut buffer) {
                        let goes_on = match opcode {
                            PING => self.send(&mut write, PONG, &payload).await,
                            CLOSE => {
                                self.send(&mut write, CLOSE, &payload).await;
                                false
                            }
                            _ => self.take(&Sent::parse(&payload)),
                        };
                        if !goes_on {
                            return;
                        }
                    }
                }
            }
        }
    }

    async fn say(&mut self, write: &mut OwnedWriteHalf, answer: &Answer) -> bool {
        let message = format!("{}:{}:{}", answer.command, answer.id, answer.json);
        if let (Some(number), Some(says)) = (answer.number, answer.says) {
            let bytes = encode(true, TEXT, [7, 1, 9, 200], message.as_bytes(), false).len();
            self.world.book().answers(number, self.link, says, self.wrote + bytes as u64);
        }
        self.send(write, TEXT, message.as_bytes()).await
    }

    /// Sends a frame; whether it could.
    async fn send(&mut self, write: &mut OwnedWriteHalf, opcode: u8, payload: &[u8]) -> bool {
        let frame = encode(true, opcode, [7, 1, 9, 200], payload, false);
        self.wrote += frame.len() as u64;
        matches!(timeout(WRITE, write.write_all(&frame)).await, Ok(Ok(())))
    }

    /// Takes a command, and answers it or does not. Whether the connection goes on.
    fn take(&mut self, sent: &Sent) -> bool {
        let json: Value = serde_json::from_str(&sent.json).unwrap_or_default();
        let number = number(&sent.command, &json);
        if let Some(number) = number {
            self.world.book().got(number, self.id, self.link);
        }
        if sent.command == "CANCEL" {
            self.end(sent.id);
            return true;
        }
        let device = mac(&json).and_then(device_of);
        if sent.command == "WAKEUP" {
            self.wake(device);
        }
        let knows = kind(self.id) == AgentKind::Server
            || ["WAKEUP", "GET_STATUS", "HEARTBEAT"].contains(&&*sent.command);
        let ok = match sent.command.as_str() {
            "HEARTBEAT" => Value::Null,
            "GET_STATUS" | "PROBE" => self.look(device),
            _ => json!({"status": "OK", "message": "done"}),
        };
        let no = |message: &str| json!({"status": "ERROR", "message": message});
        let luck = if self.world.stage() == Stage::Rough && sent.command != "HEARTBEAT" {
            self.dice.u32(..100)
        } else {
            0
        };
        let long = sent.command == "PROBE" && number.is_some();
        let took = match luck {
            90..97 => self.dice.u64(2_000..20_000),
            _ if long && self.dice.bool() => self.dice.u64(2_000..6_000),
            _ if self.world.stage() != Stage::Rough => 50,
            _ => self.dice.u64(10..900),
        };
        let (says, json) = match luck {
            _ if !knows => (Says::Lacks, no(UNKNOWN_COMMAND)),
            70..76 => (Says::No, no("no")),
            76..80 => (Says::Nonsense, json!({"status": "PERHAPS"})),
            // It says nothing.
            80..86 => return true,
            // It is gone before it answers.
            86..90 => return false,
            _ => (Says::Done, ok),
        };
        // A microcontroller does one thing after the other.
        let busy = self.answers.iter().map(|other| other.at).max();
        let busy = busy.filter(|_| kind(self.id) == AgentKind::Microcontroller).unwrap_or_else(Instant::now);
        let at = busy.max(Instant::now()) + Duration::from_millis(if json.is_null() { 0 } else { took });
        if sent.command == "SHUTDOWN" && says == Says::Done {
            let delay = Duration::from_secs(number.unwrap_or_default().into());
            self.off = Some(at + delay + Duration::from_millis(500));
        }
        let command = sent.command.clone();
        let says = Some(says);
        self.answers.push(Answer { at, id: sent.id, command, number, says, json });
        true
    }

    /// Is asked to end a command, which it does if that still runs.
    fn end(&mut self, id: u32) {
        let world = self.world.clone();
        if let Some(answer) =
            self.answers.iter_mut().find(|answer| answer.id == id && answer.command != "HEARTBEAT")
        {
            world.book().count("asked to end");
            (answer.at, answer.says) = (Instant::now() + Duration::from_millis(50), Some(Says::Ended));
            answer.json = json!({"status": "ERROR", "message": "Canceled", "code": CANCELED});
        }
    }

    /// Sends a device its magic packet.
    fn wake(&self, device: Option<i64>) {
        let mut book = self.world.book();
        let Some(device) = device.and_then(|device| book.devices.get_mut(&device)) else { return };
        if let (None, Some(boots)) = (device.up, device.boots) {
            device.up = Some(now() + boots);
        }
    }

    /// Looks whether a device is up.
    fn look(&self, device: Option<i64>) -> Value {
        let device =
            device.and_then(|device| self.world.book().devices.get(&device).copied()).unwrap_or_default();
        let up = device.is_up() || device.other;
        let online = if up { "online" } else { "offline" };
        let mut found = json!({"status": "OK", "message": "m", "online": online});
        if device.other && kind(self.id) == AgentKind::Server {
            found["macAddress"] = "06:00:00:00:00:01".into();
        }
        found
    }

    /// The machine that it runs on goes down, or is up again.
    fn machine_is_up(&self, up: bool) {
        let mut book = self.world.book();
        book.note(format_args!("the machine of agent {} is {}", self.id, if up { "up" } else { "down" }));
        for device in HOSTED.iter().filter(|(_, host)| *host == self.id).map(|(device, _)| *device) {
            book.devices.entry(device).or_default().up = up.then(now);
        }
    }
}

/// Waits for something to read; false once nothing comes any more.
async fn hear(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>, heard: Instant, id: i64) -> bool {
    let patience = if kind(id) == AgentKind::Server { PATIENCE } else { Duration::from_secs(3600) };
    matches!(timeout_at(heard + patience, read.read_buf(buffer)).await, Ok(Ok(1..)))
}

/// Takes the next whole frame from what was read.
fn frame(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (length, head) = match *buffer.get(1)? {
        126 => (usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?])), 4),
        length => (usize::from(length), 2),
    };
    let payload = buffer.get(head..head + length)?.to_vec();
    let opcode = buffer[0] & 15;
    buffer.drain(..head + length);
    Some((opcode, payload))
}

/// The number in a MAC address.
fn mac(json: &Value) -> Option<u32> {
    let digits: String = json["macAddress"].as_str()?.chars().filter(char::is_ascii_hexdigit).collect();
    u32::from_str_radix(digits.get(4..)?, 16).ok()
}

/// The number that a command carries; looks at devices are of no operation of their own.
fn number(command: &str, json: &Value) -> Option<u32> {
    match command {
        "REBOOT" | "SHUTDOWN" => json["delaySeconds"].as_u64().and_then(|number| number.try_into().ok()),
        "WAKEUP" => mac(json),
        "PROBE" => {
            json["address"].as_str()?.parse::<Ipv4Addr>().ok().map(|address| address.to_bits() & 0xffff)
        }
        _ => None,
    }
}
