//! The configuration through the built program: where values come from, which one wins, and what an error names.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The program in a directory of its own, with only the environment it is given.
struct Program {
    directory: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Program {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    /// The same with the default configuration file.
    fn with_file(text: &str) -> Self {
        let program = Self::new();
        std::fs::create_dir(program.path("config")).unwrap();
        std::fs::write(program.path("config/config.json"), text).unwrap();
        program
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_netignite"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    }

    /// What `config show --json` says.
    fn shown(&self, flags: &[&str]) -> Value {
        let output = self.run(&[&["config", "show", "--json"], flags].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The one line of an error, and the exit status.
    fn refused(&self, flags: &[&str]) -> (String, i32) {
        let mut lines = Vec::new();
        // Starting the server fails with the same words as checking.
        for command in [&["config", "check"][..], &["config", "show"], &["serve"]] {
            let output = self.run(&[command, flags].concat());
            assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
            lines.push((text(&output.stderr), output.status.code().unwrap()));
        }
        assert!(lines.iter().all(|line| *line == lines[0]), "{lines:#?}");
        let (line, code) = lines.remove(0);
        assert_eq!(line.lines().count(), 1, "{line}");
        (line.trim_end().to_owned(), code)
    }

    fn assert_refused(&self, expected: &str) {
        assert_eq!(self.refused(&[]), (format!("netignite: {expected}"), 1));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn setting(value: impl Into<Value>, origin: &str) -> Value {
    json!({ "value": value.into(), "origin": origin })
}

#[test]
fn without_a_file_everything_has_its_default() {
    let program = Program::new();
    let shown = program.shown(&[]);
    assert_eq!(shown["server.host"], setting("0.0.0.0", "default"));
    assert_eq!(shown["server.port"], setting(18232, "default"));
    assert_eq!(shown["logLevel"], setting("info", "default"));
    assert_eq!(shown["dataDirectory"], setting("./data", "default"));
    // But for the port, which a server may have that runs meanwhile.
    let program = program.with("NETIGNITE_SERVER__PORT", "0");
    let checked = program.run(&["config", "check"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("valid"));
    // Looking at the configuration leaves nothing behind.
    assert_eq!(std::fs::read_dir(program.directory.path()).unwrap().count(), 0);
}

#[test]
fn an_empty_object_is_a_whole_configuration() {
    for text in ["{}", "\u{feff}{}\r\n"] {
        assert_eq!(Program::with_file(text).shown(&[]), Program::new().shown(&[]));
    }
}

#[test]
fn each_source_lies_over_the_one_before() {
    let file =
        r#"{"server": {"host": "192.0.2.1", "port": 1}, "logLevel": "warn", "secureCookies": "never"}"#;
    let from_file = "./config/config.json";

    let shown = Program::with_file(file).shown(&[]);
    assert_eq!(shown["server.port"], setting(1, from_file));
    assert_eq!(shown["server.host"], setting("192.0.2.1", from_file));
    assert_eq!(shown["logLevel"], setting("warn", from_file));
    assert_eq!(shown["limits.bodyBytes"], setting(65536, "default"));

    let program = Program::with_file(file).with("NITRO_PORT", "2").with("NITRO_HOST", "192.0.2.2");
    let shown = program.shown(&[]);
    assert_eq!(shown["server.port"], setting(2, "NITRO_PORT"));
    assert_eq!(shown["server.host"], setting("192.0.2.2", "NITRO_HOST"));
    assert_eq!(shown["logLevel"], setting("warn", from_file));

    let program = program.with("NETIGNITE_SERVER__PORT", "3").with("NETIGNITE_LOG_LEVEL", "error");
    let shown = program.shown(&[]);
    assert_eq!(shown["server.port"], setting(3, "NETIGNITE_SERVER__PORT"));
    assert_eq!(shown["server.host"], setting("192.0.2.2", "NITRO_HOST"));
    assert_eq!(shown["logLevel"], setting("error", "NETIGNITE_LOG_LEVEL"));

    let shown = program.shown(&["--port", "4", "--log-level", "debug", "--data-dir", "d", "--host", "::1"]);
    assert_eq!(shown["server.port"], setting(4, "--port"));
    assert_eq!(shown["logLevel"], setting("debug", "--log-level"));
    assert_eq!(shown["dataDirectory"], setting("d", "--data-dir"));
    assert_eq!(shown["server.host"], setting("::1", "--host"));
    assert_eq!(shown["secureCookies"], setting("never", from_file));
}

#[test]
fn the_original_servers_variables_count() {
    let production = Program::new().with("NODE_ENV", "production").shown(&[]);
    assert_eq!(production["production"], setting(true, "NODE_ENV"));
    let development = Program::new().with("NODE_ENV", "development").shown(&[]);
    assert_eq!(development["production"], setting(false, "NODE_ENV"));
    // Containers set it, and may speak plain HTTP: it must not make cookies Secure.
    let container = Program::new().with("NITRO_ENV", "production").shown(&[]);
    assert_eq!(container, Program::new().shown(&[]));
}

#[test]
fn a_file_is_named_by_variable_or_flag() {
    let program = Program::with_file(r#"{"server": {"port": 1}}"#);
    std::fs::write(program.path("a.json"), r#"{"server": {"port": 2}}"#).unwrap();
    std::fs::write(program.path("b.json"), r#"{"server": {"port": 3}}"#).unwrap();
    let program = program.with("CONFIG_FILE_PATH", "a.json");
    assert_eq!(program.shown(&[])["server.port"], setting(2, "a.json"));
    assert_eq!(program.shown(&["--config", "b.json"])["server.port"], setting(3, "b.json"));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let program = Program::new().with("CONFIG_FILE_PATH", "/nowhere/config.json");
    program.assert_refused(
        "the configuration file /nowhere/config.json named by CONFIG_FILE_PATH does not exist; create it, or correct \
         CONFIG_FILE_PATH",
    );
    let (line, code) = Program::new().refused(&["--config", "gone.json"]);
    assert_eq!(
        (line.as_str(), code),
        (
            "netignite: the configuration file gone.json named by --config does not exist; create it, or correct \
             --config",
            1
        )
    );
    let program = Program::new();
    std::fs::create_dir_all(program.path("config/config.json")).unwrap();
    let (line, _) = program.refused(&[]);
    assert!(
        line.starts_with("netignite: ./config/config.json: cannot read the configuration file: "),
        "{line}"
    );
}

#[test]
fn a_bad_file_is_named_with_key_and_expectation() {
    for (file, expected) in [
        (
            "{\n  \"logLevel\": \"info\"\n  \"log\": {}\n}",
            "malformed JSON at line 3, column 3: expected `,` or `}`",
        ),
        ("", "malformed JSON at line 1, column 0: EOF while parsing a value"),
        ("{} {}", "malformed JSON at line 1, column 4: trailing characters"),
        ("[]", "expected a JSON object such as {} at the top"),
        (
            r#"{"logLevel": "info", "logLevel": "debug"}"#,
            "malformed JSON at line 1, column 31: the key \"logLevel\" stands here a second time",
        ),
        (r#"{"loglevel": "info"}"#, "unknown key \"loglevel\"; the nearest known key is \"logLevel\""),
        (r#"{"port": 80}"#, "unknown key \"port\"; the nearest known key is \"server.port\""),
        (
            r#"{"server": {"prot": 80}}"#,
            "unknown key \"server.prot\"; the nearest known key is \"server.port\"",
        ),
        (
            r#"{"server.port": 80}"#,
            "unknown key \"server.port\"; write each part of a key as an object of its own",
        ),
        (
            r#"{"logLevel": "verbose"}"#,
            "logLevel: expected one of \"debug\", \"info\", \"warn\", \"error\" and \"critical\", found \"verbose\"",
        ),
        (
            r#"{"server": {"port": 65536}}"#,
            "server.port: expected a whole number from 0 to 65535, found 65536",
        ),
        (
            r#"{"server": {"port": "80"}}"#,
            "server.port: expected a whole number from 0 to 65535, found \"80\"",
        ),
        (
            r#"{"server": {"host": "example.org"}}"#,
            "server.host: expected an IP address such as \"0.0.0.0\", \"127.0.0.1\" or \"::\", or \"localhost\", \
             found \"example.org\"",
        ),
        (r#"{"server": "0.0.0.0:80"}"#, "server: expected an object"),
        (
            r#"{"trustedProxies": ["10.0.0.0/8", "10.0.0.0/33"]}"#,
            "trustedProxies: expected a list of networks such as \"10.0.0.0/8\" or single addresses such as \
             \"192.0.2.1\", found [\"10.0.0.0/8\",\"10.0.0.0/33\"]",
        ),
        (
            r#"{"allowedOrigins": ["home.example"]}"#,
            "allowedOrigins: expected a list of origins such as \"https://home.example\", without a path, found \
             [\"home.example\"]",
        ),
        (
            r#"{"limits": {"bodyBytes": 0}}"#,
            "limits.bodyBytes: expected a whole number of bytes from 1024 to 16777216, found 0",
        ),
        (
            r#"{"limits": {"headerSeconds": 1e9}}"#,
            "limits.headerSeconds: expected a whole number of seconds from 1 to 3600, found 1000000000.0",
        ),
        (
            r#"{"secureCookies": true}"#,
            "secureCookies: expected one of \"auto\", \"always\" and \"never\", found true",
        ),
        (r#"{"log": {"file": ""}}"#, "log.file: expected the path of a file, or null for none, found \"\""),
    ] {
        Program::with_file(file).assert_refused(&format!("./config/config.json: {expected}"));
    }
}

#[test]
fn a_bad_variable_is_named_with_key_and_expectation() {
    for (name, value, expected) in [
        (
            "NITRO_PORT",
            "eighty",
            "NITRO_PORT: server.port: expected a whole number from 0 to 65535, found \"eighty\"",
        ),
        (
            "NETIGNITE_SERVER__PORT",
            "-1",
            "NETIGNITE_SERVER__PORT: server.port: expected a whole number from 0 to 65535, found -1",
        ),
        (
            "NETIGNITE_LOG_LEVEL",
            "loud",
            "NETIGNITE_LOG_LEVEL: logLevel: expected one of \"debug\", \"info\", \"warn\", \"error\" and \"critical\", \
             found \"loud\"",
        ),
        (
            "NETIGNITE_PRODUCTION",
            "maybe",
            "NETIGNITE_PRODUCTION: production: expected true or false, found \"maybe\"",
        ),
        (
            "NETIGNITE_LOGLEVEL",
            "info",
            "NETIGNITE_LOGLEVEL: unknown variable; the nearest known variable is NETIGNITE_LOG_LEVEL",
        ),
        (
            "NETIGNITE_SERVER_PORT",
            "80",
            "NETIGNITE_SERVER_PORT: unknown variable; the nearest known variable is NETIGNITE_SERVER__PORT",
        ),
        (
            "NETIGNITE_LOG_LEVEL_FILE",
            "level.txt",
            "NETIGNITE_LOG_LEVEL_FILE: unknown variable; the nearest known variable is NETIGNITE_LOG_LEVEL",
        ),
    ] {
        Program::new().with(name, value).assert_refused(expected);
    }
}

#[test]
fn a_bad_flag_is_a_wrong_command_line() {
    let program = Program::new();
    let expected = "netignite: --port: server.port: expected a whole number from 0 to 65535, found \"http\"";
    assert_eq!(program.refused(&["--port", "http"]), (expected.to_owned(), 2));
    assert_eq!(program.run(&["--no-such-flag"]).status.code(), Some(2));
    assert_eq!(program.run(&["no-such-command"]).status.code(), Some(2));
}

#[test]
fn lists_come_from_variables_too() {
    for value in ["10.0.0.0/8, ::1 ,192.0.2.1", r#"["10.0.0.0/8", "::1", "192.0.2.1"]"#] {
        let shown = Program::new().with("NETIGNITE_TRUSTED_PROXIES", value).shown(&[]);
        let networks = json!(["10.0.0.0/8", "::1/128", "192.0.2.1/32"]);
        assert_eq!(shown["trustedProxies"], setting(networks, "NETIGNITE_TRUSTED_PROXIES"));
    }
}

#[test]
fn variables_that_are_no_configuration_are_left_alone() {
    let program = Program::new()
        .with("NETIGNITE_AGENT_SECRET", "agent-canary")
        .with("NETIGNITE_SECRET_KEY", "key-canary")
        .with("NETIGNITE_SECRET_KEY_FILE", "/nowhere")
        // An empty one stands for one that is not set.
        .with("NETIGNITE_SERVER__PORT", "")
        .with("CONFIG_FILE_PATH", "")
        // What container platforms announce of a service called netignite.
        .with("NETIGNITE_SERVICE_HOST", "10.0.0.1")
        .with("NETIGNITE_SERVICE_PORT_HTTP", "18232")
        .with("NETIGNITE_PORT", "tcp://10.0.0.1:18232")
        .with("NETIGNITE_PORT_18232_TCP_ADDR", "10.0.0.1")
        .with("NETIGNITE_SERVER_PORT", "tcp://10.0.0.1:18232");
    assert_eq!(program.shown(&[]), Program::new().shown(&[]));
}

#[test]
fn show_is_a_table_for_people() {
    let output = Program::with_file(r#"{"logLevel": "warn"}"#).run(&["config", "show"]);
    let table = text(&output.stdout);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(table.lines().next().unwrap()), ["KEY", "VALUE", "ORIGIN"]);
    let line = table.lines().find(|line| line.starts_with("logLevel ")).unwrap();
    assert_eq!(words(line), ["logLevel", "\"warn\"", "./config/config.json"]);
}

#[test]
fn the_sample_loads_and_names_every_key() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/config.sample.json");
    let program = Program::new();
    let shown = program.shown(&["--config", sample.to_str().unwrap()]);
    let defaults = program.shown(&[]);
    let keys = |shown: &Value| shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&shown),
        keys(&defaults),
        "config/config.sample.json shows every key with its default: add what it lacks"
    );
    for (key, setting) in shown.as_object().unwrap() {
        assert_eq!(setting["origin"], sample.to_str().unwrap(), "the sample does not name {key}");
        assert_eq!(setting["value"], defaults[key]["value"], "the sample shows the default of {key}");
    }
}

/// The reference of the manual, made of what the program says of its keys.
fn reference() -> String {
    let output = Program::new().run(&["config", "keys", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let keys: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let entry = |one: &Value| {
        let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let (key, meaning, variable) = (word("key"), word("meaning"), word("variable"));
        assert!(!meaning.is_empty(), "{key} does not say what it is for");
        let expected = one["expected"].as_str().map(|text| format!(" Takes {text}.")).unwrap_or_default();
        let live = if one["live"] == true { " Changed by `SIGHUP`." } else { "" };
        format!("| `{key}` | `{}` | {meaning}{expected}{live} | `{variable}` |\n", one["default"])
    };
    keys.iter().map(entry).collect()
}

#[test]
fn the_manual_has_every_key() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let manual = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = manual.split_once("<!-- keys -->\n").unwrap();
    let (head, rest) = rest.split_once("|---|---|---|---|\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of keys -->").unwrap();
    let made =
        format!("{before}<!-- keys -->\n{head}|---|---|---|---|\n{}<!-- end of keys -->{after}", reference());
    if std::env::var_os("MANUAL_UPDATE").is_some() {
        std::fs::write(&page, &made).unwrap();
    }
    let manual = std::fs::read_to_string(&page).unwrap();
    assert!(
        manual == made,
        "docs/configuration.md is old: run `MANUAL_UPDATE=1 cargo test --test it config`, and look at what changed in it"
    );
}

#[test]
fn a_plugins_section_is_checked_by_the_plugin() {
    let file = |section: &str| Program::with_file(&format!(r#"{{"plugins": {section}}}"#));
    file(r#"{"metrix": {}}"#).assert_refused(
        "./config/config.json: plugins.metrix: unknown plugin \"metrix\"; the nearest known plugin is \"metrics\"",
    );
    file(r#"{"metrics": {"enabeld": true}}"#).assert_refused(
        "./config/config.json: unknown key \"plugins.metrics.enabeld\"; the nearest known key is \
         \"plugins.metrics.enabled\"",
    );
    file(r#"{"metrics": {"enabled": "yes"}}"#).assert_refused(
        "./config/config.json: plugins.metrics.enabled: expected true or false, found \"yes\"",
    );
    file(r#"{"metrics": {"bind": "localhost:9464"}}"#).assert_refused(
        "./config/config.json: plugins.metrics.bind: expected an address and a port such as \"127.0.0.1:9464\", found \
         \"localhost:9464\"",
    );
    file(r#"{"metrics": {"token": "too short"}}"#)
        .assert_refused("./config/config.json: plugins.metrics.token must have at least 16 characters");
    let (line, _) = Program::new().with("NETIGNITE_PLUGINS__METRICS__ENABLED", "true").refused(&[]);
    let expected =
        "netignite: NETIGNITE_PLUGINS__METRICS__ENABLED: plugins.metrics: metrics must not be open";
    assert!(line.starts_with(expected), "{line}");
}

#[test]
fn secrets_are_neither_shown_nor_logged() {
    // All digits: still a text, and still a secret.
    let canary = "80231194417703256618";
    let variable = "NETIGNITE_PLUGINS__METRICS__TOKEN";
    let program = Program::new();
    std::fs::write(program.path("token"), format!("{canary}\n")).unwrap();
    let variable_file = "NETIGNITE_PLUGINS__METRICS__TOKEN_FILE";
    for (program, origin) in [
        (Program::new().with(variable, canary), variable),
        (program.with(variable_file, "token"), "NETIGNITE_PLUGINS__METRICS__TOKEN_FILE (token)"),
    ] {
        assert_eq!(program.shown(&[])["plugins.metrics.token"], setting("[redacted]", origin));
        let table = text(&program.run(&["config", "show"]).stdout);
        assert!(table.contains("[redacted]") && !table.contains(canary), "{table}");
    }
    for wrong in [
        format!(r#"{{"metrics": {{"token": ["{canary}"]}}}}"#),
        format!(r#"{{"metrics": {{"token": {canary}}}}}"#),
        format!(r#"{{"metrics": {{"tokn": "{canary}"}}}}"#),
        format!(r#"{{"metrics": "{canary}"}}"#),
        format!(r#"{{"metrics": {{"enabled": true, "token": "{}"}}}}"#, &canary[..7]),
    ] {
        let (line, _) = Program::with_file(&format!(r#"{{"plugins": {wrong}}}"#)).refused(&[]);
        assert!(!line.contains(&canary[..7]), "{line}");
    }
}
