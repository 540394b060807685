//! Settings: defaults, file, environment, flags, each layer over the one before; and where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::{Config, File, FileFormat, Map, Source, Value, ValueKind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const DEFAULTS: &str = include_str!("../config/default.toml");
const PREFIX: &str = "TIDELOG_";
/// Names the settings file; a setting of the command line, not of the server.
const CONFIG_VARIABLE: &str = "TIDELOG_CONFIG";
/// Ending of a variable that names a file with the value, as container secrets are given.
const FILE_SUFFIX: &str = "_FILE";

/// Every setting of a server; `config/default.toml` says what they mean.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "the commented default.toml is their one description")]
pub struct Settings {
    pub data: PathBuf,
    pub listen: Listen,
    #[serde(deserialize_with = "empty_is_none")]
    pub public_url: Option<String>,
    pub workers: usize,
    pub body_bytes: usize,
    pub shutdown_seconds: u64,
    pub log: String,
    pub storage: StorageSettings,
    pub auth: AuthLimits,
}

/// `[storage]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "as above")]
pub struct StorageSettings {
    pub synchronous: Durability,
    pub readers: NonZeroU32,
    pub allow_network_file_system: bool,
}

/// `[auth]`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "as above")]
pub struct AuthLimits {
    pub burst: NonZeroU32,
    pub per_second: NonZeroU32,
    pub token_days: NonZeroU32,
    pub session_days: NonZeroU32,
    pub concurrent_hashes: usize,
}

/// When a change counts as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Once it is on disk.
    Full,
    /// Once the operating system has it.
    Normal,
}

/// Where a server answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Listen {
    /// An address and a port; 0 for any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("a Unix socket has a path: unix:/path/to.sock".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| {
                format!("{text:?} is neither ADDRESS:PORT, such as 127.0.0.1:7878, nor unix:/path/to.sock")
            }),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

fn empty_is_none<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(input)?).filter(|text| !text.is_empty()))
}

/// Where the layers above the defaults come from.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// A settings file, if one is named.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Flags of the command line: setting, value.
    pub flags: Vec<(&'static str, String)>,
}

impl Layers {
    /// With the environment of this process, and the settings file that it names unless `file` does.
    #[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String)>) -> Self {
        let environment: BTreeMap<_, _> =
            std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let file = file.or_else(|| environment.get(CONFIG_VARIABLE).map(PathBuf::from));
        Self { file, environment, flags }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The setting's name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// The layer that gave it.
    pub origin: Origin,
}

/// A layer of settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Origin {
    /// Compiled in.
    Default,
    /// This settings file.
    File(PathBuf),
    /// This variable.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path) => write!(out, "file {}", path.display()),
            Self::Environment(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "flag --{name}"),
        }
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

/// Why settings could not be read.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file names a setting that does not exist.
    #[error("{0} sets {1:?}, which is not a setting; see `tidelog config` for those there are")]
    UnknownKey(PathBuf, String),
    /// A variable names a setting that does not exist.
    #[error(
        "the environment variable {0} is not that of a setting; see `tidelog config` for those there are"
    )]
    UnknownVariable(String),
    /// A file could not be read.
    #[error("{0}: {1}")]
    Unreadable(PathBuf, String),
    /// A value is of the wrong kind or out of range.
    #[error("{0}")]
    Invalid(String),
}

/// Reads the layers.
///
/// # Errors
/// See [`ConfigError`]; each names the setting at fault.
pub fn load(layers: &Layers) -> Result<(Settings, Vec<Shown>), ConfigError> {
    let defaults = File::from_str(DEFAULTS, FileFormat::Toml);
    let mut shown: BTreeMap<String, Shown> = BTreeMap::new();
    let mut put = |key: String, value: String, origin: Origin| {
        shown.insert(key.clone(), Shown { key, value, origin });
    };
    let known = flatten(&collect(&defaults, Path::new("default.toml"))?);
    for (key, value) in &known {
        put(key.clone(), value.clone(), Origin::Default);
    }
    if let Some(path) = &layers.file {
        let file = File::new(&path.to_string_lossy(), FileFormat::Toml);
        for (key, value) in flatten(&collect(&file, path)?) {
            if !known.contains_key(&key) {
                return Err(ConfigError::UnknownKey(path.clone(), key));
            }
            put(key, value, Origin::File(path.clone()));
        }
    }
    for (name, value) in &layers.environment {
        if name == CONFIG_VARIABLE {
            continue;
        }
        let (key, value) = of_variable(name, value, &known)?;
        put(key, value, Origin::Environment(name.clone()));
    }
    for (key, value) in &layers.flags {
        put((*key).into(), value.clone(), Origin::Flag(key.replace('_', "-")));
    }
    let shown: Vec<_> = shown.into_values().collect();
    Ok((settings(&shown)?, shown))
}

