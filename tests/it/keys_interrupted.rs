//! Changes of the keys that are killed in the middle: whenever that is, every secret can be read afterwards.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netignite::http::Method;
use netignite::http::client::{Target, request};
use netignite::local_socket;
use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinSet;

use super::support::binary::{command, run, superadmin};
use super::support::{Binary, Client};

/// How often a change is killed in each of the tests.
const ROUNDS: u32 = 24;
const AGENTS: usize = 40;

type Secrets = BTreeMap<i64, String>;

/// The client on another port of the same host.
fn moved(client: &Client, address: SocketAddr) -> Client {
    Client { address, ..client.clone() }
}

/// A server's directory with agents, the superadmin's client, and the agents' secrets by ID.
async fn with_agents(here: &Path, variables: &[(&str, &str)]) -> (Client, Secrets) {
    let (server, address) = serve(here, variables).await;
    let admin = superadmin(here, address).await;
    let mut secrets = Secrets::new();
    for n in 0..AGENTS {
        let secret = format!("the first secret of {n}");
        secrets.insert(admin.create_agent("server", &secret).await, secret);
    }
    server.kill().await;
    (admin, secrets)
}

async fn serve(here: &Path, variables: &[(&str, &str)]) -> (Binary, SocketAddr) {
    let mut program = command(here, &[]);
    program.envs(variables.iter().copied());
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    (server, address)
}

/// Reads every secret through a server that is started for it.
async fn check(here: &Path, variables: &[(&str, &str)], admin: &Client, secrets: &Secrets) {
    let (server, address) = serve(here, variables).await;
    let admin = moved(admin, address);
    for (agent, secret) in secrets {
        let shown = admin.get(&format!("/api/agents/{agent}")).await.expect(200);
        assert_eq!(shown.data()["secret"], **secret);
    }
    assert!(!here.join("data/secret.key.new").exists(), "a start finishes the change");
    server.kill().await;
}

/// The shortest time that a command takes, of a few.
async fn shortest(here: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..4 {
        let mut program = command(here, arguments);
        program.envs(variables.iter().copied());
        let begun = Instant::now();
        let (status, said) = run(program).await;
        assert!(status.success(), "{said}");
        shortest = shortest.min(begun.elapsed());
    }
    shortest
}

/// Runs a change of the keys without a server and kills it after `delay`. Says whether it came to its end.
async fn killed_after(here: &Path, arguments: &[&str], variables: &[(&str, &str)], delay: Duration) -> bool {
    let mut child = command(here, arguments).envs(variables.iter().copied()).spawn().unwrap();
    let ended = tokio::time::timeout(delay, child.wait()).await;
    if let Ok(status) = ended {
        assert!(status.unwrap().success());
        return true;
    }
    child.kill().await.unwrap();
    false
}

#[tokio::test]
async fn a_killed_command_leaves_every_secret_readable() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (admin, secrets) = with_agents(here, &[]).await;
    for arguments in [&["secrets", "rotate-key"][..], &["secrets", "rotate-key", "--master"]] {
        let takes = shortest(here, arguments, &[]).await;
        let mut finished = 0;
        for round in 1..=ROUNDS {
            // The change is made in the second half of the command's time.
            let delay = takes * (ROUNDS / 2 + round) / ROUNDS;
            finished += u32::from(killed_after(here, arguments, &[], delay).await);
            check(here, &[], &admin, &secrets).await;
        }
        assert!(finished < ROUNDS, "no kill came in time");
    }
}

#[tokio::test]
async fn with_a_key_in_the_environment_either_the_old_one_fits_or_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let name = "NETIGNITE_SECRET_KEY";
    let key = |n: u32| format!("{n:04}-0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    let mut current = key(0);
    let (admin, secrets) = with_agents(here, &[(name, &current)]).await;
    let takes = shortest(here, &["user", "list"], &[(name, &current)]).await;
    let mut finished = 0;
    for round in 1..=ROUNDS {
        let next = key(round);
        let both = [(name, current.as_str()), ("NETIGNITE_NEW_SECRET_KEY", &next)];
        let delay = takes * (ROUNDS / 2 + round) / ROUNDS;
        finished += u32::from(killed_after(here, &["secrets", "rotate-key", "--master"], &both, delay).await);
        check(here, &both, &admin, &secrets).await;
        let mut listing = command(here, &["user", "list"]);
        listing.env(name, &current);
        if !run(listing).await.0.success() {
            current = next;
        }
        check(here, &[(name, &current)], &admin, &secrets).await;
    }
    assert!(finished < ROUNDS, "no kill came in time");
}

/// Changes keys over the local socket until the server is gone.
async fn rotate(here: &Path, path: &'static str, changes: Arc<Mutex<u32>>) {
    let socket = Target::Unix(here.join("data").join(local_socket::NAME));
    while let Ok((status, body)) = request(&socket, Method::POST, path, Some(&json!({}))).await {
        // The connection may end before the answer is whole.
        if body.is_null() {
            return;
        }
        assert_eq!(status, 200, "{body}");
        *changes.lock() += 1;
    }
}

/// Gives agents new secrets until the server is gone: the last one that was acknowledged, and one that may have been
/// stored or not.
async fn give_secrets(admin: Client, mut secrets: Secrets, round: u32) -> (Secrets, Option<(i64, String)>) {
    for n in 0.. {
        for agent in secrets.keys().copied().collect::<Vec<_>>() {
            let secret = format!("secret {n} of round {round} of {agent}");
            let body = json!({"name": "a", "type": "server", "description": "", "secret": secret});
            let sent = admin.http.put(admin.url(&format!("/api/agents/{agent}"))).json(&body).send().await;
            match sent {
                Ok(answer) if answer.status() == 200 => drop(secrets.insert(agent, secret)),
                Ok(answer) => panic!("{}", answer.status()),
                Err(_) => return (secrets, Some((agent, secret))),
            }
        }
    }
    (secrets, None)
}

#[tokio::test]
async fn a_killed_server_leaves_every_secret_readable() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (mut admin, mut secrets) = with_agents(here, &[]).await;
    let changes = Arc::new(Mutex::new(0));
    for round in 0..ROUNDS {
        let (server, address) = serve(here, &[]).await;
        admin = moved(&admin, address);
        let mut rotating = JoinSet::new();
        for path in ["/api/admin/secrets/rotate-key", "/api/admin/secrets/rotate-master-key"] {
            let (here, changes) = (here.to_owned(), changes.clone());
            rotating.spawn(async move { rotate(&here, path, changes).await });
        }
        let giving = tokio::spawn(give_secrets(admin.clone(), secrets, round));
        let enough = *changes.lock() + fastrand::u32(1..10);
        super::support::wait::until("some changes", || {
            let there = *changes.lock() >= enough;
            async move { there.then_some(()) }
        })
        .await;
        tokio::time::sleep(Duration::from_micros(fastrand::u64(0..15_000))).await;
        server.kill().await;
        while let Some(ended) = rotating.join_next().await {
            ended.unwrap();
        }
        let (acknowledged, uncertain) = giving.await.unwrap();
        secrets = acknowledged;
        let (server, address) = serve(here, &[]).await;
        admin = moved(&admin, address);
        for (agent, secret) in &mut secrets {
            let shown = admin.get(&format!("/api/agents/{agent}")).await.expect(200);
            let shown = shown.data()["secret"].as_str().unwrap().to_owned();
            match &uncertain {
                Some((other, given)) if other == agent && shown == *given => *secret = shown,
                _ => assert_eq!(shown, *secret),
            }
        }
        server.kill().await;
    }
    assert!(*changes.lock() >= ROUNDS);
}
