//! File descriptors: each connection takes one, and by default a process may have few.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Quarters of the file descriptors that event streams may take; the rest is for requests, which must not starve, and
/// for the database.
const STREAM_QUARTERS: u64 = 3;

/// Raises the limit on open files as far as this process may.
pub(super) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some() && limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
    }
}

/// How many event streams there may be, if the settings allow this many.
pub(super) fn max_streams(configured: usize) -> usize {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return configured };
    let available = usize::try_from(descriptors / 4 * STREAM_QUARTERS).unwrap_or(usize::MAX);
    if available < configured {
        tracing::info!(
            available,
            configured,
            "fewer event streams than configured, for lack of file descriptors; see `ulimit -n`"
        );
    }
    configured.min(available)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_descriptors_for_everything_else() {
        raise_limit();
        assert_eq!(max_streams(1), 1);
        if let Some(descriptors) = getrlimit(Resource::Nofile).current {
            assert!(max_streams(usize::MAX) as u64 <= descriptors - descriptors / 4);
        }
    }
}
