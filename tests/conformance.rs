//! The vendors' own cases. They are read from the folder that `MODELGATE_CONFORMANCE` names, in
//! place: none of them is part of this repository.

#[path = "support/counting.rs"]
mod counting;
#[path = "conformance/flagd.rs"]
mod flagd;
#[path = "conformance/launchdarkly.rs"]
mod launchdarkly;

#[path = "conformance/flagsmith.rs"]
mod flagsmith;
#[path = "conformance/unleash.rs"]
mod unleash;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use counting::allocations;
use serde_json::Value;

/// How one case went.
pub enum Verdict {
    Passed,
    /// Why the case does not apply.
    Skipped(String),
    /// What came instead.
    Failed(String),
}

/// Answers one case of a suite; it sees the suite's folder and the case.
type Answer = fn(&Path, &Value) -> Verdict;

/// The suites that there is a dialect for.
fn dialect(suite: &str) -> Option<Answer> {
    match suite {
        "flagd" => Some(flagd::answer),
        "launchdarkly" => Some(launchdarkly::answer),
        "unleash" => Some(unleash::answer),
        "flagsmith" => Some(flagsmith::answer),
        _ => None,
    }
}

#[test]
fn every_case_of_every_suite_passes() {
    let Some(folder) = env::var_os("MODELGATE_CONFORMANCE").map(PathBuf::from) else {
        println!("MODELGATE_CONFORMANCE is not set: no conformance case was run");
        return;
    };
    assert!(folder.is_dir(), "MODELGATE_CONFORMANCE: there is no folder {}", folder.display());
    let mut failures = Vec::new();
    for suite in entries(&folder).into_iter().filter(|path| path.join("cases").is_dir()) {
        let name = suite.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match dialect(&name) {
            Some(answer) => failures.extend(run(&name, &suite, answer)),
            None => println!("{name}: there is no dialect for this suite yet"),
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
}

fn run(name: &str, suite: &Path, answer: Answer) -> Vec<String> {
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    for area in entries(&suite.join("cases")) {
        let area = json(&area);
        for case in area["cases"].as_array().into_iter().flatten() {
            let id = case["id"].as_str().unwrap_or("a case without id");
            match answer(suite, case) {
                Verdict::Passed => passed += 1,
                Verdict::Skipped(reason) => {
                    skipped += 1;
                    println!("{id}: skipped: {reason}");
                }
                Verdict::Failed(found) => failures.push(format!("{id}: {found}")),
            }
        }
    }
    let total = passed + skipped + failures.len();
    println!("{name}: {passed}/{total} passed, {skipped} skipped");
    assert!(total > 0, "{name}: no case was found");
    failures
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = read.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Reads a JSON file.
pub fn json(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
