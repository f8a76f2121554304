//! Wakes with the built programs: a server and its agents on a network that the test makes, and a host on it that answers some
//! seconds after the magic packet came.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::cli::{answer, cli, json_answer, text};
use super::support::binary::{command, superadmin};
use super::support::firmware::{Heard, Message};
use super::support::namespace::Namespace;
use super::support::scene::SECRET;
use super::support::wait::until;
use super::support::{Binary, Firmware, soon};

const MAC: &str = "0A:1B:2C:3D:4E:5F";
/// Where magic packets go.
const PORT: u16 = 40_009;
/// Where the host takes connections.
const SERVICE: u16 = 40_022;

/// A network with a server, which is reached through its socket in the directory, and a host that is down.
struct Site {
    directory: TempDir,
    /// Where the server and its agents are.
    here: Namespace,
    /// The host.
    there: Namespace,
    /// What hears magic packets.
    ear: UdpSocket,
    _listens: Namespace,
    server: Option<Binary>,
    port: u16,
}

impl Site {
    /// None where no namespaces can be made.
    async fn make() -> Option<Self> {
        let (here, there, listens) = (Namespace::make()?, Namespace::make()?, Namespace::make()?);
        here.connect("lan0", &there, "eth0");
        here.connect("lan1", &listens, "eth0");
        here.ip(&["addr", "add", "10.99.1.1/24", "dev", "lan0"]);
        here.ip(&["addr", "add", "10.99.2.1/24", "dev", "lan1"]);
        there.ip(&["link", "set", "eth0", "address", MAC]);
        listens.ip(&["addr", "add", "10.99.2.9/24", "brd", "+", "dev", "eth0"]);
        let ear = listens.inside(|| std::net::UdpSocket::bind(("0.0.0.0", PORT)).unwrap());
        ear.set_nonblocking(true).unwrap();
        let ear = UdpSocket::from_std(ear).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut site = Self { directory, here, there, ear, _listens: listens, server: None, port: 0 };
        site.serve().await;
        Some(site)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A program on the server's machine.
    fn inside(&self, arguments: &[&str], directory: &Path, variables: &[(&str, &str)]) -> Binary {
        let program = command(directory, arguments);
        let program = program.as_std();
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.here.name]).arg(program.get_program()).args(program.get_args());
        inside.current_dir(directory).kill_on_drop(true).stdin(std::process::Stdio::null());
        inside.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        inside.env_clear().envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside.envs(variables.iter().copied());
        Binary::spawn(inside)
    }

    /// Starts the server, on the port it had before if it had one.
    async fn serve(&mut self) {
        let port = self.port.to_string();
        let mut server = self.inside(&[], self.path(), &[("NETIGNITE_SERVER__PORT", &port)]);
        self.port = server.listening().await.port();
        self.server = Some(server);
    }

    /// Adds an agent; its ID.
    async fn add_agent(&self, name: &str) -> i64 {
        let file = self.path().join("secret");
        std::fs::write(&file, SECRET).unwrap();
        let file = file.to_str().unwrap();
        let arguments = ["agents", "add", name, "--type", "server", "--secret-file", file];
        json_answer(self.path(), &arguments, "").await["id"].as_i64().unwrap()
    }

    /// Runs an agent, and waits until it is connected.
    async fn agent(&self, id: i64) -> Binary {
        let (server, id) = (format!("http://127.0.0.1:{}", self.port), id.to_string());
        let directory = self.path().join(format!("agent-{id}"));
        std::fs::create_dir_all(&directory).unwrap();
        let arguments = ["agent", "--server", &server, "--id", &id];
        let agent = self.inside(&arguments, &directory, &[("NETIGNITE_AGENT_SECRET", SECRET)]);
        self.until_agent(id.parse().unwrap(), "online").await;
        agent
    }

    async fn until_agent(&self, id: i64, wanted: &str) {
        until(wanted, || async {
            let all = json_answer(self.path(), &["agents", "list"], "").await;
            let is = |agent: &&Value| agent["id"] == id && agent["presence"]["state"] == wanted;
            all.as_array().unwrap().iter().find(is).map(drop)
        })
        .await;
    }

    /// Adds the host as a device; `more` are further arguments.
    async fn add_device(&self, agent: i64, more: &[&str]) {
        let (agent, port) = (agent.to_string(), PORT.to_string());
        let arguments = ["devices", "add", "Box", "--mac", MAC, "--agent", &agent, "--port", &port];
        answer(self.path(), &[&arguments[..], more].concat(), "").await;
    }

    /// Begins to wake the host; gives the operation in the end.
    fn wake(&self) -> JoinHandle<Value> {
        let directory: PathBuf = self.path().to_owned();
        tokio::spawn(async move {
            let arguments = ["devices", "wake", "Box", "--wait", "--timeout", "100", "--json"];
            let output = cli(&directory, &arguments, "").await;
            assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
            serde_json::from_slice(&output.stdout).unwrap()
        })
    }

    /// The next magic packet.
    async fn packet(&self) {
        let mut packet = [0; 200];
        assert_eq!(soon("a magic packet", self.ear.recv(&mut packet)).await.unwrap(), 102);
        assert_eq!(packet[96..102], [0x0A, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F]);
    }

    /// The host answers from now on.
    fn boot(&self) {
        self.there.ip(&["addr", "add", "10.99.1.9/24", "dev", "eth0"]);
    }

    async fn trail(&self, operation: &Value) -> Vec<Value> {
        let id = operation["id"].as_str().unwrap();
        let shown = json_answer(self.path(), &["operations", "show", id], "").await;
        shown["trail"].as_array().unwrap().clone()
    }
}

