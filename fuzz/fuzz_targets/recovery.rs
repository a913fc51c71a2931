#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kinglet::fuzz::recovery(bytes));
