//! Draws the app. Uses the terminal's own colours, which suit dark and light themes.

use chrono::{Local, NaiveDate};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Margin, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, BorderType, Cell, Clear, HighlightSpacing, Padding, Paragraph, Row, Table, Wrap,
};

use crate::app::{App, Pane};
use crate::database::{List, Todo};
use crate::input_line::InputLine;
use crate::sync_controller::StatusKind;
use crate::{due, keys};

/// The maximum width of the pane with the lists.
const LISTS_WIDTH: u16 = 26;
/// The width that the pane with the todos gets first on a narrow terminal.
const TODOS_WIDTH: u16 = 34;
/// The lines of the help.
const HELP_HEIGHT: u16 = 2;
/// The columns that stay visible on either side of the problems.
const PROBLEMS_MARGIN: u16 = 6;
/// The width of a number of todos.
const COUNT_WIDTH: u16 = 3;
/// The width of a due date.
const DUE_WIDTH: u16 = 11;
/// Keeps words on one line.
const NO_BREAK: &str = "\u{a0}";

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App, title: &str, (kind, status): &(StatusKind, String)) {
    let layout =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(HELP_HEIGHT)]);
    let [head, panes, foot] = layout.areas(frame.area());
    let columns = Layout::horizontal([Constraint::Max(LISTS_WIDTH), Constraint::Min(TODOS_WIDTH)]);
    let [lists, todos] = columns.areas(panes);

    let status = Line::from(format!("{status} ")).style(style_of(*kind)).right_aligned();
    let problems = match app.problems.len() {
        0 => String::new(),
        count => format!("   ! {count} not synced: p"),
    };
    let title = vec![" Todos".bold(), format!(" · {title}").into(), problems.red()];
    frame.render_widget(Line::from(title), head);
    frame.render_widget(status, head);
    draw_lists(frame, app, lists);
    draw_todos(frame, app, todos);
    if app.pane == Pane::Problems {
        draw_problems(frame, &app.problems, panes);
    }
    match &app.input {
        Some(input) => draw_input(frame, input, foot),
        None => draw_help(frame, app.pane, foot),
    }
}

fn style_of(kind: StatusKind) -> Style {
    match kind {
        StatusKind::Live => Color::Green.into(),
        StatusKind::Busy => Color::Cyan.into(),
        StatusKind::Offline => Color::Magenta.into(),
        StatusKind::Failed => Style::from(Color::Red).bold(),
    }
}

fn draw_lists(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let is_focused = matches!(app.pane, Pane::Lists | Pane::Targets);
    let (title, selection) = match app.pane {
        Pane::Targets => (" Move to ", &mut app.target),
        _ => (" Lists ", &mut app.list),
    };
    let row = |list: &List| {
        let open = if list.open == 0 { String::new() } else { list.open.to_string() };
        Row::new([Cell::from(list.name.clone()), Cell::from(Line::from(open).right_aligned().dim())])
    };
    let widths = [Constraint::Fill(1), Constraint::Length(COUNT_WIDTH)];
    let block = pane(is_focused).title(title);
    let table = table(app.lists.iter().map(row), widths, is_focused).block(block);
    frame.render_stateful_widget(table, area, &mut selection.state);
}

fn draw_todos(frame: &mut Frame<'_>, app: &mut App, area: Rect) {
    let is_focused = app.pane == Pane::Todos;
    let (done, all) = app.progress;
    let name = app.list.selected(&app.lists).map_or("Todos", |list| &list.name);
    let mut block = pane(is_focused).title(format!(" {name} "));
    if all > 0 {
        block = block.title(Line::from(format!(" {done} of {all} done ")).right_aligned());
    }
    let filters = match (app.hides_done, app.search.as_str()) {
        (false, "") => String::new(),
        (true, "") => " done todos are hidden ".into(),
        (_, search) => format!(" matching “{search}”{} ", if app.hides_done { ", not done" } else { "" }),
    };
    block = block.title_bottom(Line::from(filters).cyan());
    if !app.message.is_empty() {
        block = block.title_bottom(Line::from(format!(" {} ", app.message)).magenta().right_aligned());
    }
    if app.todos.is_empty() {
        let hint = if app.lists.is_empty() {
            "No lists. Press a to add one."
        } else {
            "No todos. Press a to add one."
        };
        let hint = if all > 0 { "No matching todos." } else { hint };
        frame.render_widget(
            Paragraph::new(Line::from(hint).dim()).wrap(Wrap { trim: true }).block(block),
            area,
        );
        return;
    }
    let today = Local::now().date_naive();
    let widths = [Constraint::Length(3), Constraint::Fill(1), Constraint::Length(DUE_WIDTH)];
    let table = table(app.todos.iter().map(|todo| row_of(todo, today)), widths, is_focused).block(block);
    frame.render_stateful_widget(table, area, &mut app.todo.state);
}

