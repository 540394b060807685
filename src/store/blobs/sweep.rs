//! Queries of a sweep: which objects no row refers to, and which objects should exist.

use rusqlite::{Connection, Row};
use uuid::Uuid;

use super::objects::remove_object;
use crate::error::Fault;
use crate::model::blobs::{BlobHash, Location};
use crate::store::Store;

/// Whether any row refers to an object: that of an upload has the id of the upload, or one that was noted when it was
/// received.
const IS_KNOWN: &str = "
    SELECT EXISTS (SELECT 1 FROM blobs WHERE object = ?1) OR EXISTS (SELECT 1 FROM uploads WHERE uuid = ?1)
        OR EXISTS (SELECT 1 FROM uploads WHERE object = ?1) OR EXISTS (SELECT 1 FROM removed_objects WHERE object = ?1)";
const IS_CONFIRMED: &str = "SELECT 1 FROM blobs WHERE object = ?1";
const BY_OBJECT: &str = "
    SELECT blobs.object, blobs.hash, users.uuid, apps.name
    FROM blobs JOIN logs ON logs.id = blobs.log JOIN users ON users.id = logs.user JOIN apps ON apps.id = logs.app
    WHERE blobs.object BETWEEN ?1 AND ?2 ORDER BY blobs.object";

/// A confirmed blob with its owner, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// The object that should exist.
    pub object: Uuid,
    /// The blob's name.
    pub hash: BlobHash,
    /// The user that it belongs to.
    pub user: Uuid,
    /// The app that it belongs to.
    pub app_name: String,
}

impl Store {
    /// Returns those of these objects that no row refers to. Since ids are never reused, no row ever will.
    pub async fn unknown_objects(&self, objects: Vec<Uuid>) -> Result<Vec<Uuid>, Fault> {
        self.read(move |connection| unknown(connection, &objects)).await
    }

    /// Returns those of these objects that hold confirmed blobs, and so are needed only in their final location.
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

    /// Remembers objects as removed now, if the writer, too, finds no row that refers to them. Returns how many.
    pub async fn remove_unknown_objects(
        &self,
        objects: Vec<Uuid>,
        location: Location,
    ) -> Result<usize, Fault> {
        self.write(1, move |tx| {
            let unknown = unknown(tx, &objects)?;
            unknown.iter().try_for_each(|object| remove_object(tx, *object, location))?;
            Ok(unknown.len())
        })
        .await
    }

    /// Lists the blobs whose object id starts with this byte, ordered by object.
    pub async fn blobs_by_object(&self, first_byte: u8) -> Result<Vec<StoredBlob>, Fault> {
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
            let mut statement = connection.prepare_cached(BY_OBJECT)?;
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
