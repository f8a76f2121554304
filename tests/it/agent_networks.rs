//! `netignite agent` on networks that the test makes: which of them a magic packet reaches, and who answers at an
//! address.

use std::io;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use netignite::commands::discover::{Discover, Payload};
use netignite::registry::{
    AgentContext, BoxFuture, Command as _, Look, Neighbour, Neighbourhood, Network, Reachability, SentTo,
    Sighting, Swept,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UdpSocket};
use tokio::process::Command;

use super::support::namespace::Namespace;
use super::support::played::{Connection, Played, agent_with_file};
use super::support::{Binary, soon};

const SECRET: &str = "correct horse battery staple";
const MAC: &str = "0A:1B:2C:3D:4E:5F";

/// A machine with an agent on it, connected to a server that the test plays on the same machine.
struct Machine {
    namespace: Namespace,
    connection: Connection,
    _agent: Binary,
}

impl Machine {
    async fn start(directory: &Path, namespace: Namespace) -> Self {
        std::fs::write(directory.join("secret"), SECRET).unwrap();
        let listener = namespace.inside(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        listener.set_nonblocking(true).unwrap();
        let server = Played { listener: TcpListener::from_std(listener).unwrap() };
        let program = agent_with_file(directory, server.address());
        let std = program.as_std();
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &namespace.name]).arg(std.get_program()).args(std.get_args());
        inside.current_dir(directory).kill_on_drop(true).stdin(std::process::Stdio::null());
        inside.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let agent = Binary::spawn(inside);
        let connection = server.accept().await;
        Self { namespace, connection, _agent: agent }
    }

    /// A machine on one network with a host at 10.99.1.9, whose card is [`MAC`]; none where no namespaces can be made.
    async fn beside_a_host(directory: &Path) -> Option<(Self, Namespace)> {
        let (here, there) = (Namespace::make()?, Namespace::make()?);
        here.connect("lan0", &there, "eth0");
        here.ip(&["addr", "add", "10.99.1.1/24", "dev", "lan0"]);
        there.ip(&["link", "set", "eth0", "address", MAC]);
        there.ip(&["addr", "add", "10.99.1.9/24", "dev", "eth0"]);
        Some((Self::start(directory, here).await, there))
    }

    /// The agent's reply to a command.
    async fn ask(&mut self, command: &str, payload: Value) -> Value {
        let reply = self.connection.ask(&format!("{command}:1:{payload}")).await;
        serde_json::from_str(reply.strip_prefix(&format!("{command}:1:")).unwrap()).unwrap()
    }
}

/// A socket in `namespace` that hears what is sent to everybody at `port`.
fn ear(namespace: &Namespace, port: u16) -> UdpSocket {
    let socket = namespace.inside(move || std::net::UdpSocket::bind(("0.0.0.0", port)).unwrap());
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket).unwrap()
}

