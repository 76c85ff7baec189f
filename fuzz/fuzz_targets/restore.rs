#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| brooklet_fuzz::restore::run(bytes));
