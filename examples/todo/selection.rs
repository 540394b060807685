//! The selected row of a pane. The selection stays on its row while rows are added, removed or moved, here or on
//! another device.

use ratatui::widgets::TableState;

/// A row that can be selected.
pub(crate) trait HasId {
    /// Stays the same for as long as the row exists.
    fn id(&self) -> &str;
}

/// A row, by its id and its last position.
#[derive(Default)]
pub(crate) struct Selection {
    id: Option<String>,
    /// Drawn by the screen; also holds the scroll offset.
    pub(crate) state: TableState,
}

impl Selection {
    /// The selected row among these.
    pub(crate) fn selected<'r, R>(&self, rows: &'r [R]) -> Option<&'r R> {
        rows.get(self.state.selected()?)
    }

    /// Selects the row with this id as soon as it exists.
    pub(crate) fn select_when_present(&mut self, id: String) {
        self.id = Some(id);
    }

    /// Finds the selected row among these. If it is gone, selects the one at its position.
    pub(crate) fn update(&mut self, rows: &[impl HasId]) {
        let same = self.id.as_deref().and_then(|id| rows.iter().position(|row| row.id() == id));
        self.select(same.or(self.state.selected()).unwrap_or(0), rows);
    }

    /// Moves the selection down by `by` rows, or up.
    pub(crate) fn move_by(&mut self, by: isize, rows: &[impl HasId]) {
        self.select(self.state.selected().unwrap_or(0).saturating_add_signed(by), rows);
    }

    fn select(&mut self, index: usize, rows: &[impl HasId]) {
        let index = rows.len().checked_sub(1).map(|last| index.min(last));
        self.state.select(index);
        self.id = index.and_then(|index| rows.get(index)).map(|row| row.id().to_owned());
    }
}
