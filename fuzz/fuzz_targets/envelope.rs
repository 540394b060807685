//! Passes libFuzzer's bytes to [`tidelog_fuzz::envelope`], which documents the checks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidelog_fuzz::envelope::check(bytes));
