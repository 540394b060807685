//! Every measurement, as short as it can be: what it finds means nothing, but that it finds something does.

use std::process::Command;

#[test]
fn every_measurement_comes_to_an_end() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidelog-load"))
        .args(["--seconds", "0.2", "--rounds", "1", "--pull-log", "2000"])
        .args(["--cases", "push_1x8,push_500x1,pull_500x1", "--size", "--body"])
        .args(["--live", "all", "--blobs", "--timing", "--small", "--server"])
        .arg(tidelog_test_kit::tidelog())
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.stdout.is_empty(), "it prints a table");
}
