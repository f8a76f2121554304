//! The rules of the house, checked on every unit and every file of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use netignite::plugin;
use netignite::registry::Registry;

use super::support::Server;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the repository: its path from the root, and its text.
pub(super) fn sources(folder: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no Rust file");
    found
}

/// A file's lines that are code, its tests' too, with their numbers: no comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    lines.filter(|(_, line)| !line.starts_with("//"))
}

/// The units of a folder: its files and folders but `mod.rs`.
fn units(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

#[test]
fn every_unit_has_its_mod_line_and_mod_rs_holds_nothing_else() {
    for folder in ["commands", "plugins"] {
        let text = std::fs::read_to_string(root().join(folder).join("mod.rs")).unwrap();
        let named: Vec<_> = code(&text)
            .filter(|(_, line)| !line.is_empty())
            .map(|(number, line)| {
                let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
                let name = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'));
                name.unwrap_or_else(|| panic!("{folder}/mod.rs:{number} is no mod line: {line}")).to_owned()
            })
            .collect();
        let expected: Vec<_> = units(folder).into_iter().collect();
        assert_eq!(
            named, expected,
            "{folder}/mod.rs needs a line `pub(crate) mod <file>;` for every file of the folder, sorted by name"
        );
    }
}

#[test]
fn a_unit_could_move_to_another_crate_unchanged() {
    for (folder, macro_call) in [("commands", "register_command!("), ("plugins", "register_plugin!(")] {
        // By the file or the folder that is a unit.
        let mut registered = BTreeMap::<String, usize>::new();
        let list = format!("{folder}/mod.rs");
        for (file, text) in sources(folder).into_iter().filter(|(file, _)| *file != list) {
            for (number, line) in code(&text) {
                let reaches = line.contains("crate::") || line.contains("super::");
                assert!(!reaches, "{file}:{number} reaches into its crate: {line}");
                let ours = line.contains("netignite::") && line != "use netignite::prelude::*;";
                assert!(!ours, "{file}:{number} uses more than the prelude: {line}");
                let foreign = folder == "commands" && line.starts_with("use ") && !line.contains("netignite");
                assert!(!foreign, "{file}:{number}: a command uses the prelude alone: {line}");
            }
            let unit = file.split('/').take(2).collect::<Vec<_>>().join("/");
            let calls = code(&text).filter(|(_, line)| line.starts_with(macro_call)).count();
            *registered.entry(unit).or_default() += calls;
        }
        for (unit, calls) in registered {
            assert_eq!(
                calls, 1,
                "{unit} needs one line `{macro_call}…);`: without it the unit is in no program"
            );
        }
    }
}

#[test]
fn every_command_is_named_described_and_takes_an_object() {
    let registry = Registry::build().unwrap();
    let files: BTreeSet<_> = registry.iter().map(|entry| entry.name.to_lowercase()).collect();
    assert_eq!(files, units("commands"), "a file is called as its command");
    let mut summaries = BTreeSet::new();
    for entry in registry.iter() {
        let name = entry.name;
        assert_eq!(name, name.to_uppercase());
        let file = format!("commands/{}.rs", name.to_lowercase());
        assert!(entry.location.file().ends_with(&file), "{name} is registered in {}", entry.location);
        is_summary(name, entry.summary);
        assert!(summaries.insert(entry.summary), "{name}: another command has this summary");
        let payload = (entry.payload_schema)();
        assert_eq!(payload["type"], "object", "{name}: {payload}");
        for (field, schema) in payload["properties"].as_object().into_iter().flatten() {
            assert!(
                schema["description"].is_string(),
                "{name}: the field {field} is not described: {payload}"
            );
        }
        assert!((entry.reply_schema)().is_object(), "{name}");
    }
}

#[test]
fn every_plugin_is_named_described_and_strict() {
    let entries = plugin::registered().unwrap();
    let sections = netignite::config::section::registered().unwrap();
    let files: BTreeSet<_> = entries.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(files, units("plugins"), "a file is called as its plugin");
    for entry in entries {
        let name = entry.name;
        assert!(name.bytes().all(|b| b.is_ascii_lowercase()), "{name}");
        is_summary(name, entry.summary);
        let section = sections.iter().find(|section| section.name == name).unwrap();
        let mut config = (section.default_config)();
        (section.check_config)(&config).unwrap_or_else(|e| panic!("{name}: its defaults are refused: {e}"));
        config["noSuchKey"] = 1.into();
        let refused = (section.check_config)(&config).expect_err("an unknown key passed");
        assert!(refused.contains("noSuchKey"), "{name}: {refused}");
    }
}

/// One short line that starts with a capital and is no sentence with a full stop.
fn is_summary(what: &str, summary: &str) {
    let good = (5..=80).contains(&summary.len())
        && summary.starts_with(|c: char| c.is_uppercase())
        && !summary.ends_with('.')
        && !summary.contains('\n');
    assert!(good, "{what}: not a summary: {summary:?}");
}

#[tokio::test]
async fn every_route_is_described() {
    let server = Server::start_with(|config| {
        let metrics = serde_json::json!({"enabled": true, "token": "a long enough token"});
        config.plugins.insert("metrics".into(), metrics);
    })
    .await;
    let mut seen = BTreeSet::new();
    for route in netignite::api::table().into_iter().chain(server.plugin_routes()) {
        let name = format!("{} {}", route.method, route.path);
        is_summary(&name, route.summary);
        let bodiless = ["GET", "HEAD"].contains(&route.method.as_str());
        assert!(!bodiless || route.takes.is_none(), "{name} takes a body");
        assert!(seen.insert(name.clone()), "{name} is there twice");
    }
    server.stop().await;
}

/// Panics for every line of code in `folders` that holds one of `words`.
fn none_of(words: &[&str], folders: &[&str], but: &[&str], why: &str) {
    for folder in folders {
        for (file, text) in sources(folder) {
            if but.iter().any(|prefix| file.starts_with(prefix)) {
                continue;
            }
            for (number, line) in code(&text) {
                for word in words {
                    assert!(!line.contains(word), "{file}:{number} holds {word:?}; {why}: {line}");
                }
            }
        }
    }
}

#[test]
fn every_wall_of_the_house_stands() {
    let all = &["src", "commands", "plugins"];
    let sql =
        ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "PRAGMA ", "CREATE TABLE", "VACUUM", "libsql::"];
    none_of(&sql, all, &["src/store/"], "SQL lives in store/ only");
    none_of(
        &["fastwebsockets"],
        all,
        &["src/control/", "src/agent/", "src/logging/", "src/testkit/"],
        "frames live in control/, agent/ and the tests' fake agent",
    );
    let foreign = ["hyper", "libsql", "tokio::net"];
    none_of(&foreign, &["src/registry"], &[], "the registry knows neither HTTP, database nor sockets");
    none_of(&["todo!(", "unimplemented!(", "dbg!("], all, &[], "nothing is left half done");
    none_of(&["LIMIT ?"], all, &[], "write LIMIT +?1: each time else the statement is planned anew");
}

