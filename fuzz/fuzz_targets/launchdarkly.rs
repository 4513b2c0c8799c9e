#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| modelgate_fuzz::launchdarkly(input));
