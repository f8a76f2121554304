//! How many connections fit: a number kept below the process's file limit, so that the database, the log and the
//! answer "full" always find a descriptor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at most, whatever the file limit is.
const MOST: u64 = 1_000_000;
/// Descriptors kept for everything that is not a connection: a sixteenth of the limit within these bounds.
const RESERVE: std::ops::RangeInclusive<u64> = 96..=512;

/// Raises the soft file limit as far as the system allows and gives the connections that fit below it. `configured`
/// lowers that number; 0 stands for as many as fit.
pub(super) fn connections(configured: usize) -> usize {
    let files = raise_file_limit();
    let fitting = fitting(files);
    if configured > fitting {
        tracing::warn!(
            "limits.connections is {configured}, but the file limit {files} has room for {fitting}; raise the limit \
             (ulimit -n, LimitNOFILE=)"
        );
    }
    if configured == 0 { fitting } else { configured.min(fitting) }
}

fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        return limit.maximum.unwrap_or(u64::MAX);
    }
    limit.current.unwrap_or(u64::MAX)
}

fn fitting(files: u64) -> usize {
    let reserve = (files / 16).clamp(*RESERVE.start(), *RESERVE.end());
    let fitting = files.saturating_sub(reserve).clamp(16, MOST);
    usize::try_from(fitting).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept() {
        assert_eq!(fitting(1024), 1024 - 96);
        assert_eq!(fitting(20_000), 20_000 - 512);
        assert_eq!(fitting(64), 16);
        assert_eq!(fitting(u64::MAX), 1_000_000);
    }

    #[test]
    fn the_configuration_lowers_it() {
        assert_eq!(connections(20), 20);
        assert!(connections(0) >= 16);
        assert_eq!(connections(usize::MAX), connections(0));
    }
}
