//! `netignite audit …`, with and without a running server.

use serde_json::Value;

use super::cli::{answer, cli, json_answer, refusal, text};
use super::support::Binary;
use super::support::binary::superadmin;

#[tokio::test]
async fn the_log_is_listed_and_exported_whether_the_server_runs_or_not() {
    let here = tempfile::tempdir().unwrap();
    let here = here.path();
    let (server, address) = Binary::serve(here).await;
    let admin = superadmin(here, address).await;
    for _ in 0..700 {
        admin.create_agent("server", "a long enough secret").await;
    }
    let mut server = Some(server);
    for exports in [0, 2] {
        let table = answer(here, &["audit", "list", "--action", "auth."], "").await;
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 2, "{table}");
        assert!(lines[0].starts_with("TIME "), "{table}");
        assert!(lines[1].contains("user 1 admin  auth.login") && lines[1].contains("127.0.0.1"), "{table}");
        let listed = json_answer(here, &["audit", "list", "--limit", "7"], "").await;
        assert_eq!(listed.as_array().unwrap().len(), 7);
        let listed = json_answer(here, &["audit", "list", "--limit", "5000", "--action", "agent."], "").await;
        assert_eq!(listed.as_array().unwrap().len(), 700);

        let lines = answer(here, &["audit", "export"], "").await;
        let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let before = "the link of the first start and a login";
        assert_eq!(entries.len(), 700 + 2 + exports + 1, "{before}, and the exports themselves");
        let some =
            answer(here, &["audit", "export", "--since", "2030-01-31", "--actor", "operator"], "").await;
        assert_eq!(some, "");
        let line = refusal(here, &["audit", "export", "--since", "yesterday"], "").await;
        assert!(line.contains("since: expected a time"), "{line}");
        let line = refusal(here, &["audit", "list", "--action", "agnet."], "").await;
        assert!(line.contains("action: expected"), "{line}");
        if let Some(server) = server.take() {
            server.kill().await;
        }
    }
}

#[tokio::test]
async fn an_export_needs_a_database() {
    let here = tempfile::tempdir().unwrap();
    let output = cli(here.path(), &["audit", "export"], "").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no database"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_filter_that_can_be_none_is_a_wrong_command_line() {
    let here = tempfile::tempdir().unwrap();
    for wrong in [["--limit", "0"], ["--actor", "nobdy"], ["--outcome", "maybe"], ["--target-id", "x"]] {
        let output = cli(here.path(), &[&["audit", "list"], &wrong[..]].concat(), "").await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output.stderr));
    }
}
