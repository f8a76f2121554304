//! Whether the time of a failed login tells anything: of an unknown user, of a wrong password whose hash is argon2's, and
//! of one whose hash is bcrypt's, as the original server left it.
//!
//! The three come in random order, each from another client as a trusted proxy names it, so that the throttle refuses none and
//! what the machine does meanwhile hits all alike. Welch's t-test then says whether two of them differ by more than
//! chance explains. The floor is the same test on unknown users alone, split in two by turns.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Instant;

use support::http::Http;
use support::server::Server;
use support::{row, runtime, title};

/// Failed logins of each kind.
const SAMPLES: usize = 200;
/// Beyond this a difference is no chance: the bound of test vector leakage assessment.
const BOUND: f64 = 4.5;
/// The kinds, by user name. The first is there twice, for the floor.
const USERS: [&str; 4] = ["nobody", "nobody else", "admin", "bcrypt"];

fn main() {
    runtime().block_on(bench());
}

async fn bench() {
    let settings = [("NETIGNITE_TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(tempfile::tempdir().unwrap(), &settings);
    let folder = server.stop();
    add_user_of_the_original(&folder.path().join("data/db.sqlite")).await;
    let server = Server::start_with(folder, &settings);

    let mut http = Http::connect(server.port).await.unwrap();
    let mut times = USERS.map(|_| Vec::with_capacity(SAMPLES));
    let mut client = Ipv4Addr::new(10, 0, 0, 0).to_bits();
    let mut order: Vec<_> = (0..USERS.len()).collect();
    // The first round only warms up.
    for round in 0..=SAMPLES {
        // By chance: what one attempt leaves behind must not always meet the same next one.
        fastrand::shuffle(&mut order);
        for &kind in &order {
            client += 1;
            let request = login(USERS[kind], Ipv4Addr::from_bits(client));
            let begun = Instant::now();
            assert_eq!(http.send(&request).await.unwrap(), 401);
            if round > 0 {
                times[kind].push(begun.elapsed().as_secs_f64() * 1e6);
            }
        }
    }

    let [unknown, other, argon2, bcrypt] = &times;
    title(&format!("Failed logins: {SAMPLES} of each kind"));
    for (what, times) in [("unknown user", unknown), ("argon2", argon2), ("bcrypt", bcrypt)] {
        let (mean, variance) = mean_and_variance(times);
        row(
            &format!("{what}: mean"),
            format!("{mean:.0} µs"),
            format!("deviation {:.0} µs", variance.sqrt()),
        );
    }
    let goal = format!("goal: within ±{BOUND}");
    row("floor: unknown user against unknown user: t", format!("{:.2}", welch(unknown, other)), &goal);
    row("unknown user against argon2: t", format!("{:.2}", welch(unknown, argon2)), &goal);
    row("unknown user against bcrypt: t", format!("{:.2}", welch(unknown, bcrypt)), &goal);
    row("argon2 against bcrypt: t", format!("{:.2}", welch(argon2, bcrypt)), &goal);
}

/// A user whose password was hashed by the original server.
async fn add_user_of_the_original(database: &Path) {
    let database = libsql::Builder::new_local(database).build().await.unwrap();
    let sql =
        "INSERT INTO users (username, password_hash, role, superadmin) VALUES ('bcrypt', ?1, 'user', 0)";
    let hash = bcrypt::hash("its password", 10).unwrap();
    database.connect().unwrap().execute(sql, [hash]).await.unwrap();
}

fn login(username: &str, client: Ipv4Addr) -> Vec<u8> {
    let body = format!("{{\"username\":\"{username}\",\"password\":\"wrong\"}}");
    format!(
        "POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {client}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

/// Welch's t of two samples.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let ((m1, v1), (m2, v2)) = (mean_and_variance(one), mean_and_variance(other));
    (m1 - m2) / (v1 / one.len() as f64 + v2 / other.len() as f64).sqrt()
}