fn draw_problems(frame: &mut Frame<'_>, problems: &[String], panes: Rect) {
    let area = panes.inner(Margin::new(PROBLEMS_MARGIN, 1));
    let lines: Vec<Line<'_>> = problems.iter().map(|problem| Line::from(problem.as_str())).collect();
    let text = Paragraph::new(lines).wrap(Wrap { trim: true }).block(pane(true).title(" Not synced "));
    frame.render_widget(Clear, area);
    frame.render_widget(text, area);
}

fn row_of(todo: &Todo, today: NaiveDate) -> Row<'static> {
    let (checkbox, title) = match todo.done {
        true => ("[x]".dim(), todo.title.clone().dim().crossed_out()),
        false => ("[ ]".into(), Span::from(todo.title.clone())),
    };
    let due = Span::from(todo.due.map(|day| due::format(day, today)).unwrap_or_default());
    let due = match todo.due {
        _ if todo.done => due.dim(),
        Some(day) if day < today => due.red(),
        _ => due.cyan(),
    };
    Row::new([Cell::from(checkbox), Cell::from(title), Cell::from(Line::from(due).right_aligned())])
}

/// The frame of a pane, thick if the pane has the focus.
fn pane(is_focused: bool) -> Block<'static> {
    let block = Block::bordered().padding(Padding::horizontal(1));
    if is_focused {
        block.border_type(BorderType::Thick).border_style(Color::Cyan).title_style(Style::new().bold())
    } else {
        block.border_style(Style::new().dim())
    }
}

fn table<'r, const COLUMNS: usize>(
    rows: impl Iterator<Item = Row<'r>>,
    widths: [Constraint; COLUMNS],
    is_focused: bool,
) -> Table<'r> {
    let selected = if is_focused { Style::new().reversed() } else { Style::new().bold() };
    Table::new(rows, widths)
        .row_highlight_style(selected)
        .highlight_symbol("▸ ")
        .highlight_spacing(HighlightSpacing::Always)
}

fn draw_input(frame: &mut Frame<'_>, line: &InputLine, area: Rect) {
    let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let label = format!(" {}: ", line.label());
    let [label_area, input] =
        Layout::horizontal([Constraint::Length(label.len() as u16), Constraint::Fill(1)]).areas(first);
    // One column for the cursor behind the last character.
    let scrolled = line.input.visual_scroll(usize::from(input.width.saturating_sub(1)));
    let text = Paragraph::new(line.input.value()).scroll((0, scrolled as u16));
    frame.render_widget(label.bold().cyan(), label_area);
    frame.render_widget(text, input);
    frame.render_widget(format!(" {}", line.hint()).dim(), second);
    let column = line.input.visual_cursor().saturating_sub(scrolled) as u16;
    frame.set_cursor_position((input.x + column.min(input.width.saturating_sub(1)), input.y));
}

fn draw_help(frame: &mut Frame<'_>, pane: Pane, area: Rect) {
    let non_breaking = |words: &str| words.replace(' ', NO_BREAK);
    let spans_of = |(key, action): &(&str, &str)| {
        [non_breaking(key).bold(), non_breaking(&format!(" {action}")).dim(), "  ".into()]
    };
    let spans: Vec<Span<'_>> = keys::help(pane).iter().flat_map(spans_of).collect();
    let block = Block::new().padding(Padding::left(1));
    frame.render_widget(Paragraph::new(Line::from(spans)).wrap(Wrap { trim: true }).block(block), area);
}
