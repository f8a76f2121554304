//! What is looked up when somebody asks: what the host counts anyway, and how much there is now.

use std::fmt;

use netignite::prelude::*;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// A histogram that the host has counted, with what its numbers are divided by.
#[derive(Debug)]
struct Counted(Tallied, f64);

impl EncodeMetric for Counted {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(tallied, by) = self;
        let Tallied { buckets, beyond, sum } = tallied;
        let mut all: Vec<(f64, u64)> =
            buckets.iter().map(|(bound, count)| (*bound as f64 / by, *count)).collect();
        all.push((f64::INFINITY, *beyond));
        encoder.encode_histogram::<NoLabelSet>(*sum as f64 / by, tallied.count(), &all, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// What the host knows without counting here.
pub(super) fn register(registry: &mut Registry, host: &Host, figures: Figures) {
    let build = Info::new(vec![("version", VERSION)]);
    registry.register("netignite_build", "The running version", build);
    let Figures { agents, connected, sessions, streams, writing, standing } = figures;
    for (name, help, value) in [
        ("netignite_agents", "Agents that are known, connected or not", agents),
        ("netignite_agents_connected", "Agents connected now", connected),
        ("netignite_sessions", "Sessions that have not ended", sessions),
        ("netignite_event_streams", "Streams of live events that are open", streams),
        ("netignite_database_writes_waiting", "Writes that wait for the database's writer", writing.waiting),
    ] {
        registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    }
    if let Some(Standing { queued, running, bytes }) = standing {
        let live = Family::<StateLabels, Gauge>::default();
        for (state, count) in [("queued", queued), ("running", running)] {
            live.get_or_create(&StateLabels { state }).set(count);
        }
        registry.register("netignite_operations_live", "Operations that have not ended, by state", live);
        let (name, help) = ("netignite_database_size", "Size of the database, without its write-ahead log");
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes));
    }
    let heard = host.control.counters();
    for (name, help, value) in [
        ("netignite_agent_handshakes_refused", "Agents refused for their ID or secret", heard.refused),
        ("netignite_agent_replies_late", "Replies nobody waited for any more", heard.late),
        ("netignite_agent_replies_unknown", "Replies to no command", heard.unknown),
        ("netignite_agent_frames_malformed", "Frames that were no message", heard.malformed),
        ("netignite_agent_violations", "Connections ended for breaking the protocol", heard.violations),
        ("netignite_events_missed", "Events that plugins were too slow for", host.events.missed()),
        ("netignite_database_batches", "Write transactions tried", writing.sizes.count()),
        ("netignite_database_writes", "Writes they held", writing.sizes.sum),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
    let (name, help) = ("netignite_database_batch_writes", "Writes that transactions held");
    registry.register(name, help, Counted(writing.sizes, 1.0));
    registry.register_with_unit(
        "netignite_database_write_lag",
        "From when the first write of a transaction was queued until it was committed",
        Unit::Seconds,
        Counted(writing.lags, 1_000_000.0),
    );
}

/// The usual figures of a process, as far as the kernel tells them.
pub(super) fn register_process(registry: &mut Registry, started: f64) {
    let start = ConstGauge::new(started);
    registry.register_with_unit("process_start_time", "When it started, Unix time", Unit::Seconds, start);
    if let Some(bytes) = resident_bytes() {
        let memory = ConstGauge::new(bytes);
        registry.register_with_unit("process_resident_memory", "Resident memory", Unit::Bytes, memory);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = i64::try_from(open.count()).unwrap_or(i64::MAX);
        registry.register("process_open_fds", "Open files and sockets", ConstGauge::new(open));
    }
}

/// The memory the process holds.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
