//! A change as programs write and read it: five fields, which are in the clear on this device only.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tidelog_protocol::rules::{check_row_id, check_table};
use tidelog_protocol::{ChangeFault, Op, Timestamp};

/// One change of one row. `data` is sealed before it leaves this machine. The server sees the other fields, but they
/// are bound to `data`, so that it cannot move a value to another row or time.
///
/// `Debug` shows whether there is data, not the data.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeEntry {
    /// The row's table: 1 to 100 characters of `[A-Za-z0-9_]`.
    pub table: String,
    /// What happened to the row.
    pub op: Op,
    /// The row: 1 to 255 characters, no control characters.
    pub row_id: String,
    /// When it happened, by the device's clock, with microsecond precision.
    pub timestamp: DateTime<Utc>,
    /// The row's value. Not sent with a delete; `None` in an insert or update is sent as JSON `null`.
    pub data: Option<serde_json::Value>,
}

impl fmt::Debug for ChangeEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ChangeEntry")
            .field("table", &self.table)
            .field("op", &self.op)
            .field("row_id", &self.row_id)
            .field("timestamp", &self.timestamp)
            .field("has_data", &self.data.is_some())
            .finish_non_exhaustive()
    }
}

impl ChangeEntry {
    /// Returns the timestamp as it goes over the wire.
    pub(crate) fn wire_timestamp(&self) -> Result<Timestamp, ChangeFault> {
        Timestamp::try_from(self.timestamp).map_err(|reason| fault(0, "timestamp", reason.to_string()))
    }
}

/// Returns every fault of every change under the protocol's rules: what the server would refuse is not sent at all.
pub(crate) fn faults_of(changes: &[ChangeEntry]) -> Vec<ChangeFault> {
    let faults_at = |(index, change): (usize, &ChangeEntry)| {
        [
            check_table(&change.table).err().map(|reason| fault(index, "table", reason)),
            check_row_id(&change.row_id).err().map(|reason| fault(index, "row_id", reason)),
            change.wire_timestamp().err().map(|found| ChangeFault { index, ..found }),
        ]
    };
    changes.iter().enumerate().flat_map(faults_at).flatten().collect()
}

fn fault(index: usize, field: &str, reason: String) -> ChangeFault {
    ChangeFault { index, field: field.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(table: &str, row_id: &str) -> ChangeEntry {
        ChangeEntry {
            table: table.into(),
            op: Op::Insert,
            row_id: row_id.into(),
            timestamp: Utc::now(),
            data: Some(serde_json::json!("top secret")),
        }
    }

    fn faults(change: ChangeEntry) -> Vec<(usize, String)> {
        faults_of(&[change]).into_iter().map(|fault| (fault.index, fault.field)).collect()
    }

    #[test]
    fn names_at_the_limits_of_the_rules_pass() {
        let longest = change(&"t".repeat(100), &"ü".repeat(255));
        assert_eq!(faults_of(&[change("A_9z", "any / row: id ✓"), longest]), []);
    }

    #[test]
    fn every_fault_of_every_change_is_named_with_index_and_field() {
        let mut timeless = change("tasks", "1");
        timeless.timestamp = DateTime::<Utc>::MAX_UTC;
        let found = faults_of(&[change("tasks", "1"), change("ta sks", ""), timeless]);
        let named: Vec<_> = found.iter().map(|fault| (fault.index, fault.field.as_str())).collect();
        assert_eq!(named, [(1, "table"), (1, "row_id"), (2, "timestamp")]);
    }

    #[test]
    fn a_table_outside_the_alphabet_or_the_length_is_at_fault() {
        for table in ["", "a-b", "tâches", "a.b", &"t".repeat(101)] {
            assert_eq!(faults(change(table, "1")), [(0, "table".to_owned())], "{table}");
        }
    }

    #[test]
    fn a_row_id_with_control_characters_or_of_a_wrong_length_is_at_fault() {
        for row_id in ["", "a\nb", "a\0", "\u{7f}", "\u{85}", &"r".repeat(256)] {
            assert_eq!(faults(change("tasks", row_id)), [(0, "row_id".to_owned())], "{row_id:?}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_data() {
        assert!(!format!("{:?}", change("tasks", "1")).contains("secret"));
    }
}
