//! Checks the integrity of a database: SQLite's own checks, then the counters that pushes and rotations keep.

use std::sync::atomic::Ordering;

use super::Store;
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;

/// Faults reported at most: a broken file has thousands, and a few say as much.
const MAX_FAULTS: usize = 100;

// A plus before a column keeps SQLite from building an index of it for the one query, and then looking through a
// whole log for each of its batches.

/// Logs whose newest batch has other totals than the log.
const WRONG_COUNTERS: &str = "
    WITH held AS (
        SELECT batches.log, batches.last_seq, count(changes.seq) AS changes, sum(CASE typeof(data)
            WHEN 'blob' THEN (octet_length(data) + 2) / 3 * 4 ELSE coalesce(octet_length(data), 0) END) AS bytes
        FROM all_batches AS batches CROSS JOIN changes
            ON changes.seq BETWEEN batches.first_seq AND batches.last_seq AND +changes.log = batches.log
        GROUP BY batches.log, batches.last_seq
    ), sums AS (
        SELECT log, max(last_seq) AS last_seq, sum(changes) AS changes, sum(bytes) AS bytes FROM held GROUP BY log
    ), newest AS (
        -- Beside max(), SQLite takes the other columns from the row that has it.
        SELECT log, max(last_seq) AS last_seq, total_changes, change_bytes FROM all_batches GROUP BY log
    )
    SELECT newest.log FROM newest LEFT JOIN sums ON sums.log = newest.log
    WHERE sums.last_seq IS NOT newest.last_seq OR changes <> total_changes OR bytes <> change_bytes";

/// Logs whose running rotation has another number of entries left to do than its row says, or has started although
/// its row says that it has not.
const WRONG_PROGRESS: &str = "
    SELECT rotations.log FROM rotations LEFT JOIN (
        SELECT rotations.id AS rotation, sum(typeof(data) <> 'null' AND changes.key_version <> rotations.key_version
                AND NOT EXISTS (SELECT 1 FROM rotation_kept_entries AS kept
                    WHERE kept.rotation = rotations.id AND kept.seq = changes.seq)
            ) AS remaining,
            max(changes.key_version = rotations.key_version) AS started
        FROM rotations CROSS JOIN all_batches AS batches ON batches.log = rotations.log
            CROSS JOIN changes ON changes.seq BETWEEN batches.first_seq AND batches.last_seq AND +changes.log = batches.log
        WHERE rotations.state = 'running' GROUP BY rotations.id
    ) AS found ON found.rotation = rotations.id
    WHERE state = 'running' AND (coalesce(found.remaining, 0) <> rotations.remaining
        OR coalesce(found.started, 0) > rotations.started)";

/// Logs whose blobs and uploads have other totals than `blob_totals` says.
const WRONG_BLOB_SUMS: &str = "
    SELECT logs.id FROM logs LEFT JOIN blob_totals AS sums ON sums.log = logs.id
    WHERE coalesce(confirmed_bytes, 0) <> (SELECT coalesce(sum(size_bytes), 0) FROM blobs WHERE blobs.log = logs.id)
        OR coalesce(granted_bytes, 0) <> (SELECT coalesce(sum(size_bytes), 0) FROM uploads WHERE uploads.log = logs.id)
        OR coalesce(wrapped_keys, 0) <> (SELECT count(wrapped_key) FROM blobs WHERE blobs.log = logs.id)";

/// The same for the wrapped keys of blobs.
const WRONG_BLOB_PROGRESS: &str = "
    SELECT log FROM rotations WHERE state = 'running' AND blobs_remaining <> (
        SELECT count(*) FROM blobs WHERE blobs.log = rotations.log AND wrapped_key IS NOT NULL
            AND blobs.key_version <> rotations.key_version AND NOT EXISTS (
                SELECT 1 FROM rotation_kept_blob_keys AS kept
                WHERE kept.rotation = rotations.id AND kept.object = blobs.object))";

/// Queries for inconsistent logs, and the fault to report: what precedes and what follows the log's id.
const WRONG: [(&str, &str, &str); 4] = [
    (WRONG_COUNTERS, "the counters of log ", " differ from its changes"),
    (WRONG_PROGRESS, "the rotation of log ", " is not as far as it says"),
    (WRONG_BLOB_SUMS, "the sums of log ", " differ from its blobs and uploads"),
    (WRONG_BLOB_PROGRESS, "the rotation of log ", " is not as far with keys of blobs as it says"),
];

/// References that are not foreign keys, for speed; see `schema.sql`.
const DANGLING: [(&str, &str); 5] = [
    (
        "a change without its batch",
        "SELECT count(*) - (
            SELECT count(*) FROM all_batches AS batches CROSS JOIN changes
                ON changes.seq BETWEEN batches.first_seq AND batches.last_seq AND +changes.log = batches.log)
        FROM changes",
    ),
    (
        "a batch that begins before the one before it ends",
        "SELECT count(*) FROM (SELECT first_seq, lag(last_seq) OVER (ORDER BY last_seq) AS before FROM all_batches)
        WHERE first_seq <= before",
    ),
    (
        "a batch without its device",
        "SELECT count(*) FROM all_batches WHERE device NOT IN (SELECT id FROM devices)",
    ),
    (
        "what a rotation replaced, without the change that it was",
        "SELECT count(*) FROM rotation_replaced_entries AS replaced
        WHERE NOT EXISTS (SELECT 1 FROM changes WHERE changes.seq = replaced.seq)",
    ),
    (
        "a blob whose object counts as removed",
        "SELECT count(*) FROM blobs WHERE object IN (SELECT object FROM removed_objects)",
    ),
];

/// How long a proof that the database can be written stays valid, in microseconds: anybody may call `/ready`.
const PROOF_LASTS_US: i64 = MICROS_PER_SECOND;

/// Changes nothing, and yet has something to commit.
const PROBE: &str = "
    INSERT INTO append_only_exceptions (reason) VALUES ('compaction');
    DELETE FROM append_only_exceptions;";

impl Store {
    /// Lists every fault of the database. Reads the whole file.
    ///
    /// # Errors
    /// A fault that kept the check from ending.
    pub async fn check(&self) -> Result<Vec<String>, Fault> {
        self.read(|connection| {
            let mut faults = Vec::new();
            let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
            for line in statement.query_map([], |row| row.get::<_, String>(0))? {
                faults.extend(Some(line?).filter(|line| line != "ok"));
            }
            let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
            for table in statement.query_map([], |row| row.get::<_, String>(0))? {
                faults.push(format!("a row of {} refers to one that is missing", table?));
            }
            for (wrong, before, after) in WRONG {
                let mut statement = connection.prepare(wrong)?;
                for log in statement.query_map([], |row| row.get::<_, i64>(0))? {
                    faults.push(format!("{before}{}{after}", log?));
                }
            }
            for (what, count) in DANGLING {
                let found: i64 = connection.query_row(count, [], |row| row.get(0))?;
                faults.extend((found > 0).then(|| format!("{what} ({found} times)")));
            }
            faults.truncate(MAX_FAULTS);
            Ok(faults)
        })
        .await
    }

    /// Checks that the database can be read and written, by a commit at most once a second.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), Fault> {
        let now_us = self.shared.clock.now_us();
        if now_us < self.shared.proven_until_us.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.read(|_| Ok(())).await?;
        self.write(1, |tx| Ok(tx.execute_batch(PROBE)?)).await?;
        self.shared.proven_until_us.store(now_us + PROOF_LASTS_US, Ordering::SeqCst);
        Ok(())
    }
}
