//! The metrics: what they count, that they do not grow with the fleet, and that what stands on them names what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::plugins::{TOKEN, scrape, value, with_metrics};
use super::support::raw::RawConnection;
use super::support::scene::{MAC, SECRET, Scene};
use super::support::wait::until;
use super::support::{Client, Firmware, Server};

async fn scene() -> Scene {
    let server = with_metrics(json!({"enabled": true, "token": TOKEN})).await;
    let admin = server.superadmin().await;
    let agent = admin.create_agent("server", SECRET).await;
    let device = admin.create_device(agent, MAC).await;
    Scene { server, admin, agent, device }
}

async fn text(client: &Client) -> String {
    scrape(client, Some(&format!("Bearer {TOKEN}"))).await.text
}

/// The metrics in Prometheus' older format.
async fn plain(client: &Client) -> String {
    let request = client.http.get(client.url("/metrics")).bearer_auth(TOKEN).header("accept", "text/plain");
    let reply = client.send(request).await;
    assert_eq!((reply.status, reply.header("vary")), (200, Some("Accept")));
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    reply.text
}

/// One of all that can be counted: wakes, operations, handshakes that are good and bad, a stream, an agent that goes.
async fn live(scene: &Scene, agent: i64, device: i64) {
    let Scene { server, admin, .. } = scene;
    admin.post(&format!("/api/devices/{device}/wakeup"), json!({})).await.expect(503);
    let body = json!({"kind": "command", "agentID": agent, "command": "HEARTBEAT"});
    let waiting = admin.post("/api/operations", body.clone()).await.expect(202).data()["id"].clone();
    let waiting = waiting.as_str().expect("an ID").to_owned();
    admin.post(&format!("/api/operations/{waiting}/cancel"), json!({})).await.expect(200);
    assert!(Firmware::try_connect(server.address(), agent, "a wrong secret").await.is_err());
    let mut connection = RawConnection::open(server.address()).await;
    connection.send("GET /api/agent-control-service HTTP/1.1\r\nHost: x\r\n\r\n").await;
    connection.answer().await.expect("an answer");
    let firmware = Firmware::connect(server.address(), agent, SECRET).await;
    let serving = tokio::spawn(firmware.serve());
    admin.post(&format!("/api/devices/{device}/wakeup"), json!({})).await.expect(200);
    let mut body = body;
    body["command"] = json!("WAKEUP");
    body["payload"] = json!({"macAddress": MAC, "port": 9});
    let request = admin.http.post(admin.url("/api/operations")).json(&body).header("prefer", "wait=20");
    admin.send(request).await.expect(200);
    serving.abort();
    until("the agent offline", || async { (admin.agent_status(agent).await == "offline").then_some(()) })
        .await;
}