fn settings(shown: &[Shown]) -> Result<Settings, ConfigError> {
    let mut builder = Config::builder();
    for Shown { key, value, .. } in shown {
        let set = builder.set_override(key, value.as_str());
        builder = set.map_err(|error| ConfigError::Invalid(error.to_string()))?;
    }
    let read = builder.build().and_then(Config::try_deserialize);
    read.map_err(|error| ConfigError::Invalid(format!("a setting is not valid: {error}")))
}

fn of_variable(
    name: &str,
    value: &str,
    known: &BTreeMap<String, String>,
) -> Result<(String, String), ConfigError> {
    let find = |name: &str| known.keys().find(|key| variable_of(key) == name).cloned();
    if let Some(key) = find(name) {
        return Ok((key, value.into()));
    }
    let key = name.strip_suffix(FILE_SUFFIX).and_then(find);
    let key = key.ok_or_else(|| ConfigError::UnknownVariable(name.into()))?;
    let content = std::fs::read_to_string(value);
    let content = content.map_err(|error| ConfigError::Unreadable(value.into(), error.to_string()))?;
    Ok((key, content.trim_end().into()))
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn collect(source: &dyn Source, path: &Path) -> Result<Map<String, Value>, ConfigError> {
    source.collect().map_err(|error| ConfigError::Unreadable(path.into(), error.to_string()))
}

/// `{a: {b: 1}}` as `a.b = "1"`.
fn flatten(values: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (key, value) in values {
        match &value.kind {
            ValueKind::Table(table) => {
                flat.extend(
                    flatten(table).into_iter().map(|(inner, value)| (format!("{key}.{inner}"), value)),
                );
            }
            _ => drop(flat.insert(key.clone(), value.to_string())),
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin_of(shown: &[Shown], key: &str) -> String {
        shown.iter().find(|shown| shown.key == key).expect("a setting").origin.to_string()
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.toml");
        std::fs::write(&path, text).expect("a file");
        (folder, path)
    }

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_defaults_are_whole() {
        let (settings, shown) = load(&Layers::default()).expect("the defaults are valid");
        assert_eq!(settings.listen, Listen::Tcp(([127, 0, 0, 1], 7878).into()));
        assert_eq!(settings.public_url, None);
        assert!(shown.iter().all(|shown| shown.origin == Origin::Default));
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
        let (_folder, path) = file("workers = 1\nbody_bytes = 2\n[auth]\nburst = 3");
        let layers = Layers {
            file: Some(path),
            environment: environment(&[("TIDELOG_AUTH_BURST", "30"), ("TIDELOG_BODY_BYTES", "20")]),
            flags: vec![("body_bytes", "200".into())],
        };
        let (settings, shown) = load(&layers).expect("valid");
        assert_eq!((settings.workers, settings.body_bytes, settings.auth.burst.get()), (1, 200, 30));
        assert!(origin_of(&shown, "workers").starts_with("file "));
        assert_eq!(origin_of(&shown, "auth.burst"), "environment TIDELOG_AUTH_BURST");
        assert_eq!(origin_of(&shown, "body_bytes"), "flag --body-bytes");
        assert_eq!(origin_of(&shown, "log"), "default");
    }

    #[test]
    fn a_variable_may_name_a_file_with_the_value() {
        let (_folder, path) = file("https://sync.example.org\n");
        let variable = ("TIDELOG_PUBLIC_URL_FILE", &*path.to_string_lossy());
        let layers = Layers { environment: environment(&[variable]), ..Layers::default() };
        let (settings, _) = load(&layers).expect("valid");
        assert_eq!(settings.public_url.as_deref(), Some("https://sync.example.org"));
    }

    #[test]
    fn what_is_no_setting_or_no_value_is_named() {
        let (_folder, path) = file("[auth]\nbrust = 3");
        let layers = Layers { file: Some(path), ..Layers::default() };
        assert!(load(&layers).expect_err("a typo").to_string().contains("auth.brust"));
        for (name, value) in
            [("TIDELOG_BRUST", "3"), ("TIDELOG_AUTH_BURST", "many"), ("TIDELOG_LISTEN", "here")]
        {
            let layers = Layers { environment: environment(&[(name, value)]), ..Layers::default() };
            let error = load(&layers).expect_err(name).to_string();
            assert!(error.contains(name) || error.contains("burst") || error.contains("here"), "{error}");
        }
    }
}
