//! What the blobs and uploads of a log take together, kept up to date so that a quota costs no scan.

use rusqlite::{Connection, OptionalExtension, Row};

use super::group::WriteTx;
use crate::error::Fault;

const FIND: &str = "SELECT confirmed_bytes, granted_bytes, wrapped_keys FROM blob_totals WHERE log = ?1";
const ADD: &str = "
    INSERT INTO blob_totals (log, confirmed_bytes, granted_bytes, wrapped_keys)
    VALUES (?1, max(?2, 0), max(?3, 0), max(?4, 0))
    ON CONFLICT (log) DO UPDATE SET confirmed_bytes = confirmed_bytes + ?2, granted_bytes = granted_bytes + ?3,
        wrapped_keys = wrapped_keys + ?4";

/// The totals of a log, or what a change adds to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlobTotals {
    /// Bytes of confirmed blobs.
    pub(super) confirmed_bytes: i64,
    /// Announced bytes of uploads.
    pub(super) granted_bytes: i64,
    /// Blobs that have a sealed key.
    pub(super) sealed_keys: i64,
}

impl BlobTotals {
    /// Finds the totals of a log, which are 0 if it never had a blob.
    pub(super) fn find(connection: &Connection, log: i64) -> Result<Self, Fault> {
        let from_row = |row: &Row<'_>| {
            Ok(Self { confirmed_bytes: row.get(0)?, granted_bytes: row.get(1)?, sealed_keys: row.get(2)? })
        };
        Ok(connection.prepare_cached(FIND)?.query_row([log], from_row).optional()?.unwrap_or_default())
    }

    /// Adds these to the totals of a log.
    pub(super) fn add(self, tx: &WriteTx<'_>, log: i64) -> Result<(), Fault> {
        let row = (log, self.confirmed_bytes, self.granted_bytes, self.sealed_keys);
        tx.prepare_cached(ADD)?.execute(row)?;
        Ok(())
    }
}

/// Converts a size, which was checked against the limit, to the integer type of the database.
pub(super) fn signed(bytes: u64) -> Result<i64, Fault> {
    i64::try_from(bytes).map_err(Fault::internal)
}