#[tokio::test]
async fn what_goes_on_is_counted_by_name_and_result() {
    let scene = scene().await;
    let Scene { server, admin, agent, device } = &scene;
    let before = text(admin).await;
    for (series, expected) in [
        ("netignite_agents", 1.0),
        ("netignite_agents_connected", 0.0),
        ("netignite_sessions", 1.0),
        ("netignite_event_streams", 0.0),
        (r#"netignite_operations_live{state="queued"}"#, 0.0),
        (r#"netignite_agent_handshakes_total{result="accepted"}"#, 0.0),
        (r#"netignite_agent_handshakes_total{result="throttled"}"#, 0.0),
    ] {
        assert_eq!(value(&before, series), expected, "{series}");
    }
    live(&scene, *agent, *device).await;
    let body = json!({"kind": "command", "agentID": agent, "command": "HEARTBEAT"});
    admin.post("/api/operations", body).await.expect(202);
    let stream = admin.http.get(admin.url("/api/events")).send().await.expect("a stream");
    server.superadmin().await;
    // Direct calls are recorded within a second.
    let after = until("the wakes recorded", || async {
        let text = text(admin).await;
        let wakes = r#"netignite_operations_total{kind="wake",command="WAKEUP",result="succeeded"}"#;
        (text.contains(wakes) && value(&text, wakes) == 1.0).then_some(text)
    })
    .await;
    for (series, expected) in [
        ("netignite_sessions", 2.0),
        ("netignite_event_streams", 1.0),
        (r#"netignite_operations_live{state="queued"}"#, 1.0),
        (r#"netignite_operations_live{state="running"}"#, 0.0),
        (r#"netignite_operations_total{kind="command",command="HEARTBEAT",result="canceled"}"#, 1.0),
        (r#"netignite_operations_total{kind="command",command="WAKEUP",result="succeeded"}"#, 1.0),
        (r#"netignite_operation_duration_seconds_count{kind="command",command="HEARTBEAT"}"#, 1.0),
        (r#"netignite_agent_handshakes_total{result="accepted"}"#, 1.0),
        (r#"netignite_agent_handshakes_total{result="refused"}"#, 1.0),
        (r#"netignite_agent_handshakes_refused_total"#, 1.0),
        ("netignite_agent_connects_total", 1.0),
    ] {
        assert_eq!(value(&after, series), expected, "{series}:\n{after}");
    }
    let written = |text: &str| {
        let batches = value(text, "netignite_database_batches_total");
        assert_eq!(value(text, "netignite_database_batch_writes_count"), batches);
        assert_eq!(value(text, r#"netignite_database_batch_writes_bucket{le="+Inf"}"#), batches);
        let writes = value(text, "netignite_database_writes_total");
        assert_eq!(value(text, "netignite_database_batch_writes_sum"), writes);
        // The one that is under way is not committed yet.
        assert!(batches - value(text, "netignite_database_write_lag_seconds_count") <= 1.0, "{text}");
        writes
    };
    assert!(written(&after) > written(&before));
    assert!(value(&after, "netignite_database_write_lag_seconds_sum") > 0.0);
    assert!(value(&after, "netignite_database_size_bytes") > 10_000.0);
    drop(stream);
    until("the stream closed", || async {
        (value(&text(admin).await, "netignite_event_streams") == 0.0).then_some(())
    })
    .await;
}

/// The series, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test]
async fn the_number_of_series_does_not_grow_with_users_agents_and_paths() {
    let scene = scene().await;
    let Scene { server, admin, agent, device } = &scene;
    // Whatever a user, an agent or a path can be: the first of each may bring series, all others none.
    let one_more = async |n: i64, agent: i64, device: i64| {
        let user = server.user(admin, &format!("user-{n}"), "user").await;
        user.get("/api/agents").await.expect(200);
        user.get(&format!("/api/devices/{device}")).await.expect(404);
        user.get(&format!("/api/nowhere-{n}/{n}?x={n}")).await.expect(404);
        user.get(&format!("/page-{n}.html")).await;
        admin.get(&format!("/api/devices?q=word{n}&limit={n}")).await.expect(200);
        admin.command(agent, &format!("COMMAND_{n}"), json!({})).await.expect(404);
        let method = reqwest::Method::from_bytes(format!("METHOD{n}").as_bytes()).unwrap();
        admin.request(method, "/api/agents", None).await.expect(405);
        live(&scene, agent, device).await;
    };
    one_more(1, *agent, *device).await;
    // Direct calls are recorded within a second; and what runs by itself has been seen.
    until("the wakes recorded", || async {
        let wakes = r#"netignite_operations_total{kind="wake",command="WAKEUP",result="succeeded"} 1"#;
        text(admin).await.contains(wakes).then_some(())
    })
    .await;
    text(admin).await;
    let before = series(&text(admin).await);
    for n in 2..=6 {
        let agent = admin.create_agent("microcontroller", SECRET).await;
        let device = admin.create_device(agent, MAC).await;
        one_more(n, agent, device).await;
    }
    until("the wakes recorded", || async {
        let wakes = r#"netignite_operations_total{kind="wake",command="WAKEUP",result="succeeded"} 6"#;
        text(admin).await.contains(wakes).then_some(())
    })
    .await;
    let after = series(&text(admin).await);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:#?}");
    assert!(after.len() < 3000, "{} series", after.len());
    for private in ["user-", "word", "COMMAND_", "METHOD", "nowhere-", "page-", "AA:BB"] {
        assert!(!after.iter().any(|series| series.contains(private)), "{private} is in the metrics");
    }
}

/// Each metric with its type and the names of its labels, as Prometheus' older format has them.
fn metrics(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    let mut helped = None;
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, about) = help.split_once(' ').expect("a help");
            assert!(!about.is_empty(), "{line}");
            helped = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(helped.as_deref(), Some(name), "a help before each type");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            let before = found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
            assert_eq!(before, None, "{name} comes twice");
        } else {
            assert!(!line.starts_with('#'), "{line}");
            let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
            let of = |end: &str| name.strip_suffix(end).filter(|base| found.contains_key(*base));
            let base = of("_bucket").or(of("_sum")).or(of("_count")).unwrap_or(name);
            let (_, known) = found.get_mut(base).unwrap_or_else(|| panic!("no type before {line}"));
            let names = labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name);
            known.extend(names.filter(|name| *name != "le").map(str::to_owned));
        }
    }
    found
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

/// The metrics that a text names: words that begin as ours do.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("netignite_") || word.starts_with("process_")).collect()
}

/// Every query of a dashboard: what is called `expr`, wherever it stands.
fn queries<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str));
            fields.values().for_each(|value| queries(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_documentation_the_dashboard_and_the_alerts_name_what_is_served() {
    let scene = scene().await;
    live(&scene, scene.agent, scene.device).await;
    let text = plain(&scene.admin).await;
    let served = metrics(&text);
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));

    // The documentation: each metric, with its type and its labels.
    let docs = read("docs/metrics.md");
    let mut documented = BTreeMap::new();
    for row in docs.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect::<BTreeSet<_>>();
        documented.insert(cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels));
    }
    assert_eq!(documented, served);

    let exists = |name: &str| {
        let of = |end: &str| {
            let base = name.strip_suffix(end)?;
            served.get(base).filter(|(kind, _)| kind == "histogram")
        };
        match served.get(name) {
            Some((kind, _)) => kind != "histogram",
            None => of("_bucket").or(of("_sum")).or(of("_count")).is_some(),
        }
    };
    let dashboard: Value = serde_json::from_str(&read("docs/monitoring/grafana.json")).expect("JSON");
    let mut all = Vec::new();
    queries(&dashboard, &mut all);
    let panels = dashboard["panels"].as_array().expect("panels");
    let shown = panels.iter().filter(|panel| panel["type"] != "row");
    assert!(shown.clone().count() >= 15);
    for panel in shown {
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{}", panel["title"]);
    }
    let mut used = BTreeSet::new();
    for query in &all {
        assert!(!named(query).is_empty(), "{query}");
        used.extend(named(query));
    }
    let definition = dashboard["templating"]["list"][1]["definition"].as_str().expect("a query");
    used.extend(named(definition));
    let alerts = read("docs/monitoring/alerts.yml");
    assert!(named(&alerts).len() >= 8);
    used.extend(named(&alerts));
    let unknown: Vec<_> = used.into_iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "not served: {unknown:?}");
}

#[tokio::test]
async fn who_names_plain_text_and_likes_it_better_is_given_it() {
    let server = with_metrics(json!({"enabled": true, "token": TOKEN})).await;
    let client = server.anonymous();
    let media_type = async |accept: &str| {
        let request = client.http.get(client.url("/metrics")).bearer_auth(TOKEN).header("accept", accept);
        let reply = client.send(request).await;
        assert_eq!(reply.status, 200, "{accept}");
        assert_eq!(reply.text.ends_with("# EOF\n"), !reply.text.contains("# TYPE netignite_build_info "));
        reply.header("content-type").unwrap().split(';').next().unwrap().to_owned()
    };
    for accept in [
        "text/plain",
        "text/plain;version=0.0.4",
        "text/plain, */*",
        "text/plain;q=0.9,application/openmetrics-text;q=0.1",
        "TEXT/PLAIN;q=0.5, */*;q=0.1",
    ] {
        assert_eq!(media_type(accept).await, "text/plain", "{accept}");
    }
    for accept in [
        "",
        "*/*",
        "text/*",
        "application/openmetrics-text",
        "text/html",
        "text/plain;q=0",
        "text/plain;q=x, application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text, text/plain",
    ] {
        assert_eq!(media_type(accept).await, "application/openmetrics-text", "{accept}");
    }
}

#[tokio::test]
async fn metrics_are_served_though_the_database_is_gone() {
    let server: Server = with_metrics(json!({"enabled": true, "token": TOKEN})).await;
    server.host().store.close().await;
    let text = text(&server.anonymous()).await;
    assert_eq!(value(&text, "netignite_agents_connected"), 0.0);
    assert!(!text.contains("netignite_operations_live"), "nobody knows");
}
