//! How the server is, as its admins see it.

use super::support::{Scene, scene};

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
    let number = |name: &str| before[name].as_i64().unwrap();
    assert!(number("startedAt") >= number("keyMadeAt") - 60_000, "{before}");
    let after = scene.admin.get("/api/admin/server").await.expect(200).data().clone();
    assert!(after["uptime"].as_i64() >= before["uptime"].as_i64());
}