#[tokio::test]
async fn a_magic_packet_reaches_every_network_and_what_failed_is_named() {
    let (Some(here), Some(left), Some(right)) = (Namespace::make(), Namespace::make(), Namespace::make())
    else {
        return;
    };
    here.connect("lan0", &left, "eth0");
    here.connect("lan1", &right, "eth0");
    // As many tools do it: without a word about the broadcast address. Twice the same network, on two cables.
    here.ip(&["addr", "add", "10.99.1.1/24", "dev", "lan0"]);
    here.ip(&["addr", "add", "10.99.1.2/24", "dev", "lan1"]);
    left.ip(&["addr", "add", "10.99.1.9/24", "brd", "+", "dev", "eth0"]);
    right.ip(&["addr", "add", "10.99.1.10/24", "brd", "+", "dev", "eth0"]);
    // What has no network: a cable to a single machine, an address that stands alone.
    here.ip(&["link", "add", "one0", "type", "veth", "peer", "name", "end0"]);
    here.ip(&["addr", "add", "10.99.7.1/32", "dev", "one0"]);
    here.ip(&["addr", "add", "10.99.8.0/31", "dev", "one0"]);
    here.ip(&["link", "set", "one0", "up"]);
    // What is down, under a name that a page would take for HTML.
    here.ip(&["link", "add", "a<b>&\"'", "type", "veth", "peer", "name", "end1"]);
    here.ip(&["addr", "add", "10.99.3.1/20", "dev", "a<b>&\"'"]);

    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::start(directory.path(), here).await;
    let ears = [ear(&left, 40_009), ear(&right, 40_009)];
    let wake = json!({"macAddress": MAC, "port": 40_009});
    let reply = machine.ask("WAKEUP", wake.clone()).await;
    assert_eq!(reply["status"], "OK", "{reply}");
    let message = reply["message"].as_str().unwrap();
    for words in ["lan0 (10.99.1.255)", "lan1 (10.99.1.255)", "a_b____ (10.99.15.255) failed: "] {
        assert!(message.contains(words), "{words}: {message}");
    }
    assert!(message.starts_with("Sent on lan0") && !message.contains("one0"), "{message}");
    assert!(!message.contains(['<', '>', '&', '"', '\'']), "{message}");
    for ear in &ears {
        for _ in 0..3 {
            assert_eq!(soon("a magic packet", ear.recv(&mut [0; 200])).await.unwrap(), 102);
        }
        assert!(ear.try_recv(&mut [0; 200]).is_err(), "more than three packets");
    }

    // A network that came later, and one that went.
    let third = Namespace::make().unwrap();
    machine.namespace.connect("lan2", &third, "eth0");
    machine.namespace.ip(&["addr", "add", "10.99.4.1/24", "dev", "lan2"]);
    third.ip(&["addr", "add", "10.99.4.9/24", "dev", "eth0"]);
    machine.namespace.ip(&["link", "set", "lan1", "down"]);
    let ear = ear(&third, 40_009);
    let reply = machine.ask("WAKEUP", wake.clone()).await;
    let message = reply["message"].as_str().unwrap();
    assert!(
        message.contains("lan2 (10.99.4.255)") && message.contains("lan1 (10.99.1.255) failed"),
        "{message}"
    );
    assert_eq!(soon("a magic packet", ear.recv(&mut [0; 200])).await.unwrap(), 102);

    // None is left.
    for interface in ["lan0", "lan2", "one0"] {
        machine.namespace.ip(&["link", "set", interface, "down"]);
    }
    let reply = machine.ask("WAKEUP", wake).await;
    assert_eq!(reply["status"], "ERROR", "{reply}");
    assert!(reply["message"].as_str().unwrap().contains("lan0 10.99.1.255:40009"), "{reply}");
}

#[tokio::test]
async fn another_machine_at_the_devices_address_does_not_make_it_online() {
    let directory = tempfile::tempdir().unwrap();
    let Some((mut machine, there)) = Machine::beside_a_host(directory.path()).await else { return };

    let other = "02:00:00:00:00:99";
    let reply = machine.ask("GET_STATUS", json!({"address": "10.99.1.9", "macAddress": other})).await;
    assert_eq!((&reply["status"], &reply["online"]), (&json!("OK"), &json!("offline")), "{reply}");
    let message = reply["message"].as_str().unwrap();
    assert!(
        message.contains("another machine answers at this address") && message.contains(MAC),
        "{message}"
    );
    for payload in [
        json!({"address": "10.99.1.9", "macAddress": MAC}),
        json!({"address": "10.99.1.9"}),
        json!({"address": MAC}),
        // Known by a name or an address that does not tell.
        json!({"address": "127.0.0.1", "macAddress": other}),
    ] {
        let reply = machine.ask("GET_STATUS", payload.clone()).await;
        assert_eq!(reply["online"], "online", "{payload}: {reply}");
    }
    // Somebody else takes the address over while the agent runs.
    there.ip(&["link", "set", "eth0", "address", other]);
    machine.namespace.ip(&["neigh", "flush", "dev", "lan0"]);
    let reply = machine.ask("GET_STATUS", json!({"address": "10.99.1.9", "macAddress": MAC})).await;
    assert_eq!(reply["online"], "offline", "{reply}");
    let reply = machine.ask("GET_STATUS", json!({"address": MAC})).await;
    assert_ne!(reply["online"], "online", "{reply}");
}

