//! `netignite user …` and `netignite token …` beyond the basics, with and without a running server.

use std::path::Path;

use serde_json::json;

use super::cli::{answer, cli, json_answer, refusal, shown, text};
use super::support::binary::superadmin;
use super::support::{Binary, Client};

async fn role_of(directory: &Path, name: &str) -> String {
    let table = answer(directory, &["user", "list"], "").await;
    let line = table.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

#[tokio::test]
async fn users_get_roles_tokens_to_reset_and_an_end() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let added = json_answer(here, &["user", "add", "bob", "--role", "superadmin", "--generate"], "").await;
    assert_eq!((&added["id"], &added["username"]), (&json!(2), &json!("bob")));
    assert_eq!(role_of(here, "bob").await, "superadmin");
    let password = added["password"].as_str().unwrap();
    let typed = json_answer(here, &["user", "add", "eve"], "what eve types\n").await;
    assert_eq!(typed, json!({"id": 3, "username": "eve"}), "a password that was typed is not printed");

    // The same whether a server runs or not.
    for running in [false, true] {
        let server = if running { Some(Binary::serve(here).await) } else { None };
        let said = answer(here, &["user", "role", "bob", "user"], "").await;
        assert_eq!(said, "\"bob\" is now user.\n");
        for role in ["admin", "superadmin", "admin", "superadmin", "user"] {
            let changed = json_answer(here, &["user", "role", "bob", role], "").await;
            assert_eq!(changed, json!({"id": 2, "username": "bob", "role": role}));
            assert_eq!(role_of(here, "bob").await, role);
        }
        if let Some((server, _)) = server {
            server.kill().await;
        }
    }
    let line = refusal(here, &["user", "role", "admin", "user"], "").await;
    assert!(line.contains("last superadmin"), "{line}");

    let said = answer(here, &["user", "reset-token", "bob"], "").await;
    assert!(said.contains("in 60 min"), "{said}");
    let (server, address) = Binary::serve(here).await;
    Client::login(address, "bob", password).await;
    let body = json!({"token": shown(&said, "Token"), "password": "bob's own new one"});
    Client::anonymous(address).post("/api/auth/reset-password", body).await.expect(200);
    let bob = Client::login(address, "bob", "bob's own new one").await;
    let agent = bob.create_agent("server", "a long enough secret").await;
    let line = refusal(here, &["user", "delete", "bob"], "").await;
    assert!(line.contains("owns 1 agent"), "{line}");
    bob.delete(&format!("/api/agents/{agent}")).await.expect(200);
    assert_eq!(answer(here, &["user", "delete", "bob"], "").await, "User \"bob\" was deleted.\n");
    bob.get("/api/auth/session").await.expect(401);
    assert_eq!(json_answer(here, &["user", "delete", "eve"], "").await, json!({"id": 3, "username": "eve"}));
    server.kill().await;
}

#[tokio::test]
async fn a_mistyped_user_is_refused_with_the_nearest_name() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    answer(here, &["user", "add", "annabel"], "a fine password\n").await;
    let expected =
        "netignite: there is no user \"anabel\"; did you mean \"annabel\"? `netignite user list` shows all";
    for arguments in [
        &["user", "delete", "anabel"][..],
        &["user", "role", "anabel", "admin"],
        &["user", "reset-token", "anabel"],
        &["token", "list", "--user", "anabel"],
        &["token", "create", "anabel", "--name", "x", "--permission", "devices:read"],
        &["agents", "add", "Hall", "--type", "server", "--owner", "anabel"],
        &["agents", "list", "--owner", "anabel"],
        &["enrolment", "create", "--owner", "anabel"],
    ] {
        assert_eq!(refusal(here, arguments, "").await, expected, "{arguments:?}");
    }
    // What the command line itself can know ends with status 2.
    for arguments in [
        &["user", "role", "annabel", "king"][..],
        &["token", "create", "annabel", "--name", "x", "--permission", "devices:fly"],
        &["token", "create", "annabel", "--name", "x"],
        &["token", "revoke", "first"],
        &["agents", "add", "Hall", "--type", "toaster"],
        &["agents", "rotate-secret", "1", "--grace-hours", "721"],
        &["enrolment", "create", "--uses", "0"],
        &["agent"],
        &["agent", "--server", "http://127.0.0.1:1"],
    ] {
        let refused = cli(here, arguments, "").await;
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", text(&refused.stderr));
    }
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    answer(here, &["user", "add", "ann"], "a fine password\n").await;
    let create = ["token", "create", "ann", "--name", "wake the NAS", "--permission"];
    let said = answer(here, &[&create[..], &["devices:read,devices:wake"]].concat(), "").await;
    assert!(said.starts_with("Token 1 acts as \"ann\". It is shown only this once.\n"), "{said}");
    let (server, address) = Binary::serve(here).await;
    let program = Client::anonymous(address);
    let call = async |token: &str| {
        program.send(program.http.get(program.url("/api/devices")).bearer_auth(token)).await.status
    };
    assert_eq!(call(shown(&said, "Token")).await, 200);

    let made =
        json_answer(here, &[&create[..], &["agents:read", "--expires-in-days", "30"]].concat(), "").await;
    assert_eq!((&made["id"], &made["permissions"]), (&json!(2), &json!(["agents:read"])));
    let by_admin = superadmin(here, address).await;
    let agent = by_admin.create_agent("server", "a long enough secret").await;
    let device = by_admin.create_device(agent, "AA:BB:CC:DD:EE:FF").await.to_string();
    let restricted = ["token", "create", "admin", "--name", "d", "--permission", "devices:wake", "--device"];
    let made = json_answer(here, &[&restricted[..], &[&device]].concat(), "").await;
    assert_eq!(made["deviceIDs"], json!([1]));
    let line = refusal(here, &[&create[..], &["devices:wake", "--device", &device]].concat(), "").await;
    assert!(line.contains("deviceIDs"), "{line}");

    let table = answer(here, &["token", "list"], "").await;
    let lines: Vec<Vec<_>> = table
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["ID", "USER", "NAME", "PERMISSIONS", "DEVICES", "EXPIRES", "LAST USED"]);
    assert_eq!(lines[1][..6], ["3", "admin", "d", "devices:wake", "1", "never"]);
    assert_eq!(lines[2][..6], ["1", "ann", "wake the NAS", "devices:read,devices:wake", "all", "never"]);
    assert!(lines[2][6].ends_with(" s ago"), "{table}");
    assert_eq!(lines[3][..], ["2", "ann", "wake the NAS", "agents:read", "all", "in 30 d", "never"]);
    let of_ann = json_answer(here, &["token", "list", "--user", "ann"], "").await;
    assert_eq!(of_ann.as_array().unwrap().len(), 2);
    assert!(!of_ann.to_string().contains("nig_") && !table.contains("nig_"));

    let revoked = answer(here, &["token", "revoke", "1"], "").await;
    assert_eq!(revoked, "Token 1 (\"wake the NAS\" of \"ann\") was revoked.\n");
    assert_eq!(call(shown(&said, "Token")).await, 401);
    server.kill().await;
    assert_eq!(json_answer(here, &["token", "revoke", "2"], "").await["username"], "ann");
    let line = refusal(here, &["token", "revoke", "2"], "").await;
    assert_eq!(line, "netignite: there is no token 2; `netignite token list` shows all");
}
