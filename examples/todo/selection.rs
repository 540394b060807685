//! Which row of a pane is selected: the selection stays on its row while others come and go, whoever moves them.

use ratatui::widgets::TableState;

/// What can be selected.
pub(crate) trait Identified {
    /// Stays the same for as long as the row is there.
    fn id(&self) -> &str;
}

/// A row, by its id and by where it was last seen.
#[derive(Default)]
pub(crate) struct Selection {
    id: Option<String>,
    /// What the screen draws; it also knows how far the pane is scrolled.
    pub(crate) state: TableState,
}

impl Selection {
    /// The selected one of these rows.
    pub(crate) fn of<'r, R>(&self, rows: &'r [R]) -> Option<&'r R> {
        rows.get(self.state.selected()?)
    }

    /// Selects the row with this id as soon as it is there.
    pub(crate) fn wish(&mut self, id: String) {
        self.id = Some(id);
    }

    /// Finds the row again among these. If it is gone, the one that is in its place is selected.
    pub(crate) fn follow(&mut self, rows: &[impl Identified]) {
        let same = self.id.as_deref().and_then(|id| rows.iter().position(|row| row.id() == id));
        self.select(same.or(self.state.selected()).unwrap_or(0), rows);
    }

    /// Goes so many rows down, or up.
    pub(crate) fn go(&mut self, by: isize, rows: &[impl Identified]) {
        self.select(self.state.selected().unwrap_or(0).saturating_add_signed(by), rows);
    }

    fn select(&mut self, place: usize, rows: &[impl Identified]) {
        let place = rows.len().checked_sub(1).map(|last| place.min(last));
        self.state.select(place);
        self.id = place.and_then(|place| rows.get(place)).map(|row| row.id().to_owned());
    }
}
