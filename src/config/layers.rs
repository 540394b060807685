//! Where settings come from: defaults, a file, the environment, flags, each layer over the one before. Every value remembers
//! the layer that gave it, so that `tidelog config` and errors can tell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat, Source, Value, ValueKind};
use serde::Serialize;
use thiserror::Error;

use super::Settings;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "TIDELOG_";
/// Names the settings file; a setting of the command line, not of the server.
const CONFIG_VARIABLE: &str = "TIDELOG_CONFIG";
/// What programs of users ask for their secrets, often in the same shell. Never a setting of the server.
const CLIENT_VARIABLES: [&str; 2] = ["TIDELOG_PASSWORD", "TIDELOG_PASSPHRASE"];
/// Ending of a variable that names a file with the value, as container secrets are given.
const FILE_SUFFIX: &str = "_FILE";

/// Settings whose values are nobody's to see.
const SECRETS: [&str; 2] = ["blobs.s3.secret_access_key", "mail.smtp"];
/// What is shown in their place.
const HIDDEN: &str = "(hidden)";

/// Where the layers above the defaults come from.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// A settings file, if one is named.
    pub file: Option<PathBuf>,
    /// The environment: variables that begin with `TIDELOG_`.
    pub environment: BTreeMap<String, String>,
    /// Flags of the command line: setting, value.
    pub flags: Vec<(&'static str, String)>,
}

impl Layers {
    /// With the environment of this process, and the settings file that it names unless `file` does.
    ///
    /// # Errors
    /// [`ConfigError::NotText`].
    #[allow(clippy::disallowed_methods, reason = "this is the place that may ask")]
    pub fn of_process(
        file: Option<PathBuf>,
        flags: Vec<(&'static str, String)>,
    ) -> Result<Self, ConfigError> {
        let environment = ours(std::env::vars_os())?;
        let named = environment.get(CONFIG_VARIABLE).filter(|path| !path.is_empty());
        let file = file.or_else(|| named.map(PathBuf::from));
        Ok(Self { file, environment, flags })
    }
}

/// The variables that are meant for this program. What others hold, text or not, is none of its business.
pub(super) fn ours(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let ours = variables.filter_map(|(name, value)| {
        let is_ours = |name: &String| name.starts_with(PREFIX) && !CLIENT_VARIABLES.contains(&name.as_str());
        let name = name.into_string().ok().filter(is_ours)?;
        Some((name, value))
    });
    ours.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(ConfigError::NotText(name)),
    })
    .collect()
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

impl Shown {
    fn is_secret(&self) -> bool {
        SECRETS.contains(&self.key.as_str()) && !self.value.is_empty()
    }
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
    /// A variable gives a setting and another names a file with it.
    #[error("the environment sets {0} twice, by {1} and by {1}{FILE_SUFFIX}")]
    Twice(String, String),
    /// A variable's value is not UTF-8.
    #[error("the environment variable {0} is not text")]
    NotText(String),
    /// A file could not be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, String),
    /// A value is of the wrong kind or out of range.
    #[error("{key} cannot be {value:?} ({origin}): {reason}")]
    Invalid {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// Where the value came from.
        origin: Origin,
        /// What would be allowed.
        reason: String,
    },
    /// Anything else.
    #[error("the settings are not valid: {0}")]
    Other(String),
}

/// Reads the layers.
///
/// # Errors
/// See [`ConfigError`]; each names the setting at fault.
pub fn load(layers: &Layers) -> Result<(Settings, Vec<Shown>), ConfigError> {
    let mut shown: BTreeMap<String, Shown> = BTreeMap::new();
    let mut put = |key: String, value: String, origin: Origin| {
        shown.insert(key.clone(), Shown { key, value, origin });
    };
    let known = parse(DEFAULTS, Path::new("default.toml"))?;
    for (key, value) in &known {
        put(key.clone(), value.clone(), Origin::Default);
    }
    if let Some(path) = &layers.file {
        for (key, value) in parse(&read(path)?, path)? {
            if !known.contains_key(&key) {
                return Err(ConfigError::UnknownKey(path.clone(), key));
            }
            put(key, value, Origin::File(path.clone()));
        }
    }
    for (name, value) in layers.environment.iter().filter(|(name, _)| *name != CONFIG_VARIABLE) {
        let (key, value) = of_variable(name, value, &known)?;
        let variable = variable_of(&key);
        if *name != variable && layers.environment.contains_key(&variable) {
            return Err(ConfigError::Twice(key, variable));
        }
        put(key, value, Origin::Environment(name.clone()));
    }
    for (key, value) in &layers.flags {
        put((*key).into(), value.clone(), Origin::Flag(key.replace('_', "-")));
    }
    let mut shown: Vec<_> = shown.into_values().collect();
    let settings = settings(&shown)?;
    shown.iter_mut().filter(|shown| shown.is_secret()).for_each(|shown| HIDDEN.clone_into(&mut shown.value));
    Ok((settings, shown))
}

fn settings(shown: &[Shown]) -> Result<Settings, ConfigError> {
    let mut builder = Config::builder();
    for Shown { key, value, .. } in shown {
        let set = builder.set_override(key, value.as_str());
        builder = set.map_err(|error| ConfigError::Other(error.to_string()))?;
    }
    let read = builder.build().and_then(Config::try_deserialize);
    read.map_err(|error| blame(shown, error))
}

/// Says whose fault it is that a value was refused.
fn blame(shown: &[Shown], error: config::ConfigError) -> ConfigError {
    use config::ConfigError::{At, Type};
    let (key, reason) = match &error {
        Type { key: Some(key), expected, .. } => (key, format!("it is {expected}")),
        At { key: Some(key), error, .. } => (key, error.to_string()),
        _ => return ConfigError::Other(error.to_string()),
    };
    match shown.iter().find(|shown| shown.key == *key).cloned() {
        Some(shown) => {
            let value = if shown.is_secret() { HIDDEN.into() } else { shown.value };
            ConfigError::Invalid { key: shown.key, value, origin: shown.origin, reason }
        }
        None => ConfigError::Other(error.to_string()),
    }
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
    Ok((key, read(Path::new(value))?.trim_end().into()))
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.into(), error.to_string()))
}

/// The settings of a file, `[a] b = 1` as `a.b = "1"`.
fn parse(text: &str, path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let values = File::from_str(text, FileFormat::Toml).collect();
    let values = values.map_err(|error| ConfigError::Unreadable(path.into(), error.to_string()))?;
    Ok(flatten(&values))
}

fn flatten(values: &config::Map<String, Value>) -> BTreeMap<String, String> {
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
