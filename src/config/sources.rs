//! Where settings come from: defaults, a file, the environment and flags, each overriding the one before. Each value
//! keeps its origin, for `tidelog config` and for errors.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, File, FileFormat, Source, Value, ValueKind};
use serde::Serialize;
use thiserror::Error;

use super::service_links::is_service_link;
use super::settings::Settings;

const DEFAULTS: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "TIDELOG_";
/// Names the settings file; not a setting itself.
const CONFIG_VARIABLE: &str = "TIDELOG_CONFIG";
/// Read by client programs, often in the same shell; never settings of the server.
const CLIENT_VARIABLES: [&str; 2] = ["TIDELOG_PASSWORD", "TIDELOG_PASSPHRASE"];
/// Suffix of a variable that names a file with the value, as container secrets are passed.
const FILE_SUFFIX: &str = "_FILE";

/// Settings whose values are never shown.
const SECRETS: [&str; 2] = ["blobs.s3.secret_access_key", "mail.smtp_url"];
/// Shown in place of secrets.
const HIDDEN: &str = "(hidden)";

/// What overrides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A settings file.
    pub file: Option<PathBuf>,
    /// Environment variables that start with `TIDELOG_`.
    pub environment: BTreeMap<String, String>,
    /// Flags of the command line, as settings and values.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// Reads the environment of this process, and takes the settings file from it unless `file` is given.
    ///
    /// # Errors
    /// [`ConfigError::NotUtf8`].
    #[allow(clippy::disallowed_methods, reason = "only this file reads the environment")]
    pub fn from_process(
        file: Option<PathBuf>,
        flags: Vec<(&'static str, String)>,
    ) -> Result<Self, ConfigError> {
        let environment = tidelog_variables(std::env::vars_os())?;
        let named = environment.get(CONFIG_VARIABLE).filter(|path| !path.is_empty());
        let file = file.or_else(|| named.map(PathBuf::from));
        Ok(Self { file, environment, flags })
    }
}

/// Picks the variables of this program. Others may hold anything, even invalid UTF-8.
pub(super) fn tidelog_variables(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let selected = variables.filter_map(|(name, value)| {
        let is_ours = |name: &String| {
            name.strip_prefix(PREFIX).is_some_and(|rest| !is_service_link(rest, &value))
                && !CLIENT_VARIABLES.contains(&name.as_str())
        };
        let name = name.into_string().ok().filter(is_ours)?;
        Some((name, value))
    });
    selected
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ConfigError::NotUtf8(name)),
        })
        .collect()
}

