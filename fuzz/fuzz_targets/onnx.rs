#![no_main]

use std::sync::Once;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static QUIET: Once = Once::new();

fuzz_target!(|input: &[u8]| {
    // The fuzzer's own hook ends the process at a panic that the loader would catch and report.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    modelgate_fuzz::onnx::onnx(input);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // Every fourth change is of bytes; the others leave the file readable.
    if seed % 4 != 0
        && let Some(damaged) = modelgate_fuzz::damage::damage(&data[..size], seed.into())
        && damaged.len() <= max_size
    {
        data[..damaged.len()].copy_from_slice(&damaged);
        return damaged.len();
    }
    fuzzer_mutate(data, size, max_size)
});
