//! The inputs from which fuzzing starts, those among them that once found something included.

#[path = "../fuzz/src/exercise.rs"]
mod exercise;

use std::{fs, path::Path};

type Exercise = fn(&[u8]);

#[test]
fn every_seed_is_survived() {
    let dialects: &[(&str, Exercise)] = &[
        ("flagd", exercise::flagd),
        ("flagsmith", exercise::flagsmith),
        ("launchdarkly", exercise::launchdarkly),
        ("unleash", exercise::unleash),
    ];
    for (dialect, exercise) in dialects {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(dialect);
        let mut seeds = 0;
        for seed in fs::read_dir(&folder).unwrap() {
            let input = fs::read(seed.unwrap().path()).unwrap();
            exercise(&input);
            // What an interrupted transfer leaves of it.
            for end in (0..input.len()).step_by(7) {
                exercise(&input[..end]);
            }
            seeds += 1;
        }
        assert!(seeds > 0, "{}", folder.display());
    }
}
