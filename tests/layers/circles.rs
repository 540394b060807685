//! No files of a folder import each other in a circle, so the imports of a file can be followed to an end.
//!
//! A folder inside the folder counts as one file, together with the file that is named after it. A name that a module
//! re-exports counts as an import of the module that has it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Import, Module, folder, modules};

const CRATES: [&str; 3] = ["src", "clients/rust/src", "protocol/src"];

/// The modules of a crate, and the names that they import.
struct Crate {
    modules: BTreeMap<Module, Vec<Import>>,
    /// For each module, the names that it imports, with the module and the name that each stands for.
    imported: BTreeMap<Module, BTreeMap<String, (Module, String)>>,
}

impl Crate {
    fn read(source: &str) -> Self {
        let mut this = Self { modules: modules(&folder(source)), imported: BTreeMap::new() };
        for (module, imports) in &this.modules {
            let names = imports.iter().filter(|import| import.is_use).filter_map(|import| {
                let (of, name) = this.resolve(module, &import.path)?;
                Some((import.path.last()?.clone(), (of, name?)))
            });
            let names: BTreeMap<_, _> = names.filter(|(_, (of, _))| of != module).collect();
            this.imported.insert(module.clone(), names);
        }
        this
    }

    /// The module that a path leads to, and the name in it that comes next.
    fn resolve(&self, here: &Module, path: &[String]) -> Option<(Module, Option<String>)> {
        let mut module = here.clone();
        let mut rest = path;
        match path[0].as_str() {
            "crate" => {
                module.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    module.pop()?;
                    rest = &rest[1..];
                }
            }
            _ => {}
        }
        let start = rest.len();
        while let Some(name) = rest.first() {
            let inner = [&module[..], std::slice::from_ref(name)].concat();
            if !self.modules.contains_key(&inner) {
                break;
            }
            (module, rest) = (inner, &rest[1..]);
        }
        // A path without a start of its own is one of this crate only if it begins with a module.
        if rest.len() == start && !matches!(path[0].as_str(), "crate" | "self" | "super") {
            return None;
        }
        Some((module, rest.first().cloned()))
    }

    /// The module that defines a name, which others may re-export.
    fn origin(&self, mut module: Module, name: Option<String>, user: &Module) -> Module {
        let Some(mut name) = name else { return module };
        while module != *user {
            let Some((next, behind)) = self.imported[&module].get(&name) else { break };
            (module, name) = (next.clone(), behind.clone());
        }
        module
    }

    /// Which modules each module uses.
    fn uses(&self) -> Vec<(&Module, Module)> {
        let mut uses = Vec::new();
        for (user, imports) in &self.modules {
            for import in imports {
                let Some((module, name)) = self.resolve(user, &import.path) else { continue };
                // What a module only re-exports of its own it does not use.
                if import.is_reexport && module.starts_with(user) {
                    continue;
                }
                let used = self.origin(module, name, user);
                if used != *user {
                    uses.push((user, used));
                }
            }
        }
        uses
    }
}

/// Which files of one folder use which others. The file that is named after the folder has no name in it.
fn edges(uses: &[(&Module, Module)], folder: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let file_of = |module: &Module| {
        module.starts_with(folder).then(|| module.get(folder.len()).map_or("mod", String::as_str).to_owned())
    };
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (user, used) in uses {
        if let (Some(user), Some(used)) = (file_of(user), file_of(used))
            && user != used
        {
            edges.entry(user).or_default().insert(used);
        }
    }
    edges
}

/// Files that lead back to themselves.
fn in_circles(edges: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&str> {
    let leads_back = |start: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(file) = next.pop() {
            for used in edges.get(file).into_iter().flatten() {
                if used == start {
                    return true;
                }
                if seen.insert(used.as_str()) {
                    next.push(used);
                }
            }
        }
        false
    };
    edges.keys().map(String::as_str).filter(|file| leads_back(file)).collect()
}

#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for source in CRATES {
        let tree = Crate::read(source);
        let uses = tree.uses();
        let folders: BTreeSet<&[String]> =
            tree.modules.keys().filter_map(|module| Some(module.split_last()?.1)).collect();
        for folder in folders {
            let name = [&[source.to_owned()], folder].concat().join("/");
            let edges = edges(&uses, folder);
            let found = in_circles(&edges);
            for (user, used) in edges.iter().filter(|(user, _)| found.contains(user.as_str())) {
                let used: Vec<_> = used.iter().filter(|used| found.contains(used.as_str())).collect();
                circles.push(format!("{name}: {user} uses {used:?}"));
            }
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_circle_is_seen_and_a_line_is_not() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (user, used) in pairs {
            edges.entry((*user).to_owned()).or_default().insert((*used).to_owned());
        }
        edges
    };
    assert!(in_circles(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    assert_eq!(in_circles(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])), BTreeSet::from(["b", "c"]));
}
