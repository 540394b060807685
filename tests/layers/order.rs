//! Imports of the server point one way: `main → cli → dev → server → http → auth, blobs, mail → store → model →
//! protocol`. `clock`, `config`, `error`, `notify` and `tls` are leaves: every module may use them, and they use
//! nothing but each other.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{folder, modules};

/// From top to bottom. A module may use those of lower layers; `auth`, `blobs` and `mail` share a layer.
const LAYERS: [&[&str]; 7] =
    [&["cli"], &["dev"], &["server"], &["http"], &["auth", "blobs", "mail"], &["store"], &["model"]];

/// Used by all, using no layer.
const LEAVES: [&str; 5] = ["clock", "config", "error", "notify", "tls"];

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn may_use(user: &str, used: &str) -> bool {
    if user == used || user == "main" || LEAVES.contains(&used) {
        return true;
    }
    match (layer_of(user), layer_of(used)) {
        (Some(user), Some(used)) => user < used,
        _ => false,
    }
}

#[test]
fn imports_point_one_way() {
    let modules = modules(&folder("src"));
    let (mut seen, mut wrong) = (0, Vec::new());
    for (module, imports) in &modules {
        // The root of the crate declares the layers.
        let Some(user) = module.first() else { continue };
        for import in imports.iter().filter(|import| import.path[0] == "crate") {
            let used = &import.path[1];
            seen += 1;
            if !may_use(user, used) {
                wrong.push(format!("{} uses {used}", module.join("::")));
            }
        }
    }
    assert!(seen > modules.len() / 2, "the scan saw only {seen} imports in {} files", modules.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(may_use("http", "store") && !may_use("store", "http") && !may_use("auth", "blobs"));
    assert!(!may_use("clock", "store") && may_use("clock", "error"));
}

#[test]
fn every_module_has_its_layer() {
    let entries = fs::read_dir(folder("src")).expect("src is there");
    let names: BTreeSet<_> = entries
        .map(|entry| entry.expect("an entry").path().with_extension(""))
        .map(|path| path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned())
        .filter(|name| name != "main" && name != "lib")
        .collect();
    let unknown: Vec<_> =
        names.iter().filter(|name| layer_of(name).is_none() && !LEAVES.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "modules without a layer: {unknown:?}");
}
