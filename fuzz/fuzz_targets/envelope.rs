//! Hands libFuzzer's bytes to [`tidelog_fuzz::envelope`], which says what is checked.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidelog_fuzz::envelope::check(bytes));
