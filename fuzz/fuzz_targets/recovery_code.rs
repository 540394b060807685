//! Hands libFuzzer's bytes to [`tidelog_fuzz::recovery_code`], which says what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidelog_fuzz::recovery_code::check(bytes));
