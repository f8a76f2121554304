//! The two formats of the text: OpenMetrics, which Prometheus asks for, and Prometheus' own older one, for programs that
//! read nothing else.

use std::fmt::Write as _;

/// Whether a request with this `Accept` wants the older format: it names `text/plain`, and likes OpenMetrics less.
pub(super) fn wants_plain(accept: &str) -> bool {
    let liked = |wanted: [&str; 2]| {
        let of = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            // What is named counts before what is meant by an asterisk.
            let named = if name == wanted[0] { 1 } else { 0 };
            let is_meant = named == 1 || name == wanted[1] || name == "*/*";
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            let thousandths = (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32;
            is_meant.then_some((thousandths, named))
        };
        accept.split(',').filter_map(of).max().unwrap_or_default()
    };
    let plain = liked(["text/plain", "text/*"]);
    plain > liked(["application/openmetrics-text", "application/*"]) && plain.0 > 0 && plain.1 == 1
}

/// What OpenMetrics says, in Prometheus' own format: counters are named as their series are, there are neither units nor an
/// end, and what is known of the build is a gauge.
pub(super) fn plain(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), Some(rest)) => help = rest,
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    kind => ("", kind),
                };
                // Writing to a string does not fail.
                let _ = writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
            }
            (Some("#"), ..) => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}
