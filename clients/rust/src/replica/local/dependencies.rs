//! What foreign keys between the tables imply: the order in which rows are sent, and which deleted rows may have to
//! be restored.

use super::table::{ForeignKey, OnDelete, Table};

/// Finds the tables whose deleted rows may have to be restored: those with a foreign key to them that forbids
/// deletions, and those whose deletions cascade to such a table.
pub(super) fn find_restorable_tables(tables: &mut [Table]) {
    let may_be_restored = |tables: &[Table], index: usize| {
        let requires = |child: &Table, key: &ForeignKey| match key.on_delete {
            // A default that refers to nothing forbids the deletion, too.
            OnDelete::Restrict | OnDelete::SetDefault => key.parent == index,
            OnDelete::Cascade => key.parent == index && child.may_be_restored,
            OnDelete::SetNull => false,
        };
        tables.iter().any(|child| child.foreign_keys.iter().any(|key| requires(child, key)))
    };
    while let Some(index) =
        (0..tables.len()).find(|index| !tables[*index].may_be_restored && may_be_restored(tables, *index))
    {
        tables[index].may_be_restored = true;
    }
}

/// Ranks each table above those that it references. Tables that reference each other in a cycle get the remaining
/// ranks, in the order in which the app listed them.
pub(super) fn rank_tables(tables: &mut [Table]) {
    let mut ranked = vec![false; tables.len()];
    for rank in 0..tables.len() {
        let is_ready = |index: &usize| {
            let is_open = |key: &ForeignKey| key.parent != *index && !ranked[key.parent];
            !ranked[*index] && !tables[*index].foreign_keys.iter().any(is_open)
        };
        let next = (0..tables.len()).find(is_ready).or_else(|| ranked.iter().position(|done| !done));
        let Some(next) = next else { return };
        tables[next].rank = rank;
        ranked[next] = true;
    }
}
