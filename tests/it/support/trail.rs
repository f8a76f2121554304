//! The times of an operation.

use serde_json::Value;

/// Asserts that no time of an operation is before the one of what happened before.
#[track_caller]
pub fn assert_in_order(operation: &Value) {
    let trail = operation["trail"].as_array().expect("a trail").iter();
    let times: Vec<_> = [&operation["createdAt"]]
        .into_iter()
        .chain(trail.map(|entry| &entry["at"]))
        .chain([&operation["endedAt"]])
        .filter_map(Value::as_i64)
        .collect();
    assert!(times.is_sorted(), "its times decrease: {operation}");
    if let Some(started) = operation["startedAt"].as_i64() {
        assert!(times[0] <= started && started <= times[times.len() - 1], "it started outside: {operation}");
    }
}
