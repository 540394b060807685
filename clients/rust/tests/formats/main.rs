//! The encryption formats as the rest of the SDK uses them. `vectors` checks them byte by byte.

mod entries;
mod envelopes;
mod first_version;
mod hostile;
mod pins;
mod secrets;

use tidelog_client::formats::{Slot, Vault};
use tidelog_protocol::Op;

const TIMESTAMP_US: i64 = 1_790_000_000_123_456;

/// A slot under the vault's current key.
fn slot<'a>(vault: &Vault, op: Op, row_id: &'a str) -> Slot<'a> {
    Slot { table: "notes", row_id, op, timestamp_us: TIMESTAMP_US, key_version: vault.key_version() }
}
