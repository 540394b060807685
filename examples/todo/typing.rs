//! A line that is being typed, and what for.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::due;

/// What the line will be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    NewList,
    ListName,
    NewTodo,
    TodoTitle,
    Due,
    Find,
}

/// What a key has done to it.
pub(crate) enum Typed {
    On,
    Done,
    Cancelled,
}

/// The line.
pub(crate) struct Typing {
    pub(crate) purpose: Purpose,
    /// The row that it is about.
    pub(crate) id: String,
    pub(crate) input: Input,
}

impl Typing {
    pub(crate) fn new(purpose: Purpose, id: &str, text: &str) -> Self {
        Self { purpose, id: id.into(), input: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        self.input.value().trim()
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> Typed {
        match key.code {
            KeyCode::Enter => return Typed::Done,
            KeyCode::Esc => return Typed::Cancelled,
            _ => {}
        }
        self.input.handle_event(&Event::Key(key));
        Typed::On
    }

    pub(crate) fn label(&self) -> &'static str {
        match self.purpose {
            Purpose::NewList => "New list",
            Purpose::ListName => "Name of the list",
            Purpose::NewTodo => "New todo",
            Purpose::TodoTitle => "Todo",
            Purpose::Due => "Due",
            Purpose::Find => "Find",
        }
    }

    pub(crate) fn hint(&self) -> String {
        let what = if self.purpose == Purpose::Due { due::HINT } else { "" };
        let gap = if what.is_empty() { "" } else { "   " };
        format!("{what}{gap}Enter to accept, Esc to leave it")
    }
}
