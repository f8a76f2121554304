//! What the benches share: the server as its own process, the load as another, and readings from `/proc`.
//!
//! A bench never times itself against a wall: it reports CPU time and memory of the server's process, which a noisy
//! machine hardly changes, and beside each figure its floor, measured in the same run.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod epoll;
pub mod fleet;
pub mod floor;
pub mod http;
pub mod load;
pub mod process;
pub mod server;

use std::time::Duration;

/// A table printed row by row: a label, a figure, its floor or goal.
pub fn row(what: &str, figure: impl std::fmt::Display, beside: impl std::fmt::Display) {
    println!("{what:<58} {figure:>16}   {beside}");
}

pub fn title(text: &str) {
    println!("\n{text}\n{}", "-".repeat(text.len()));
}

/// Microseconds with two digits.
pub fn us(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}

pub fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Mebibytes with two digits.
pub fn mib(bytes: usize) -> String {
    format!("{:.2} MiB", bytes as f64 / 1048576.0)
}

/// The value at a quantile; sorts in place.
pub fn quantile(values: &mut [Duration], q: f64) -> Duration {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values.get(((last as f64) * q).round() as usize).copied().unwrap_or_default()
}

/// The slope of a straight line through points, by least squares.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let over: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let under: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    over / under
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
