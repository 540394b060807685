//! What pages are made of.

use maud::{Markup, html};

/// How a field behaves.
#[derive(Clone, Copy, Default)]
pub(in crate::http) struct Field<'a> {
    /// What it is called in the form.
    pub(in crate::http) name: &'a str,
    /// What it is called on the page.
    pub(in crate::http) label: &'a str,
    /// `email`, `password` or `text`.
    pub(in crate::http) kind: &'a str,
    /// What browsers and password managers put in (HTML, 4.10.18.7).
    pub(in crate::http) autocomplete: &'a str,
    /// What is in it already.
    pub(in crate::http) value: &'a str,
    /// A line of help.
    pub(in crate::http) hint: Option<&'a str>,
    /// Whether it is where the person begins to type.
    pub(in crate::http) focus: bool,
    /// Fewest characters.
    pub(in crate::http) min: Option<usize>,
    /// Digits, on phones.
    pub(in crate::http) digits: bool,
}

/// A field with its label.
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

/// Something that a form carries without showing it.
pub(in crate::http) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// What sends a form.
pub(in crate::http) fn button(label: &str) -> Markup {
    html! { button.primary type="submit" { (label) } }
}

/// What has just happened, read out by screen readers: a fault, or that something was done.
pub(in crate::http) fn notice(fault: Option<&str>, done: Option<&str>) -> Markup {
    html! {
        @if let Some(fault) = fault { p.fault role="alert" { (fault) } }
        @if let Some(done) = done { p.done role="status" { (done) } }
    }
}
