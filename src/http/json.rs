//! Parsing JSON bodies more strictly than serde_json does, and errors that name the wrong field.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use tidelog_protocol::limits::MAX_CHANGES_PER_PUSH;

use super::api_error::ApiError;

/// A struct that is parsed from an object only. Serde also accepts an array of the values in order, whose meaning
/// would change when a field is added.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }

        input.deserialize_map(Visitor(PhantomData))
    }
}

/// A list that is not stored beyond the largest size of a push or a batch.
pub(super) enum Capped<T> {
    /// The whole list.
    All(Vec<T>),
    /// It is longer.
    TooMany,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Capped<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Capped<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Capped<T>, A::Error> {
                let mut all = Vec::with_capacity(list.size_hint().unwrap_or(0).min(MAX_CHANGES_PER_PUSH));
                while all.len() < MAX_CHANGES_PER_PUSH {
                    match list.next_element()? {
                        Some(item) => all.push(item),
                        None => return Ok(Capped::All(all)),
                    }
                }
                let mut too_many = false;
                while list.next_element::<de::IgnoredAny>()?.is_some() {
                    too_many = true;
                }
                Ok(if too_many { Capped::TooMany } else { Capped::All(all) })
            }
        }

        input.deserialize_seq(Visitor(PhantomData))
    }
}

/// Parses a body. The value may borrow from it.
pub(super) fn parse<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, ApiError> {
    let mut input = serde_json::Deserializer::from_str(body);
    let Object(value) = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        parse_error(body, &error.into_inner(), &path)
    })?;
    input.end().map_err(ApiError::malformed)?;
    Ok(value)
}

/// Whether an escape is a lone surrogate. The parser rejects these in strings that it reads, but not in strings that
/// it skips.
pub(super) fn has_lone_surrogate(text: &str) -> bool {
    // In JSON, a backslash can only be part of a string, so escapes can be found without parsing.
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (unit, length) = escape(&rest[at..]);
        rest = rest.get(at + length..).unwrap_or_default();
        match unit {
            Some(0xD800..=0xDBFF) => match escape(rest) {
                (Some(0xDC00..=0xDFFF), length) => rest = &rest[length..],
                _ => return true,
            },
            Some(0xDC00..=0xDFFF) => return true,
            _ => {}
        }
    }
    false
}

/// The UTF-16 unit of a `\u` escape at the start of a text, `None` for any other escape, and the escape's length in
/// bytes.
fn escape(text: &str) -> (Option<u16>, usize) {
    let hex = text.strip_prefix("\\u").and_then(|digits| digits.get(..4));
    match hex.and_then(|hex| u16::from_str_radix(hex, 16).ok()) {
        Some(unit) => (Some(unit), 6),
        None => (None, 2),
    }
}

/// The error for a body that is not JSON, or has a wrong field at `path`.
pub(super) fn parse_error(text: &str, error: &serde_json::Error, path: &str) -> ApiError {
    // The parser stops at the first wrong type, but what follows may not be JSON.
    if let Err(malformed) = serde_json::from_str::<IgnoredAny>(text) {
        return ApiError::malformed(malformed);
    }
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    // For a missing or repeated field, the path is that of its parent. Serde names the field in the reason.
    let named = reason.split('`').nth(1);
    match named {
        Some(name) if reason.starts_with("missing field") => ApiError::invalid_field(name, "it is missing"),
        Some(name) if reason.starts_with("duplicate field") => {
            ApiError::invalid_field(name, "it appears twice")
        }
        _ if path == "." => ApiError::invalid_field("body", "it must be a JSON object"),
        _ => ApiError::invalid_field(path, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_found_anywhere_and_pairs_are_not() {
        for lone in
            [r#""\ud800""#, r#""\uDC00x""#, r#""\ud800\u0041""#, r#""\ud800\ud800""#, r#""a\\\ud83d""#]
        {
            assert!(has_lone_surrogate(lone), "{lone}");
        }
        for whole in [r#""""#, r#""\ud83d\ude00""#, r#""\\ud800""#, r#""\n\u00e9\\""#, "\\", "é\\é\\u12"] {
            assert!(!has_lone_surrogate(whole), "{whole}");
        }
    }
}
