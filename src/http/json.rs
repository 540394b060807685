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
pub(super) fn refuse(text: &[u8], error: &serde_json::Error, path: &str) -> Refusal {
    // The parser stops at the first wrong type; what follows it may still not be JSON.
    if let Err(malformed) = serde_json::from_slice::<IgnoredAny>(text) {
        return Refusal::malformed(malformed);
    }
    let reason = error.to_string();
    // Of a missing field, the path is that of what should hold it.
    let missing = reason.split('`').nth(1).filter(|_| reason.starts_with("missing field"));
    if let Some(name) = missing {
        return Refusal::invalid_field(name, "it is missing");
    }
    if path == "." {
        return Refusal::invalid_field("body", "it must be a JSON object");
    }
    Refusal::invalid_field(path, reason.split(" at line ").next().unwrap_or_default())
}
