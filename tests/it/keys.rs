//! The keys that secrets are sealed with: where they come from, what happens without them, and changing them.

use std::net::SocketAddr;
use std::path::Path;

use netignite::http::Method;
use netignite::http::client::{Target, request};
use netignite::local_socket;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::binary::{command, run, superadmin};
use super::support::{Binary, Client, Firmware, Server, sqlite};

const SECRET: &str = "an agent's own secret";
const A: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const B: &str = "Zm9yIHRlc3RzIG9ubHksIG5vdCBmb3IgeW91";

/// Starts the server with variables.
async fn serve(directory: &Path, variables: &[(&str, &str)]) -> (Binary, SocketAddr) {
    let mut program = command(directory, &[]);
    program.envs(variables.iter().copied());
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    (server, address)
}

async fn stop(server: Binary) {
    server.signal(Signal::TERM);
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
}

/// A stopped server's directory with an agent, which is 1.
async fn with_agent(variables: &[(&str, &str)]) -> tempfile::TempDir {
    let here = tempfile::tempdir().unwrap();
    let (server, address) = serve(here.path(), variables).await;
    let admin = superadmin(here.path(), address).await;
    assert_eq!(admin.create_agent("server", SECRET).await, 1);
    stop(server).await;
    here
}

/// The line with which a start fails, having changed nothing in the data directory.
async fn refusal(here: &Path, variables: &[(&str, &str)]) -> String {
    let before = std::fs::read(here.join("data/db.sqlite")).unwrap();
    let mut program = command(here, &["serve"]);
    program.envs(variables.iter().copied());
    let (status, said) = run(program).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert_eq!(std::fs::read(here.join("data/db.sqlite")).unwrap(), before);
    assert!(!said.contains(A) && !said.contains(B), "{said}");
    said.lines().last().unwrap().to_owned()
}

/// Runs `netignite secrets …`; gives what it says.
async fn secrets(here: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let mut program = command(here, &[&["secrets"], arguments].concat());
    program.envs(variables.iter().copied());
    let (status, said) = run(program).await;
    (status.success(), said)
}

async fn connects(here: &Path, variables: &[(&str, &str)]) {
    let (server, address) = serve(here, variables).await;
    Firmware::connect(address, 1, SECRET).await;
    let admin = superadmin(here, address).await;
    let agent = admin.get("/api/agents/1").await.expect(200);
    assert_eq!(agent.data()["secret"], SECRET);
    stop(server).await;
}

async fn data_keys(here: &Path) -> Vec<String> {
    sqlite::texts(&here.join("data/db.sqlite"), "SELECT id FROM data_keys").await
}

#[tokio::test]
async fn a_start_without_the_key_stops_with_the_remedy() {
    let here = with_agent(&[]).await;
    let here = here.path();
    let file = here.join("data/secret.key");
    let key = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let line = refusal(here, &[]).await;
    assert!(line.contains("secret.key is missing") && line.contains("from a backup"), "{line}");
    assert!(!file.exists(), "no new key over what is sealed");
    std::fs::write(&file, A).unwrap();
    let line = refusal(here, &[]).await;
    assert!(line.contains("secret.key holds another master key"), "{line}");
    std::fs::write(&file, "").unwrap();
    assert!(refusal(here, &[]).await.contains("secret.key is empty"));
    std::fs::write(&file, &key).unwrap();
    let line = refusal(here, &[("NETIGNITE_SECRET_KEY", A)]).await;
    assert!(line.contains("than NETIGNITE_SECRET_KEY holds"), "{line}");
    assert!(refusal(here, &[("NETIGNITE_SECRET_KEY", "letmein")]).await.contains("shorter than 32"));
    let both = [("NETIGNITE_SECRET_KEY", A), ("NETIGNITE_SECRET_KEY_FILE", "data/secret.key")];
    assert!(refusal(here, &both).await.contains("both set"));
    // The file named by the variable is the same key.
    connects(here, &[("NETIGNITE_SECRET_KEY_FILE", "data/secret.key")]).await;
    connects(here, &[]).await;
}

#[tokio::test]
async fn a_lost_key_costs_the_secrets_and_nothing_else() {
    let here = with_agent(&[]).await;
    let here = here.path();
    std::fs::remove_file(here.join("data/secret.key")).unwrap();
    // What the documentation says.
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/keys.md")).unwrap();
    let statements = guide.split_once("sqlite3 data/db.sqlite \"").unwrap().1.split_once('"').unwrap().0;
    sqlite::execute(&here.join("data/db.sqlite"), statements).await;
    let (server, address) = serve(here, &[]).await;
    Firmware::try_connect(address, 1, SECRET).await.map(drop).unwrap_err();
    Firmware::try_connect(address, 1, "").await.map(drop).unwrap_err();
    let admin = superadmin(here, address).await;
    let agent = admin.get("/api/agents/1").await.expect(200);
    assert_eq!(agent.data()["secret"], "");
    let body = json!({"name": "a", "type": "server", "description": "", "secret": SECRET});
    admin.put("/api/agents/1", body).await.expect(200);
    stop(server).await;
    connects(here, &[]).await;
}

