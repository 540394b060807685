//! Checks responses against the OpenAPI document that the server serves.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use reqwest::Method;
use serde_json::Value;

use super::{ApiResponse, Origin, PageResponse};

static CONTRACT: OnceLock<Contract> = OnceLock::new();

/// Methods of an OpenAPI path item; its other members are not operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A documented method of a documented path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// In upper case.
    pub method: String,
    /// Path template, like `/api/sync/devices/{id}`.
    pub path: String,
}

/// The OpenAPI document of this build; every server that this process starts serves the same.
pub struct Contract {
    document: Value,
}

impl Contract {
    /// Loads the document from a server, unless that has happened before.
    pub(crate) fn load_from(origin: &Origin) {
        CONTRACT.get_or_init(|| {
            let url = format!("{}/api/openapi.json", origin.url());
            let response =
                reqwest::blocking::get(url).and_then(|response| response.error_for_status()?.json());
            Self { document: response.expect("a server serves its OpenAPI document") }
        });
    }

    /// Returns the document as the server sent it.
    pub fn document() -> &'static Value {
        &Self::get().document
    }

    /// Returns all documented operations. Paths under `/api/v1/sync` are given as under `/api/sync`.
    pub fn operations() -> BTreeSet<Operation> {
        let paths = Self::document()["paths"].as_object().expect("the document has paths");
        let of_path = |(path, item): (&String, &Value)| {
            let methods: Vec<_> = METHODS.iter().filter(|method| item.get(method).is_some()).collect();
            let path = plain_prefix(path);
            methods
                .into_iter()
                .map(move |method| Operation { method: method.to_uppercase(), path: path.clone() })
        };
        paths.iter().flat_map(of_path).collect()
    }

    /// Fails the test if the document does not describe this response.
    pub(crate) fn check(method: &Method, path: &str, response: &ApiResponse) {
        let what = format!("{} answered {} {}", response.request_line(), response.status, response.text());
        let blobs_are_off = response.status == 503 && response.text().contains("\"no_blobs\"");
        assert!(response.status < 500 || blobs_are_off, "a server fault: {what}");
        // Pages, and the errors of OAuth, have formats of their own, which the document describes.
        if response.status >= 400 && method != Method::HEAD && path.starts_with("/api/") {
            assert_error_shape(response);
        }
        let Some(item) = Self::get().path_item(path) else {
            assert_eq!(response.status, 404, "not in the document, yet not 404: {what}");
            return;
        };
        // The document lists no HEAD: it is answered wherever GET is.
        let documented_method = if method == Method::HEAD { Method::GET } else { method.clone() };
        let Some(operation) = item.get(documented_method.as_str().to_lowercase()) else {
            assert_eq!(response.status, 405, "the document has no such method, yet not 405: {what}");
            return;
        };
        let Some(documented) = operation["responses"].get(response.status.to_string()) else {
            panic!("an undocumented status: {what}");
        };
        if method == Method::HEAD {
            assert!(response.body.is_empty(), "{}: a response to HEAD has a body", response.request_line());
            return;
        }
        Self::get().check_body(documented, response);
    }

    /// Fails the test if the document does not describe this response to a browser.
    pub(crate) fn check_page(method: &str, path: &str, response: &PageResponse) {
        let what = format!("{method} {path} answered {}", response.status);
        assert!(response.status < 500, "a server fault: {what}");
        let item = Self::get().path_item(path).unwrap_or_else(|| panic!("not in the document: {what}"));
        let documented = &item[method.to_lowercase()]["responses"][response.status.to_string()];
        let documented = Self::get().resolved(documented);
        assert!(documented.is_object(), "an undocumented status: {what}");
        let kind = response.header("content-type");
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let known = documented["content"].get(kind).is_some();
        assert!(known || response.text.is_empty(), "{what}: undocumented content {kind}");
    }

    fn get() -> &'static Self {
        CONTRACT.get().expect("a server was started first")
    }

    /// Returns the path item of a path; a template without parameters takes precedence.
    fn path_item(&self, path: &str) -> Option<&Value> {
        let path = plain_prefix(path.split(['?', '#']).next().unwrap_or_default());
        let paths = self.document["paths"].as_object().expect("the document has paths");
        let mut matching: Vec<_> =
            paths.iter().filter(|(template, _)| fits(&plain_prefix(template), &path)).collect();
        matching.sort_by_key(|(template, _)| template.matches('{').count());
        matching.first().map(|(_, item)| *item)
    }

    fn check_body(&self, documented: &Value, response: &ApiResponse) {
        let documented = self.resolved(documented);
        let Some(content) = documented.get("content") else {
            assert!(
                response.body.is_empty(),
                "{}: an undocumented body: {}",
                response.request_line(),
                response.text()
            );
            return;
        };
        let kind = response.header("content-type").split(';').next().unwrap_or_default().trim();
        let schema = &content
            .get(kind)
            .unwrap_or_else(|| panic!("{}: undocumented content {kind}", response.request_line()))["schema"];
        if kind == "application/json" {
            let faults = self.faults(schema, &response.json(), "$");
            assert!(
                faults.is_empty(),
                "{}: not as documented: {faults:?}\n{}",
                response.request_line(),
                response.text()
            );
        }
    }

    fn resolved<'a>(&'a self, node: &'a Value) -> &'a Value {
        match node.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').expect("references stay inside the document");
                self.resolved(
                    self.document.pointer(pointer).unwrap_or_else(|| panic!("{reference} does not exist")),
                )
            }
            None => node,
        }
    }

    /// Lists where a value departs from a schema. Supports the JSON Schema keywords for presence, types and
    /// alternatives.
    fn faults(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let schema = self.resolved(schema);
        let mut faults = Vec::new();
        if let Some(choices) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array)
            && !choices.iter().any(|choice| self.faults(choice, value, place).is_empty())
        {
            faults.push(format!("{place} matches no alternative"));
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            faults.extend(self.faults(part, value, place));
        }
        if !has_type(schema.get("type"), value) {
            faults.push(format!("{place} should be {}, is {value}", schema["type"]));
        }
        if let Some(known) = schema.get("enum").and_then(Value::as_array)
            && !known.contains(value)
        {
            faults.push(format!("{place} is not one of {known:?}"));
        }
        for field in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if value.is_object() && value.get(field.as_str().unwrap_or_default()).is_none() {
                faults.push(format!("{place} lacks {field}"));
            }
        }
        if let (Some(properties), Some(fields)) = (schema.get("properties"), value.as_object()) {
            for (name, field) in fields {
                match properties.get(name) {
                    Some(property) => faults.extend(self.faults(property, field, &format!("{place}.{name}"))),
                    None => faults.push(format!("{place}.{name} is undocumented")),
                }
            }
        }
        if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
            for (index, item) in list.iter().enumerate() {
                faults.extend(self.faults(items, item, &format!("{place}[{index}]")));
            }
        }
        faults
    }
}

fn assert_error_shape(response: &ApiResponse) {
    let body = response.json();
    let kind = response.header("content-type");
    assert!(kind.starts_with("application/json"), "{}: an error as {kind}", response.request_line());
    assert!(
        body["error"].is_string() && body["code"].is_string(),
        "{}: an error like {body}",
        response.request_line()
    );
}

fn plain_prefix(path: &str) -> String {
    match path.strip_prefix("/api/v1/sync") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/api/sync{rest}"),
        _ => path.to_owned(),
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut expected, mut actual) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return true,
            (Some(expected), Some(actual)) if expected == actual => {}
            (Some(expected), Some(actual)) if expected.starts_with('{') && !actual.is_empty() => {}
            _ => return false,
        }
    }
}

fn has_type(wanted: Option<&Value>, value: &Value) -> bool {
    match wanted {
        None => true,
        Some(Value::Array(any)) => any.iter().any(|one| has_type(Some(one), value)),
        Some(one) => match one.as_str().unwrap_or_default() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("the document has an unknown type {other}"),
        },
    }
}
