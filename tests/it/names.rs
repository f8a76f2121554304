//! Names that deceive: which new ones of users are refused, and how all others are shown in terminals and logs.

use serde_json::{Value, json};

use super::cli::{cli, json_answer, refusal, text};
use super::rest_envelope::wrong_fields;
use super::support::binary::{Binary, command, superadmin};
use super::support::{Client, Server, sqlite};

/// Names that do not show as what they are, each with what is said of it.
const DECEIVING: [(&str, &str); 14] = [
    ("adm\u{200b}in", "an invisible character (U+200B)"),
    ("\u{202e}nimda", "direction of text (U+202E)"),
    ("ann\u{2066}", "direction of text (U+2066)"),
    ("ann\u{200f}", "direction of text (U+200F)"),
    ("a\u{2028}b", "a line separator (U+2028)"),
    ("a\u{2029}b", "a line separator (U+2029)"),
    ("a\u{feff}", "(U+FEFF)"),
    ("\u{3164}\u{3164}", "an invisible character (U+3164)"),
    ("ann\u{fe0f}", "(U+FE0F)"),
    ("ann\u{e0061}", "(U+E0061)"),
    ("ann\u{e000}", "(U+E000)"),
    ("ann\u{ad}", "(U+00AD)"),
    (" ann", "blank"),
    ("\u{a0}\u{3000}", "blanks"),
];

/// Names that look like `admin`.
const ALIKE: [&str; 4] = ["Admin", "ADMIN", "ａｄｍｉｎ", "𝐚𝐝𝐦𝐢𝐧"];

fn named(username: &str) -> Value {
    json!({"username": username, "password": "a long enough password", "role": "user", "favorites": []})
}

#[tokio::test]
async fn a_new_name_shows_what_it_is() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let own = |name: &str| json!({"username": name, "favorites": []});
    for (name, words) in DECEIVING {
        let replies = [
            admin.post("/api/admin/users", named(name)).await,
            admin.put(&format!("/api/admin/users/{}", ann.user), json!({"username": name})).await,
            admin.put(&format!("/api/account/{}?adminMode=true", ann.user), own(name)).await,
            ann.put("/api/account/0", own(name)).await,
        ];
        for reply in replies {
            let reply = reply.expect(400);
            assert_eq!(wrong_fields(&reply), ["username"], "{name:?}");
            let message = reply.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(words) && message.is_ascii(), "{name:?}: {message}");
        }
    }
    for name in ALIKE {
        let reply = admin.post("/api/admin/users", named(name)).await.expect(409);
        assert_eq!(reply.code(), "username_taken", "{name}");
        assert_eq!(ann.put("/api/account/0", own(name)).await.expect(409).code(), "username_taken");
    }
    // One's own may change its capitals, and what people are called is good.
    ann.put("/api/account/0", own("Ann")).await.expect(200);
    for name in ["Jürgen Groß", "李小龍", "محمد", "zoë"] {
        admin.post("/api/admin/users", named(name)).await.expect(201);
    }
    assert_eq!(
        admin.post("/api/admin/users", named("ZOE\u{308}")).await.expect(409).code(),
        "username_taken"
    );
}

#[tokio::test]
async fn a_deceiving_name_of_before_logs_in_and_stays_editable() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let (user, password, agent) =
        (ann.user, ann.password.clone(), admin.create_agent("server", "x".repeat(16).as_str()).await);
    let old = "adm\u{200b}in\u{202e}";
    let data = server.stop().await;
    sqlite::execute(
        &data.path().join("db.sqlite"),
        &format!("UPDATE users SET username = '{old}' WHERE id = {user}"),
    )
    .await;
    let server = Server::start_in(data, |_| {}).await;
    let ann = Client::login(server.address(), old, &password).await;
    let admin = server.superadmin().await;
    let body = |name: &str| json!({"username": name, "favorites": [1]});
    ann.put("/api/account/0", body(old)).await.expect(200);
    admin.put(&format!("/api/admin/users/{user}"), body(old)).await.expect(200);
    let shared = json!({"username": old, "permissions": ["view"]});
    admin.post(&format!("/api/agents/{agent}/shares"), shared).await.expect(201);
    // And nobody takes what looks like it.
    assert_eq!(admin.put("/api/account/1", body("AdMiN")).await.expect(409).code(), "username_taken");
    ann.put("/api/account/0", body("ann")).await.expect(200);
    ann.put("/api/account/0", body(old)).await.expect(400);
}