/// Turns a switch of a machine's network; whether the system has it.
fn switch(of: &Namespace, name: &'static str, value: &'static str) -> bool {
    of.inside(move || std::fs::write(format!("/proc/sys/net/ipv4/{name}"), value).is_ok())
}

fn count(trail: &[Value], event: &str) -> usize {
    trail.iter().filter(|entry| entry["event"] == event).count()
}

#[tokio::test]
async fn a_host_that_boots_is_seen_though_its_agent_is_killed_and_the_server_too() {
    let Some(mut site) = Site::make().await else { return };
    let (first, second) = (site.add_agent("First").await, site.add_agent("Second").await);
    let (killed, _stays) = (site.agent(first).await, site.agent(second).await);
    site.add_device(first, &["--address", "10.99.1.9", "--fallback-agent", "Second"]).await;
    let waking = site.wake();
    site.packet().await;
    // In the middle of it: nobody answers for this one any more.
    killed.kill().await;
    site.until_agent(first, "offline").await;
    until("the fallback", || async {
        let live = json_answer(site.path(), &["operations", "list", "--state", "live"], "").await;
        (live[0]["agentID"] == second).then_some(())
    })
    .await;
    site.server.take().unwrap().kill().await;
    site.serve().await;
    site.until_agent(second, "online").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!waking.is_finished(), "it is not up yet");
    site.boot();
    let operation = waking.await.unwrap();
    assert_eq!(operation["state"], "succeeded", "{operation}");
    let evidence = &operation["evidence"];
    let seen = ["wasOnline", "agentID", "address"].map(|key| evidence[key].clone());
    assert_eq!(json!(seen), json!([false, second, "10.99.1.9"]), "{operation}");
    assert!(["icmp", "tcp", "neighbour"].contains(&evidence["method"].as_str().unwrap()), "{evidence}");
    assert!(evidence["onlineAfterMs"].as_i64().unwrap() >= 2000, "{evidence}");
    assert!(operation["message"].as_str().unwrap().starts_with("Online after "), "{operation}");
    let trail = site.trail(&operation).await;
    let chosen: Vec<_> = trail.iter().filter(|entry| entry["event"] == "agent_chosen").collect();
    assert_eq!((&chosen[0]["agentID"], &chosen.last().unwrap()["agentID"]), (&json!(first), &json!(second)));
    assert_eq!(count(&trail, "server_restarted"), 1, "{trail:?}");
    assert_eq!(trail[trail.len() - 2]["found"], "seen", "{trail:?}");
    // It is up now: the first look says so, and the packet goes out all the same.
    let again = site.wake().await.unwrap();
    assert_eq!(again["evidence"]["wasOnline"], true, "{again}");
}

