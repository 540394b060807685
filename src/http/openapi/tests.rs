//! That the files beside this one are complete and fit together.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::assemble::document;
use crate::http::{Access, endpoints};

fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let items = document["paths"].as_object().into_iter().flatten();
    items.flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        operations.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    })
}

/// Calls `visit` with every object of the document, but for examples.
fn each_object<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            visit(object);
            let others = object.iter().filter(|(name, _)| !name.starts_with("example"));
            others.for_each(|(_, member)| each_object(member, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, visit)),
        _ => {}
    }
}

#[test]
fn the_document_names_the_callers_that_the_routes_let_in() {
    let document = document().expect("it assembles");
    let documented: BTreeSet<_> = operations(&document)
        .map(|(what, operation)| format!("{what} {}", operation["x-callers"].as_str().unwrap_or_default()))
        .collect();
    let routes: BTreeSet<_> = endpoints()
        .into_iter()
        .map(|endpoint| {
            let callers = match endpoint.access {
                Access::Public => "public",
                Access::Session => "session",
                Access::AccountToken => "account",
                Access::AccountCookie => "cookie",
                Access::AdminToken => "admin",
                Access::PresignedUrl => "presigned-url",
            };
            format!("{} {} {callers}", endpoint.method, endpoint.path)
        })
        .collect();
    assert_eq!(documented, routes);
}

#[test]
fn references_lead_to_components_and_all_components_are_used() {
    let document = document().expect("it assembles");
    let mut used = BTreeSet::new();
    each_object(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("a reference stays inside the document");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            used.insert(pointer.to_owned());
        }
    });
    // Errors that belong to no operation in particular, or that no server sends yet.
    for general in ["MethodNotAllowed", "UnknownHost", "MembershipRequired", "LogCompacted"] {
        used.insert(format!("/components/schemas/{general}"));
    }
    for kind in ["schemas", "responses", "parameters", "headers"] {
        for name in document["components"][kind].as_object().into_iter().flat_map(Map::keys) {
            assert!(used.contains(&format!("/components/{kind}/{name}")), "{kind}: nothing uses {name}");
        }
    }
}

#[test]
fn operations_and_answers_have_no_members_but_those_of_openapi() {
    let document = document().expect("it assembles");
    let known = |object: &Value, names: &[&str], what: &str| {
        for name in object.as_object().into_iter().flat_map(Map::keys) {
            assert!(names.contains(&name.as_str()), "{what} has {name}");
        }
    };
    let mut ids = BTreeSet::new();
    for (what, operation) in operations(&document) {
        let of_operation = ["tags", "operationId", "summary", "description", "x-callers", "security"];
        let of_exchange = ["parameters", "requestBody", "responses"];
        known(operation, &[&of_operation[..], &of_exchange].concat(), &what);
        known(&operation["requestBody"], &["required", "content"], &what);
        assert!(
            ids.insert(operation["operationId"].as_str().expect("an id")),
            "{what}: its id is there twice"
        );
        for (status, answer) in operation["responses"].as_object().expect("answers") {
            known(answer, &["$ref", "description", "headers", "content"], &format!("{what} {status}"));
        }
    }
    for (name, answer) in document["components"]["responses"].as_object().expect("answers") {
        known(answer, &["description", "headers", "content"], name);
    }
}

#[test]
fn lines_of_a_description_are_joined_and_paragraphs_kept() {
    let document = document().expect("it assembles");
    each_object(&document, &mut |object| {
        let Some(Value::String(text)) = object.get("description") else { return };
        let lines: Vec<_> = text.split('\n').collect();
        let loose = lines
            .windows(2)
            .find(|pair| !pair[0].is_empty() && !pair[1].is_empty() && !pair[1].starts_with("- "));
        assert_eq!(loose, None);
    });
}