#[test]
fn files_stay_short() {
    const LONGEST: usize = 600;
    for folder in ["src", "commands", "plugins"] {
        for (file, text) in sources(folder) {
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            if lines > 400 {
                println!("{file}: {lines} lines; what second noun hides in it?");
            }
            assert!(lines <= LONGEST, "{file} has {lines} lines: split it by its nouns");
            let essay =
                file.ends_with("tests.rs") || text.lines().take(3).any(|line| line.starts_with("//! "));
            assert!(essay, "{file} does not open by saying what it is for");
        }
    }
}

#[test]
fn a_handler_writes_only_as_long_as_its_caller_may() {
    for folder in ["src/api", "src/domain", "plugins"] {
        // `By` is what the others write with; retention, what is seen of devices and what becomes of operations that
        // were accepted are the server's own.
        let own = [
            "src/domain/by.rs",
            "src/domain/audit_retention.rs",
            "src/domain/device_presence.rs",
            "src/domain/driven.rs",
            "src/domain/operation/ledger.rs",
            "src/domain/operation/record.rs",
            "src/domain/operation/retention.rs",
            "src/domain/operation/timer.rs",
        ];
        for (file, text) in sources(folder).into_iter().filter(|(file, _)| !own.contains(&file.as_str())) {
            for (number, line) in code(&text) {
                let writes = line.contains("store.write(") || line.starts_with(".write(");
                assert!(!writes, "{file}:{number}: write with By::change or By::write: {line}");
            }
        }
    }
}

#[test]
fn the_guide_to_commands_shows_a_command_that_is_built() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let command = read("examples/custom-command/src/tail_log.rs");
    assert!(
        read("docs/commands.md").contains(&format!("```rust\n{command}```")),
        "docs/commands.md and examples/custom-command/src/tail_log.rs differ: copy the one into the other"
    );
    // A part of one, which stands in its file a step further to the right.
    let command = read("tests/plugin_kit/count_down.rs");
    let run: String = command
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("    async fn run"))
        .take_while(|line| *line != "}\n")
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    assert!(
        read("docs/commands.md").contains(&format!("```rust\n{run}```")),
        "docs/commands.md and tests/plugin_kit/count_down.rs differ: copy the one into the other"
    );
    let probe = read("commands/probe.rs");
    let side =
        probe.find("impl ServerSide for Probe").and_then(|at| probe[at..].split_once("\n}\n")).unwrap();
    assert!(
        read("docs/commands.md").contains(&format!("```rust\n{}\n}}\n```", side.0)),
        "docs/commands.md and commands/probe.rs differ: copy the one into the other"
    );
    // What stands in the prelude's examples, which are compiled.
    let prelude = read("src/prelude.rs").replace("//! ", "").replace("//!\n", "\n");
    let begin = prelude.find("impl ServerSide for Greet").unwrap();
    let keeps = prelude[begin..].split_once("\n    async fn before(").unwrap().0;
    assert!(
        read("docs/commands.md").contains(keeps),
        "docs/commands.md and the examples of src/prelude.rs differ: copy the one into the other"
    );
}

#[test]
fn the_guide_to_plugins_names_every_event_with_its_fields() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let (source, guide) = (read("src/model/event.rs"), read("docs/plugins.md"));
    let body = source.split_once("pub enum Event {").unwrap().1.split_once("\n}\n").unwrap().0;
    let mut row = String::new();
    let mut rows = Vec::new();
    for (_, line) in code(body) {
        if let Some(name) = line.strip_suffix(" {") {
            row = format!("| `{name}` | ");
        } else if line.starts_with('}') {
            rows.push(format!("{} | ", row.trim_end_matches(", ")));
        } else if let Some((field, _)) = line.split_once(": ") {
            row += &format!("`{field}`, ");
        }
    }
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        assert!(guide.contains(&row), "docs/plugins.md lacks a row that begins {row}");
    }
}
