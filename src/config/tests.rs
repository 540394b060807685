//! What the layers of settings promise, tried on real files and given environments.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layers::ours;
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

fn error_of(variables: &[(&str, &str)]) -> String {
    let layers = Layers { environment: environment(variables), ..Layers::default() };
    load(&layers).expect_err("these are not valid").to_string()
}

#[test]
fn what_is_no_setting_is_named() {
    let (_folder, path) = file("[auth]\nbrust = 3");
    let layers = Layers { file: Some(path), ..Layers::default() };
    assert!(load(&layers).expect_err("a typo").to_string().contains("auth.brust"));
    assert!(error_of(&[("TIDELOG_BRUST", "3")]).contains("TIDELOG_BRUST"));
}

#[test]
fn a_value_that_is_not_allowed_is_named_with_its_setting_and_its_origin() {
    for (setting, variable, value) in [
        ("auth.burst", "TIDELOG_AUTH_BURST", "many"),
        ("auth.burst", "TIDELOG_AUTH_BURST", "0"),
        ("auth.session_days", "TIDELOG_AUTH_SESSION_DAYS", "4000000000"),
        ("listen", "TIDELOG_LISTEN", "here"),
        ("listen", "TIDELOG_LISTEN", "unix:"),
        ("public_url", "TIDELOG_PUBLIC_URL", "sync.example.org"),
        ("storage.synchronous", "TIDELOG_STORAGE_SYNCHRONOUS", "off"),
        ("workers", "TIDELOG_WORKERS", "-1"),
    ] {
        let error = error_of(&[(variable, value)]);
        let begin = format!("{setting} cannot be {value:?} (environment {variable}): ");
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
        let layers = Layers { file: Some(path.clone()), ..Layers::default() };
        let error = load(&layers).expect_err("no settings").to_string();
        assert!(error.contains(&*path.to_string_lossy()), "{error}");
    }
}

#[test]
fn variables_of_others_may_hold_anything_and_ours_only_text() {
    use std::os::unix::ffi::OsStringExt;
    let garbage = || std::ffi::OsString::from_vec(vec![0xFF]);
    let others = [
        (garbage(), "x".into()),
        ("PATH".into(), garbage()),
        ("TIDELOG_PASSPHRASE".into(), "a client's".into()),
        ("TIDELOG_LOG".into(), "warn".into()),
    ];
    assert_eq!(ours(others.into_iter()).expect("text"), environment(&[("TIDELOG_LOG", "warn")]));
    let ours = ours([("TIDELOG_LOG".into(), garbage())].into_iter());
    assert!(ours.expect_err("not text").to_string().contains("TIDELOG_LOG"));
}

#[test]
fn the_password_of_a_mail_server_is_never_shown_also_where_the_setting_is_refused() {
    let given = |address: &str| Layers {
        environment: environment(&[("TIDELOG_MAIL_SMTP", address)]),
        ..Layers::default()
    };
    let (settings, shown) = load(&given("smtps://ada:hunter2@mail.example.org")).expect("valid");
    assert!(settings.mail.smtp.is_some() && !format!("{settings:?}{shown:?}").contains("hunter2"));
    let error = load(&given("smtp://ada:hunter2@mail.example.org")).expect_err("in the clear").to_string();
    assert!(error.starts_with("mail.smtp cannot be ") && !error.contains("hunter2"), "{error}");
}

#[test]
fn the_example_for_production_is_valid() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml"));
    load(&Layers { file: Some(path), ..Layers::default() }).expect("valid");
}

#[test]
fn the_secret_of_a_bucket_is_read_and_never_shown() {
    let (_folder, path) = file("hunter2hunter2\n");
    let variables = [
        ("TIDELOG_BLOBS_S3_SECRET_ACCESS_KEY_FILE", path.to_str().expect("a path")),
        ("TIDELOG_BLOBS_S3_ENDPOINT", "https://s3.example.org/"),
    ];
    let layers = Layers { environment: environment(&variables), ..Layers::default() };
    let (settings, shown) = load(&layers).expect("valid settings");
    assert_eq!(settings.blobs.s3.secret_access_key.expose(), "hunter2hunter2");
    assert_eq!(settings.blobs.s3.endpoint.as_deref(), Some("https://s3.example.org"));
    assert!(!format!("{settings:?}{shown:?}").contains("hunter2"));
}
