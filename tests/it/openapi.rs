//! The API's document: the committed copy is what a server serves, and says of itself nothing that is not so.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::support::Server;
use super::support::binary::command;

/// The committed copy.
fn copy() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json")
}

#[tokio::test]
async fn the_committed_document_is_what_is_served() {
    let server = Server::start().await;
    let reply = server.anonymous().get("/api/openapi.json").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let served = format!("{}\n", serde_json::to_string_pretty(&reply.body).expect("JSON"));
    if std::env::var_os("OPENAPI_UPDATE").is_some() {
        std::fs::write(copy(), &served).expect("the copy can be written");
    }
    let committed = std::fs::read_to_string(copy()).unwrap_or_default();
    assert!(
        committed == served,
        "docs/openapi.json is old: run `OPENAPI_UPDATE=1 cargo test --test it openapi`, and look at what changed in it"
    );
    server.stop().await;
}

#[tokio::test]
async fn the_program_prints_the_committed_document_and_leaves_nothing_behind() {
    let here = tempfile::tempdir().expect("a directory");
    let output =
        command(here.path(), &["openapi"]).env("TMPDIR", here.path()).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let committed = std::fs::read(copy()).expect("the copy");
    assert!(
        output.stdout == committed,
        "docs/openapi.json is not what `netignite openapi` prints: run `OPENAPI_UPDATE=1 cargo test --test it openapi`, and \
         look at what changed in it"
    );
    assert_eq!(std::fs::read_dir(here.path()).expect("it is there").count(), 0);

    let nowhere = here.path().join("nowhere");
    let output = command(here.path(), &["openapi"]).env("TMPDIR", &nowhere).output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(line.starts_with("netignite: cannot make the directory ") && line.contains("TMPDIR"), "{line}");
}

#[tokio::test]
async fn every_route_and_command_is_in_it_and_every_reference_leads_somewhere() {
    let server = Server::start().await;
    let document = server.anonymous().get("/api/openapi.json").await.body;
    let mut ids = BTreeSet::new();
    for route in netignite::api::table().into_iter().chain(server.plugin_routes()) {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &document["paths"][route.path.replace("{*", "{")][&method];
        assert_eq!(operation["summary"], route.summary, "{route:?}");
        assert!(ids.insert(operation["operationId"].to_string()), "{route:?} has the ID of another");
        let parameters = operation["parameters"].as_array().expect("a list");
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, route.placeholders().count(), "{route:?}");
        for failure in route.failures() {
            let responses = operation["responses"].as_object().expect("an object");
            let said = responses.values().any(|response| {
                let shared = response["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
                let response = shared.and_then(|pointer| document.pointer(pointer)).unwrap_or(response);
                let code =
                    &response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"];
                code["enum"].as_array().is_some_and(|codes| codes.iter().any(|code| code == failure.code))
            });
            assert!(said, "{route:?} does not say {}", failure.code);
        }
        if let Some(example) = route.example {
            serde_json::from_str::<Value>(example)
                .unwrap_or_else(|e| panic!("the example of {route:?}: {e}"));
        }
    }
    let commands = server.superadmin().await.get("/api/commands").await.expect(200);
    for command in commands.data().as_array().expect("a list") {
        let name = command["name"].as_str().expect("a name");
        let payload = &document["components"]["schemas"][format!("Command.{name}.payload")];
        let fields = |schema: &Value| -> Vec<String> {
            schema["properties"]
                .as_object()
                .map(|fields| fields.keys().cloned().collect())
                .unwrap_or_default()
        };
        assert!(payload.is_object(), "{name} is not there");
        assert_eq!(fields(payload), fields(&command["payload"]), "{name}");
    }
    assert_references(&document, &document);
    server.stop().await;
}

fn assert_references(value: &Value, document: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').expect("a reference into the document");
                assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
            }
            fields.values().for_each(|value| assert_references(value, document));
        }
        Value::Array(values) => values.iter().for_each(|value| assert_references(value, document)),
        _ => {}
    }
}

#[tokio::test]
async fn what_the_query_must_have_is_missed_where_it_is_not_there() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let document = server.anonymous().get("/api/openapi.json").await.body;
    for (path, item) in document["paths"].as_object().expect("an object") {
        for (method, operation) in item.as_object().expect("an object") {
            let parameters = operation["parameters"].as_array().expect("a list");
            for required in parameters.iter().filter(|one| one["in"] == "query" && one["required"] == true) {
                assert!(method == "get" && !path.contains('{'), "{method} {path}: ask for it here too");
                let reply = admin.get(path).await;
                assert_eq!(reply.status, 400, "{path} does without {}", required["name"]);
            }
        }
    }
}

#[tokio::test]
async fn its_page_is_in_the_navigation_of_whoever_is_signed_in() {
    let server = Server::start().await;
    server.anonymous().get("/api/navigation").await.expect(401);
    let pages = serde_json::json!([{"path": "/api/docs", "title": "API reference"}]);
    let admin = server.superadmin().await;
    assert_eq!(admin.get("/api/navigation").await.expect(200).data(), &pages);
    assert_eq!(admin.get("/api/auth/session").await.expect(200).data()["navigation"], pages);
    let without = Server::start_with(|config| {
        config.plugins.insert("openapi".into(), serde_json::json!({"enabled": false}));
    })
    .await;
    let admin = without.superadmin().await;
    assert_eq!(admin.get("/api/navigation").await.expect(200).data(), &serde_json::json!([]));
}
