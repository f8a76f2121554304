//! `config check` finds what a start would refuse, and nothing else.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use super::cli::text;
use super::support::Binary;
use super::support::binary::{command, run};

/// A configuration in a directory of its own.
struct Case {
    config: Value,
    variables: Vec<(&'static str, String)>,
    /// What both say.
    word: &'static str,
}

fn bad(config: Value, word: &'static str) -> Case {
    Case { config, variables: Vec::new(), word }
}

fn with(variable: &'static str, value: impl Into<String>, word: &'static str) -> Case {
    Case { config: json!({}), variables: vec![(variable, value.into())], word }
}

fn program(directory: &Path, case: &Case, arguments: &[&str]) -> Command {
    std::fs::create_dir_all(directory.join("config")).unwrap();
    std::fs::write(directory.join("config/config.json"), case.config.to_string()).unwrap();
    let mut program = command(directory, arguments);
    program.env_remove("NETIGNITE_SERVER__HOST").env_remove("NETIGNITE_SERVER__PORT");
    program.envs(case.variables.iter().map(|(name, value)| (name, value)));
    program
}

#[tokio::test]
async fn what_a_start_refuses_the_check_finds_too() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let own = json!({"host": "127.0.0.1", "port": 0});
    let metrics = |section: Value| json!({"server": own, "plugins": {"metrics": section}});
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cases = [
        bad(json!({"server": {"host": "127.0.0.1", "port": port}}), "server.port"),
        bad(json!({"server": {"host": "192.0.2.1", "port": 0}}), "server.host"),
        bad(json!({"server": {"host": "home.example"}}), "server.host"),
        bad(json!({"server": {"port": 70000}}), "server.port"),
        bad(json!({"server": {"port": "x"}}), "server.port"),
        bad(json!({"trustedProxies": ["10.0.0.0/40"]}), "trustedProxies"),
        bad(json!({"trustedProxies": ["10.0.0"]}), "trustedProxies"),
        bad(json!({"allowedOrigins": ["home.example"]}), "allowedOrigins"),
        bad(json!({"allowedOrigins": ["https://häuser.example"]}), "allowedOrigins"),
        bad(json!({"logLevel": "loud"}), "logLevel"),
        bad(json!({"surprise": 1}), "surprise"),
        bad(json!({"server": own, "dataDirectory": ""}), "dataDirectory"),
        bad(json!({"server": own, "dataDirectory": "file/below"}), "data directory"),
        bad(json!({"server": own, "dataDirectory": "file"}), "data directory"),
        bad(json!({"server": own, "dataDirectory": "/proc/netignite"}), "data directory"),
        bad(json!({"server": own, "dataDirectory": "locked"}), "data directory"),
        bad(json!({"server": own, "dataDirectory": "text"}), "db.sqlite"),
        bad(json!({"server": own, "dataDirectory": "folder"}), "db.sqlite"),
        bad(json!({"server": own, "dataDirectory": "bereft"}), "--new"),
        bad(json!({"server": own, "log": {"file": "file/netignite.log"}}), "log"),
        bad(json!({"server": own, "log": {"file": "/proc/netignite/netignite.log"}}), "log"),
        bad(json!({"server": own, "log": {"file": ".."}}), "log.file"),
        bad(metrics(json!({"enabled": true})), "metrics"),
        bad(metrics(json!({"enabled": true, "token": "short"})), "plugins.metrics.token"),
        bad(
            metrics(json!({"enabled": true, "token": " a token with blanks around "})),
            "plugins.metrics.token",
        ),
        bad(metrics(json!({"enabled": true, "bind": "here"})), "plugins.metrics.bind"),
        bad(metrics(json!({"enabled": true, "bind": format!("127.0.0.1:{port}")})), "plugins.metrics.bind"),
        bad(metrics(json!({"enabled": true, "bind": "192.0.2.1:1"})), "plugins.metrics.bind"),
        bad(
            json!({"server": {"host": "127.0.0.1", "port": free},
                "plugins": {"metrics": {"enabled": true, "bind": format!("127.0.0.1:{free}")}}}),
            "listen",
        ),
        with("NETIGNITE_SECRET_KEY", "short", "NETIGNITE_SECRET_KEY"),
        with("NETIGNITE_SECRET_KEY_FILE", "missing.key", "NETIGNITE_SECRET_KEY_FILE"),
        with("NETIGNITE_PLUGINS__METRICS__TOKEN_FILE", "missing.token", "missing.token"),
        with("NITRO_PORT", "eighty", "NITRO_PORT"),
        with("NETIGNITE_SURPRISE", "1", "NETIGNITE_SURPRISE"),
    ];
    for case in cases {
        let mut said = Vec::new();
        for arguments in [&["serve"][..], &["config", "check"]] {
            let here = tempfile::tempdir().unwrap();
            std::fs::write(here.path().join("file"), "").unwrap();
            std::fs::create_dir_all(here.path().join("locked/netignite.lock")).unwrap();
            std::fs::create_dir_all(here.path().join("folder/db.sqlite")).unwrap();
            std::fs::create_dir(here.path().join("text")).unwrap();
            std::fs::create_dir(here.path().join("bereft")).unwrap();
            std::fs::write(here.path().join("bereft/secret.key"), "a".repeat(44)).unwrap();
            std::fs::write(here.path().join("text/db.sqlite"), "this is no database").unwrap();
            let (status, line) = run(program(here.path(), &case, arguments)).await;
            assert!(!status.success(), "{arguments:?} takes {} {:?}: {line}", case.config, case.variables);
            assert!(line.contains(case.word), "{arguments:?} {}: {line}", case.config);
            said.push(line.replace(here.path().to_str().unwrap(), "here"));
        }
        // The same words, with those of what a start had done before in front of them.
        let last = |text: &str| text.lines().last().unwrap_or_default().to_owned();
        assert_eq!(last(&said[0]), last(&said[1]), "{}", case.config);
    }
}

#[tokio::test]
async fn the_check_leaves_nothing_behind_and_has_nothing_against_a_running_server() {
    let here = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let case = bad(
        json!({"server": {"host": "127.0.0.1", "port": free.port()}, "log": {"file": "logs/deep/n.log"},
            "dataDirectory": "deep/data", "allowedOrigins": ["HTTPS://home.example/", "http://[::1]:8080"]}),
        "",
    );
    let check = async || {
        let output = program(here.path(), &case, &["config", "check"]).output().await.unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    };
    check().await;
    let mut left: Vec<_> =
        std::fs::read_dir(here.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["config"]);
    let mut server = Binary::spawn(program(here.path(), &case, &["serve"]));
    server.listening().await;
    check().await;
    server.kill().await;
    check().await;
}