#[tokio::test]
async fn one_damaged_secret_locks_one_agent_out() {
    let here = with_agent(&[]).await;
    let here = here.path();
    let damage = "INSERT INTO agents (name, type, description, secret, ownerID)
                      SELECT 'moved', 'server', '', secret, 1 FROM agents";
    sqlite::execute(&here.join("data/db.sqlite"), damage).await;
    let (server, address) = serve(here, &[]).await;
    server.line(&["agent 2 cannot connect", "new secret"]).await;
    Firmware::connect(address, 1, SECRET).await;
    Firmware::try_connect(address, 2, SECRET).await.map(drop).unwrap_err();
    let (done, said) = secrets(here, &["rotate-key"], &[]).await;
    assert!(
        !done && said.contains("agents.secret of row 2") && said.contains("Nothing was changed"),
        "{said}"
    );
    let admin = superadmin(here, address).await;
    admin.get("/api/agents/2").await.expect(500);
    let body = json!({"name": "a", "type": "server", "description": "", "secret": "a second good secret"});
    admin.put("/api/agents/2", body).await.expect(200);
    Firmware::connect(address, 2, "a second good secret").await;
    let (done, said) = secrets(here, &["rotate-key"], &[]).await;
    assert!(done && said.contains("2 secrets"), "{said}");
    stop(server).await;
}

#[tokio::test]
async fn keys_are_changed_while_the_server_runs_and_while_it_does_not() {
    let here = with_agent(&[]).await;
    let here = here.path();
    let file = here.join("data/secret.key");
    for running in [true, false] {
        let server = if running { Some(serve(here, &[]).await.0) } else { None };
        let (before, master) = (data_keys(here).await, std::fs::read(&file).unwrap());
        let (done, said) = secrets(here, &["rotate-key", "--json"], &[]).await;
        assert!(done, "{said}");
        let answer: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(answer["secrets"], 1);
        let after = data_keys(here).await;
        assert_eq!((after.len(), answer["keyID"].to_string()), (1, after[0].clone()));
        assert_ne!(before, after);
        assert_eq!(std::fs::read(&file).unwrap(), master);

        let (done, said) = secrets(here, &["rotate-key", "--master"], &[]).await;
        assert!(done && said.contains("secret.key: back it up"), "{said}");
        assert_ne!(std::fs::read(&file).unwrap(), master);
        assert_eq!(data_keys(here).await, after, "the data key stays");
        assert!(!here.join("data/secret.key.new").exists());
        if let Some(server) = server {
            stop(server).await;
        }
        connects(here, &[]).await;
    }
    let noted = "SELECT group_concat(actor || ' ' || action || ' ' || outcome) FROM audit WHERE action LIKE 'secrets%'";
    let pair = "operator secrets.rotate_key done,operator secrets.rotate_master done";
    assert_eq!(sqlite::text(&here.join("data/db.sqlite"), noted).await, format!("{pair},{pair}"));
}

#[tokio::test]
async fn a_master_key_of_the_operators_is_changed_by_the_operator() {
    for running in [true, false] {
        let old = [("NETIGNITE_SECRET_KEY", A)];
        let here = with_agent(&old).await;
        let here = here.path();
        assert!(!here.join("data/secret.key").exists());
        let server = if running { Some(serve(here, &old).await.0) } else { None };
        let (done, said) = secrets(here, &["rotate-key", "--master"], &old).await;
        assert!(!done && said.contains("NETIGNITE_NEW_SECRET_KEY"), "{said}");
        let both = [("NETIGNITE_SECRET_KEY", A), ("NETIGNITE_NEW_SECRET_KEY", "weak")];
        let (done, said) = secrets(here, &["rotate-key", "--master"], &both).await;
        assert!(!done && said.contains("new master key is shorter"), "{said}");

        std::fs::write(here.join("next"), format!("{B}\n")).unwrap();
        let both = [("NETIGNITE_SECRET_KEY", A), ("NETIGNITE_NEW_SECRET_KEY_FILE", "next")];
        let (done, said) = secrets(here, &["rotate-key", "--master"], &both).await;
        assert!(done && said.contains("NETIGNITE_SECRET_KEY"), "{said}");
        assert!(!said.contains(B));
        // A data key that is made afterwards is wrapped with the new one.
        if let Some(server) = server {
            let (done, said) = secrets(here, &["rotate-key"], &[]).await;
            assert!(done, "{said}");
            stop(server).await;
        }
        assert!(refusal(here, &old).await.contains("the new one"));
        connects(here, &both).await;
        connects(here, &[("NETIGNITE_SECRET_KEY", B)]).await;
        assert!(!here.join("data/secret.key").exists());
    }
}

#[tokio::test]
async fn many_changes_at_once_leave_one_key_and_every_secret() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut agents = Vec::new();
    for n in 0..20 {
        agents.push(admin.create_agent("server", &format!("the secret number {n}")).await);
    }
    let socket = Target::Unix(server.data().join(local_socket::NAME));
    let rotate = |path: &'static str| {
        let socket = &socket;
        async move {
            for _ in 0..10 {
                let (status, body) = request(socket, Method::POST, path, Some(&json!({}))).await.unwrap();
                assert_eq!(status, 200, "{body}");
            }
        }
    };
    let read = async {
        for round in 0..20 {
            for (n, agent) in agents.iter().enumerate() {
                let secret = format!("the secret number {n}");
                let path = format!("/api/agents/{agent}");
                assert_eq!(admin.get(&path).await.expect(200).data()["secret"], *secret);
                if n == round {
                    let body = json!({"name": "a", "type": "server", "description": "", "secret": secret});
                    admin.put(&path, body).await.expect(200);
                }
            }
        }
    };
    let (key, master) = ("/api/admin/secrets/rotate-key", "/api/admin/secrets/rotate-master-key");
    tokio::join!(rotate(key), rotate(master), rotate(key), read);
    // An admin changes the data key; the master key is the machine's owner's.
    admin.post(key, json!({})).await.expect(200);
    admin.post(master, json!({"newKey": B})).await.expect(403);
    Client::anonymous(server.address()).post(key, json!({})).await.expect(401);
    for (n, agent) in agents.iter().enumerate() {
        Firmware::connect(server.address(), *agent, &format!("the secret number {n}")).await;
    }
}
