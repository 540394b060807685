//! The elements that pages share.

use maud::{Markup, html};

/// A labelled input.
#[derive(Clone, Copy, Default)]
pub(in crate::http) struct Field<'a> {
    /// The name in the form.
    pub(in crate::http) name: &'a str,
    /// The label on the page.
    pub(in crate::http) label: &'a str,
    /// `email`, `password` or `text`.
    pub(in crate::http) kind: &'a str,
    /// What browsers and password managers fill in (HTML, 4.10.18.7).
    pub(in crate::http) autocomplete: &'a str,
    /// The initial value.
    pub(in crate::http) value: &'a str,
    /// A line of help.
    pub(in crate::http) hint: Option<&'a str>,
    /// Whether it has the focus when the page opens.
    pub(in crate::http) focus: bool,
    /// The minimum length, in characters.
    pub(in crate::http) min: Option<usize>,
    /// Whether phones show a numeric keyboard.
    pub(in crate::http) digits: bool,
}

/// Renders a field with its label and hint.
pub(in crate::http) fn field(field: Field<'_>) -> Markup {
    let Field { name, label, kind, autocomplete, value, hint, focus, min, digits } = field;
    let hint_id = hint.map(|_| format!("{name}-hint"));
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type=(kind) autocomplete=(autocomplete) value=[(!value.is_empty()).then_some(value)]
                autofocus[focus] minlength=[min] inputmode=[digits.then_some("numeric")] autocapitalize="none" spellcheck="false"
                aria-describedby=[hint_id.as_deref()] required;
            @if let (Some(hint), Some(id)) = (hint, hint_id.as_deref()) {
                p.hint id=(id) { (hint) }
            }
        }
    }
}

/// Renders a hidden value of a form.
pub(in crate::http) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// Renders the button that submits a form.
pub(in crate::http) fn button(label: &str) -> Markup {
    html! { button.primary type="submit" { (label) } }
}

/// Renders what has just happened, an error or a success. Screen readers announce it.
pub(in crate::http) fn notice(error: Option<&str>, success: Option<&str>) -> Markup {
    html! {
        @if let Some(error) = error { p.error role="alert" { (error) } }
        @if let Some(success) = success { p.success role="status" { (success) } }
    }
}
