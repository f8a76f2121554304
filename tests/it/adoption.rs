//! A database of the original server: everything in it goes on working, and there is a way back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::binary::{command, run};
use crate::support::{Binary, Client, Firmware, sqlite};

/// A database as the original server left it.
fn original() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/original.sqlite")
}

/// Where the original's database comes to lie.
fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("data/db.sqlite")
}

/// A directory with a copy of the original's database, changed by `statements`.
async fn adopted(statements: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    std::fs::copy(original(), database(&directory)).unwrap();
    if !statements.is_empty() {
        sqlite::execute(&database(&directory), statements).await;
    }
    directory
}

async fn stop(server: Binary) {
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
}

/// Everything in a table, as text.
async fn rows(path: &Path, table: &str, columns: &str) -> Vec<String> {
    let columns: Vec<_> = columns.split(' ').map(|c| format!("quote({c})")).collect();
    sqlite::texts(path, &format!("SELECT {} FROM {table} ORDER BY id", columns.join(" || ',' || "))).await
}

const USERS: &str = "id username password_hash role favorites";
/// Without the secret, which is stored in another form; that it is the same is shown by connecting.
const AGENTS: &str = "id name type description ownerID";
const DEVICES: &str = "id name type description macAddress port agentID ownerID";

/// The copy that was made before the database was changed.
fn backup(directory: &TempDir) -> PathBuf {
    let entries = std::fs::read_dir(directory.path().join("data")).unwrap();
    let mut copies: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.to_string_lossy().ends_with("db.sqlite"))
        .filter(|path| std::fs::read(path).unwrap().starts_with(b"SQLite format 3\0"))
        .collect();
    assert_eq!(copies.len(), 1, "one copy: {copies:?}");
    copies.remove(0)
}

/// Whether a login works; not a panic if it does not.
async fn can_log_in(address: SocketAddr, username: &str, password: &str) -> bool {
    let body = json!({"username": username, "password": password});
    Client::anonymous(address).post("/api/auth/login", body).await.status == 200
}

#[tokio::test]
async fn users_log_in_with_their_old_passwords_which_are_hashed_anew() {
    let directory = adopted("").await;
    let path = database(&directory);
    let (server, address) = Binary::serve(directory.path()).await;
    assert!(!directory.path().join("data/initial_admin_credentials").exists());
    for (name, password, role) in
        [("admin", "123456", "admin"), ("bob", "bobpw", "user"), ("carol", "carolpw", "admin")]
    {
        // The second time the new hash is asked.
        for _ in 0..2 {
            let client = Client::login(address, name, password).await;
            let session = client.get("/api/auth/session").await.expect(200);
            assert_eq!(session.data()["role"], role);
        }
        assert!(!can_log_in(address, name, &format!("{password} ")).await);
        assert!(!can_log_in(address, name, "").await);
    }
    stop(server).await;
    let hash = |name: &str| format!("SELECT password_hash FROM users WHERE username = '{name}'");
    for name in ["admin", "bob", "carol"] {
        let hash = sqlite::text(&path, &hash(name)).await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{name}: {hash}");
    }
    // Who did not log in keeps the old one.
    assert!(sqlite::text(&path, &hash("longpw")).await.starts_with("$2b$10$"));
}

#[tokio::test]
async fn the_first_user_becomes_the_superadmin() {
    let directory = adopted("").await;
    let (_server, address) = Binary::serve(directory.path()).await;
    let promote = json!({"username": "bob", "role": "admin", "favorites": []});
    let carol = Client::login(address, "carol", "carolpw").await;
    carol.put("/api/admin/users/2", promote.clone()).await.expect(403);
    let admin = Client::login(address, "admin", "123456").await;
    assert_eq!(admin.user, 1);
    admin.put("/api/admin/users/2", promote).await.expect(200);
}

