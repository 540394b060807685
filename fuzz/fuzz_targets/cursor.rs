//! Passes libFuzzer's bytes to [`tidelog_fuzz::cursor`], which documents the checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidelog_fuzz::cursor::check(bytes));
