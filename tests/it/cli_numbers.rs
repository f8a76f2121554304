//! Numbers on the command line: what is none is refused with what is expected.

use super::cli::{cli, text};

#[tokio::test]
async fn what_is_no_number_is_refused_with_what_is_expected() {
    let here = tempfile::tempdir().unwrap();
    let add = ["devices", "add", "Box", "--mac", "02:00:00:00:00:01", "--agent", "1"];
    let add = |flag: &'static str| [&add[..], &[flag]].concat();
    let token = ["token", "create", "ann", "--name", "x", "--permission", "devices:read"];
    let token = |flag: &'static str| [&token[..], &[flag]].concat();
    let agent = ["agent", "--server", "http://127.0.0.1:1", "--secret-file", "x", "--id"].to_vec();
    let seconds = "expected a whole number of seconds, such as 60";
    let id = "expected an ID, which is a whole number such as 7";
    let port = "expected the number of a port, such as 9";
    let count = "expected a whole number, such as 50";
    for (arguments, expected, bounds) in [
        (vec!["devices", "wake", "Box", "--wait", "--timeout"], seconds, "from 1 to 300"),
        (vec!["devices", "shutdown", "Box", "--delay"], seconds, "from 0 to 86400"),
        (add("--watch-interval"), seconds, "from 10 to 86400"),
        (add("--port"), port, "from 1 to 65535"),
        (add("--probe-port"), port, "from 1 to 65535"),
        (vec!["discover", "Hall", "--limit"], count, "from 1 to 65535"),
        (vec!["operations", "list", "--limit"], count, "from 1 to 500"),
        (vec!["audit", "list", "--limit"], count, "from 1 to 4294967295"),
        (vec!["audit", "list", "--user"], id, "at least 1"),
        (vec!["audit", "list", "--target-id"], id, "at least 1"),
        (vec!["enrolment", "create", "--uses"], count, "from 1 to 1000"),
        (
            vec!["enrolment", "create", "--expires-in"],
            "expected a whole number of minutes, such as 60",
            "from 1 to 10080",
        ),
        (
            vec!["agents", "rotate-secret", "1", "--grace-hours"],
            "expected a whole number of hours, such as 24",
            "from 0 to 720",
        ),
        (token("--expires-in-days"), "expected a whole number of days, such as 90", "from 1 to 36500"),
        (token("--device"), id, "at least 1"),
        (agent, id, "at least 1"),
        (vec!["agents", "delete"], id, "at least 1"),
        (vec!["token", "revoke"], id, "at least 1"),
        (vec!["shares", "remove"], id, "at least 1"),
        (vec!["enrolment", "revoke"], id, "at least 1"),
    ] {
        for wrong in ["1h", "", "1.5", "99999999999999999999"] {
            let output = cli(here.path(), &[&arguments[..], &[wrong]].concat(), "").await;
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {wrong}: {said}");
            let wanted = format!("{expected}, {bounds}");
            assert!(said.contains(&wanted), "{arguments:?} {wrong}: {said}");
            assert!(!said.contains("invalid digit"), "{said}");
        }
    }
}
