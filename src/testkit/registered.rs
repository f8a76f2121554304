//! Whether everything that a crate's sources implement is in its program: a forgotten `mod` line or `register_…!` is no
//! error to the compiler, and the command or plugin is just not there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::plugin;
use crate::registry::Registry;

/// What a crate brings, and the macro that registers it.
const KINDS: [(&str, &str); 2] = [("Command", "register_command!"), ("Plugin", "register_plugin!")];

/// Checks that every command and plugin that the sources of a crate implement is in this program, and every command's
/// server side with it. `crate_directory` is where
/// the crate's `Cargo.toml` lies. What follows `#[cfg(test)]` in a file is not looked at.
///
/// ```no_run
/// #[test]
/// fn everything_is_in_the_program() {
///     netignite::testkit::assert_registered(env!("CARGO_MANIFEST_DIR"));
/// }
/// ```
///
/// # Panics
/// Something is not in the program; the text says what to add, and where.
pub fn assert_registered(crate_directory: impl AsRef<Path>) {
    let missing = unregistered(crate_directory.as_ref());
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// What is implemented but is not in this program, a line each.
fn unregistered(directory: &Path) -> Vec<String> {
    let sources = sources(&directory.join("src"));
    let mut missing = Vec::new();
    for (kind, macro_name) in KINDS {
        let registered = registered(kind);
        let mut implemented = BTreeMap::<String, Vec<&Path>>::new();
        for (path, text) in &sources {
            for name in implementations(text, kind) {
                implemented.entry(name).or_default().push(path);
            }
        }
        for (name, paths) in implemented {
            let here = registered.iter().filter(|known| last(known) == name).count();
            // Of several types of one name, those whose module is in no registered type's path.
            let absent = paths.iter().filter(|path| {
                let module = format!("::{}::", module_of(path));
                here == 0 || !registered.iter().any(|known| known.contains(&module) && last(known) == name)
            });
            let absent = absent.take(paths.len().saturating_sub(here));
            missing.extend(absent.map(|path| said(directory, &sources, (kind, macro_name), path, &name)));
        }
    }
    missing.extend(sides_left_out(directory, &sources));
    missing.extend(library_left_out(directory, &sources));
    missing
}

/// That the program of a crate has nothing of the crate's library, in which its commands and plugins are.
fn library_left_out(directory: &Path, sources: &[(PathBuf, String)]) -> Option<String> {
    let text = |name: &str| {
        let path = directory.join("src").join(name);
        sources.iter().find(|(file, _)| *file == path).map(|(_, text)| text)
    };
    let (_, main) = (text("lib.rs")?, text("main.rs")?);
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
    let crate_name = library_of(&manifest)?;
    let names_it =
        |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == crate_name);
    (!code(main).any(names_it)).then(|| {
        format!(
            "src/main.rs does not name {crate_name}, so that its program has nothing of src/lib.rs: add \
             `use {crate_name} as _;` to src/main.rs"
        )
    })
}

/// What a manifest calls the crate's library: the first name in `[lib]`, else in `[package]`.
fn library_of(manifest: &str) -> Option<String> {
    let name_in = |section: &str| {
        let lines = manifest.lines().map(str::trim).skip_while(|line| *line != section).skip(1);
        let mut lines = lines.take_while(|line| !line.starts_with('['));
        lines.find_map(|line| line.strip_prefix("name")?.trim_start().strip_prefix('=')?.split('"').nth(1))
    };
    Some(name_in("[lib]").or_else(|| name_in("[package]"))?.replace('-', "_"))
}

/// The server's sides that are implemented for commands of this program and that nobody calls.
fn sides_left_out(directory: &Path, sources: &[(PathBuf, String)]) -> Vec<String> {
    let registry = Registry::build().unwrap_or_else(|e| panic!("{e}"));
    let left_out = |name: &String| {
        let mut known = registry.iter().filter(|entry| last((entry.type_name)()) == name).peekable();
        known.peek().is_some() && known.all(|entry| entry.server_side.is_none())
    };
    let mut said = Vec::new();
    for (path, text) in sources {
        let file = path.strip_prefix(directory).unwrap_or(path).display();
        let names = implementations(text, "ServerSide").into_iter().filter(left_out);
        said.extend(names.map(|name| {
            format!(
                "{file} implements ServerSide for {name}, which nobody calls: register it with \
                 `register_command!({name}, server_side);`"
            )
        }));
    }
    said
}

/// What is missing, and what to do.
fn said(
    directory: &Path,
    sources: &[(PathBuf, String)],
    (kind, macro_name): (&str, &str),
    path: &Path,
    name: &str,
) -> String {
    let shown = |path: &Path| path.strip_prefix(directory).unwrap_or(path).display().to_string();
    let file = shown(path);
    let begin = format!("{file} implements {kind} for {name}, which is not in this program: ");
    let registers = |text: &str| {
        let calls =
            code(text).filter_map(|line| line.split_once(macro_name)?.1.trim_start().strip_prefix('('));
        calls.map(|arguments| leading_path(arguments.trim_start())).any(|path| last(path) == name)
    };
    match sources.iter().find(|(_, text)| registers(text)) {
        None => format!("{begin}add `{macro_name}({name});` to {file}"),
        Some((registering, _)) => {
            let (file, module) = (shown(registering), module_of(registering));
            let above = above(registering);
            format!(
                "{begin}{file} registers it, but is not compiled. Add `mod {module};` to {}; if it has that line, name the \
                 crate in this test (`use … as _;`), so that it is linked",
                shown(&above)
            )
        }
    }
}

