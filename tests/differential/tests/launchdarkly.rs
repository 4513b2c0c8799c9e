//! Generated flags and segments, answered by modelgate and by the official Rust evaluator.
//!
//! `MODELGATE_DIFFERENTIAL_CASES=1000000 cargo test --release --test launchdarkly` makes a long run.

use std::{
    collections::BTreeMap, env, fs, iter::StepBy, num::NonZero, ops::Range, path::PathBuf, thread,
};

use modelgate_differential::{
    launchdarkly::{
        case::{Answer, Case},
        coverage::{Coverage, OUTCOMES},
        disagreements::DISAGREEMENTS,
        generate, mutate, official, ours, reference,
    },
    random::Random,
};
use serde_json::Value as Json;

const CASES: usize = 20_000;

/// How many mismatches are worth printing before giving up.
const ENOUGH: usize = 20;

fn cases() -> usize {
    match env::var("MODELGATE_DIFFERENTIAL_CASES") {
        Ok(count) => count.parse().expect("MODELGATE_DIFFERENTIAL_CASES is a number of cases"),
        Err(_) => CASES,
    }
}

#[test]
fn every_difference_from_the_official_evaluator_has_a_name() {
    let cases = cases();
    let (mut coverage, mut differences) = (Coverage::default(), Differences::default());
    for (part, met) in in_parts(cases, |numbers| {
        let (mut coverage, mut differences) = (Coverage::default(), Differences::default());
        for number in numbers {
            let case = generate::case(number);
            let expect = reference::answer(&case).expect("generated data can be read");
            differences.note(&case, &expect);
            coverage.note(&case, &expect);
            if differences.wrong == ENOUGH {
                break;
            }
        }
        (differences, coverage)
    }) {
        differences.merge(part);
        coverage.merge(met);
    }
    println!("{cases} cases, {} cells of coverage; differences by name:", coverage.cells());
    for one in DISAGREEMENTS {
        println!("{:>7}  {}: {}", differences.of(one.name), one.name, one.why);
    }
    println!("answers:");
    for (outcome, _) in OUTCOMES {
        println!("{:>7}  {outcome}", coverage.of(outcome));
    }
    assert_eq!(differences.wrong, 0, "answered differently (cases are printed above)");
    assert_eq!(coverage.empty_cells(), Vec::<String>::new(), "never generated");
    assert_eq!(coverage.rare_outcomes(), Vec::<String>::new(), "too rare");
    let stale: Vec<&str> =
        DISAGREEMENTS.iter().map(|one| one.name).filter(|name| differences.of(name) == 0).collect();
    assert!(stale.is_empty(), "named differences that no case showed: {stale:?}");
}

#[test]
fn what_was_changed_in_the_vendors_data_changes_the_answer_alike() {
    let Some(conformance) = env::var_os("MODELGATE_CONFORMANCE").map(PathBuf::from) else {
        println!("skipped: MODELGATE_CONFORMANCE names no folder of conformance data");
        return;
    };
    let originals = mutate::originals(&conformance);
    let cases = cases() / 4;
    let (mut differences, mut refused) = (Differences::default(), 0);
    for (part, unread) in in_parts(cases, |numbers| {
        let (mut differences, mut refused) = (Differences::default(), 0);
        for number in numbers {
            let case = mutate::case(&originals, number);
            match reference::answer(&case) {
                Some(expect) => differences.note(&case, &expect),
                // Ours reads on, or leaves out the item that is wrong: either way the same.
                None => {
                    refused += 1;
                    answered(&case);
                }
            }
            if differences.wrong == ENOUGH {
                break;
            }
        }
        (differences, refused)
    }) {
        differences.merge(part);
        refused += unread;
    }
    println!("{cases} changes to {} environments, {refused} of them refused", originals.len());
    assert_eq!(differences.wrong, 0, "answered differently (cases are printed above)");
    assert!(refused * 3 < cases, "{refused} of {cases} changes were refused");
}

#[test]
fn what_was_once_wrong_stays_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions/launchdarkly.jsonl");
    for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty()) {
        let line: Json = serde_json::from_str(line).unwrap();
        let case = Case::of_line(&line);
        assert_eq!(answered(&case).json(), line["expect"], "{}", line["id"]);
        let expect = reference::answer(&case).expect("a regression can be read");
        assert_eq!(expect.json(), line["expect"], "{}", line["id"]);
    }
}

#[test]
fn a_case_survives_being_written_down() {
    for number in 0..100 {
        let case = generate::case(number);
        let answer = answered(&case);
        let line = case.line(&answer);
        let again = Case::of_line(&serde_json::from_str(&line.to_string()).unwrap());
        assert_eq!(answered(&again), answer, "{line}");
    }
}

/// Does the work with these numbers on as many threads as there are processors.
fn in_parts<T: Send>(numbers: usize, work: impl Fn(StepBy<Range<usize>>) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let work = &work;
                scope.spawn(move || work((part..numbers).step_by(threads)))
            })
            .collect();
        parts.into_iter().map(|part| part.join().expect("a part went through")).collect()
    })
}

#[derive(Default)]
struct Differences {
    named: BTreeMap<&'static str, usize>,
    wrong: usize,
}

impl Differences {
    /// Compares our answer with what it should be, and that with the official evaluator's.
    fn note(&mut self, case: &Case, expect: &Answer) {
        let answer = answered(case);
        if !answer.same(expect) {
            self.wrong += 1;
            println!("{}\n  ours: {}", case.line(expect), answer.json());
        }
        let theirs = official::answer(case);
        if theirs.as_ref().is_some_and(|theirs| theirs.same(expect)) {
            return;
        }
        match DISAGREEMENTS.iter().find(|one| (one.concerns)(case)) {
            Some(named) => *self.named.entry(named.name).or_default() += 1,
            None => {
                self.wrong += 1;
                println!("{}\n  theirs, without a name: {theirs:?}", case.line(expect));
            }
        }
    }

    fn merge(&mut self, other: Differences) {
        self.wrong += other.wrong;
        for (name, count) in other.named {
            *self.named.entry(name).or_default() += count;
        }
    }

    fn of(&self, name: &str) -> usize {
        self.named.get(name).copied().unwrap_or_default()
    }
}

/// Our answer, the same from a set compiled at once and from one that came item by item.
fn answered(case: &Case) -> Answer {
    let at_once = ours::at_once(case);
    let mut random = Random::new(case.id.bytes().map(u64::from).sum());
    let one_by_one = ours::one_by_one(case, &mut random);
    assert_eq!(at_once, one_by_one, "item by item: {}", case.line(&at_once));
    at_once
}
