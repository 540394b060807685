//! Settings as containers pass them: the environment holds what nobody wrote for this program.

use std::path::Path;
use std::process::{Command, Output};

use tidelog_test_kit::ServerSetup;

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