#[tokio::test]
async fn a_packet_goes_to_the_given_address_with_the_password_of_the_card() {
    let (Some(here), Some(left), Some(right)) = (Namespace::make(), Namespace::make(), Namespace::make())
    else {
        return;
    };
    here.connect("lan0", &left, "eth0");
    here.connect("lan1", &right, "eth0");
    here.ip(&["addr", "add", "10.99.1.1/24", "dev", "lan0"]);
    here.ip(&["addr", "add", "10.99.2.1/24", "dev", "lan1"]);
    left.ip(&["addr", "add", "10.99.1.9/24", "brd", "+", "dev", "eth0"]);
    right.ip(&["addr", "add", "10.99.2.9/24", "brd", "+", "dev", "eth0"]);
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::start(directory.path(), here).await;
    let (left, right) = (ear(&left, 40_009), ear(&right, 40_009));
    let wake = json!({
        "macAddress": MAC, "port": 40_009, "broadcastAddress": "10.99.2.255", "secureOn": "01:02:03:04:05:06",
    });
    let reply = machine.ask("WAKEUP", wake).await;
    assert_eq!(reply, json!({"status": "OK", "message": "Sent on lan1 (10.99.2.255)"}));
    let mut packet = [0; 200];
    assert_eq!(soon("a magic packet", right.recv(&mut packet)).await.unwrap(), 108);
    assert_eq!(packet[96..108], [0x0A, 0x1B, 0x2C, 0x3D, 0x4E, 0x5F, 1, 2, 3, 4, 5, 6]);
    assert!(left.try_recv(&mut packet).is_err(), "the other network hears nothing");
    for bad in ["0.0.0.0", "224.0.0.1", "nonsense", "::1"] {
        let wake = json!({"macAddress": MAC, "port": 40_009, "broadcastAddress": bad});
        let reply = machine.ask("WAKEUP", wake).await;
        assert_eq!(reply["status"], "ERROR", "{bad}: {reply}");
        assert!(reply["message"].as_str().unwrap().contains("broadcastAddress"), "{reply}");
    }
}

#[tokio::test]
async fn a_probe_says_by_what_a_host_is_seen_and_whose_card_answers() {
    let directory = tempfile::tempdir().unwrap();
    let Some((mut machine, _there)) = Machine::beside_a_host(directory.path()).await else { return };
    for payload in [
        json!({"address": "10.99.1.9", "macAddress": MAC}),
        json!({"address": "10.99.1.9", "ports": [40_123]}),
        json!({"macAddress": MAC}),
    ] {
        let reply = machine.ask("PROBE", payload.clone()).await;
        assert_eq!((&reply["status"], &reply["online"]), (&json!("OK"), &json!("online")), "{reply}");
        assert_eq!(reply["address"], "10.99.1.9", "{payload}: {reply}");
        assert_eq!(reply["macAddress"], MAC, "{payload}: {reply}");
        // Pings may not be allowed here; then the refusal of a connection tells.
        match reply["method"].as_str().unwrap() {
            "icmp" => assert_eq!(reply["port"], Value::Null, "{reply}"),
            "tcp" => assert!(reply["port"].is_u64(), "{reply}"),
            other => panic!("{other}"),
        }
        assert!(reply["latencyMs"].as_u64().is_some_and(|ms| ms < 5000), "{reply}");
    }
    let other = "02:00:00:00:00:99";
    let reply = machine.ask("PROBE", json!({"address": "10.99.1.9", "macAddress": other})).await;
    assert_eq!((&reply["online"], &reply["macAddress"]), (&json!("offline"), &json!(MAC)), "{reply}");
    let reply = machine.ask("PROBE", json!({"address": "10.99.1.77"})).await;
    assert_eq!((&reply["online"], &reply["method"]), (&json!("offline"), &Value::Null), "{reply}");
    for bad in
        [json!({}), json!({"address": "10.99.1.9", "ports": [1, 2, 3, 4, 5, 6]}), json!({"ports": [0]})]
    {
        let reply = machine.ask("PROBE", bad).await;
        assert!(reply["message"].as_str().unwrap().starts_with("Invalid payload: "), "{reply}");
    }
}

