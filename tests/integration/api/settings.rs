//! Settings as containers pass them: the environment holds what nobody wrote for this program, and empty values.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tidelog_test_kit::{Cli, Server, ServerSetup, text};

/// What Kubernetes sets beside a Service called `tidelog` with a named port, and Docker beside a linked container.
const SERVICE_LINKS: [(&str, &str); 15] = [
    ("TIDELOG_SERVICE_HOST", "10.0.0.5"),
    ("TIDELOG_SERVICE_PORT", "7878"),
    ("TIDELOG_SERVICE_PORT_HTTP_API", "7878"),
    ("TIDELOG_PORT", "tcp://10.0.0.5:7878"),
    ("TIDELOG_PORT_7878_TCP", "tcp://10.0.0.5:7878"),
    ("TIDELOG_PORT_7878_TCP_PROTO", "tcp"),
    ("TIDELOG_PORT_7878_TCP_PORT", "7878"),
    ("TIDELOG_PORT_7878_TCP_ADDR", "10.0.0.5"),
    ("TIDELOG_PORT_53_UDP", "udp://10.0.0.5:53"),
    ("TIDELOG_PORT_53_UDP_ADDR", "10.0.0.5"),
    ("TIDELOG_PORT_9_SCTP_PORT", "9"),
    ("TIDELOG_NAME", "/web/tidelog"),
    ("TIDELOG_ENV_LOG", "verbose"),
    ("TIDELOG_ENV_PATH", "/usr/bin"),
    ("TIDELOG_ENV_TIDELOG_LISTEN", "0.0.0.0:7878"),
];

/// Runs the program in this folder with only these variables, and without `--data`.
fn run_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(tidelog_test_kit::tidelog());
    command.env_clear().envs(variables.iter().copied()).current_dir(folder).args(arguments);
    command.output().expect("it ends")
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn stderr_of_refused(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_server_and_its_commands_run_beside_a_service_of_their_own_name() {
    let setup = ServerSetup::default();
    let server = SERVICE_LINKS.iter().fold(setup, |setup, (name, value)| setup.with(name, value)).start();
    server.anonymous().get("/health").ok();
    server.cli().run(&["app", "list"]).json();
    let settings = server.cli().run(&["config"]).json().to_string();
    assert!(SERVICE_LINKS.iter().all(|(name, _)| !settings.contains(&format!("environment {name}\""))));
}

#[test]
fn a_variable_that_only_resembles_those_of_a_service_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, value) in [
        ("TIDELOG_PORT", "7878"),
        ("TIDELOG_PORT", ""),
        ("TIDELOG_PORT_HTTP", "7878"),
        ("TIDELOG_PORT_7878", "7878"),
        ("TIDELOG_PORT_7878_QUIC", "quic://10.0.0.5:7878"),
        ("TIDELOG_PORT_7878_TCP_HOST", "10.0.0.5"),
        ("TIDELOG_PORT__TCP", "tcp://10.0.0.5:7878"),
        ("TIDELOG_SERVICE", "10.0.0.5"),
        ("TIDELOG_SERVICE_HOSTS", "10.0.0.5"),
        ("TIDELOG_SERVICE_PORT_", "7878"),
        ("TIDELOG_HOST", "10.0.0.5"),
        ("TIDELOG_NAMES", "tidelog"),
        ("TIDELOG_ENV", "production"),
    ] {
        let refused = run_in(folder.path(), &[(name, value)], &["config"]);
        let error = stderr_of_refused(&refused);
        assert!(error.contains(&format!("unknown environment variable {name};")), "{error}");
    }
}

#[test]
fn a_server_whose_variables_are_all_empty_runs_with_the_defaults() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Cli::new(folder.path()).run(&["config"]).json();
    let keys = settings.as_array().expect("a list").iter().map(|setting| text(&setting["key"]));
    let variable = |key: String| format!("TIDELOG_{}", key.replace('.', "_").to_uppercase());
    let setup = keys.map(variable).fold(ServerSetup::default(), |setup, name| setup.with(&name, ""));
    let server: Server = setup.with("TIDELOG_CONFIG", "").start();
    server.anonymous().get("/health").ok();
    assert!(server.log().contains("setup-link"), "it logs as by default: {}", server.log());
}

#[test]
fn an_empty_data_variable_leaves_the_default_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let created = run_in(folder.path(), &[("TIDELOG_DATA", "")], &["app", "create", "Notes"]);
    assert!(created.status.success(), "{created:?}");
    assert_eq!(names_in(folder.path()), ["data"]);
}

#[test]
fn an_empty_data_folder_is_refused_by_name_before_anything_is_made() {
    let (folder, elsewhere) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let file = elsewhere.path().join("tidelog.toml");
    fs::write(&file, "data = \"\"").expect("a file");
    let file = file.to_str().expect("a path");
    for arguments in [["serve", "--config", file], ["serve", "--data", ""], ["serve", "--listen", ""]] {
        let error = stderr_of_refused(&run_in(folder.path(), &[], &arguments));
        let setting = if arguments[1] == "--listen" { "listen" } else { "data" };
        assert!(error.contains(setting), "{error}");
        assert_eq!(names_in(folder.path()), [""; 0], "{arguments:?}");
    }
}
