//! `examples/two_devices` whole: thousands of real rows, and a server that is killed nine times.

use std::process::Command;

/// Rows of the data set that the example takes here. It takes all of them (28,000) when you run it yourself.
const ROWS: &str = "6000";

#[test]
fn two_devices_end_with_the_same_rows_after_every_crash() {
    let mut program = Command::new(tidelog_test_kit::example("two_devices"));
    let output = program.args(["--rows", ROWS, "--server"]).arg(tidelog_test_kit::tidelog()).output();
    let output = output.expect("the example runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