/// A text that would steer a terminal, hide or turn what follows.
const STEERING: &str = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{200b}\u{2028}c\u{e0041}\u{7f}";

/// Panics if a terminal that shows the text would do anything but show it.
fn assert_harmless(text: &str, where_: &str) {
    let steers = |c: char| {
        c != '\n' && c != '\t' && c.is_control() || "\u{200b}\u{2028}\u{2029}\u{202e}\u{e0041}".contains(c)
    };
    assert!(!text.contains(steers), "{where_}: {text:?}");
}

#[tokio::test]
async fn no_name_steers_a_terminal_or_a_log() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let mut program = command(here, &["--log-level", "debug"]);
    program.env("NETIGNITE_LOG__FORMAT", "pretty");
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    let admin = superadmin(here, address).await;
    let agent = json!({"name": STEERING, "description": STEERING, "type": "server", "secret": "a long enough secret"});
    let agent = admin.post("/api/agents", agent).await.expect(201).id();
    let device = json!({"name": STEERING, "description": STEERING, "type": "nas", "macAddress": "AA:BB:CC:DD:EE:FF",
        "port": 9, "agentID": agent});
    let device = admin.post("/api/devices", device).await.expect(201).id();
    let ann = admin.post("/api/admin/users", named("ann")).await.expect(201).id();
    let share = json!({"username": "ann", "permissions": ["view"]});
    admin.post(&format!("/api/devices/{device}/shares"), share).await.expect(201);
    // These hold no control characters.
    let turning = "b\u{202e}\u{200b}\u{2028}\u{e0041}";
    let token = json!({"name": turning, "permissions": ["devices:read"]});
    admin.post("/api/account/tokens", token).await.expect(201);
    let code = json!({"name": turning, "type": "server"});
    admin.post("/api/agents/enrolment-codes", code).await.expect(201);
    server.kill().await;
    let rename = format!("UPDATE users SET username = '{STEERING}' WHERE id = {ann}");
    sqlite::execute(&here.join("data/db.sqlite"), &rename).await;

    let mut meant = 0;
    for arguments in [
        &["user", "list"][..],
        &["user", "role", STEERING, "user"],
        &["agents", "list"],
        &["agents", "add", STEERING, "--type", "server"],
        &["token", "list"],
        &["enrolment", "list"],
        &["shares", "list"],
        &["audit", "list"],
        &["audit", "export"],
    ] {
        let json: &[&[&str]] = if arguments[1] == "export" { &[&[]] } else { &[&[], &["--json"]] };
        for more in json {
            let output = cli(here, &[arguments, more].concat(), "").await;
            let printed = text(&output.stdout);
            assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
            assert_harmless(&printed, &format!("{arguments:?}"));
            assert_harmless(&text(&output.stderr), &format!("{arguments:?}"));
            meant += usize::from(printed.contains("202e"));
        }
    }
    assert_eq!(meant, 17, "all of them show it as an escape");
    let agents = json_answer(here, &["agents", "list"], "").await;
    assert_eq!(agents[0]["name"], STEERING, "for programs it means the same");
    let line = refusal(here, &["user", "delete", &format!("{STEERING}x")], "").await;
    assert_harmless(&line, "a refusal");
    let line = refusal(here, &["user", "add", "adm\u{200b}in", "--generate"], "").await;
    assert!(line.contains("username: holds an invisible character (U+200B)"), "{line}");
}
