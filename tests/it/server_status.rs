//! How the server is, as its admins see it.

use serde_json::json;

use super::support::{Client, Scene, Server, scene};

#[tokio::test]
async fn an_admin_sees_what_the_server_is_and_holds() {
    let scene = Scene::new("server").await;
    let _firmware = scene.firmware().await;
    scene.admin.create_agent("server", scene::SECRET).await;
    let before = scene.admin.get("/api/admin/server").await.expect(200).data().clone();
    assert_eq!(before["version"], netignite::VERSION);
    let counted = ["users", "agents", "agentsConnected", "devices", "liveOperations"];
    assert_eq!(counted.map(|name| before[name].as_i64().unwrap()), [1, 2, 1, 1, 0]);
    assert!(before["databaseBytes"].as_i64().unwrap() > 4096, "{before}");
    let plugins = before["plugins"].as_array().unwrap();
    let names: Vec<_> = plugins.iter().map(|plugin| plugin["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted() && names.contains(&"health"), "{before}");
    assert!(plugins.iter().all(|plugin| !plugin["summary"].as_str().unwrap().is_empty()), "{before}");
    assert_eq!(before["backups"], json!([]));
    let number = |name: &str| before[name].as_i64().unwrap();
    assert!(number("startedAt") >= number("keyMadeAt") - 60_000, "{before}");
    let after = scene.admin.get("/api/admin/server").await.expect(200).data().clone();
    assert!(after["uptime"].as_i64() >= before["uptime"].as_i64());
}

#[tokio::test]
async fn an_admin_sees_the_copies_of_the_database() {
    let directory = tempfile::tempdir().unwrap();
    let original = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/original.sqlite");
    let database = netignite::testkit::config(directory.path()).data_directory.join("db.sqlite");
    std::fs::copy(original, database).unwrap();
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), "admin", "123456").await;
    let status = admin.get("/api/admin/server").await.expect(200).data().clone();
    let [backup] = status["backups"].as_array().unwrap().as_slice() else { panic!("one copy: {status}") };
    assert!(backup["name"].as_str().unwrap().starts_with("db.sqlite.before-v1-"), "{backup}");
    assert!(backup["bytes"].as_i64().unwrap() > 4096, "{backup}");
    let age = server.host().clock.now() - backup["madeAt"].as_i64().unwrap();
    assert!((-2_000..600_000).contains(&age), "{backup}");
}
