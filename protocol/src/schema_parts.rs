//! Building blocks of the schemas: patterns, types that are not derived, and transforms that the wire types name in
//! their attributes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::cursors::Cursor;
use crate::text::Text;
use crate::timestamps::Timestamp;

/// Pattern of a change's `table`.
pub(crate) const TABLE: &str = "^[A-Za-z0-9_]+$";
/// Pattern of a change's `op`.
pub(crate) const OP: &str = "^([iI][nN][sS][eE][rR][tT]|[uU][pP][dD][aA][tT][eE]|[dD][eE][lL][eE][tT][eE])$";

/// Lists the values of an enum without their descriptions, the form that client generators support.
pub(crate) fn plain_enum(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else { return };
    let names: Vec<_> = variants.into_iter().map(|mut variant| variant["const"].take()).collect();
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), names.into());
}

/// Sets the minimum of every limit to 1, but for that of blobs: a server that stores none says 0.
pub(crate) fn positive(schema: &mut Schema) {
    let limits = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (_, limit) in limits.into_iter().flatten().filter(|(name, _)| *name != "max_blob_bytes") {
        limit["minimum"] = 1.into();
    }
}

/// The hash in the name of a blob.
pub(crate) struct BlobHash;

impl JsonSchema for BlobHash {
    fn schema_name() -> Cow<'static, str> {
        "BlobHash".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "64 lower-case hexadecimal digits, normally the SHA-256 of the bytes.",
        })
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> Cow<'static, str> {
        "Cursor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A position in a log, to be kept and sent back as it is. Apps whose setting `cursor_format` is `number` \
                receive an integer, all others a string.",
            "oneOf": [
                {"type": "string", "pattern": "^[0-9]+-[a-z2-7]{8}$"},
                {"type": "integer", "format": "int64", "minimum": 0},
            ],
            "examples": ["1042-k3q7abcd", 1042],
        })
    }
}

/// A cursor in a request.
pub(crate) struct CursorIn;

impl JsonSchema for CursorIn {
    fn schema_name() -> Cow<'static, str> {
        "CursorIn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A cursor that this server issued, in either form. Absent, `null`, `\"\"`, `0` and `\"0\"` mean the start \
                of the log.",
            "oneOf": [
                {"type": "null"},
                {"type": "string", "pattern": "^([0-9]+(-[a-z2-7]{8})?)?$"},
                {"type": "integer", "format": "int64", "minimum": 0},
            ],
            "examples": ["1042-k3q7abcd", 1042, null],
        })
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339, in the years 0000 to 9999. Requests may use any offset; fractions finer than a microsecond are \
                cut off. Answers are in UTC and end in `Z`.",
            "examples": ["2026-03-13T10:00:00Z", "2026-03-13T10:00:00.123456Z"],
        })
    }
}

impl JsonSchema for Text<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
