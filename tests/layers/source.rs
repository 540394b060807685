//! The modules of a crate and the paths in them, read from text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Names from the crate's root to a module; the root is empty.
pub(crate) type Module = Vec<String>;

/// A path in code, like `super::keys::Key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// It is in a `pub use`, so that others may find it in this module.
    pub(crate) is_reexport: bool,
    /// It is in a `use`.
    pub(crate) is_use: bool,
}

/// A folder inside the repository.
pub(crate) fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every module below a folder of sources with its imports, tests left out.
pub(crate) fn modules(source: &Path) -> BTreeMap<Module, Vec<Import>> {
    let mut files = Vec::new();
    rust_files(source, &mut files);
    let mut modules = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(source).expect("a file of this folder").with_extension("");
        let mut module: Module =
            relative.iter().map(|name| name.to_str().expect("a name is text").to_owned()).collect();
        if module.iter().any(|name| name == "tests") {
            continue;
        }
        if module.last().is_some_and(|name| name == "mod") || module == ["lib"] {
            module.pop();
        }
        modules.insert(module, imports(&fs::read_to_string(&file).expect("a source file is text")));
    }
    modules
}

pub(crate) fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The paths in a file, in `use` and elsewhere. Those in comments, strings and tests do not count.
pub(crate) fn imports(text: &str) -> Vec<Import> {
    let tokens = without_tests(tokens(text));
    let mut found = Vec::new();
    let mut inline = InlineModules::default();
    let mut at = 0;
    while at < tokens.len() {
        inline.read(&tokens[at]);
        if tokens[at] == "use" {
            let is_reexport = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
            at += 1;
            use_tree(&tokens, &mut at, &[], &mut |path| {
                let path = inline.as_seen_from_file(path);
                found.push(Import { path, is_reexport, is_use: true });
            });
        } else if tokens[at] == "in" && at > 0 && tokens[at - 1] == "(" {
            // The path in `pub(in super::super)` limits who may use an item; it uses nothing.
            at = tokens[at..].iter().position(|token| token == ")").map_or(tokens.len(), |end| at + end);
        } else if is_name(&tokens[at]) && (at == 0 || tokens[at - 1] != "::") {
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|token| token == "::")
                && tokens.get(at + 2).is_some_and(|token| is_name(token))
            {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
            if path.len() > 1 {
                let path = inline.as_seen_from_file(path);
                found.push(Import { path, is_reexport: false, is_use: false });
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// The inline modules around a place in a file.
#[derive(Default)]
struct InlineModules {
    depth: usize,
    /// The next block is that of a module.
    is_declared: bool,
    /// The depths of the blocks of the modules.
    blocks: Vec<usize>,
}

impl InlineModules {
    fn read(&mut self, token: &str) {
        match token {
            "mod" => self.is_declared = true,
            ";" => self.is_declared = false,
            "{" => {
                self.depth += 1;
                if std::mem::take(&mut self.is_declared) {
                    self.blocks.push(self.depth);
                }
            }
            "}" => {
                self.blocks.pop_if(|block| *block == self.depth);
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }

    /// A path as the file itself would write it: in an inline module, the first `super` is the file.
    fn as_seen_from_file(&self, mut path: Vec<String>) -> Vec<String> {
        let supers = path.iter().take_while(|name| *name == "super").count().min(self.blocks.len());
        path.drain(..supers);
        if supers > 0 && path.first().is_none_or(|name| name != "super") {
            path.insert(0, "self".to_owned());
        }
        path
    }
}

/// Reads `a::{b, c::d as e}` from a place, and gives every whole path.
fn use_tree(tokens: &[String], at: &mut usize, prefix: &[String], give: &mut impl FnMut(Vec<String>)) {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.as_str() {
            "{" => {
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    use_tree(tokens, at, &path, give);
                    if tokens.get(*at).is_some_and(|token| token == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "::" | "*" => {}
            "as" => *at += 1,
            "," | "}" | ";" => {
                *at -= 1;
                break;
            }
            name => path.push(name.to_owned()),
        }
    }
    give(path);
}

/// Names, `::`, and every other sign by itself; without comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            string_length(rest)
        } else if first == '\'' {
            character_length(rest)
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
            let name = &rest[..end.unwrap_or(rest.len())];
            tokens.push(name.to_owned());
            name.len()
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, sign) in text.char_indices().skip(1) {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Of a character; of a lifetime, its tick.
fn character_length(text: &str) -> usize {
    let mut signs = text.char_indices().skip(1);
    match signs.next() {
        Some((_, '\\')) => text[2..].find('\'').map_or(1, |end| end + 3).max(4),
        Some((_, sign)) if text[1 + sign.len_utf8()..].starts_with('\'') => 2 + sign.len_utf8(),
        _ => 1,
    }
}

/// Leaves out the inline modules of tests.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let Some(start) = tokens.windows(MARK.len()).position(|window| window == MARK) else { return tokens };
    let is_inline = tokens[start + MARK.len()..].iter().take(4).any(|token| token == "{");
    let rest = &tokens[start + MARK.len()..];
    let end = if is_inline { end_of_block(rest) } else { 0 };
    let rest = without_tests(rest[end..].to_vec());
    [tokens[..start].to_vec(), rest].concat()
}

fn end_of_block(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|sign: char| sign.is_alphabetic() || sign == '_')
}

#[test]
fn the_scan_sees_every_way_to_name_a_module() {
    let text = r##"
        //! crate::comment
        pub(crate) use crate::{store::{Store, changes as log}, error::Fault};
        use super::*;
        pub(in crate::scope) fn f<'a>(x: &'a str) -> char { crate::http::run("crate::text", r#"crate::raw"#, '\'') }
        #[cfg(test)]
        mod tests { use crate::tested; }
        mod inline { fn f() { super::sibling(super::super::parent()) } }
        struct After(super::Last);
    "##;
    let found: Vec<_> = imports(text).into_iter().map(|import| import.path.join("::")).collect();
    assert_eq!(
        found,
        [
            "crate::store::Store",
            "crate::store::changes",
            "crate::error::Fault",
            "super",
            "crate::http::run",
            "self::sibling",
            "super::parent",
            "super::Last"
        ]
    );
}
