//! Runs `examples/two_devices` with thousands of real rows and a server that is killed nine times.

use std::process::Command;

/// Number of rows of the data set that the test uses. Run by hand, the example uses all 28,000.
const ROWS: &str = "6000";

#[test]
fn two_devices_end_with_the_same_rows_after_every_crash() {
    let mut program = Command::new(tidelog_test_kit::example("two_devices"));
    let output = program.args(["--rows", ROWS, "--server"]).arg(tidelog_test_kit::tidelog()).output();
    let output = output.expect("the example runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
