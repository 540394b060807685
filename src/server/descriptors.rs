//! File descriptors: every connection takes one, and systems give a process few unless it asks.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Parts of four that streams may take; the others are for requests, which must not starve, and for the database.
const FOR_STREAMS: u64 = 3;

/// Takes as many as this process may have.
pub(super) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some() && limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit on open files could not be raised");
        }
    }
}

/// How many streams there may be, where the settings ask for this many.
pub(super) fn streams_within(wanted: usize) -> usize {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return wanted };
    let room = usize::try_from(descriptors / 4 * FOR_STREAMS).unwrap_or(usize::MAX);
    if room < wanted {
        tracing::info!(room, wanted, "open files are limited, and streams with them; see `ulimit -n`");
    }
    wanted.min(room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_descriptors_for_everything_else() {
        raise_limit();
        assert_eq!(streams_within(1), 1);
        if let Some(descriptors) = getrlimit(Resource::Nofile).current {
            assert!(streams_within(usize::MAX) as u64 <= descriptors - descriptors / 4);
        }
    }
}
