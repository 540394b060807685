//! Checks that a database is whole: SQLite's own checks, then the counters that pushes keep.

use super::Store;
use crate::error::Fault;

/// Faults reported at most: a broken file has thousands, and a few tell as much.
const MAX_FAULTS: usize = 100;

const WRONG_COUNTERS: &str = "
    SELECT id FROM logs
    WHERE total_changes <> (SELECT count(*) FROM changes WHERE log = logs.id)
       OR change_bytes <> (SELECT coalesce(sum(octet_length(data)), 0) FROM changes WHERE log = logs.id)
       OR head_seq < (SELECT coalesce(max(seq), 1) FROM changes WHERE log = logs.id)";

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
            faults.truncate(MAX_FAULTS);
            Ok(faults)
        })
        .await
    }

    /// Whether the writer answers and the database can be written: proves it by taking the write lock and committing.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), Fault> {
        self.read(|_| Ok(())).await?;
        self.write(1, |_| Ok(())).await
    }
}
