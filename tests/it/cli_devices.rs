//! `netignite devices`, `operations` and `discover` on the server's own machine.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::cli::{answer, cli, json_answer, refusal, text};
use super::support::binary::{command, superadmin};
use super::support::scene::{MAC, SECRET};
use super::support::wait::until;
use super::support::{Binary, Client, Firmware, soon};
use super::wake_until::{Probe, connect_at, lan};

/// A server in `here`, with an agent called Agent and a device called Device behind it.
pub(super) async fn scene(here: &Path) -> (Binary, SocketAddr, Client, i64) {
    let (server, address) = Binary::serve(here).await;
    let admin = superadmin(here, address).await;
    let agent = admin.create_agent("server", SECRET).await;
    admin.create_device(agent, MAC).await;
    (server, address, admin, agent)
}

fn cells(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect()
}

#[tokio::test]
async fn devices_are_managed_whether_the_server_runs_or_not() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    answer(here, &["user", "add", "ann"], "a fine password\n").await;
    answer(here, &["agents", "add", "Hall", "--type", "server"], "").await;
    answer(here, &["agents", "add", "Attic", "--type", "server"], "").await;
    answer(here, &["agents", "add", "Shed", "--type", "server", "--owner", "ann"], "").await;
    std::fs::write(here.join("password"), "A1:B2:C3:D4:E5:F6\n").unwrap();

    let add = ["devices", "add", "Box", "--mac", "aa-bb-cc-dd-ee-01", "--agent", "hall"];
    assert_eq!(answer(here, &add, "").await, "Device \"Box\" was added with ID 1.\n");
    let more = ["devices", "add", "NAS", "--mac", "AA:BB:CC:DD:EE:02", "--agent", "1", "--type", "nas"];
    let more = [
        &more[..],
        &["--fallback-agent", "Attic", "--host-agent", "2", "--probe-port", "22,445", "--port", "7"],
        &["--broadcast", "192.168.1.255", "--secure-on-file", "password", "--watch-interval", "60"],
        &["--description", "in the cellar", "--address", "192.168.1.7"],
    ]
    .concat();
    assert_eq!(json_answer(here, &more, "").await, json!({"id": 2, "name": "NAS"}));
    let of_ann = ["devices", "add", "Box", "--mac", "AA:BB:CC:DD:EE:03", "--agent", "Shed", "--owner", "ann"];
    answer(here, &of_ann, "").await;

    // Two are called Box, since the operator sees everyone's: the IDs are said.
    let line = refusal(here, &["devices", "show", "Box"], "").await;
    assert_eq!(line, "netignite: 2 devices are called \"Box\": say which by its ID: 1, 3");
    let line = refusal(here, &["devices", "delete", "NASS"], "").await;
    assert!(line.contains("there is no device \"NASS\"; did you mean \"NAS\"?"), "{line}");
    let line = refusal(here, &["devices", "show", "77"], "").await;
    assert_eq!(line, "netignite: there is no device 77; `netignite devices list` shows all");
    let line = refusal(here, &["devices", "edit", "NAS", "--agent", "Hal"], "").await;
    assert!(line.contains("there is no agent \"Hal\"; did you mean \"Hall\"?"), "{line}");
    let line = refusal(here, &["devices", "edit", "NAS", "--mac", "nonsense"], "").await;
    assert!(line.contains("macAddress: "), "{line}");

    for running in [false, true] {
        let server = if running { Some(Binary::serve(here).await) } else { None };
        let table = answer(here, &["devices", "list"], "").await;
        let rows = cells(&table);
        assert_eq!(rows[0], ["ID", "NAME", "TYPE", "MAC ADDRESS", "ADDRESS", "AGENT", "OWNER"]);
        assert_eq!(rows[1], ["1", "Box", "desktop", "AA:BB:CC:DD:EE:01", "Hall", "admin"]);
        assert_eq!(rows[2], ["2", "NAS", "nas", "AA:BB:CC:DD:EE:02", "192.168.1.7", "Hall", "admin"]);
        assert_eq!(rows[3], ["3", "Box", "desktop", "AA:BB:CC:DD:EE:03", "Shed", "ann"]);
        let shown = answer(here, &["devices", "show", "nas"], "").await;
        for line in [
            "Presence:           unknown",
            "Port:               7",
            "Agent:              Hall",
            "Fallback agents:    Attic",
            "Host agent:         Attic",
            "Probe ports:        22, 445",
            "Broadcast address:  192.168.1.255",
            "SecureOn:           set",
            "Watched:            every 60 s",
        ] {
            assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line}: {shown}");
        }
        assert!(!shown.contains("A1:B2"), "{shown}");
        if let Some((server, _)) = server {
            server.kill().await;
        }
    }

    let edit = ["devices", "edit", "NAS", "--name", "Store", "--clear", "host-agent,probe-ports,address"];
    assert_eq!(answer(here, &edit, "").await, "\"Store\" (device 2) was changed.\n");
    let shown = json_answer(here, &["devices", "show", "2"], "").await;
    let kept = json!({"name": "Store", "type": "nas", "port": 7, "agentID": 1, "description": "in the cellar",
        "secureOn": "A1:B2:C3:D4:E5:F6", "fallbackAgentIDs": [2], "watchInterval": 60});
    for (field, value) in kept.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field}: {shown}");
    }
    for field in ["hostAgentID", "probePorts", "address"] {
        assert!(shown.get(field).is_none(), "{field}: {shown}");
    }
    assert_eq!(
        answer(here, &["devices", "delete", "store"], "").await,
        "\"Store\" (device 2) was deleted.\n"
    );

    // What needs agents needs a server that runs.
    for arguments in [
        &["devices", "wake", "1"][..],
        &["devices", "wake", "1", "--wait"],
        &["devices", "status"],
        &["devices", "shutdown", "1"],
        &["discover", "Hall"],
        &["events"],
    ] {
        let line = refusal(here, arguments, "").await;
        assert!(line.contains("no server runs on the data directory ./data"), "{line}");
    }
    assert_eq!(json_answer(here, &["operations", "list"], "").await, json!([]));
}

fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr).lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn a_wake_is_waited_for_until_the_device_is_seen() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, _admin, agent) = scene(here).await;
    let boots = lan(Some(Duration::from_secs(3)), Probe::Answers);
    let connected = connect_at(address, agent, &boots).await;

    let sent = answer(here, &["devices", "wake", "device"], "").await;
    assert!(sent.starts_with("Magic packets for \"Device\" (device 1) were sent."), "{sent}");
    boots.lock().woken = None;
    let woken = cli(here, &["devices", "wake", "Device", "--wait", "--timeout", "60"], "").await;
    let said = text(&woken.stdout);
    assert!(woken.status.success(), "{}", text(&woken.stderr));
    assert!(said.starts_with("\"Device\" (device 1): Online after "), "{said}");
    assert!(said.ends_with("seen by TCP at 192.0.2.7, port 22.\n"), "{said}");
    let lines = text(&woken.stderr);
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines.iter().any(|line| line.contains("Magic packet 1 was sent: eth7 sent it")), "{lines:?}");
    let looked = lines.iter().filter(|line| line.contains("Looked: it does not answer")).count();
    assert!(looked <= 2, "said once as long as nothing changes: {lines:?}");
    assert!(lines.iter().all(|line| !line.contains('\u{1b}')), "no terminal, no steering: {lines:?}");

    let woken = cli(here, &["devices", "wake", "1", "--wait", "--json"], "").await;
    assert!(woken.status.success() && woken.stderr.is_empty(), "{}", text(&woken.stderr));
    let operation: Value = serde_json::from_slice(&woken.stdout).unwrap();
    assert_eq!(
        (&operation["state"], &operation["evidence"]["wasOnline"]),
        (&json!("succeeded"), &json!(true))
    );
    assert_eq!(operation["createdBy"]["kind"], "operator");

    let status = answer(here, &["devices", "status"], "").await;
    assert_eq!(cells(&status), [["ID", "NAME", "STATUS"], ["1", "Device", "online"]]);
    let status = json_answer(here, &["devices", "status", "Device", "1"], "").await;
    assert_eq!(status, json!([{"id": 1, "name": "Device", "status": "online"}]));

    let shown = answer(here, &["operations", "show", operation["id"].as_str().unwrap()], "").await;
    assert!(shown.contains("State:     succeeded") && shown.contains("TIME "), "{shown}");
    assert!(shown.contains("packet_sent"), "{shown}");
    connected.abort();
}