#[tokio::test]
async fn agents_connect_with_their_old_secrets() {
    let directory = adopted("").await;
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = Client::login(address, "admin", "123456").await;
    let mut connected = Vec::new();
    for (agent, secret) in [(1, "s1"), (2, "a:b"), (4, "sécret☃")] {
        connected.push(Firmware::connect(address, agent, secret).await);
    }
    // A stored empty secret lets nobody in.
    for secret in ["", ":", "s1"] {
        let refused = Firmware::try_connect(address, 3, secret).await.map(drop).unwrap_err();
        assert_eq!(refused.status, 401, "{secret:?}");
    }
    let status = admin.get("/api/agents/status").await.expect(200);
    assert_eq!(*status.data(), json!({"1": "online", "2": "online", "3": "offline", "4": "online"}));
    let waking = admin.clone();
    let wake = tokio::spawn(async move { waking.post("/api/devices/1/wakeup", json!({})).await });
    let command = connected[0].command().await;
    assert_eq!(command.json, json!({"macAddress": "00:11:22:33:44:55", "port": 9}));
    connected[0].reply_ok(&command).await;
    wake.await.unwrap().expect(200);
}

#[tokio::test]
async fn no_row_is_lost_or_changed() {
    let directory = adopted("").await;
    let mut before = Vec::new();
    for (table, columns) in [("users", USERS), ("agents", AGENTS), ("devices", DEVICES)] {
        before.push(rows(&original_copy().await.1, table, columns).await);
    }
    let (server, _) = Binary::serve(directory.path()).await;
    stop(server).await;
    let path = database(&directory);
    for ((table, columns), before) in
        [("users", USERS), ("agents", AGENTS), ("devices", DEVICES)].into_iter().zip(before)
    {
        assert_eq!(rows(&path, table, columns).await, before, "{table}");
    }
    assert_eq!(sqlite::texts(&path, "PRAGMA integrity_check").await, ["ok"]);
    assert_ne!(sqlite::text(&path, "PRAGMA user_version").await, "0");
    // IDs that were given and deleted are not given again.
    let (_server, address) = Binary::serve(directory.path()).await;
    let admin = Client::login(address, "admin", "123456").await;
    assert_eq!(admin.create_agent("server", "a long enough secret").await, 6);
}

/// The fixture in a directory of its own: SQLite may write beside a file it opens.
async fn original_copy() -> (TempDir, PathBuf) {
    let directory = adopted("").await;
    let path = database(&directory);
    (directory, path)
}

