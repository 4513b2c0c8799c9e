//! The inputs from which fuzzing starts, those among them that once found something included.

#[path = "../fuzz/src/exercise.rs"]
mod exercise;
#[cfg(feature = "onnx")]
#[path = "../fuzz/src/onnx.rs"]
mod onnx;

#[cfg(feature = "onnx")]
use std::io::Read;
use std::{fs, path::Path};

type Exercise = fn(&[u8]);

fn every_seed_of(folder: &str, exercise: Exercise, cuts: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(folder);
    let mut seeds = 0;
    for seed in fs::read_dir(&folder).unwrap() {
        let input = fs::read(seed.unwrap().path()).unwrap();
        exercise(&input);
        // What an interrupted transfer leaves of it.
        for end in (0..input.len()).step_by((input.len() / cuts).max(7)) {
            exercise(&input[..end]);
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{}", folder.display());
}

#[test]
fn every_seed_is_survived() {
    let dialects: &[(&str, Exercise)] = &[
        ("flagd", exercise::flagd),
        ("flagsmith", exercise::flagsmith),
        ("launchdarkly", exercise::launchdarkly),
        ("unleash", exercise::unleash),
    ];
    for (dialect, exercise) in dialects {
        every_seed_of(dialect, *exercise, usize::MAX);
    }
}

#[cfg(feature = "onnx")]
#[test]
fn every_onnx_file_is_loaded_or_refused() {
    every_seed_of("onnx", onnx::onnx, 20);
}

/// What fuzzing with coverage has kept: files that each reach a place of the code that no other does.
#[cfg(feature = "onnx")]
#[test]
fn every_file_that_fuzzing_kept_is_loaded_or_refused() {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/onnx_corpus.tar.gz");
    let archive = flate2::read::GzDecoder::new(fs::File::open(archive).unwrap());
    let mut files = 0;
    for file in tar::Archive::new(archive).entries().unwrap() {
        let mut input = Vec::new();
        file.unwrap().read_to_end(&mut input).unwrap();
        onnx::onnx(&input);
        files += usize::from(!input.is_empty());
    }
    assert!(files > 600, "{files}");
}