#[tokio::test]
async fn a_device_that_is_not_seen_is_a_failure_with_its_reason() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, _admin, agent) = scene(here).await;
    let wake = ["devices", "wake", "Device", "--wait", "--timeout", "3"];
    for (probe, reason, remedy) in [
        (Probe::Answers, "(not_seen)", "Wake on LAN is on"),
        (Probe::OtherMac, "(other_device_answers)", "correct the address"),
        (Probe::CannotTell, "(cannot_probe)", "--host-agent"),
    ] {
        let connected = connect_at(address, agent, &lan(None, probe)).await;
        let line = failed(&cli(here, &wake, "").await);
        assert!(line.starts_with("netignite: \"Device\" (device 1) was not seen: "), "{line}");
        assert!(line.contains(reason) && line.contains(remedy), "{line}");
        assert!(line.contains("`netignite operations show "), "{line}");
        connected.abort();
    }
    // Nobody is there to send a packet.
    let output = cli(here, &[&wake[..], &["--json"]].concat(), "").await;
    let line = failed(&output);
    let operation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(line.contains(operation["reason"].as_str().unwrap()), "{line}: {operation}");
    let line = refusal(here, &["devices", "wake", "Device"], "").await;
    assert!(line.starts_with("netignite: \"Device\" (device 1) was not woken: "), "{line}");
}

#[tokio::test]
async fn a_wake_is_withdrawn_and_left() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, _, admin, _) = scene(here).await;
    let live = async || {
        let list =
            json_answer(here, &["operations", "list", "--state", "live", "--device", "Device"], "").await;
        list[0]["id"].as_str().map(ToOwned::to_owned)
    };
    let waiting = Binary::spawn(command(here, &["devices", "wake", "1", "--wait"]));
    let id = until("the operation", live).await;
    let table = answer(here, &["operations", "list"], "").await;
    let row = cells(&table).remove(1).join("|");
    assert!(
        row.starts_with(&format!("{id}|WAKEUP|\"Device\" (device 1)|queued|")) && row.ends_with("|operator"),
        "{row}"
    );
    let canceled = answer(here, &["operations", "cancel", &id], "").await;
    assert_eq!(canceled, format!("Operation {id} (WAKEUP for \"Device\" (device 1)) was withdrawn.\n"));
    let (status, log) = soon("its end", waiting.ended()).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("was not seen: ") && log.contains("(canceled)"), "{log}");
    let line = refusal(here, &["operations", "cancel", &id], "").await;
    assert!(line.starts_with(&format!("netignite: operation {id}: The operation is over")), "{line}");
    let wrong = cli(here, &["operations", "show", "../devices"], "").await;
    assert_eq!(wrong.status.code(), Some(2), "no path out of an ID");

    // Whoever gives up reads that the server does not.
    let waiting = Binary::spawn(command(here, &["devices", "wake", "1", "--wait"]));
    let id = until("the operation", live).await;
    waiting.line(&["waits"]).await;
    waiting.signal(Signal::INT);
    let (status, log) = soon("its end", waiting.ended()).await;
    assert_eq!(status.code(), Some(130), "{log}");
    assert!(log.contains(&format!("`netignite operations cancel {id}` withdraws it")), "{log}");
    let state = admin.get(&format!("/api/operations/{id}")).await.expect(200).data()["state"].clone();
    assert_eq!(state, "queued");
}

#[tokio::test]
async fn a_wait_outlives_a_restart_of_the_server() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, _, _, agent) = scene(here).await;
    let waiting = Binary::spawn(command(here, &["devices", "wake", "Device", "--wait"]));
    waiting.line(&["waits"]).await;
    server.kill().await;
    let (_server, address) = Binary::serve(here).await;
    let _agent = connect_at(address, agent, &lan(Some(Duration::ZERO), Probe::Answers)).await;
    let (status, log) = soon("its end", waiting.ended()).await;
    assert!(status.success(), "{log}");
    assert!(log.contains("\"Device\" (device 1): ") && log.contains("; seen by TCP at "), "{log}");
}

