//! The walls of the house: which room of `src/` may import which, in every line of every file, tests included.
//!
//! The table is the plan of the house, from the ground up: a room imports rooms that stand before it, so that there are
//! no circles, and of these only the ones it names. A new arrow fails here until it is entered on purpose; an arrow that
//! is no longer used fails too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::conventions::sources;

/// The rooms, from the ground up, each with the rooms that it may import.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("files", &[]),
    ("json", &[]),
    ("text", &[]),
    ("memory", &[]),
    ("model", &["clock"]),
    ("error", &["text", "model"]),
    ("registry", &["json", "text", "model", "error"]),
    ("vault", &["files", "text"]),
    ("lock", &["files"]),
    ("local_socket", &["files"]),
    ("address_file", &["files", "text"]),
    ("config", &["json", "text"]),
    ("logging", &["clock", "files", "model", "config"]),
    ("events", &["clock", "model"]),
    ("store", &["clock", "files", "model", "error", "vault"]),
    ("auth", &["clock", "files", "text", "model", "error", "vault", "config", "store"]),
    ("audit", &["clock", "model", "error", "store", "auth"]),
    ("control", &["clock", "model", "error", "registry"]),
    (
        "host",
        &[
            "clock", "model", "error", "registry", "config", "logging", "events", "store", "auth", "audit",
            "control",
        ],
    ),
    ("watch", &["clock", "memory", "model", "lock", "local_socket", "logging", "store", "host"]),
    ("commands", &[]),
    (
        "domain",
        &[
            "clock", "text", "model", "error", "registry", "config", "events", "store", "auth", "audit",
            "control", "host", "watch", "commands",
        ],
    ),
    ("http", &["text", "model", "error", "registry", "local_socket", "config"]),
    (
        "rest",
        &[
            "text", "model", "error", "registry", "config", "auth", "audit", "control", "host", "domain",
            "http",
        ],
    ),
    (
        "api",
        &[
            "clock", "text", "model", "error", "registry", "config", "auth", "audit", "control", "commands",
            "domain", "http", "rest",
        ],
    ),
    (
        "plugin",
        &[
            "events", "text", "model", "error", "registry", "config", "store", "host", "domain", "http",
            "rest",
        ],
    ),
    ("agent", &["files", "text", "model", "registry"]),
    ("reload", &["config", "host"]),
    (
        "bootstrap",
        &[
            "clock",
            "files",
            "model",
            "registry",
            "vault",
            "lock",
            "local_socket",
            "address_file",
            "config",
            "logging",
            "events",
            "store",
            "auth",
            "audit",
            "control",
            "host",
            "watch",
            "domain",
            "http",
            "rest",
            "api",
            "plugin",
            "reload",
        ],
    ),
    (
        "preflight",
        &[
            "registry",
            "vault",
            "lock",
            "config",
            "logging",
            "store",
            "http",
            "rest",
            "api",
            "plugin",
            "bootstrap",
        ],
    ),
    ("prelude", &["json", "model", "error", "registry", "store", "auth", "host", "domain", "rest", "plugin"]),
    ("testkit", &["text", "registry", "config", "logging", "host", "rest", "plugin", "agent", "bootstrap"]),
    (
        "cli",
        &[
            "clock",
            "text",
            "model",
            "registry",
            "vault",
            "lock",
            "local_socket",
            "address_file",
            "config",
            "logging",
            "store",
            "auth",
            "http",
            "rest",
            "api",
            "agent",
            "plugin",
            "bootstrap",
            "preflight",
        ],
    ),
];

/// Names at the crate's root that are no rooms.
const NO_ROOMS: &[&str] =
    &["VERSION", "__private", "__register_origin", "main", "method", "register_command", "register_plugin"];

