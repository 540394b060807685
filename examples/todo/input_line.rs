//! The line in which the user enters text.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::due;

/// What the text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputPurpose {
    NewList,
    ListName,
    NewTodo,
    TodoTitle,
    Due,
    Find,
}

/// The effect of a key.
pub(crate) enum InputOutcome {
    Editing,
    Accepted,
    Cancelled,
}

pub(crate) struct InputLine {
    pub(crate) purpose: InputPurpose,
    /// The row that the text belongs to.
    pub(crate) id: String,
    pub(crate) input: Input,
}

impl InputLine {
    pub(crate) fn new(purpose: InputPurpose, id: &str, text: &str) -> Self {
        Self { purpose, id: id.into(), input: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        self.input.value().trim()
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> InputOutcome {
        match key.code {
            KeyCode::Enter => return InputOutcome::Accepted,
            KeyCode::Esc => return InputOutcome::Cancelled,
            _ => {}
        }
        self.input.handle_event(&Event::Key(key));
        InputOutcome::Editing
    }

    pub(crate) fn label(&self) -> &'static str {
        match self.purpose {
            InputPurpose::NewList => "New list",
            InputPurpose::ListName => "List name",
            InputPurpose::NewTodo => "New todo",
            InputPurpose::TodoTitle => "Todo",
            InputPurpose::Due => "Due",
            InputPurpose::Find => "Find",
        }
    }

    pub(crate) fn hint(&self) -> String {
        let format = if self.purpose == InputPurpose::Due { due::HINT } else { "" };
        let gap = if format.is_empty() { "" } else { "   " };
        format!("{format}{gap}Enter to accept, Esc to cancel")
    }
}