/// The types of a kind in this program that are not NetIgnite's own, with their paths.
fn registered(kind: &str) -> Vec<&'static str> {
    let all: Vec<_> = match kind {
        // What cannot be served together is named by every start.
        "Command" => Registry::build()
            .map_err(|e| e.to_string())
            .map(|registry| registry.iter().map(|entry| (entry.type_name)()).collect()),
        _ => plugin::registered()
            .map_err(|e| e.to_string())
            .map(|all| all.iter().map(|entry| (entry.type_name)()).collect()),
    }
    .unwrap_or_else(|e| panic!("{e}"));
    all.into_iter().filter(|name: &&str| !name.starts_with("netignite::")).collect()
}

/// Every Rust file below a folder, and its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path);
                let text = text.unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// The lines of a file before its tests that are no comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim).take_while(|line| *line != "#[cfg(test)]");
    lines.filter(|line| !line.starts_with("//"))
}

/// The names of the types that a file implements a trait for.
fn implementations(text: &str, kind: &str) -> Vec<String> {
    let names = code(text).filter(|line| line.starts_with("impl")).filter_map(|line| {
        let (before, after) = line.split_once(&format!("{kind} for "))?;
        before.ends_with([' ', ':', '>']).then(|| last(leading_path(after)).to_owned())
    });
    names.collect()
}

/// The path with which a text begins.
fn leading_path(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(text.len());
    &text[..end]
}

/// The last name of a path, without what it is generic over.
fn last(path: &str) -> &str {
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// The name of the module that a file is.
fn module_of(path: &Path) -> String {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match name(path) {
        stem if stem == "mod" => path.parent().map(name).unwrap_or_default(),
        stem => stem,
    }
}

/// The file in which the `mod` line of a file belongs.
fn above(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(path);
    let folder = if path.ends_with("mod.rs") { folder.parent().unwrap_or(folder) } else { folder };
    let beside = folder.with_extension("rs");
    let candidates = [folder.join("lib.rs"), folder.join("main.rs"), folder.join("mod.rs")];
    candidates.into_iter().find(|file| file.exists()).unwrap_or(beside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Directory;

    #[test]
    fn what_is_implemented_and_not_in_the_program_is_named_with_what_to_add() {
        let directory = Directory::new();
        let write = |file: &str, text: &str| {
            let path = directory.path().join("src").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "lib.rs",
            "// impl Command for Comment {}\nmod here;\n#[cfg(test)]\nimpl Command for InTests {}\n",
        );
        assert_eq!(unregistered(directory.path()), Vec::<String>::new());

        write(
            "forgotten.rs",
            "impl Command for Forgotten {\n}\n\nregister_command!(Forgotten, config = Config);\n",
        );
        write("unregistered.rs", "impl netignite::prelude::Command for Alone {\n}\n");
        write("deep/mod.rs", "impl Plugin for Deep {\n}\n\nregister_plugin!(Deep);\n");
        // Of the commands that are in this program, one has no server's side and one has.
        write("sides.rs", "impl ServerSide for Wakeup {\n}\nimpl ServerSide for Probe {\n}\n");
        fs::write(directory.path().join("Cargo.toml"), "[package]\nname = \"my-server\"\n").unwrap();
        write("main.rs", "netignite::main!();\n// use my_server as _;\n");
        let said = unregistered(directory.path());
        let [register, forgotten, deep, side, program] = &said[..] else { panic!("{said:?}") };
        assert_eq!(
            register,
            "src/unregistered.rs implements Command for Alone, which is not in this program: add \
             `register_command!(Alone);` to src/unregistered.rs"
        );
        assert!(forgotten.starts_with("src/forgotten.rs implements Command for Forgotten"), "{forgotten}");
        assert!(forgotten.contains("Add `mod forgotten;` to src/lib.rs"), "{forgotten}");
        assert!(deep.contains("Add `mod deep;` to src/lib.rs"), "{deep}");
        assert_eq!(
            side,
            "src/sides.rs implements ServerSide for Wakeup, which nobody calls: register it with \
             `register_command!(Wakeup, server_side);`"
        );
        assert_eq!(
            program,
            "src/main.rs does not name my_server, so that its program has nothing of src/lib.rs: add \
             `use my_server as _;` to src/main.rs"
        );
        write("main.rs", "netignite::main!();\n\nuse my_server as _;\n");
        assert_eq!(unregistered(directory.path()).len(), 4);
    }
}