/// The room of a file below `src/`.
fn room(file: &str) -> &str {
    let below = file.strip_prefix("src/").unwrap_or(file);
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

/// How many modules a file lies below the crate's root.
fn depth(file: &str) -> usize {
    let path = Path::new(file.strip_prefix("src/").unwrap_or(file));
    let folders = path.components().count() - 1;
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    match (folders, name) {
        (0, "lib" | "main") => 0,
        (_, "mod") => folders,
        _ => folders + 1,
    }
}

/// The names at the crate's root that a file's code names, with the lines where it does.
fn imports(file: &str, text: &str) -> BTreeMap<String, usize> {
    let tokens = TokenStream::from_str(text).unwrap_or_else(|e| panic!("{file} is no Rust: {e}"));
    let mut found = BTreeMap::new();
    look(&tokens.into_iter().collect::<Vec<_>>(), depth(file), &mut found);
    found
}

/// Collects what `tokens`, `depth` modules below the crate's root, name at the root.
fn look(tokens: &[TokenTree], depth: usize, found: &mut BTreeMap<String, usize>) {
    let ident = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    };
    let colons = |at: usize| {
        let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
        colon(at) && colon(at + 1)
    };
    let mut at = 0;
    while at < tokens.len() {
        let begins = at < 2 || !colons(at - 2);
        let root = match ident(at).as_deref() {
            Some("crate" | "netignite") if begins => Some(at + 1),
            Some("super") if begins => {
                let mut end = at + 1;
                let mut up = 1;
                while colons(end) && ident(end + 2).as_deref() == Some("super") {
                    (end, up) = (end + 3, up + 1);
                }
                (up == depth).then_some(end)
            }
            _ => None,
        };
        if let Some(end) = root
            && colons(end)
        {
            match &tokens.get(end + 2) {
                Some(TokenTree::Ident(name)) => {
                    found.entry(name.to_string()).or_insert(name.span().start().line);
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    first_names(group.stream(), found)
                }
                _ => {}
            }
        }
        if let TokenTree::Group(group) = &tokens[at] {
            let is_module = at >= 2 && ident(at - 2).as_deref() == Some("mod");
            let inside: Vec<_> = group.stream().into_iter().collect();
            look(&inside, depth + usize::from(is_module), found);
        }
        at += 1;
    }
}

/// The first name of each path in the braces of a `use crate::{…}`.
fn first_names(braces: TokenStream, found: &mut BTreeMap<String, usize>) {
    let mut begins = true;
    for token in braces {
        match &token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => begins = true,
            TokenTree::Ident(name) if begins => {
                found.entry(name.to_string()).or_insert(name.span().start().line);
                begins = false;
            }
            _ => begins = false,
        }
    }
}

#[test]
fn rooms_import_what_the_table_allows_and_nothing_else() {
    let allowed: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut unused: BTreeSet<(&str, &str)> =
        ROOMS.iter().flat_map(|(room, below)| below.iter().map(|other| (*room, *other))).collect();
    let mut wrong = Vec::new();
    for (file, text) in sources("src") {
        let room = room(&file);
        if matches!(room, "lib" | "main") {
            continue;
        }
        let Some(below) = allowed.get(room) else {
            wrong.push(format!("{file} lies in a room that the table does not have"));
            continue;
        };
        for (name, line) in imports(&file, &text) {
            if name == room || NO_ROOMS.contains(&name.as_str()) {
                continue;
            }
            if !below.contains(&name.as_str()) {
                wrong.push(format!("{file}:{line}: {room} may not import {name}"));
            }
            unused.retain(|arrow| *arrow != (room, name.as_str()));
        }
    }
    wrong.extend(
        unused
            .iter()
            .map(|(room, other)| format!("{room} no longer imports {other}: take it out of the table")),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_room_imports_rooms_below_it_alone() {
    let mut below = BTreeSet::new();
    for (room, imports) in ROOMS {
        for other in *imports {
            assert!(below.contains(other), "{room} imports {other}, which does not stand below it");
        }
        assert!(below.insert(*room), "{room} stands in the table twice");
    }
}

#[test]
fn an_import_is_found_wherever_it_stands() {
    let of = |file: &str, text: &str| imports(file, text).into_keys().collect::<Vec<_>>();
    assert_eq!(of("src/store/mod.rs", "use crate::{api::x, http, model as m};"), ["api", "http", "model"]);
    assert_eq!(of("src/store/mod.rs", "use super::api::x;"), ["api"]);
    assert_eq!(of("src/store/rows.rs", "use super::api::x;"), [""; 0]);
    assert_eq!(of("src/store/rows.rs", "use super::super::api;"), ["api"]);
    assert_eq!(of("src/store/rows.rs", "#[cfg(test)] mod tests { use super::super::super::api; }"), ["api"]);
    assert_eq!(of("src/error.rs", "fn f() { let x = vec![crate::api::y()]; }"), ["api"]);
    assert_eq!(of("src/error.rs", "#[cfg(test)]\nmod tests { fn f(_: crate::api::Y) {} }"), ["api"]);
    assert_eq!(
        of("src/error.rs", "/// [`x`](crate::api::x)\n// crate::http\nfn f() { \"crate::host\"; }"),
        [""; 0]
    );
    assert_eq!(of("src/error.rs", "use other::crate_name::api;"), [""; 0]);
}
