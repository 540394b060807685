//! Puts the document together. The JSON files beside this one are OpenAPI, less what every operation would repeat:
//!
//! - A file is about one noun: a `tag` for all its operations, and their `paths`.
//! - A `schema` that is a string names a component: a type of the protocol, or one of the `schemas` in `common.json`.
//! - A `description` may be a list of lines, where an empty line ends a paragraph.
//! - `x-callers` implies `security`; `errors` names sets of error answers in `common.json`.
//! - A request body has a `schema` (JSON) or a `form`. An answer has a `schema`, the `codes` of an error, or a media
//!   type as `content`. Either may have an `example`, or `content` in full.
//! - A parameter, header or answer that is a string is defined in `common.json`.

use serde::de::Error as _;
use serde_json::{Error, Map, Value, json};
use tidelog_protocol::schema;

/// The document without its paths and components.
const OUTLINE: &str = include_str!("document.json");
/// What the nouns share.
const COMMON: &str = include_str!("common.json");
/// The nouns, in the order of the document.
const NOUNS: [&str; 16] = [
    include_str!("sign_in.json"),
    include_str!("devices.json"),
    include_str!("changes.json"),
    include_str!("notifications.json"),
    include_str!("keys.json"),
    include_str!("rotations.json"),
    include_str!("blobs.json"),
    include_str!("transfers.json"),
    include_str!("export.json"),
    include_str!("oauth.json"),
    include_str!("sign_in_pages.json"),
    include_str!("sign_up_pages.json"),
    include_str!("account.json"),
    include_str!("account_pages.json"),
    include_str!("admin.json"),
    include_str!("server.json"),
];

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

type Object = Map<String, Value>;

/// Assembles the document. Fails where a file is not in the form described above.
pub(super) fn document() -> Result<Value, Error> {
    let mut common: Value = serde_json::from_str(COMMON)?;
    let mut paths = Object::new();
    for noun in NOUNS {
        let noun: Value = serde_json::from_str(noun)?;
        for (path, operations) in object(&noun["paths"])? {
            let mut item = Object::new();
            for (method, prose) in object(operations)? {
                item.insert(method.clone(), operation(&noun["tag"], prose, &common)?);
            }
            paths.insert(path.clone(), item.into());
        }
    }
    let mut schemas = schema::components();
    schemas.extend(object(&common["schemas"])?.clone());
    for answer in common["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        *answer = self::answer(answer)?;
    }
    let mut document: Value = serde_json::from_str(OUTLINE)?;
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["paths"] = paths.into();
    document["components"] = json!({
        "securitySchemes": common["securitySchemes"],
        "headers": common["headers"],
        "parameters": common["parameters"],
        "responses": common["responses"],
        "schemas": schemas,
    });
    spell_out(&mut document);
    Ok(document)
}

fn operation(tag: &Value, prose: &Value, common: &Value) -> Result<Value, Error> {
    let mut operation = Object::from_iter([("tags".to_owned(), json!([tag]))]);
    let mut answers = Object::new();
    for set in prose["errors"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        answers.extend(object(&common["errors"][set])?.clone());
    }
    // What the operation says of a status counts more than a set.
    answers.extend(object(&prose["responses"])?.clone());
    answers.sort_keys();
    for (name, value) in object(prose)? {
        let value = match name.as_str() {
            "errors" => continue,
            "responses" => std::mem::take(&mut answers)
                .iter()
                .map(|(status, prose)| Ok((status.clone(), answer(prose)?)))
                .collect::<Result<Object, Error>>()?
                .into(),
            "parameters" => {
                value.as_array().into_iter().flatten().map(|one| shared("parameters", one)).collect()
            }
            "requestBody" => body(value)?,
            _ => value.clone(),
        };
        operation.insert(name.clone(), value);
        if name == "x-callers" {
            let callers = prose[name].as_str().unwrap_or_default();
            let security = common["security"].get(callers);
            let security = security.ok_or_else(|| Error::custom(format!("unknown callers: {callers}")))?;
            operation.insert("security".into(), security.clone());
        }
    }
    Ok(operation.into())
}

fn body(prose: &Value) -> Result<Value, Error> {
    let mut body = Object::from_iter([("required".to_owned(), Value::Bool(true))]);
    body.extend(object(prose)?.clone());
    Ok(with_content(body).into())
}

fn answer(prose: &Value) -> Result<Value, Error> {
    if prose.is_string() {
        return Ok(shared("responses", prose));
    }
    let mut answer = object(prose)?.clone();
    if let Some(headers) = answer.get_mut("headers") {
        let names = headers.as_array().into_iter().flatten().filter_map(Value::as_str);
        *headers = names.map(|name| (name.to_owned(), reference("headers", name))).collect::<Object>().into();
    }
    Ok(with_content(answer).into())
}

/// Replaces the short forms of content by `content`.
fn with_content(mut part: Object) -> Object {
    let mut take = |name| part.shift_remove(name);
    let example = take("example");
    let (kind, schema) = match (take("schema"), take("form"), take("codes"), take("content")) {
        (Some(schema), ..) => (JSON.to_owned(), schema),
        (_, Some(form), ..) => (FORM.to_owned(), form),
        (_, _, Some(codes), _) => (JSON.to_owned(), errors(&codes)),
        (.., Some(Value::String(kind))) if kind.starts_with("text/") => (kind, json!({"type": "string"})),
        (.., Some(Value::String(kind))) => (kind, json!({"type": "string", "format": "binary"})),
        (.., Some(content)) => {
            part.insert("content".into(), content);
            return part;
        }
        _ => return part,
    };
    let mut media = json!({"schema": schema});
    if let Some(example) = example {
        media["example"] = example;
    }
    part.insert("content".into(), json!({kind: media}));
    part
}

/// The schema of an error with one of these codes.
fn errors(codes: &Value) -> Value {
    let codes = codes.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut schemas: Vec<_> = codes.map(|code| reference("schemas", &schema::error_name(code))).collect();
    if schemas.len() == 1 { schemas.remove(0) } else { json!({"oneOf": schemas}) }
}

/// A component by its name, or what is spelled out already.
fn shared(kind: &str, value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |name| reference(kind, name))
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn object(value: &Value) -> Result<&Object, Error> {
    value.as_object().ok_or_else(|| Error::custom(format!("not an object: {value}")))
}

/// Joins the lines of descriptions, and turns names of schemas into references, everywhere but in examples.
fn spell_out(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(spell_out),
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), &*member) {
                    ("example" | "examples", _) => {}
                    ("description", Value::String(text)) => *member = paragraphs(text.lines()).into(),
                    ("description", Value::Array(lines)) => {
                        *member = paragraphs(lines.iter().filter_map(Value::as_str)).into();
                    }
                    ("schema", Value::String(_)) => *member = shared("schemas", member),
                    _ => spell_out(member),
                }
            }
        }
        _ => {}
    }
}

/// Joins lines, except where a paragraph or an item of a list begins.
fn paragraphs<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for line in lines {
        match line {
            "" => text.push('\n'),
            _ if text.is_empty() => {}
            _ if line.starts_with("- ") || text.ends_with('\n') => text.push('\n'),
            _ => text.push(' '),
        }
        text.push_str(line);
    }
    text
}
