//! Entries as rows of `changes` hold them.

use rusqlite::types::{Null, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::error::Fault;
use crate::model::changes::{Data, RowId, SpelledOp, StoredEntry};

const AUTHOR: &str = "SELECT uuid FROM devices WHERE id = ?1";

/// The entry in a row of seq, device, table_name, op, row_id, timestamp, key_version and data.
pub(super) fn entry<'a>(row: &'a Row<'_>, device: Uuid) -> Result<StoredEntry<'a>, Fault> {
    Ok(StoredEntry {
        seq: row.get(0)?,
        device,
        table: row.get_ref(2)?.as_str().map_err(Fault::internal)?,
        op: SpelledOp::from_code(row.get(3)?)
            .ok_or_else(|| Fault::Internal("a change has an unknown operation".into()))?,
        row_id: match row.get_ref(4)? {
            ValueRef::Blob(id) => RowId::Uuid(Uuid::from_slice(id).map_err(Fault::internal)?),
            text => RowId::Text(text.as_str().map_err(Fault::internal)?),
        },
        time_us: row.get(5)?,
        key_version: row.get(6)?,
        data: match row.get_ref(7)? {
            ValueRef::Null => Data::Nothing,
            ValueRef::Blob(bytes) => Data::Base64(bytes),
            text => Data::Text(text.as_str().map_err(Fault::internal)?),
        },
    })
}

/// The value of a row id.
pub(super) fn row_id_value<'a>(row_id: &'a RowId<'_>) -> ToSqlOutput<'a> {
    match row_id {
        RowId::Uuid(id) => ToSqlOutput::from(id.as_bytes().as_slice()),
        RowId::Text(text) => ToSqlOutput::from(*text),
    }
}

/// The value of data.
pub(in crate::store) fn data_value(data: Data<'_>) -> ToSqlOutput<'_> {
    match data {
        Data::Nothing => ToSqlOutput::from(Null),
        Data::Base64(bytes) => ToSqlOutput::from(bytes),
        Data::Text(text) => ToSqlOutput::from(text),
    }
}

/// The last author that was looked up: entries of one device mostly follow each other.
#[derive(Default)]
pub(super) struct Authors {
    last: Option<(i64, Uuid)>,
}

impl Authors {
    /// The id of a device.
    pub(super) fn find(&mut self, connection: &Connection, device: i64) -> Result<Uuid, Fault> {
        if let Some((last, author)) = self.last
            && last == device
        {
            return Ok(author);
        }
        let from_row = |row: &Row<'_>| Ok(Uuid::from_bytes(row.get(0)?));
        let author = connection.prepare_cached(AUTHOR)?.query_row([device], from_row).optional()?;
        let author = author
            .ok_or_else(|| Fault::Internal(format!("device {device} is missing, its changes are not")))?;
        self.last = Some((device, author));
        Ok(author)
    }
}
