//! Aligned columns that fit the page.

use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr;

use crate::text::{fitted, harmless};

/// Columns of a terminal that a line may take.
const PAGE: usize = 100;
/// Blanks between two columns.
const GAP: usize = 2;

/// How text looks.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    bold: bool,
    /// Columns of a line; `None`: as many as it takes.
    width: Option<usize>,
}

/// On which side a column's cells are even.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Left(&'static str),
    /// For numbers.
    Right(&'static str),
    /// For ids, which are to be copied: it does not give way.
    Whole(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Left(name) | Self::Right(name) | Self::Whole(name) => name,
        }
    }
}

impl Style {
    /// Bold on a terminal only; in full width if wanted.
    pub(crate) fn of_stdout(full: bool) -> Self {
        Self { bold: io::stdout().is_terminal(), width: (!full).then_some(PAGE) }
    }

    /// A heading on a line of its own.
    pub(crate) fn heading(self, text: &str) -> String {
        if self.bold { format!("\x1b[1m{text}\x1b[0m\n") } else { format!("{text}\n") }
    }

    /// A line of text that others wrote, cut off at the page's edge.
    pub(crate) fn line(self, text: &str) -> String {
        let text = harmless(text);
        self.width.map_or(text.clone(), |width| fitted(text.trim_end(), width)) + "\n"
    }

    /// A table. Where it is too wide, the widest columns give way first.
    pub(crate) fn table(self, columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.iter().map(|cell| harmless(cell)).collect()).collect();
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

    /// Names and values, one below the other.
    pub(crate) fn facts(self, facts: &[(&str, String)]) -> String {
        let name_width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + GAP;
        facts.iter().map(|(name, value)| self.line(&format!("{name:name_width$}{value}"))).collect()
    }

    fn narrow(self, columns: &[Column], widths: &mut [usize]) {
        let Some(page) = self.width else { return };
        let room = page.saturating_sub(GAP * widths.len().saturating_sub(1));
        while widths.iter().sum::<usize>() > room {
            let flexible =
                columns.iter().zip(&mut *widths).filter(|(column, _)| !matches!(column, Column::Whole(_)));
            // The last of the widest: values stand at the end.
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
        let cell = fitted(cell, *width);
        let blanks = " ".repeat(width.saturating_sub(cell.width()));
        match column {
            Column::Left(_) | Column::Whole(_) => line.extend([cell.as_str(), &blanks]),
            Column::Right(_) => line.extend([blanks.as_str(), &cell]),
        }
        line.push_str(&" ".repeat(GAP));
    }
    line.trim_end().to_owned()
}