/// The value of a setting, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// The setting's name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl EffectiveSetting {
    fn is_secret(&self) -> bool {
        SECRETS.contains(&self.key.as_str()) && !self.value.is_empty()
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Origin {
    /// The defaults compiled into the program.
    Default,
    /// A settings file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
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

/// Why settings could not be loaded.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file has a setting that doesn't exist.
    #[error("unknown setting {1:?} in {0}; `tidelog config` lists all settings")]
    UnknownKey(PathBuf, String),
    /// A variable stands for a setting that doesn't exist.
    #[error("unknown environment variable {0}; `tidelog config` lists all settings")]
    UnknownVariable(String),
    /// A variable holds the value and another names a file with it.
    #[error("{0} is set twice, by {1} and {1}{FILE_SUFFIX}")]
    SetTwice(String, String),
    /// A variable's value is not UTF-8.
    #[error("environment variable {0} is not valid UTF-8")]
    NotUtf8(String),
    /// A file could not be read.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, String),
    /// A value has the wrong type or is out of range.
    #[error("invalid value {value:?} for {key} ({origin}): {reason}")]
    Invalid {
        /// The setting.
        key: String,
        /// Its value.
        value: String,
        /// Where the value comes from.
        origin: Origin,
        /// What is allowed.
        reason: String,
    },
    /// Anything else.
    #[error("invalid settings: {0}")]
    Other(String),
}

/// Loads the settings.
///
/// # Errors
/// See [`ConfigError`]; each names the setting at fault.
pub fn load(sources: &Sources) -> Result<(Settings, Vec<EffectiveSetting>), ConfigError> {
    let mut effective: BTreeMap<String, EffectiveSetting> = BTreeMap::new();
    let mut put = |key: String, value: String, origin: Origin| {
        effective.insert(key.clone(), EffectiveSetting { key, value, origin });
    };
    let defaults = parse(DEFAULTS, Path::new("default.toml"))?;
    for (key, value) in &defaults {
        put(key.clone(), value.clone(), Origin::Default);
    }
    if let Some(path) = &sources.file {
        for (key, value) in parse(&read(path)?, path)? {
            if !defaults.contains_key(&key) {
                return Err(ConfigError::UnknownKey(path.clone(), key));
            }
            put(key, value, Origin::File(path.clone()));
        }
    }
    for (name, value) in sources.environment.iter().filter(|(name, _)| *name != CONFIG_VARIABLE) {
        let (key, is_file) = setting_of_variable(name, &defaults)?;
        // Tools that start containers set variables for which they have no value to nothing.
        if value.is_empty() {
            continue;
        }
        let variable = variable_of(&key);
        if is_file && sources.environment.get(&variable).is_some_and(|value| !value.is_empty()) {
            return Err(ConfigError::SetTwice(key, variable));
        }
        let value = if is_file { read(Path::new(value))?.trim_end().into() } else { value.clone() };
        put(key, value, Origin::Environment(name.clone()));
    }
    for (key, value) in &sources.flags {
        put((*key).into(), value.clone(), Origin::Flag(key.replace('_', "-")));
    }
    let mut effective: Vec<_> = effective.into_values().collect();
    refuse_empty(&effective, &defaults)?;
    let settings = parse_settings(&effective)?;
    for secret in effective.iter_mut().filter(|setting| setting.is_secret()) {
        HIDDEN.clone_into(&mut secret.value);
    }
    Ok((settings, effective))
}

/// Refuses empty values of settings that cannot be empty: those whose default is not.
fn refuse_empty(
    effective: &[EffectiveSetting],
    defaults: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    let needs_value = |key: &str| defaults.get(key).is_some_and(|default| !default.is_empty());
    let is_wrong = |setting: &&EffectiveSetting| setting.value.is_empty() && needs_value(&setting.key);
    match effective.iter().find(is_wrong).cloned() {
        Some(EffectiveSetting { key, value, origin }) => {
            Err(ConfigError::Invalid { key, value, origin, reason: "must not be empty".into() })
        }
        None => Ok(()),
    }
}

fn parse_settings(effective: &[EffectiveSetting]) -> Result<Settings, ConfigError> {
    let mut builder = Config::builder();
    for EffectiveSetting { key, value, .. } in effective {
        let set = builder.set_override(key, value.as_str());
        builder = set.map_err(|error| ConfigError::Other(error.to_string()))?;
    }
    let parsed = builder.build().and_then(Config::try_deserialize);
    parsed.map_err(|error| invalid_value(effective, error))
}

/// Finds out which value was refused and where it comes from.
fn invalid_value(effective: &[EffectiveSetting], error: config::ConfigError) -> ConfigError {
    use config::ConfigError::{At, Type};
    let (key, reason) = match &error {
        Type { key: Some(key), expected, .. } => (key, format!("expected {expected}")),
        At { key: Some(key), error, .. } => (key, error.to_string()),
        _ => return ConfigError::Other(error.to_string()),
    };
    match effective.iter().find(|setting| setting.key == *key).cloned() {
        Some(setting) => {
            let value = if setting.is_secret() { HIDDEN.into() } else { setting.value };
            ConfigError::Invalid { key: setting.key, value, origin: setting.origin, reason }
        }
        None => ConfigError::Other(error.to_string()),
    }
}

/// The setting that a variable stands for, and whether the variable names a file with the value.
fn setting_of_variable(
    name: &str,
    defaults: &BTreeMap<String, String>,
) -> Result<(String, bool), ConfigError> {
    let find = |name: &str| defaults.keys().find(|key| variable_of(key) == name).cloned();
    if let Some(key) = find(name) {
        return Ok((key, false));
    }
    let key = name.strip_suffix(FILE_SUFFIX).and_then(find);
    Ok((key.ok_or_else(|| ConfigError::UnknownVariable(name.into()))?, true))
}

pub(super) fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.into(), error.to_string()))
}

/// Parses a settings file: `[a] b = 1` becomes `a.b = "1"`.
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