#[tokio::test]
async fn a_discovery_finds_who_is_on_the_networks() {
    let (Some(here), Some(left), Some(right)) = (Namespace::make(), Namespace::make(), Namespace::make())
    else {
        return;
    };
    here.connect("lan0", &left, "eth0");
    here.connect("lan1", &right, "eth0");
    here.ip(&["addr", "add", "10.99.1.1/27", "dev", "lan0"]);
    here.ip(&["addr", "add", "10.99.2.1/27", "dev", "lan1"]);
    left.ip(&["link", "set", "eth0", "address", MAC]);
    left.ip(&["addr", "add", "10.99.1.9/27", "dev", "eth0"]);
    left.ip(&["addr", "add", "10.99.1.30/27", "dev", "eth0"]);
    right.ip(&["link", "set", "eth0", "address", "02:00:00:00:00:99"]);
    right.ip(&["addr", "add", "10.99.2.9/27", "dev", "eth0"]);
    let directory = tempfile::tempdir().unwrap();
    let mut machine = Machine::start(directory.path(), here).await;
    let reply = machine.ask("DISCOVER", json!({})).await;
    assert_eq!(
        reply,
        json!({"status": "OK", "message": "3 hosts found", "truncated": false, "hosts": [
            {"address": "10.99.1.9", "macAddress": MAC},
            {"address": "10.99.1.30", "macAddress": MAC},
            {"address": "10.99.2.9", "macAddress": "02:00:00:00:00:99"},
        ]})
    );
    let reply = machine.ask("DISCOVER", json!({"limit": 1})).await;
    assert_eq!((reply["hosts"].as_array().unwrap().len(), &reply["truncated"]), (1, &json!(true)), "{reply}");
    for bad in [json!({"limit": 0}), json!({"limit": 201}), json!({"limit": "all"})] {
        let reply = machine.ask("DISCOVER", bad).await;
        assert!(reply["message"].as_str().unwrap().contains("limit"), "{reply}");
    }
    // A network beyond a /22 is looked through in part, and the reply says so.
    machine.namespace.ip(&["addr", "add", "10.98.0.1/16", "dev", "lan0"]);
    left.ip(&["addr", "add", "10.98.3.254/16", "dev", "eth0"]);
    // The kernel's table of neighbours, which all namespaces share, may be full of a busy machine's before the last
    // address is asked for: then another sweep finds it.
    for sweep in 1.. {
        let reply = machine.ask("DISCOVER", json!({})).await;
        assert_eq!(reply["truncated"], true, "{reply}");
        let hosts = reply["hosts"].as_array().unwrap();
        if hosts.iter().any(|host| host["address"] == "10.98.3.254") {
            break;
        }
        assert!(sweep < 8, "{reply}");
    }
}

/// A network full of hosts with the longest addresses and this name.
struct Full(&'static str);

impl Network for Full {
    fn broadcast<'a>(
        &'a self,
        _: &'a [u8],
        _: u16,
        _: Option<Ipv4Addr>,
    ) -> BoxFuture<'a, io::Result<Vec<SentTo>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn probe<'a>(&'a self, _: &'a Look) -> BoxFuture<'a, io::Result<Sighting>> {
        Box::pin(async { Ok(Reachability::Unknown.into()) })
    }

    fn sweep<'a>(&'a self, _: Swept<'a>) -> BoxFuture<'a, io::Result<Neighbourhood>> {
        let host = |last: u8| Neighbour {
            address: Ipv4Addr::new(192, 168, 100, last),
            mac: "FE:FF:FF:FF:FF:FE".parse().unwrap(),
            name: Some(self.0.to_owned()),
        };
        let hosts = (100..200).cycle().take(8000).map(host).collect();
        Box::pin(async move { Ok(Neighbourhood { hosts, whole: false }) })
    }
}

#[tokio::test]
async fn a_discovery_is_bounded_whatever_hosts_are_called() {
    let answer = async |name: &'static str, limit: Option<u16>| {
        let payload = Payload { limit: limit.and_then(NonZeroU16::new) };
        let agent = AgentContext::new(Arc::new(Full(name)));
        let reply = Discover::run(&agent, payload).await.unwrap();
        // With the longest ID that a server may have given.
        let frame = format!("DISCOVER:{}:{}", u32::MAX, json!(reply));
        assert!(frame.len() <= 15_360, "{name:?}, {limit:?}: {} bytes", frame.len());
        reply.hosts
    };
    for name in [
        "printer",
        "a-rather-long-name-in-a-house.example",
        "\"\\\u{7f}🖨🖨🖨🖨🖨🖨🖨🖨🖨",
        "\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}\u{1}",
    ] {
        for limit in [None, Some(1), Some(100), Some(150)] {
            let hosts = answer(name, limit).await;
            assert_eq!(hosts.len(), usize::from(limit.unwrap_or(200)));
            assert!(hosts[0].name.is_some(), "{name:?}: the first have names as long as there is room");
        }
    }
    let hosts = answer("printer", Some(100)).await;
    assert!(hosts.iter().all(|host| host.name.as_deref() == Some("printer")));
}
