//! Generated flags and segments, answered by modelgate and by the official Rust evaluator.
//!
//! `MODELGATE_DIFFERENTIAL_CASES=1000000 cargo test --release --test launchdarkly` makes a long run.

use std::{collections::BTreeMap, env};

use modelgate_differential::launchdarkly::{
    coverage::{Coverage, OUTCOMES},
    disagreements::DISAGREEMENTS,
    generate, official, reference,
};

const CASES: usize = 24_000;

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
    let mut coverage = Coverage::default();
    let mut hits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unnamed = 0;
    let cases = cases();
    for number in 0..cases {
        let case = generate::case(number);
        let expect = reference::answer(&case).expect("generated data can be read");
        let theirs = official::answer(&case);
        if theirs.as_ref().is_none_or(|theirs| !theirs.same(&expect)) {
            match DISAGREEMENTS.iter().find(|one| (one.concerns)(&case)) {
                Some(named) => *hits.entry(named.name).or_default() += 1,
                None => {
                    unnamed += 1;
                    println!("{}\n  theirs: {theirs:?}", case.line(&expect));
                }
            }
        }
        coverage.note(&case, &expect);
        if unnamed == ENOUGH {
            break;
        }
    }
    println!("{cases} cases, {} cells of coverage; differences by name:", coverage.cells());
    for one in DISAGREEMENTS {
        println!("{:>7}  {}: {}", hits.get(one.name).unwrap_or(&0), one.name, one.why);
    }
    for (outcome, _) in OUTCOMES {
        println!("{:>7}  {outcome}", coverage.of(outcome));
    }
    assert_eq!(unnamed, 0, "the official evaluator answers differently (cases are printed above)");
    assert_eq!(coverage.empty_cells(), Vec::<String>::new(), "never generated");
    assert_eq!(coverage.rare_outcomes(), Vec::<String>::new(), "too rare");
    let stale: Vec<&str> =
        DISAGREEMENTS.iter().map(|one| one.name).filter(|name| !hits.contains_key(name)).collect();
    assert!(stale.is_empty(), "named differences that no case showed: {stale:?}");
}
