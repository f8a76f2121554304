//! What lies on disk: known secrets go through the server, and every file it leaves is searched for them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rustix::process::Signal;
use serde_json::json;

use super::support::authenticator::Authenticator;
use super::support::binary::{command, run};
use super::support::{Binary, Client, Firmware, sqlite};

/// Secrets that must not be found, with what each of them is.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// A new secret of 24 random characters.
    fn random(&mut self, what: &'static str) -> String {
        let secret: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        self.watch(what, &secret);
        secret
    }

    fn watch(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 16, "{what}: too short to be found by anything but chance");
        self.0.push((what, secret.to_owned()));
    }

    /// What is found in `content`: as it is, in both alphabets of base64, and in hexadecimal digits.
    fn found_in(&self, content: &[u8]) -> BTreeSet<&'static str> {
        let lower = content.to_ascii_lowercase();
        let contains = |content: &[u8], form: &[u8]| content.windows(form.len()).any(|window| window == form);
        let is_there = |secret: &str| {
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            contains(content, secret.as_bytes())
                || contains(content, STANDARD_NO_PAD.encode(secret).as_bytes())
                || contains(content, URL_SAFE_NO_PAD.encode(secret).as_bytes())
                || contains(&lower, hex.as_bytes())
        };
        self.0.iter().filter(|(_, secret)| is_there(secret)).map(|(what, _)| *what).collect()
    }

    /// Searches every file below `directory` but those whose names contain one of `but`.
    #[track_caller]
    fn check(&self, directory: &Path, but: &[&str], when: &str) {
        let files = files(directory);
        assert!(files.iter().any(|file| file.ends_with("data/db.sqlite")), "{files:?}");
        assert!(files.iter().any(|file| file.to_str().unwrap().contains("/logs/")), "{files:?}");
        for file in files {
            if but.iter().any(|name| file.to_str().unwrap().contains(name)) {
                continue;
            }
            // SQLite may remove one of its own meanwhile.
            let Ok(content) = std::fs::read(&file) else { continue };
            let found = self.found_in(&content);
            assert!(found.is_empty(), "{when}: {found:?} in {}", file.display());
        }
    }
}

/// All plain files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// The server with a log file that tells as much as it can.
async fn serve(directory: &Path) -> (Binary, std::net::SocketAddr) {
    let mut program = command(directory, &["serve", "--log-level", "debug"]);
    program.env("NETIGNITE_LOG__FILE", "./logs/netignite.log");
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    (server, address)
}

async fn stop(server: Binary, canaries: &Canaries) {
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    assert_eq!(canaries.found_in(log.as_bytes()), BTreeSet::new(), "{log}");
}

/// Logs in and watches the session's cookie.
async fn log_in(
    canaries: &mut Canaries,
    address: std::net::SocketAddr,
    name: &str,
    password: &str,
) -> Client {
    let mut client = Client::anonymous(address);
    let body = json!({"username": name, "password": password});
    let reply = client.post("/api/auth/login", body).await.expect(200);
    let cookie = reply.header("set-cookie").expect("a cookie");
    let value = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
    canaries.watch("a session's token", value);
    client.user = reply.data()["userID"].as_i64().unwrap();
    client
}

#[test]
fn the_search_finds_what_is_there() {
    let mut canaries = Canaries::default();
    let secret = canaries.random("it");
    canaries.random("another");
    for form in [
        secret.clone(),
        STANDARD_NO_PAD.encode(&secret),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
    ] {
        let found = canaries.found_in(format!("before {form}=after").as_bytes());
        assert_eq!(found, BTreeSet::from(["it"]));
    }
}

