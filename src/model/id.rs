//! IDs as they stand in paths and handshakes.

/// A plain positive decimal integer without sign or leading zeros.
pub fn parse_id(text: &str) -> Option<i64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}
