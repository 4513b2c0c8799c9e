//! Generated environments, answered by modelgate and by the official Rust engine.
//!
//! `MODELGATE_DIFFERENTIAL_CASES=1000000 cargo test --release` makes a long run of it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use modelgate_differential::{
    flagsmith::{
        case::{Answers, Case},
        coverage::Coverage,
        disagreements::DISAGREEMENTS,
        generate, mutate, official, ours,
    },
    random::Random,
};
use serde_json::{Value as Json, json};

const CASES: usize = 24_000;

/// How many mismatches are worth printing before giving up.
const ENOUGH: usize = 20;

fn cases() -> usize {
    match env::var("MODELGATE_DIFFERENTIAL_CASES") {
        Ok(count) => count.parse().expect("MODELGATE_DIFFERENTIAL_CASES is a number of cases"),
        Err(_) => CASES,
    }
}

/// What was found in comparing.
#[derive(Default)]
struct Comparison {
    hits: BTreeMap<&'static str, usize>,
    unnamed: usize,
}

impl Comparison {
    /// Compares the answers to one case; false when enough has been found wrong.
    fn compare(&mut self, case: &Case, ours: &Answers, theirs: &Result<Answers, String>) -> bool {
        if theirs.as_ref().is_ok_and(|theirs| theirs.same(ours)) {
            return true;
        }
        if let Some(named) = DISAGREEMENTS.iter().find(|one| (one.concerns)(case)) {
            *self.hits.entry(named.name).or_default() += 1;
            return true;
        }
        self.unnamed += 1;
        match theirs {
            Ok(theirs) => {
                for line in case.lines(ours, theirs) {
                    println!("{line}");
                }
            }
            Err(refused) => println!("{refused}: {}", case.environment),
        }
        println!("  ours: {}", ours.json());
        self.unnamed < ENOUGH
    }
}

#[test]
fn every_difference_from_the_official_engine_has_a_name() {
    let mut coverage = Coverage::default();
    let mut comparison = Comparison::default();
    let cases = cases();
    for number in 0..cases {
        let case = generate::case(number);
        let answers = answered(&case);
        let theirs = official::answer(&case);
        if let Ok(theirs) = &theirs {
            coverage.note(number, &case, theirs);
        }
        if !comparison.compare(&case, &answers, &theirs) {
            break;
        }
    }
    println!("{cases} cases, {} cells of coverage; what came of them:", coverage.cells());
    println!("{}\ndifferences by name:", coverage.summary());
    for one in DISAGREEMENTS {
        let hits = comparison.hits.get(one.name).unwrap_or(&0);
        println!("{hits:>7}  {}: {}", one.name, one.why);
    }
    assert_eq!(comparison.unnamed, 0, "the official engine answers differently (printed above)");
    assert_eq!(coverage.empty_cells(), Vec::<String>::new(), "never generated");
    let stale = |name: &&str| !comparison.hits.contains_key(name);
    let stale: Vec<&str> = DISAGREEMENTS.iter().map(|one| one.name).filter(stale).collect();
    assert!(stale.is_empty(), "named differences that no case showed: {stale:?}");
}

#[test]
fn real_data_with_one_thing_changed_is_answered_alike() {
    let Some(folder) = env::var_os("MODELGATE_CONFORMANCE").map(PathBuf::from) else {
        println!("MODELGATE_CONFORMANCE is not set: no real data was changed");
        return;
    };
    let suite = suite(&folder.join("flagsmith"));
    let mut comparison = Comparison::default();
    let (mut asked, mut refused) = (0, 0);
    let rounds = cases() / 24;
    for round in 0..rounds {
        let mut random = Random::new(round as u64);
        let (environment, contexts) = &suite[round % suite.len()];
        let environment = mutate::mutated(&mut random, environment);
        for (place, context) in contexts.iter().enumerate() {
            let case = Case {
                id: format!("real-{round}-{place}"),
                environment: environment.clone(),
                context: context.as_object().cloned().unwrap_or_default(),
            };
            asked += 1;
            let theirs = official::answer(&case);
            if theirs.is_err() {
                // The engine refuses the whole; we leave out the part that is wrong, if it is one.
                ours::attempt(&case);
                refused += 1;
                continue;
            }
            if !comparison.compare(&case, &answered(&case), &theirs) {
                break;
            }
        }
    }
    println!("{asked} questions to {rounds} environments, {refused} to what the engine refuses");
    assert_eq!(comparison.unnamed, 0, "the official engine answers differently (printed above)");
    assert!(refused * 2 < asked, "{refused} of {asked} environments are refused");
}

/// The suite's environments, each with everybody who asks there.
fn suite(folder: &Path) -> Vec<(Json, Vec<Json>)> {
    let mut contexts: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    let mut areas: Vec<_> = fs::read_dir(folder.join("cases")).unwrap().collect();
    areas.sort_by_key(|area| area.as_ref().unwrap().path());
    for area in areas {
        for case in read(&area.unwrap().path())["cases"].as_array().into_iter().flatten() {
            let environment = case["environment"].as_str().expect("a case names its environment");
            let known = contexts.entry(environment.to_owned()).or_default();
            if known.last() != Some(&case["context"]) {
                known.push(case["context"].clone());
            }
        }
    }
    let environments = folder.join("environments");
    contexts
        .into_iter()
        .map(|(name, contexts)| (read(&environments.join(name)), contexts))
        .collect()
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn what_was_once_wrong_stays_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions/flagsmith.jsonl");
    for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty()) {
        let line: Json = serde_json::from_str(line).unwrap();
        let case = Case::of_line(&line);
        for answers in [answered(&case), official::answer(&case).unwrap()] {
            let found = match line["flag"].as_str() {
                Some(flag) => answers.flags[flag].json(),
                None => {
                    let names = answers.segments.iter().map(|name| json!({"name": name}));
                    json!({"segments": names.collect::<Vec<_>>()})
                }
            };
            assert_eq!(found, line["expect"], "{}", line["id"]);
        }
    }
}

#[test]
fn a_case_survives_being_written_down() {
    for number in 0..100 {
        let case = generate::case(number);
        let answers = answered(&case);
        for line in case.lines(&Answers::default(), &answers) {
            let again = Case::of_line(&serde_json::from_str(&line.to_string()).unwrap());
            assert_eq!(answered(&again), answers, "{line}");
        }
    }
}

/// Our answers, the same from an environment compiled at once and from one that came in pieces.
fn answered(case: &Case) -> Answers {
    let at_once = ours::at_once(case);
    let mut random = Random::new(case.id.bytes().map(u64::from).sum());
    let piece_by_piece = ours::item_by_item(case, &mut random);
    assert!(
        at_once.same(&piece_by_piece),
        "item by item: {}\n{}\n{}",
        case.environment,
        json!(case.context),
        at_once.json()
    );
    at_once
}
