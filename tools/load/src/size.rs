//! How many bytes of disk a change takes.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::library::{self, DATABASE_FILE, Library};
use crate::{Result, seed};

const CHANGES: usize = 200_000;
const USERS: usize = 1_000;

/// Fills a database of its own, in turn and in batches as `seed` makes them, and divides.
pub(crate) fn measure() -> Result<Value> {
    let folder = TempDir::new()?;
    library::wait_for(async {
        let library = Library::open(folder.path()).await?;
        seed::past(&library, CHANGES, USERS).await?;
        library.close().await
    })?;
    let bytes = fs::metadata(folder.path().join(DATABASE_FILE))?.len();
    Ok(json!({ "bytes_per_change": bytes as f64 / CHANGES as f64 }))
}
