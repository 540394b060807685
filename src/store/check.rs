//! Checks that a database is whole: SQLite's own checks, then the counters that pushes keep.

use std::sync::atomic::Ordering;

use super::Store;
use crate::clock::MICROS_PER_SECOND;
use crate::error::Fault;

/// Faults reported at most: a broken file has thousands, and a few tell as much.
const MAX_FAULTS: usize = 100;

const WRONG_COUNTERS: &str = "
    SELECT id FROM logs
    WHERE total_changes <> (SELECT count(*) FROM changes WHERE log = logs.id)
       OR change_bytes <> (SELECT coalesce(sum(octet_length(data)), 0) FROM changes WHERE log = logs.id)
       OR head_seq < (SELECT coalesce(max(seq), 1) FROM changes WHERE log = logs.id)";

/// What is no foreign key, for speed; see `schema.sql`.
const DANGLING: [(&str, &str); 3] = [
    (
        "a change without its batch",
        "SELECT count(*) FROM changes WHERE batch NOT IN (SELECT id FROM batches)",
    ),
    (
        "a batch without its device",
        "SELECT count(*) FROM batches WHERE device NOT IN (SELECT id FROM devices)",
    ),
    (
        "a log whose last writer is gone",
        "SELECT count(*) FROM logs WHERE head_device IS NOT NULL AND head_device NOT IN (SELECT id FROM devices)",
    ),
];

/// How long a proof that the database can be written is good, in microseconds: anyone may ask.
const PROOF_LASTS_US: i64 = MICROS_PER_SECOND;

/// Leaves everything as it was, and yet has something to commit.
const PROBE: &str = "
    INSERT INTO append_only_exceptions (reason) VALUES ('compaction');
    DELETE FROM append_only_exceptions;";

impl Store {
    /// Every fault found, none if the database is whole. Reads the whole file.
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
            let mut statement = connection.prepare(WRONG_COUNTERS)?;
            for log in statement.query_map([], |row| row.get::<_, i64>(0))? {
                faults.push(format!("the counters of log {} differ from its changes", log?));
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

    /// Whether the database can be read and written: proves it by a commit, at most once a second.
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
