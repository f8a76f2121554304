//! A secret of a plugin's section is kept from whoever reads the configuration, whatever its key is called.

use netignite::config::{Config, Overrides};
use netignite::prelude::*;
use netignite::testkit::Directory;

const CANARY: &str = "https://hooks.example/canary-7";

/// What is read of a configuration whose notes are these.
fn loaded(notes: &JsonValue) -> std::result::Result<netignite::config::Loaded, String> {
    let directory = Directory::new();
    let file = directory.path().join("config.json");
    std::fs::write(&file, json!({"plugins": {"notes": notes}}).to_string()).unwrap();
    Config::load(&Overrides { file: Some(file), ..Overrides::default() }).map_err(|e| e.to_string())
}

#[test]
fn it_is_not_shown() {
    let loaded_well = loaded(&json!({"hook": CANARY, "words": "shown"})).unwrap();
    let shown =
        |key: &str| loaded_well.settings.iter().find(|one| one.key == key).map(|one| one.value.clone());
    assert_eq!(shown("plugins.notes.hook"), Some(json!("[redacted]")));
    assert_eq!(shown("plugins.notes.words"), Some(json!("shown")));
    assert_eq!(loaded_well.config.plugins["notes"]["hook"], CANARY);
    assert!(!format!("{loaded_well:?}").contains(CANARY), "{loaded_well:?}");

    let refused = loaded(&json!({"hook": [CANARY]})).unwrap_err();
    assert!(refused.contains("plugins.notes.hook: expected") && !refused.contains(CANARY), "{refused}");
}

#[test]
fn it_may_look_like_a_number() {
    assert_eq!(loaded(&json!({"hook": 12345})).unwrap().config.plugins["notes"]["hook"], "12345");
}