#[tokio::test]
async fn networks_are_looked_through_and_devices_shut_down() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, _admin, agent) = scene(here).await;
    let line = refusal(here, &["devices", "shutdown", "Device"], "").await;
    assert!(line.starts_with("netignite: the shutdown of \"Device\" (device 1) was not begun: "), "{line}");
    let line = refusal(here, &["discover", "Agent"], "").await;
    assert!(line.contains("were not looked through: ") && line.contains("offline"), "{line}");
    answer(here, &["devices", "edit", "Device", "--host-agent", &agent.to_string()], "").await;
    let line = refusal(here, &["devices", "shutdown", "Device"], "").await;
    assert!(line.contains("offline"), "{line}");

    let mut firmware = Firmware::connect(address, agent, SECRET).await;
    let name = "evil\u{1b}[2J";
    for (arguments, command, reply, said) in [
        (
            &["discover", "agent", "--limit", "5"][..],
            "DISCOVER",
            json!({"status": "OK", "message": "1 host found", "truncated": true,
                "hosts": [{"address": "192.0.2.9", "macAddress": "02:00:00:00:00:09", "name": name}]}),
            "ADDRESS    MAC ADDRESS        NAME\n192.0.2.9  02:00:00:00:00:09  evil\\u{1b}[2J\n",
        ),
        (
            &["discover", "agent"],
            "DISCOVER",
            json!({"status": "OK", "message": "0 hosts found", "hosts": []}),
            "No host was found on the networks of \"Agent\" (agent 1).\n",
        ),
        (
            &["devices", "shutdown", "Device", "--delay", "5"],
            "SHUTDOWN",
            json!({"status": "OK", "message": "in 5 seconds"}),
            "The shutdown of \"Device\" (device 1) was begun by the agent on it: ",
        ),
        (
            &["devices", "sleep", "1"],
            "SLEEP",
            json!({"status": "OK", "message": "now"}),
            "The sleep of \"Device\" (device 1) was begun by the agent on it: ",
        ),
    ] {
        let (output, message) = tokio::join!(cli(here, arguments, ""), async {
            let message = firmware.command().await;
            firmware.reply(&message, &reply.to_string()).await;
            message
        });
        assert_eq!(message.command, command);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(said), "{}", text(&output.stdout));
        assert_eq!(text(&output.stderr).contains("there may be more"), reply["truncated"] == true);
    }
    let (output, ()) = tokio::join!(cli(here, &["devices", "reboot", "Device"], ""), async {
        let message = firmware.command().await;
        assert_eq!(message.command, "REBOOT");
        firmware.reply(&message, r#"{"status":"ERROR","message":"not allowed here"}"#).await;
    });
    let line = failed(&output);
    assert!(line.starts_with("netignite: the reboot of \"Device\" (device 1) failed: "), "{line}");
    assert!(line.contains("not allowed here") && line.contains("(command_failed)"), "{line}");
}

#[tokio::test]
async fn a_shutdown_is_waited_for_until_the_device_is_gone() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, address, _admin, agent) = scene(here).await;
    answer(here, &["devices", "edit", "Device", "--host-agent", &agent.to_string()], "").await;
    let within = |seconds| ["devices", "shutdown", "Device", "--wait", "--timeout", seconds];
    let (briefly, long) = (within("3"), within("60"));

    // It stays: the exit status is not 0.
    let mut stays = Firmware::connect(address, agent, SECRET).await;
    let (output, stays) = tokio::join!(cli(here, &briefly, ""), async move {
        let message = stays.command().await;
        assert_eq!(message.command, "SHUTDOWN");
        stays.reply(&message, r#"{"status":"OK","message":"now"}"#).await;
        stays
    });
    let stays = tokio::spawn(stays.serve());
    let line = failed(&output);
    assert!(line.starts_with("netignite: the shutdown of \"Device\" (device 1) failed: "), "{line}");
    assert!(line.contains("(still_seen)") && line.contains("`netignite operations show "), "{line}");
    stays.abort();
    let _ = stays.await;

    let mut goes = Firmware::connect(address, agent, SECRET).await;
    let (output, ()) = tokio::join!(cli(here, &long, ""), async move {
        let message = goes.command().await;
        goes.reply(&message, r#"{"status":"OK","message":"now"}"#).await;
        // Not before the server has read it.
        tokio::time::sleep(Duration::from_secs(1)).await;
    });
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.starts_with("\"Device\" (device 1): Offline after "), "{said}");
    let lines = text(&output.stderr);
    assert!(lines.contains("The agent answered that it does it") && !lines.contains('\u{1b}'), "{lines}");
    let line = refusal(here, &long, "").await;
    assert!(line.contains("was not begun: ") && line.contains("offline"), "{line}");
}

#[tokio::test]
async fn other_peoples_text_leaves_the_terminal_alone() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (_server, ..) = scene(here).await;
    let name = "evil\u{1b}[2J\u{202e}";
    let add = ["devices", "add", name, "--mac", "AA:BB:CC:DD:EE:01", "--agent", "1", "--description", name];
    let mut said = answer(here, &add, "").await;
    for arguments in [&["devices", "list"][..], &["devices", "show", name], &["devices", "list", "--json"]] {
        said.push_str(&answer(here, arguments, "").await);
    }
    said.push_str(&refusal(here, &["devices", "wake", name], "").await);
    said.push_str(&answer(here, &["devices", "delete", name], "").await);
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
}
