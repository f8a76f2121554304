//! The documents that people read: every link leads somewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn documents() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
    let files = [root.clone(), root.join("docs")].map(|folder| std::fs::read_dir(folder).unwrap().flatten());
    let pages = files.into_iter().flatten().map(|file| file.path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// A heading's anchor, as it is made where documents are shown.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Where the links of a text lead to.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(link, _)| link).filter(|link| !link.contains(char::is_whitespace) && !link.contains("://"))
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let pages = documents();
    let mut dead = Vec::new();
    let mut seen = 0;
    for (page, text) in &pages {
        for link in links(text) {
            seen += 1;
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let path = path.canonicalize().unwrap_or(path);
            let lines = pages.get(&path).into_iter().flat_map(|text| text.lines());
            let mut headings =
                lines.filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#'));
            if !path.exists() || !fragment.is_empty() && !headings.any(|heading| anchor(heading) == fragment)
            {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} links were found");
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn every_page_of_the_manual_is_in_its_contents() {
    let pages = documents();
    let contents = pages.iter().find(|(path, _)| path.ends_with("docs/README.md")).unwrap().1;
    for path in pages.keys().filter(|path| path.parent().unwrap().ends_with("docs")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            name == "README.md" || contents.contains(&format!("]({name})")),
            "{name} is not in docs/README.md"
        );
    }
}

/// The names that the prelude brings, without macros and what comes from elsewhere.
fn prelude() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("src/prelude.rs")).unwrap();
    let ours = text.split("pub use crate::").skip(1).filter_map(|rest| rest.split(';').next());
    let names =
        ours.flat_map(|list| list.split([':', '{', '}', ',', '\n']).map(str::trim).collect::<Vec<_>>());
    let names = names.map(|name| name.rsplit(" as ").next().unwrap_or(name));
    let types = names.filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
    types.map(str::to_owned).collect()
}

/// The constants and functions of the traits that commands and plugins implement or call.
fn trait_items() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let traits = [
        ("src/registry/command.rs", "Command"),
        ("src/registry/server_side.rs", "ServerSide"),
        ("src/plugin.rs", "Plugin"),
        ("src/plugin/door.rs", "Server"),
    ];
    let mut items = Vec::new();
    for (file, name) in traits {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let begin = text.find(&format!("\npub trait {name}")).unwrap();
        let body = text[begin..].split("\n}\n").next().unwrap();
        for line in body.lines().filter_map(|line| line.strip_prefix("    ")) {
            let item = ["const ", "fn "].iter().find_map(|word| line.strip_prefix(word));
            items.extend(item.and_then(|item| item.split([':', '(', '<']).next()).map(str::to_owned));
        }
    }
    items
}

/// The code that is compiled as an example: what stands between fences in comments of the sources, and `examples/`.
fn examples(folder: &Path, all: bool, code: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                examples(&path, all, code);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut inside = false;
            for line in text.lines() {
                let comment = line.trim_start().strip_prefix("//!").or(line.trim_start().strip_prefix("///"));
                inside ^= comment.is_some_and(|comment| comment.trim_start().starts_with("```"));
                if all || inside && comment.is_some() {
                    code.push_str(line);
                    code.push('\n');
                }
            }
        }
    }
}

#[test]
fn everything_in_the_prelude_has_an_example_that_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    examples(&root.join("src"), false, &mut code);
    examples(&root.join("examples"), true, &mut code);
    let words: std::collections::HashSet<&str> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let (mut names, items) = (prelude(), trait_items());
    assert!(names.len() > 60 && items.len() > 40, "only {} and {} were found", names.len(), items.len());
    names.extend(items);
    let without: Vec<_> = names.iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(without.is_empty(), "no example shows {without:?}; add one to its documentation");
}
