//! Loading settings from real files and given environments.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::sources::{tidelog_variables, variable_of};
use super::*;

fn origin_of(effective: &[EffectiveSetting], key: &str) -> String {
    effective.iter().find(|setting| setting.key == key).expect("a setting").origin.to_string()
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
fn the_defaults_are_complete() {
    let (settings, effective) = load(&Sources::default()).expect("the defaults are valid");
    assert_eq!(settings.listen, Listen::Tcp(([127, 0, 0, 1], 7878).into()));
    assert_eq!(settings.public_url, None);
    assert!(effective.iter().all(|setting| setting.origin == Origin::Default));
}

#[test]
fn flags_override_the_environment_which_overrides_the_file_which_overrides_the_defaults() {
    let (_folder, path) = file("workers = 1\nmax_body_bytes = 2\n[auth.rate_limit]\nip_burst = 3");
    let sources = Sources {
        file: Some(path),
        environment: environment(&[
            ("TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "30"),
            ("TIDELOG_MAX_BODY_BYTES", "20"),
        ]),
        flags: vec![("max_body_bytes", "200".into())],
    };
    let (settings, effective) = load(&sources).expect("valid");
    assert_eq!(
        (settings.workers, settings.max_body_bytes, settings.auth.rate_limit.ip_burst.get()),
        (1, 200, 30)
    );
    assert!(origin_of(&effective, "workers").starts_with("file "));
    assert_eq!(
        origin_of(&effective, "auth.rate_limit.ip_burst"),
        "environment TIDELOG_AUTH_RATE_LIMIT_IP_BURST"
    );
    assert_eq!(origin_of(&effective, "max_body_bytes"), "flag --max-body-bytes");
    assert_eq!(origin_of(&effective, "log"), "default");
}

#[test]
fn a_variable_can_name_a_file_with_the_value() {
    let (_folder, path) = file("https://sync.example.org\n");
    let variable = ("TIDELOG_PUBLIC_URL_FILE", &*path.to_string_lossy());
    let sources = Sources { environment: environment(&[variable]), ..Sources::default() };
    let (settings, _) = load(&sources).expect("valid");
    assert_eq!(settings.public_url.as_deref(), Some("https://sync.example.org"));
}

fn error_of(variables: &[(&str, &str)]) -> String {
    let sources = Sources { environment: environment(variables), ..Sources::default() };
    load(&sources).expect_err("these are not valid").to_string()
}

#[test]
fn unknown_settings_are_named() {
    let (_folder, path) = file("[auth]\nsing_up = 3");
    let sources = Sources { file: Some(path), ..Sources::default() };
    assert!(load(&sources).expect_err("a typo").to_string().contains("auth.sing_up"));
    assert!(error_of(&[("TIDELOG_SING_UP", "3")]).contains("TIDELOG_SING_UP"));
}

#[test]
fn invalid_values_are_named_with_their_setting_and_origin() {
    for (setting, variable, value) in [
        ("auth.rate_limit.ip_burst", "TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "many"),
        ("auth.rate_limit.ip_burst", "TIDELOG_AUTH_RATE_LIMIT_IP_BURST", "0"),
        ("auth.session_idle_days", "TIDELOG_AUTH_SESSION_IDLE_DAYS", "4000000000"),
        ("listen", "TIDELOG_LISTEN", "here"),
        ("listen", "TIDELOG_LISTEN", "unix:"),
        ("public_url", "TIDELOG_PUBLIC_URL", "sync.example.org"),
        ("storage.synchronous", "TIDELOG_STORAGE_SYNCHRONOUS", "off"),
        ("workers", "TIDELOG_WORKERS", "-1"),
    ] {
        let error = error_of(&[(variable, value)]);
        let begin = format!("invalid value {value:?} for {setting} (environment {variable}): ");
        assert!(error.starts_with(&begin), "{error}");
    }
}

#[test]
fn a_setting_given_both_as_a_value_and_as_a_file_is_refused() {
    let (_folder, path) = file("debug");
    let error = error_of(&[("TIDELOG_LOG", "info"), ("TIDELOG_LOG_FILE", &path.to_string_lossy())]);
    assert!(error.contains("TIDELOG_LOG_FILE"), "{error}");
}

#[test]
fn a_settings_file_that_is_missing_or_broken_is_named() {
    let (folder, path) = file("[auth");
    for path in [path, folder.path().join("missing.toml")] {
        let sources = Sources { file: Some(path.clone()), ..Sources::default() };
        let error = load(&sources).expect_err("no settings").to_string();
        assert!(error.contains(&*path.to_string_lossy()), "{error}");
    }
}

#[test]
fn variables_of_other_programs_may_hold_anything_and_ours_only_text() {
    use std::os::unix::ffi::OsStringExt;
    let garbage = || std::ffi::OsString::from_vec(vec![0xFF]);
    let others = [
        (garbage(), "x".into()),
        ("PATH".into(), garbage()),
        ("TIDELOG_PASSPHRASE".into(), "a client's".into()),
        ("TIDELOG_ENV_GREETING".into(), garbage()),
        ("TIDELOG_LOG".into(), "warn".into()),
    ];
    assert_eq!(tidelog_variables(others.into_iter()).expect("text"), environment(&[("TIDELOG_LOG", "warn")]));
    let ours = tidelog_variables([("TIDELOG_LOG".into(), garbage())].into_iter());
    assert!(ours.expect_err("not text").to_string().contains("TIDELOG_LOG"));
}

#[test]
fn no_setting_has_a_name_that_is_ignored_because_kubernetes_uses_it() {
    let (_, defaults) = load(&Sources::default()).expect("the defaults are valid");
    let names = defaults.iter().map(|setting| variable_of(&setting.key));
    let names: Vec<_> = names.flat_map(|name| [format!("{name}_FILE"), name]).collect();
    let variables = names.iter().map(|name| (name.into(), "tcp://10.0.0.5:7878".into()));
    assert_eq!(tidelog_variables(variables).expect("text").len(), names.len());
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let (_, defaults) = load(&Sources::default()).expect("the defaults are valid");
    let empty = |name: String| [(format!("{name}_FILE"), String::new()), (name, String::new())];
    let all = defaults.iter().flat_map(|setting| empty(variable_of(&setting.key))).collect();
    let sources = Sources { environment: all, ..Sources::default() };
    let (_, effective) = load(&sources).expect("nothing is set");
    assert_eq!(effective, defaults);

    let (_folder, path) = file("debug");
    let variables = [("TIDELOG_LOG", ""), ("TIDELOG_LOG_FILE", &*path.to_string_lossy())];
    let sources = Sources { environment: environment(&variables), ..Sources::default() };
    assert_eq!(load(&sources).expect("set once").0.log, "debug");
    assert!(error_of(&[("TIDELOG_SING_UP", "")]).contains("TIDELOG_SING_UP"), "a typo is one all the same");
}

#[test]
fn an_empty_value_is_refused_unless_the_setting_can_be_empty() {
    let (_, defaults) = load(&Sources::default()).expect("the defaults are valid");
    for EffectiveSetting { key, value, .. } in defaults {
        let (_folder, path) = file(&format!("{key} = \"\""));
        let loaded = load(&Sources { file: Some(path), ..Sources::default() });
        if value.is_empty() {
            loaded.expect("it can be empty");
        } else {
            let error = loaded.expect_err("it cannot be empty").to_string();
            assert!(error.starts_with(&format!("invalid value \"\" for {key} (file ")), "{error}");
        }
    }
    for key in ["data", "listen"] {
        let sources = Sources { flags: vec![(key, String::new())], ..Sources::default() };
        let error = load(&sources).expect_err("it cannot be empty").to_string();
        assert_eq!(error, format!("invalid value \"\" for {key} (flag --{key}): must not be empty"));
    }
    let (_folder, path) = file("\n");
    let error = error_of(&[("TIDELOG_DATA_FILE", &path.to_string_lossy())]);
    assert!(error.starts_with("invalid value \"\" for data (environment TIDELOG_DATA_FILE)"), "{error}");
}

#[test]
fn the_password_of_a_mail_server_is_never_shown_even_if_the_setting_is_invalid() {
    let given = |address: &str| Sources {
        environment: environment(&[("TIDELOG_MAIL_SMTP_URL", address)]),
        ..Sources::default()
    };
    let (settings, effective) = load(&given("smtps://ada:hunter2@mail.example.org")).expect("valid");
    assert!(settings.mail.smtp_url.is_some() && !format!("{settings:?}{effective:?}").contains("hunter2"));
    let error = load(&given("smtp://ada:hunter2@mail.example.org")).expect_err("in the clear").to_string();
    assert!(
        error.starts_with("invalid value \"(hidden)\" for mail.smtp_url ") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn the_production_example_is_valid() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml"));
    load(&Sources { file: Some(path), ..Sources::default() }).expect("valid");
}

#[test]
fn the_secret_of_a_bucket_is_never_shown() {
    let (_folder, path) = file("hunter2hunter2\n");
    let variables = [
        ("TIDELOG_BLOBS_S3_SECRET_ACCESS_KEY_FILE", path.to_str().expect("a path")),
        ("TIDELOG_BLOBS_S3_ENDPOINT", "https://s3.example.org/"),
    ];
    let sources = Sources { environment: environment(&variables), ..Sources::default() };
    let (settings, effective) = load(&sources).expect("valid settings");
    assert_eq!(settings.blobs.s3.secret_access_key.expose(), "hunter2hunter2");
    assert_eq!(settings.blobs.s3.endpoint.as_deref(), Some("https://s3.example.org"));
    assert!(!format!("{settings:?}{effective:?}").contains("hunter2"));
}
