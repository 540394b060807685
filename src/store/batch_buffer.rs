//! The batch buffer: the newest batches of all logs, before they move to their place, as in the memtable of an LSM
//! tree.
//!
//! In `batches` each log has pages of its own, so a push that wrote there would touch two pages that no other push in
//! its group touches. So a new batch becomes a row of `buffered_batches`, where all logs share a page, and is flushed
//! to `batches` later together with others of its log. Until then it is found through an index in memory, which holds
//! what is committed: the writer updates it right after a commit ([`BufferTx`]), and a reader looks at it before its
//! snapshot begins ([`LogSnapshot`]). So whatever a reader finds in the index is in its snapshot, flushed or not.

mod flush;
mod index;
mod snapshot;
mod transaction;

pub(super) use flush::FlushState;
pub(super) use index::{BatchBuffer, BufferedBatch};
pub(super) use snapshot::LogSnapshot;
pub(super) use transaction::{BufferTx, NewBatch};
