//! JSON as the protocol means it, and what to say of JSON that is not.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IgnoredAny, MapAccess};
use serde::{Deserialize, Deserializer};

use super::refusal::Refusal;

/// A struct that is read from an object only. Serde would take a list of its values in order as well, and give them another
/// meaning on the day a field is added.
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

/// What is wrong with a text: not JSON at all, or JSON with a wrong field at `path`.
pub(super) fn refuse(text: &str, error: &serde_json::Error, path: &str) -> Refusal {
    // The parser stops at the first wrong type; what follows it may still not be JSON.
    if let Err(malformed) = serde_json::from_str::<IgnoredAny>(text) {
        return Refusal::malformed(malformed);
    }
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    // Of a missing or repeated field, the path is that of what should hold it; serde names the field in the reason.
    let named = reason.split('`').nth(1);
    match named {
        Some(name) if reason.starts_with("missing field") => Refusal::invalid_field(name, "it is missing"),
        Some(name) if reason.starts_with("duplicate field") => {
            Refusal::invalid_field(name, "it is there twice")
        }
        _ if path == "." => Refusal::invalid_field("body", "it must be a JSON object"),
        _ => Refusal::invalid_field(path, reason),
    }
}
