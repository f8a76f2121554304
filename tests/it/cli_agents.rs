//! `netignite agents …` and `netignite enrolment …`, with and without a running server.

use serde_json::{Value, json};

use super::cli::{answer, json_answer, refusal, shown};
use super::support::binary::superadmin;
use super::support::{Agent, Binary, Client};

#[tokio::test]
async fn agents_are_added_listed_given_secrets_and_deleted() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    answer(here, &["user", "add", "ann"], "a fine password\n").await;
    let said = answer(here, &["agents", "add", "Hall", "--type", "server"], "").await;
    assert!(said.starts_with("Agent \"Hall\" was added with ID 1.\nSecret: "), "{said}");
    std::fs::write(here.join("secret"), "the ESP32's secret\n").unwrap();
    let with_file =
        ["agents", "add", "Attic", "--type", "microcontroller", "--owner", "ann", "--secret-file"];
    let added = json_answer(here, &[&with_file[..], &["secret"]].concat(), "").await;
    assert_eq!(added, json!({"id": 2, "name": "Attic"}), "a secret that was given is not printed");

    let (server, address) = Binary::serve(here).await;
    let _hall = Agent::connect(address, 1, shown(&said, "Secret")).await;
    Agent::connect(address, 2, "the ESP32's secret").await;
    let ann = Client::login(address, "ann", "a fine password").await;
    assert_eq!(ann.get("/api/agents").await.expect(200).data()[0]["name"], "Attic");
    let table = answer(here, &["agents", "list"], "").await;
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "NAME", "TYPE", "OWNER", "STATUS"]);
    assert_eq!(rows[1], ["1", "Hall", "server", "admin", "online"]);
    assert_eq!(rows[2][..4], ["2", "Attic", "microcontroller", "ann"]);
    let of_ann = json_answer(here, &["agents", "list", "--owner", "ann"], "").await;
    assert_eq!((of_ann.as_array().unwrap().len(), &of_ann[0]["id"]), (1, &json!(2)));

    let said = answer(here, &["agents", "rotate-secret", "2"], "").await;
    assert!(said.contains("The one before is good until it logs in with this, or ends in 24 h."), "{said}");
    Agent::connect(address, 2, "the ESP32's secret").await;
    Agent::connect(address, 2, shown(&said, "Secret")).await;
    let line =
        refusal(here, &["agents", "rotate-secret", "2", "--hand-over", "--grace-hours", "0"], "").await;
    assert!(line.contains("graceHours: "), "{line}");
    server.kill().await;

    let rotated = json_answer(here, &["agents", "rotate-secret", "2", "--grace-hours", "0"], "").await;
    assert_eq!((&rotated["id"], &rotated["oldValidUntil"]), (&json!(2), &Value::Null));
    let line = refusal(here, &["agents", "rotate-secret", "2", "--hand-over"], "").await;
    assert!(line.contains("offline"), "{line}");
    assert_eq!(answer(here, &["agents", "delete", "2"], "").await, "Agent 2 was deleted.\n");
    assert_eq!(
        refusal(here, &["agents", "delete", "2"], "").await,
        "netignite: there is no agent 2; `netignite agents list` shows all"
    );
    let (server, address) = Binary::serve(here).await;
    let admin = superadmin(here, address).await;
    admin.create_device(1, "AA:BB:CC:DD:EE:FF").await;
    let line = refusal(here, &["agents", "delete", "1"], "").await;
    assert!(line.contains("used by 1 device"), "{line}");
    server.kill().await;
}

#[tokio::test]
async fn a_secret_for_an_agent_is_checked_where_it_is_read() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    answer(here, &["user", "add", "ann"], "a fine password\n").await;
    for (content, words) in [(None, "cannot read the secret in s"), (Some("short"), "secret: expected")] {
        if let Some(content) = content {
            std::fs::write(here.join("s"), content).unwrap();
        }
        let line =
            refusal(here, &["agents", "add", "Hall", "--type", "server", "--secret-file", "s"], "").await;
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(json_answer(here, &["agents", "list"], "").await, json!([]));
}

#[tokio::test]
async fn enrolment_codes_are_made_listed_and_revoked() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    answer(here, &["user", "add", "ann"], "a fine password\n").await;
    let said = answer(here, &["enrolment", "create"], "").await;
    assert!(
        said.starts_with("Enrolment code 1 makes 1 agent of \"admin\" and ends in 60 min.\nCode: "),
        "{said}"
    );
    let (server, address) = Binary::serve(here).await;
    let enrol = async |code: &str| {
        let body = json!({"code": code, "name": "Pi"});
        Client::anonymous(address).post("/api/agents/enrol", body).await
    };
    enrol(shown(&said, "Code")).await.expect(201);
    let attic = ["enrolment", "create", "--owner", "ann", "--name", "attic", "--uses", "3", "--type"];
    let made =
        json_answer(here, &[&attic[..], &["microcontroller", "--expires-in", "1440"]].concat(), "").await;
    assert_eq!((&made["owner"], &made["type"]), (&json!("ann"), &json!("microcontroller")));
    let code = made["code"].as_str().unwrap();
    enrol(code).await.expect(201);
    let table = answer(here, &["enrolment", "list"], "").await;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ID  NAME   TYPE"), "{table}");
    let row: Vec<_> = lines[1].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(row, ["2", "attic", "microcontroller", "ann", "2", "in 24 h"]);
    assert_eq!(lines.len(), 2, "the used up one is gone");
    assert!(!json_answer(here, &["enrolment", "list"], "").await.to_string().contains(code));
    assert_eq!(answer(here, &["enrolment", "revoke", "2"], "").await, "Enrolment code 2 was revoked.\n");
    enrol(code).await.expect(403);
    let line = refusal(here, &["enrolment", "revoke", "2"], "").await;
    assert!(line.starts_with("netignite: Enrolment code not found"), "{line}");
    server.kill().await;
}