#[tokio::test]
async fn odd_rows_stay_readable_and_editable() {
    let directory = adopted(
        "PRAGMA foreign_keys = OFF;
         UPDATE users SET favorites = '' WHERE id = 2;
         UPDATE users SET favorites = '[9, \"9\", null, {}, 1, 77, \"x\"]' WHERE id = 1;
         UPDATE agents SET name = '' WHERE id = 4;
         INSERT INTO devices VALUES
             (20, 'bad mac', 'nas', NULL, 'not a mac', 9, 1, 1),
             (21, 'fraction', 'desktop', NULL, '00:11:22:33:44:66', 9.7, 1, 1),
             (22, 'no port', 'desktop', 'd', '00:11:22:33:44:77', 0, 1, 1),
             (23, 'huge port', 'desktop', 'd', '00:11:22:33:44:88', 70000, 1, 1),
             (24, 'gone agent', 'printer', 'd', '00:11:22:33:44:99', 9, 999, 1),
             (25, '', 'laptop', 'd', 'aa-bb-cc-dd-ee-ff', 9, 2, 1);
         INSERT INTO devices VALUES (26, 'gone owner', 'laptop', 'd', 'aa-bb-cc-dd-ee-ff', 9, 2, 888);
         PRAGMA foreign_keys = ON;",
    )
    .await;
    let (server, address) = Binary::serve(directory.path()).await;
    let admin = Client::login(address, "admin", "123456").await;
    let bob = Client::login(address, "bob", "bobpw").await;
    // Favourites read as the integers among them that are one's own devices.
    assert_eq!(admin.get("/api/auth/session").await.expect(200).data()["favorites"], json!([1]));
    assert_eq!(bob.get("/api/auth/session").await.expect(200).data()["favorites"], json!([]));
    let devices = admin.get("/api/devices").await.expect(200).data().as_array().unwrap().clone();
    let ids: Vec<_> = devices.iter().map(|device| device["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 20, 21, 22, 23, 24, 25]);
    let everyones = admin.get("/api/devices?adminMode=true").await.expect(200);
    let ids: Vec<_> =
        everyones.data().as_array().unwrap().iter().map(|d| d["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 9, 20, 21, 22, 23, 24, 25, 26]);
    let device = |id: i64| devices.iter().find(|device| device["id"] == id).unwrap().clone();
    assert_eq!(device(21)["port"], 9, "a fraction reads truncated");
    assert_eq!((&device(20)["macAddress"], &device(20)["description"]), (&json!("not a mac"), &Value::Null));
    // Sent back as it is, each passes: old rows stay editable.
    for id in [20, 21, 22, 23, 24, 25] {
        let mut changed = device(id);
        let path = format!("/api/devices/{id}");
        admin.put(&path, changed.clone()).await.expect(200);
        changed["name"] = json!("renamed");
        admin.put(&path, changed.clone()).await.expect(200);
        let after = admin.get(&path).await.expect(200);
        assert_eq!(after.data()["name"], "renamed");
        assert_eq!(after.data()["macAddress"], changed["macAddress"]);
    }
    let agent = admin.get("/api/agents/4").await.expect(200).data().clone();
    admin.put("/api/agents/4", agent).await.expect(200);
    let _still = Firmware::connect(address, 4, "sécret☃").await;
    // What has no MAC address or port cannot be woken, and says so before any agent is asked.
    let _agent = Firmware::connect(address, 1, "s1").await;
    for id in [20, 22, 23] {
        admin.post(&format!("/api/devices/{id}/wakeup"), json!({})).await.expect(409);
    }
    // A device on another's agent, which the original allowed, wakes nothing through it.
    let reply = bob.post("/api/devices/9/wakeup", json!({})).await;
    assert!(reply.status >= 400, "{}", reply.text);
    stop(server).await;
}

#[tokio::test]
async fn a_copy_is_made_first_and_leads_back_to_the_original() {
    let directory = adopted("").await;
    let (server, address) = Binary::serve(directory.path()).await;
    Client::login(address, "bob", "bobpw").await;
    stop(server).await;
    let copy = backup(&directory);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "the copy holds secrets and is its owner's alone");
    // The copy is a database of the original server to the last row, in the original's tables.
    let (_keep, untouched) = original_copy().await;
    assert_eq!(sqlite::text(&copy, "PRAGMA user_version").await, "0");
    let tables = "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    assert_eq!(sqlite::texts(&copy, tables).await, sqlite::texts(&untouched, tables).await);
    for (table, columns) in [("users", USERS), ("agents", AGENTS), ("devices", DEVICES)] {
        assert_eq!(rows(&copy, table, columns).await, rows(&untouched, table, columns).await, "{table}");
    }
    // In its place it is what the original would open, and what we would adopt again.
    let again = tempfile::tempdir().unwrap();
    std::fs::create_dir(again.path().join("data")).unwrap();
    std::fs::copy(&copy, database(&again)).unwrap();
    let (_server, address) = Binary::serve(again.path()).await;
    Client::login(address, "bob", "bobpw").await;
    // A second start has nothing to migrate, and makes no further copy.
    let (server, _) = Binary::serve(directory.path()).await;
    stop(server).await;
    assert_eq!(backup(&directory), copy);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let directory = adopted("PRAGMA user_version = 999").await;
    let path = database(&directory);
    let before = std::fs::read(&path).unwrap();
    let (status, log) = run(command(directory.path(), &[])).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("db.sqlite") && log.contains("999"), "names file and version: {log}");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "the file was changed");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    let path = database(&directory);
    std::fs::write(&path, "this is a letter, not a database. ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let (status, log) = run(command(directory.path(), &[])).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("db.sqlite") && !log.contains("panicked"), "{log}");
    assert_eq!(std::fs::read(&path).unwrap(), before, "the file was changed");
}