#[tokio::test]
async fn no_secret_is_readable_in_any_file() {
    let mut canaries = Canaries::default();
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let data = here.join("data");
    std::fs::create_dir(&data).unwrap();
    let database = data.join("db.sqlite");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/original.sqlite");
    std::fs::copy(original, &database).unwrap();

    // As the original server left it: plain secrets, and in free pages those of deleted agents.
    let adopted = canaries.random("an adopted agent's secret");
    let deleted = canaries.random("the secret of an agent deleted before the adoption");
    let reset = canaries.random("a token of a password reset");
    let fill = format!(
        "PRAGMA secure_delete = OFF; PRAGMA foreign_keys = OFF;
         UPDATE agents SET secret = '{adopted}' WHERE id = 1;
         INSERT INTO agents SELECT 50 + value, 'a', 'server', printf('%.300c', 'x'), '{deleted}' || value, 1
             FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 200)
                   SELECT value FROM n);
         DELETE FROM agents WHERE id > 50;
         INSERT INTO password_resets VALUES ('{reset}', 1, 5);"
    );
    sqlite::execute(&database, &fill).await;
    let before = canaries.found_in(&std::fs::read(&database).unwrap());
    assert_eq!(before.len(), 3, "the search has something to find: {before:?}");

    let (server, address) = serve(here).await;
    let line = server.line(&["secrets remove-backups"]).await;
    assert!(line.contains("db.sqlite.before-v1-"), "{line}");
    canaries.check(here, &[".before-v"], "after the adoption");
    let _firmware = Firmware::connect(address, 1, &adopted).await;

    // People: passwords good and bad, sessions begun and ended.
    let password = canaries.random("a password");
    let admin = log_in(&mut canaries, address, "admin", "123456").await;
    let body =
        json!({"username": "admin", "favorites": [], "currentPassword": "123456", "password": password});
    admin.put("/api/account/1", body).await.expect(200);
    let admin = log_in(&mut canaries, address, "admin", &password).await;
    let wrong = canaries.random("a wrong password");
    Client::anonymous(address)
        .post("/api/auth/login", json!({"username": "admin", "password": wrong}))
        .await
        .expect(401);
    let gone = log_in(&mut canaries, address, "admin", &password).await;
    gone.post("/api/auth/logout", json!({})).await.expect(200);

    // A second factor: its seed, and recovery codes used and unused.
    let careful = canaries.random("the password of who has a second factor");
    let body = json!({"username": "careful", "password": careful, "role": "user"});
    admin.post("/api/admin/users", body).await.expect(201);
    let client = log_in(&mut canaries, address, "careful", &careful).await;
    let begun = client.post("/api/account/totp", json!({"currentPassword": careful})).await.expect(201);
    let seed = begun.data()["secret"].as_str().unwrap();
    canaries.watch("a second factor's seed", seed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let code = Authenticator::of(seed).code(now.try_into().unwrap());
    let done = client.post("/api/account/totp/confirm", json!({"code": code})).await.expect(200);
    for code in done.data()["recoveryCodes"].as_array().unwrap() {
        canaries.watch("a recovery code", code.as_str().unwrap());
        canaries.watch("a recovery code without hyphens", &code.as_str().unwrap().replace('-', ""));
    }
    let body = json!({"username": "careful", "password": careful, "code": done.data()["recoveryCodes"][0]});
    Client::anonymous(address).post("/api/auth/login", body).await.expect(200);

    // Agents: made, shown, connected, refused, changed, deleted.
    let first = canaries.random("an agent's first secret");
    let agent = admin.create_agent("server", &first).await;
    let shown = admin.get(&format!("/api/agents/{agent}")).await.expect(200);
    assert_eq!(shown.data()["secret"], *first);
    let _firmware = Firmware::connect(address, agent, &first).await;
    let wrong = canaries.random("a wrong secret");
    Firmware::try_connect(address, agent, &wrong).await.map(drop).unwrap_err();
    let second = canaries.random("an agent's second secret");
    let body = json!({"name": "n", "type": "server", "description": "d", "secret": second});
    admin.put(&format!("/api/agents/{agent}"), body).await.expect(200);
    let removed = canaries.random("a deleted agent's secret");
    let to_delete = admin.create_agent("microcontroller", &removed).await;
    admin.delete(&format!("/api/agents/{to_delete}")).await.expect(200);
    let bad = canaries.random("a refused agent's secret");
    let body = json!({"name": "n", "type": "toaster", "description": "d", "secret": bad});
    admin.post("/api/agents", body).await.expect(400);
    canaries.check(here, &[".before-v"], "while the server runs");

    let (status, said) = run(command(here, &["secrets", "rotate-key"])).await;
    assert!(status.success(), "{said}");
    let key = std::fs::read_to_string(data.join("secret.key")).unwrap();
    canaries.watch("the master key", key.trim());
    let (status, said) = run(command(here, &["secrets", "rotate-key", "--master"])).await;
    assert!(status.success(), "{said}");
    let key = std::fs::read_to_string(data.join("secret.key")).unwrap();
    canaries.watch("the new master key", key.trim());
    assert_eq!(canaries.found_in(said.as_bytes()), BTreeSet::new(), "{said}");
    canaries.check(here, &[".before-v", "secret.key"], "after the keys were changed");
    stop(server, &canaries).await;
    canaries.check(here, &[".before-v", "secret.key"], "after the stop");

    let (server, address) = serve(here).await;
    let _firmware = Firmware::connect(address, agent, &second).await;
    stop(server, &canaries).await;

    // The copy from before the adoption is the secret it is, until it is removed.
    let copies: Vec<_> =
        files(&data).into_iter().filter(|f| f.to_str().unwrap().contains(".before-v")).collect();
    let [copy] = &copies[..] else { panic!("one copy: {copies:?}") };
    assert_eq!(std::fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(canaries.found_in(&std::fs::read(copy).unwrap()).contains("an adopted agent's secret"));
    let (status, said) = run(command(here, &["secrets", "remove-backups"])).await;
    assert!(status.success() && said.contains(copy.file_name().unwrap().to_str().unwrap()), "{said}");
    canaries.check(here, &["secret.key"], "in the end");
    let (status, said) = run(command(here, &["secrets", "remove-backups"])).await;
    assert!(status.success() && said.contains("There is no backup"), "{said}");
}
