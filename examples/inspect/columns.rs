//! Aligned columns that fit the width of a line.

use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

use crate::text::{escape_control, truncate};

/// The maximum width of a line, in columns of the terminal.
const LINE_WIDTH: usize = 100;
/// The spaces between two columns.
const GAP: usize = 2;

/// How text is formatted.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    bold: bool,
    /// The maximum width of a line; `None`: no maximum.
    width: Option<usize>,
}

/// How a column is aligned, with its name.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
    /// Left-aligned and never truncated, for ids that users copy.
    Untruncated(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Left(name) | Self::Right(name) | Self::Untruncated(name) => name,
        }
    }
}

impl Style {
    /// Headings are bold on a terminal. `full`: lines are not truncated.
    pub(crate) fn of_stdout(full: bool) -> Self {
        Self { bold: io::stdout().is_terminal(), width: (!full).then_some(LINE_WIDTH) }
    }

    /// A heading on a line of its own.
    pub(crate) fn heading(self, text: &str) -> String {
        if self.bold { format!("\x1b[1m{text}\x1b[0m\n") } else { format!("{text}\n") }
    }

    /// A line with untrusted text, truncated to the maximum width.
    pub(crate) fn line(self, text: &str) -> String {
        let text = escape_control(text);
        self.width.map_or(text.clone(), |width| truncate(text.trim_end(), width)) + "\n"
    }

    /// A table. If it is too wide, the widest columns are truncated first.
    pub(crate) fn table(self, columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.iter().map(|cell| escape_control(cell)).collect()).collect();
        if rows.is_empty() {
            return "none\n".into();
        }
        let width_of = |(index, column): (usize, &Column)| {
            rows.iter()
                .filter_map(|row| row.get(index))
                .map(|cell| cell.width())
                .fold(column.name().len(), usize::max)
        };
        let mut widths: Vec<usize> = columns.iter().enumerate().map(width_of).collect();
        self.narrow(columns, &mut widths);
        let names = columns.iter().map(|column| column.name().to_owned()).collect();
        let lines = rows.iter().map(|row| line(columns, &widths, row) + "\n");
        std::iter::once(self.heading(&line(columns, &widths, &names))).chain(lines).collect()
    }

    /// Names and values, one pair per line.
    pub(crate) fn pairs(self, pairs: &[(&str, String)]) -> String {
        let name_width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + GAP;
        pairs.iter().map(|(name, value)| self.line(&format!("{name:name_width$}{value}"))).collect()
    }

    fn narrow(self, columns: &[Column], widths: &mut [usize]) {
        let Some(width) = self.width else { return };
        let available = width.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > available {
            let flexible = columns
                .iter()
                .zip(&mut *widths)
                .filter(|(column, _)| !matches!(column, Column::Untruncated(_)));
            // Of several widest columns the last one, which usually holds the values.
            match flexible.map(|(_, width)| width).max() {
                Some(widest) if *widest > 1 => *widest -= 1,
                _ => return,
            }
        }
    }
}

fn line(columns: &[Column], widths: &[usize], cells: &Vec<String>) -> String {
    let mut line = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let cell = truncate(cell, *width);
        let padding = " ".repeat(width.saturating_sub(cell.width()));
        match column {
            Column::Left(_) | Column::Untruncated(_) => line.extend([cell.as_str(), &padding]),
            Column::Right(_) => line.extend([padding.as_str(), &cell]),
        }
        line.push_str(&" ".repeat(GAP));
    }
    line.trim_end().to_owned()
}
