//! Deleting the log of a user who is being deleted.

/// Deletes some rows of user ?1, at most ?2 each: changes before the batches by which they are found.
/// (A plus before a column keeps SQLite from building an index of all changes for the one statement.)
pub(in crate::store) const DELETE_SOME: [&str; 4] = [
    "DELETE FROM changes WHERE seq IN (
        SELECT changes.seq FROM logs CROSS JOIN batches CROSS JOIN changes
        WHERE logs.user = ?1 AND batches.log = logs.id
            AND changes.seq BETWEEN batches.first_seq AND batches.last_seq AND +changes.log = logs.id LIMIT ?2)",
    "DELETE FROM changes WHERE seq IN (
        SELECT changes.seq FROM logs CROSS JOIN buffered_batches AS batches CROSS JOIN changes
        WHERE logs.user = ?1 AND batches.log = logs.id
            AND changes.seq BETWEEN batches.first_seq AND batches.last_seq AND +changes.log = logs.id LIMIT ?2)",
    "DELETE FROM batches WHERE (log, last_seq) IN (
        SELECT log, last_seq FROM batches WHERE log IN (SELECT id FROM logs WHERE user = ?1) LIMIT ?2)",
    "DELETE FROM buffered_batches WHERE last_seq IN (
        SELECT last_seq FROM buffered_batches WHERE log IN (SELECT id FROM logs WHERE user = ?1) LIMIT ?2)",
];
