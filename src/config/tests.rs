#![allow(clippy::unwrap_used)]

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

/// A plugin with every kind of value in its section.
#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Section {
    enabled: bool,
    bind: Option<std::net::SocketAddr>,
    auth_token: Option<String>,
    batch_size: u16,
    inner: Inner,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Inner {
    weight: Option<u8>,
    password: String,
}

const SAMPLE: PluginSection =
    PluginSection::of::<Section>("sample", &[], &[], |section| section::check::<Section>("sample", section));

/// A section whose types take any key, but for one part of it.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Lenient {
    color: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u8>,
    inner: LenientInner,
    perhaps: Option<LenientInner>,
    strict: Strict,
    #[serde(alias = "colour")]
    shade: String,
    #[serde(skip_serializing)]
    hidden: String,
    any: std::collections::BTreeMap<String, u8>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct LenientInner {
    weight: u8,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Strict {
    #[serde(alias = "grey")]
    gray: u8,
}

#[test]
fn a_key_that_a_type_passes_over_is_refused_as_if_it_denied_it() {
    let check = |section: Value| section::check::<Lenient>("sample", &section);
    let good = json!({"color": "red", "size": 3, "inner": {"weight": 1}, "strict": {"grey": 1}, "any": {"a.b": 1},
        "colour": "dark", "hidden": "x", "perhaps": {"weight": 2}});
    assert_eq!(check(good), Ok(()));
    for (section, path, key) in [
        (json!({"colur": "red"}), "colur", "colur"),
        (json!({"inner": {"wait": 1}}), "inner.wait", "wait"),
        (json!({"perhaps": {"wait": 1}}), "perhaps.wait", "wait"),
    ] {
        assert_eq!(check(section), Err(format!("plugins.sample.{path}: unknown field `{key}`")));
    }
    assert!(check(json!({"strict": {"grei": 1}})).unwrap_err().contains("unknown field `grei`"));
}

const CANARY: &str = "canary-8c1f";

/// Loads a file and variables with the plugin known.
fn loaded(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    std::fs::write(&path, file).unwrap();
    let overrides = Overrides { file: Some(path.clone()), ..Overrides::default() };
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    let place = format!("{}: ", path.display());
    load(&overrides, variables, &[&SAMPLE]).map_err(|e| e.to_string().replace(&place, "file: "))
}

fn shown(loaded: &Loaded, key: &str) -> (Value, String) {
    let setting = loaded.settings.iter().find(|s| s.key == key).unwrap();
    (setting.value.clone(), setting.origin.to_string())
}

#[test]
fn a_plugin_gets_its_whole_section() {
    let loaded = loaded(
        r#"{"plugins": {"sample": {"enabled": true, "batchSize": 3}}}"#,
        &[
            ("NETIGNITE_PLUGINS__SAMPLE__BATCH_SIZE", "7"),
            ("NETIGNITE_PLUGINS__SAMPLE__BIND", "127.0.0.1:9"),
            ("NETIGNITE_PLUGINS__SAMPLE__INNER__WEIGHT", "5"),
            ("NETIGNITE_PLUGINS__SAMPLE__ENABLED", "false"),
        ],
    )
    .unwrap();
    let expected = json!({
        "enabled": false,
        "bind": "127.0.0.1:9",
        "authToken": null,
        "batchSize": 7,
        "inner": { "weight": 5, "password": "" },
    });
    assert_eq!(loaded.config.plugins["sample"], expected);
    let variable = "NETIGNITE_PLUGINS__SAMPLE__INNER__WEIGHT".to_owned();
    assert_eq!(shown(&loaded, "plugins.sample.inner.weight"), (json!(5), variable));
    assert_eq!(shown(&loaded, "plugins.sample.authToken"), (Value::Null, "default".to_owned()));
}

#[test]
fn errors_in_a_section_name_place_key_and_expectation() {
    for (section, expected) in [
        (
            r#"{"enable": true}"#,
            "file: unknown key \"plugins.sample.enable\"; the nearest known key is \"plugins.sample.enabled\"",
        ),
        (
            r#"{"inner": {"wait": 1}}"#,
            "file: unknown key \"plugins.sample.inner.wait\"; the nearest known key is \
             \"plugins.sample.inner.weight\"",
        ),
        (r#"{"enabled": 1}"#, "file: plugins.sample.enabled: expected true or false, found 1"),
        (
            r#"{"batchSize": "many"}"#,
            "file: plugins.sample.batchSize: expected a whole number from 0 to 65535, found \"many\"",
        ),
        (
            r#"{"bind": "nowhere"}"#,
            "file: plugins.sample.bind: invalid socket address syntax, found \"nowhere\"",
        ),
    ] {
        let file = format!(r#"{{"plugins": {{"sample": {section}}}}}"#);
        assert_eq!(loaded(&file, &[]).unwrap_err(), expected);
    }
    assert_eq!(
        loaded(r#"{"plugins": {"smaple": {}}}"#, &[]).unwrap_err(),
        "file: plugins.smaple: unknown plugin \"smaple\"; the nearest known plugin is \"sample\""
    );
    assert_eq!(
        loaded(r#"{"plugins": {"mgi": {}}}"#, &[]).unwrap_err(),
        "file: plugins.mgi: unknown plugin \"mgi\"; the plugins of this program are sample"
    );
    assert_eq!(
        loaded("{}", &[("NETIGNITE_PLUGINS__SAMPLE__BATCH_SIZE", "x")]).unwrap_err(),
        "NETIGNITE_PLUGINS__SAMPLE__BATCH_SIZE: plugins.sample.batchSize: expected a whole number from 0 to 65535, found \"x\""
    );
}

#[test]
fn a_secret_may_look_like_a_number() {
    let token = |loaded: Loaded| loaded.config.plugins["sample"]["authToken"].clone();
    let file = |token: &str| format!(r#"{{"plugins": {{"sample": {{"authToken": {token}}}}}}}"#);
    assert_eq!(token(loaded(&file("12345"), &[]).unwrap()), "12345");
    let variable = "NETIGNITE_PLUGINS__SAMPLE__AUTH_TOKEN";
    assert_eq!(token(loaded("{}", &[(variable, "0012")]).unwrap()), "0012");
    // More digits than a number keeps.
    let error = loaded(&file("98765432109876543210987"), &[]).unwrap_err();
    assert_eq!(error, "file: plugins.sample.authToken: expected text: put the value in quotes");
}

#[test]
fn a_secret_may_lie_in_a_file_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, format!(" {CANARY} \r\n")).unwrap();
    let path = path.to_str().unwrap();
    let variable = "NETIGNITE_PLUGINS__SAMPLE__AUTH_TOKEN_FILE";

    let read = loaded("{}", &[(variable, path)]).unwrap();
    assert_eq!(read.config.plugins["sample"]["authToken"], format!(" {CANARY} "));
    let expected = (json!("[redacted]"), format!("{variable} ({path})"));
    assert_eq!(shown(&read, "plugins.sample.authToken"), expected);

    let gone = loaded("{}", &[(variable, "/nowhere/token")]).unwrap_err();
    assert!(gone.starts_with(&format!("{variable} (/nowhere/token): cannot read the file")), "{gone}");
    let both = [(variable, path), ("NETIGNITE_PLUGINS__SAMPLE__AUTH_TOKEN", CANARY)];
    assert_eq!(
        loaded("{}", &both).unwrap_err(),
        format!("NETIGNITE_PLUGINS__SAMPLE__AUTH_TOKEN and {variable} are both set; unset one of them")
    );
}

#[test]
fn secrets_are_never_shown() {
    let file = format!(
        r#"{{"plugins": {{"sample": {{"authToken": "{CANARY}", "inner": {{"password": "{CANARY}"}}}}}}}}"#
    );
    let read = loaded(&file, &[]).unwrap();
    assert_eq!(read.config.plugins["sample"]["authToken"], CANARY);
    assert_eq!(shown(&read, "plugins.sample.authToken").0, "[redacted]");
    assert!(!format!("{read:?}").contains(CANARY), "{read:?}");

    let as_secret = [
        format!(r#"{{"plugins": {{"sample": {{"authToken": ["{CANARY}"]}}}}}}"#),
        format!(r#"{{"plugins": {{"sample": {{"inner": {{"password": {{"a": "{CANARY}"}}}}}}}}}}"#),
        format!(r#"{{"plugins": {{"sample": {{"authTokn": "{CANARY}"}}}}}}"#),
        format!(r#"{{"plugins": {{"sample": "{CANARY}"}}}}"#),
        format!(r#"{{"plugins": "{CANARY}"}}"#),
        format!(r#"{{"token": "{CANARY}"}}"#),
        format!(r#"{{"allowedOrigins": ["https://me:{CANARY}@home.example"]}}"#),
        format!(r#"{{"plugins": {{"sample": {{"authToken": "{CANARY}" "inner": 1}}}}}}"#),
    ];
    for file in as_secret {
        let error = loaded(&file, &[]).unwrap_err();
        assert!(!error.contains(CANARY), "{error}");
    }
    let error = loaded("{}", &[("NETIGNITE_PLUGINS__SAMPLE__TOKEN", CANARY)]).unwrap_err();
    assert!(!error.contains(CANARY), "{error}");
}
