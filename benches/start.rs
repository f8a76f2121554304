//! From the start of the process to its first answer on an existing database, without agents and with 10,000, and
//! the memory held then; beside a bare hyper that has nothing to open.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};

use support::process::{Role, role};
use support::server::{Server, wait_for_answer};
use support::{floor, mib, ms, quantile, row, runtime, title};
use tempfile::TempDir;

/// Starts that are measured of each kind.
const RUNS: usize = 21;
/// The fleet of the second kind.
const AGENTS: usize = 10_000;

fn main() {
    match role() {
        Some((name, _)) => floor::run(&name),
        None => runtime().block_on(bench()),
    }
}

/// What many starts found: each figure's values, unsorted.
#[derive(Default)]
struct Starts {
    took: Vec<Duration>,
    resident: Vec<usize>,
    anonymous: Vec<usize>,
}

impl Starts {
    fn median(&mut self) -> Duration {
        quantile(&mut self.took, 0.5)
    }

    fn worst(&mut self) -> Duration {
        quantile(&mut self.took, 1.0)
    }
}

/// Starts and stops the server on a folder with data, again and again.
async fn starts(mut folder: TempDir) -> Starts {
    let mut found = Starts::default();
    for _ in 0..RUNS {
        let server = Server::start_in(folder);
        // What the start left to threads of its own is done by then.
        tokio::time::sleep(Duration::from_millis(100)).await;
        found.took.push(server.started_in);
        found.resident.push(server.process.resident());
        found.anonymous.push(server.process.anonymous());
        folder = server.stop();
    }
    found
}

/// The same of a bare hyper.
fn floors() -> Starts {
    let mut found = Starts::default();
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut hello = Role::start("hello", &[]);
        let port = hello.hear().parse().unwrap();
        found.took.push(wait_for_answer(port, start));
        found.resident.push(hello.process.resident());
        found.anonymous.push(hello.process.anonymous());
    }
    found
}

async fn bench() {
    let mut floor = floors();

    let server = Server::start();
    let folder = server.stop();
    let mut without = starts(folder).await;

    let server = Server::start();
    let (_, cookie) = server.admin().await;
    server.create_agents(&cookie, AGENTS, "microcontroller").await;
    let folder = server.stop();
    let mut with = starts(folder).await;

    title("Start: from the process to its first answer, on an existing database");
    for (what, starts, goal) in [
        ("floor: bare hyper", &mut floor, ""),
        ("without agents", &mut without, "; goal ≤ 15 ms"),
        ("10,000 agents", &mut with, "; goal ≤ 60 ms"),
    ] {
        let (median, worst) = (starts.median(), starts.worst());
        row(what, ms(median), format!("median; worst of {RUNS} {}{goal}", ms(worst)));
    }
    title("Memory after that start: resident, the binary's pages included");
    for (what, starts, goal) in [
        ("floor: bare hyper", &floor, ""),
        ("without agents", &without, "; goal ≤ 12 MiB"),
        ("10,000 agents", &with, ""),
    ] {
        let most = |values: &[usize]| values.iter().copied().max().unwrap_or_default();
        let anonymous = mib(most(&starts.anonymous));
        row(what, mib(most(&starts.resident)), format!("most of {RUNS}; anonymous {anonymous}{goal}"));
    }
}
