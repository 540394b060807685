//! What a sweep asks: which objects nobody knows, and which objects there should be.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::remove_object;
use crate::error::Fault;
use crate::model::blobs::{BlobHash, Place};
use crate::store::Store;

/// Whether any row names an object: an upload bears its own id, or that of what has come.
const IS_KNOWN: &str = "
    SELECT EXISTS (SELECT 1 FROM blobs WHERE object = ?1) OR EXISTS (SELECT 1 FROM uploads WHERE uuid = ?1)
        OR EXISTS (SELECT 1 FROM uploads WHERE object = ?1) OR EXISTS (SELECT 1 FROM removed_objects WHERE object = ?1)";
const IS_CONFIRMED: &str = "SELECT 1 FROM blobs WHERE object = ?1";
const OF_SHELF: &str = "
    SELECT blobs.object, blobs.hash, users.uuid, apps.name
    FROM blobs JOIN logs ON logs.id = blobs.log JOIN users ON users.id = logs.user JOIN apps ON apps.id = logs.app
    WHERE blobs.object BETWEEN ?1 AND ?2 ORDER BY blobs.object";

/// A confirmed blob, as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// The object that should be there.
    pub object: Uuid,
    /// Its name.
    pub hash: BlobHash,
    /// Whose it is.
    pub user: Uuid,
    /// In which app.
    pub app_name: String,
}

impl Store {
    /// Those of these objects that no row names. As names are never used twice, none ever will.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn unknown_objects(&self, objects: Vec<Uuid>) -> Result<Vec<Uuid>, Fault> {
        self.read(move |connection| unknown(connection, &objects)).await
    }

    /// Those of these objects that hold confirmed blobs, and so are needed in their final place only.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn confirmed_objects(&self, objects: Vec<Uuid>) -> Result<Vec<Uuid>, Fault> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(IS_CONFIRMED)?;
            let mut confirmed = Vec::new();
            for object in objects {
                if statement.exists([object.as_bytes()])? {
                    confirmed.push(object);
                }
            }
            Ok(confirmed)
        })
        .await
    }

    /// Remembers objects that no row names as removed now; the writer looks once more.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn remove_unknown_objects(&self, objects: Vec<Uuid>, place: Place) -> Result<usize, Fault> {
        self.write(1, move |tx| {
            let unknown = unknown(tx, &objects)?;
            unknown.iter().try_for_each(|object| remove_object(tx, *object, place))?;
            Ok(unknown.len())
        })
        .await
    }

    /// The blobs whose objects begin with this byte, in the order of the objects: one shelf of the store.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn list_shelf(&self, first_byte: u8) -> Result<Vec<StoredBlob>, Fault> {
        self.read(move |connection| {
            let (mut from, mut to) = ([0; 16], [u8::MAX; 16]);
            (from[0], to[0]) = (first_byte, first_byte);
            let from_row = |row: &Row<'_>| {
                Ok(StoredBlob {
                    object: Uuid::from_bytes(row.get(0)?),
                    hash: BlobHash(row.get(1)?),
                    user: Uuid::from_bytes(row.get(2)?),
                    app_name: row.get(3)?,
                })
            };
            let mut statement = connection.prepare_cached(OF_SHELF)?;
            Ok(statement.query_map((from, to), from_row)?.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn unknown(connection: &Connection, objects: &[Uuid]) -> Result<Vec<Uuid>, Fault> {
    let mut statement = connection.prepare_cached(IS_KNOWN)?;
    let mut unknown = Vec::new();
    for object in objects {
        let is_known: bool = statement.query_row([object.as_bytes()], |row| row.get(0))?;
        if !is_known {
            unknown.push(*object);
        }
    }
    Ok(unknown)
}