#[tokio::test]
async fn each_means_of_telling_proves_that_a_host_came_up() {
    let Some(site) = Site::make().await else { return };
    let (agent, host) = (site.add_agent("Hall").await, site.add_agent("Box").await);
    let _running = site.agent(agent).await;
    let ports = SERVICE.to_string();
    site.add_device(agent, &["--address", "10.99.1.9", "--probe-port", &ports]).await;

    // It answers no pings, and its service is up some seconds after the packet.
    if switch(&site.there, "icmp_echo_ignore_all", "1") {
        let waking = site.wake();
        site.packet().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        site.boot();
        let _service = site.there.inside(|| std::net::TcpListener::bind(("0.0.0.0", SERVICE)).unwrap());
        let operation = waking.await.unwrap();
        let seen = ["wasOnline", "method", "mac"].map(|key| operation["evidence"][key].clone());
        assert_eq!(json!(seen), json!([false, "tcp", MAC]), "{operation}");
        assert!(operation["evidence"]["port"].is_u64(), "{operation}");
        switch(&site.there, "icmp_echo_ignore_all", "0");
        site.there.ip(&["addr", "del", "10.99.1.9/24", "dev", "eth0"]);
        site.here.ip(&["neigh", "flush", "dev", "lan0"]);
    }

    // It answers nobody at all, since it knows no way back; but whose address it is it says.
    let tells = ["all", "default", "eth0"]
        .iter()
        .all(|of| switch(&site.there, Box::leak(format!("conf/{of}/rp_filter").into_boxed_str()), "0"));
    if tells {
        let waking = site.wake();
        site.packet().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        site.there.ip(&["addr", "add", "10.99.1.9/32", "dev", "eth0"]);
        let operation = waking.await.unwrap();
        let seen = ["wasOnline", "method", "mac"].map(|key| operation["evidence"][key].clone());
        assert_eq!(json!(seen), json!([false, "neighbour", MAC]), "{operation}");
        site.there.ip(&["addr", "del", "10.99.1.9/32", "dev", "eth0"]);
        site.here.ip(&["neigh", "flush", "dev", "lan0"]);
    }

    // Nobody else sees it: the agent on it connects when it is up.
    answer(site.path(), &["devices", "edit", "Box", "--host-agent", &host.to_string()], "").await;
    let waking = site.wake();
    site.packet().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!waking.is_finished());
    let _on_it = site.agent(host).await;
    let operation = waking.await.unwrap();
    let seen = ["wasOnline", "method", "agentID"].map(|key| operation["evidence"][key].clone());
    assert_eq!(json!(seen), json!([false, "host_agent", host]), "{operation}");
}

#[tokio::test]
async fn old_firmware_wakes_a_host_and_sees_it_with_the_built_server() {
    let directory = tempfile::tempdir().unwrap();
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = superadmin(directory.path(), address).await;
    let agent = admin.create_agent("microcontroller", SECRET).await;
    let device = admin.create_device(agent, MAC).await;
    let mut firmware = Firmware::connect(address, agent, SECRET).await;
    let field = tokio::spawn(async move {
        let (mut asked, mut woken) = (Vec::new(), None);
        loop {
            let message = match firmware.next().await {
                Heard::Text(text) => Message::parse(&text),
                Heard::Ping(_) | Heard::Pong(_) => continue,
                Heard::Close(..) | Heard::Gone => return asked,
            };
            let up = woken.is_some_and(|at: std::time::Instant| at.elapsed() > Duration::from_secs(3));
            let json = match message.command.as_str() {
                "HEARTBEAT" => Value::Null,
                "WAKEUP" => {
                    woken.get_or_insert_with(std::time::Instant::now);
                    json!({"status": "OK", "message": "sent"})
                }
                "GET_STATUS" => {
                    let online = if up { "online" } else { "offline" };
                    json!({"status": "OK", "message": "m", "online": online})
                }
                _ => json!({"status": "ERROR", "message": "Unknown command"}),
            };
            firmware.reply(&message, &json.to_string()).await;
            asked.push((message.command, message.json));
            if up && woken.is_some() && asked.last().is_some_and(|(command, _)| command == "GET_STATUS") {
                return asked;
            }
        }
    });
    let body = json!({"until": "online", "timeout": 60});
    let reply = admin.post(&format!("/api/devices/{device}/wakeup"), body).await.expect(200);
    let evidence = &reply.data()["evidence"];
    assert_eq!((&evidence["wasOnline"], &evidence["agentID"]), (&json!(false), &json!(agent)), "{evidence}");
    assert!(evidence["onlineAfterMs"].as_i64().unwrap() >= 3000, "{evidence}");
    let asked = soon("the firmware's end", field).await.unwrap();
    let names: Vec<_> =
        asked.iter().map(|(command, _)| command.as_str()).filter(|command| *command != "HEARTBEAT").collect();
    assert_eq!(names[..3], ["WAKEUP", "PROBE", "GET_STATUS"], "{names:?}");
    assert_eq!(
        names.iter().filter(|command| **command == "PROBE").count(),
        1,
        "it is not asked twice: {names:?}"
    );
    // What it does not understand is not sent: it may not even read past it.
    let packet = &asked.iter().find(|(command, _)| command == "WAKEUP").unwrap().1;
    assert_eq!(packet, &json!({"macAddress": MAC, "port": 9}));
}
