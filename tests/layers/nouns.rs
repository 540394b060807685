//! A noun has the same file name on every layer, so that its files on other layers are easy to find.

use std::collections::BTreeSet;
use std::fs;

use crate::source::folder;

/// The nouns of the server. Each names a file or a folder on at least two layers.
const NOUNS: [&str; 31] = [
    "accounts",
    "admin",
    "apps",
    "audit",
    "auth",
    "blobs",
    "changes",
    "check",
    "client_ip",
    "cors",
    "cursors",
    "devices",
    "export",
    "headers",
    "hosts",
    "issuers",
    "keys",
    "limits",
    "links",
    "notifications",
    "oauth",
    "origins",
    "passwords",
    "personal_access_tokens",
    "rotations",
    "second_factors",
    "sessions",
    "signing_keys",
    "timestamps",
    "user_deletion",
    "users",
];

/// A layer: its folder, and the files in it that no other layer has, each with its purpose.
struct Layer {
    path: &'static str,
    own: &'static [(&'static str, &'static str)],
}

const LAYERS: [Layer; 6] = [
    Layer {
        path: "protocol/src",
        own: &[
            ("error", "the body of every error"),
            ("op", "the operations of changes"),
            ("rules", "rules for names that both sides check"),
            ("schema", "JSON Schemas of everything"),
            ("schema_parts", "their building blocks"),
            ("status", "the size of a log, the health of the server"),
            ("text", "borrowed text"),
        ],
    },
    Layer {
        path: "src/model",
        own: &[
            ("actors", "who caused something"),
            ("authorization", "OAuth requests"),
            ("logs", "the state of a log"),
            ("redirects", "redirect URIs"),
        ],
    },
    Layer {
        path: "src/store",
        own: &[
            ("account_sessions", "sign-ins to accounts"),
            ("answer", "results of operations without their types"),
            ("authorization_codes", "OAuth codes"),
            ("batch_buffer", "the newest batches"),
            ("blob_totals", "bytes of blobs per log"),
            ("connect", "connections and pragmas"),
            ("device_progress", "unwritten progress of devices"),
            ("epochs", "openings of the database"),
            ("failure_buffer", "unwritten failures to sign in"),
            ("federated_identities", "users of issuers"),
            ("filesystem", "refuses network file systems"),
            ("group", "group commit"),
            ("handle", "the Store"),
            ("lock", "the lock on the data folder"),
            ("maintenance", "what runs in the background"),
            ("migrations", "versions of the schema"),
            ("open", "opening and closing"),
            ("open_error", "why opening failed"),
            ("options", "how to open"),
            ("readers", "the pool of reading connections"),
            ("refresh_tokens", "chains of tokens"),
            ("rotation_progress", "what pushes add to a rotation"),
            ("session_devices", "which devices a session used"),
            ("shared", "what writer and readers share"),
            ("writer", "the writing thread"),
            ("writer_cache", "what the writer need not look up"),
        ],
    },
    Layer {
        path: "src/http",
        own: &[
            ("api_error", "errors as responses"),
            ("deduplication", "forms submitted twice"),
            ("front", "configuration of the middlewares"),
            ("head_requests", "answers without bodies"),
            ("health", "the health check"),
            ("json", "parsing bodies"),
            ("memory", "memory of bodies and pages"),
            ("openapi", "the OpenAPI document"),
            ("pages", "building blocks of HTML pages"),
            ("peers", "trusted proxies"),
            ("request", "extractors"),
            ("routes", "the table of routes"),
            ("sign_in", "pages of the sign-in"),
            ("sign_up", "pages that create accounts"),
            ("site", "URLs as browsers see them"),
            ("state", "what handlers work with"),
        ],
    },
    Layer {
        path: "src/server/commands",
        own: &[
            ("answer", "what commands answer"),
            ("context", "what commands work with"),
            ("invites", "links that commands send"),
            ("sweep", "deletes stray objects"),
        ],
    },
    Layer {
        path: "tests/integration/api",
        own: &[
            ("bodies", "bodies of every route"),
            ("callers", "every route and every caller"),
            ("cli", "the command line"),
            ("contention", "many requests at once"),
            ("crash", "killed servers"),
            ("dev", "`tidelog dev`"),
            ("fuzz", "mutated requests"),
            ("garbage", "invalid bodies"),
            ("hasher_memory", "memory after hashing passwords"),
            ("late", "access lost during a request"),
            ("rate_limit", "limits on attempts"),
            ("revocation", "ended sessions"),
            ("rewind", "restored databases"),
            ("settings", "what containers pass as settings"),
            ("tenants", "isolation of users and apps"),
            ("tokens", "forged and foreign tokens"),
            ("wire", "clients from the documentation"),
            ("wire_model", "random histories"),
        ],
    },
];

/// The names of files and folders, without those that every crate or folder has.
fn names(path: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(path)).expect("the folder is there");
    entries
        .map(|entry| entry.expect("an entry").path().with_extension(""))
        .map(|path| path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned())
        .filter(|name| !["lib", "main", "mod", "tests"].contains(&name.as_str()))
        .collect()
}

#[test]
fn every_file_of_a_layer_is_about_a_noun_or_listed_with_what_it_is_for() {
    let mut wrong = Vec::new();
    for Layer { path, own } in &LAYERS {
        let names = names(path);
        for name in &names {
            match (NOUNS.contains(&name.as_str()), own.iter().any(|(own, _)| own == name)) {
                (true, false) | (false, true) => {}
                (true, true) => wrong.push(format!("{path}/{name} is a noun: remove it from the list of its layer")),
                (false, false) => wrong.push(format!(
                    "{path}/{name} is new: name it as the other layers name it, add it to NOUNS if two layers have it, \
                     or list it with its layer and say what it is for"
                )),
            }
        }
        for (own, _) in own.iter().filter(|(own, _)| !names.contains(*own)) {
            wrong.push(format!("{path}/{own} does not exist: remove it from the list of its layer"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_noun_is_on_two_layers_at_least() {
    let layers = LAYERS.map(|layer| names(layer.path));
    let alone: Vec<_> = NOUNS
        .iter()
        .filter(|noun| layers.iter().filter(|names| names.contains(**noun)).count() < 2)
        .collect();
    assert!(
        alone.is_empty(),
        "{alone:?}: a noun of a single layer belongs in the list of that layer, with what it is for"
    );
    assert!(NOUNS.is_sorted(), "keep NOUNS in order");
}
