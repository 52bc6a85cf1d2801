//! Fuzz target: any bytes as a catalog or a file of figures. What is checked stands in `tests/src/fuzzed`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: beffroi_fuzz::ready(), |data: &[u8]| beffroi_fuzz::judge(beffroi_tests::fuzzed::csv, data));
