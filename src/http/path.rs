//! What every room reads alike in a request's path.

/// The path without its one tolerated trailing slash.
pub(crate) fn without_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    }
}
