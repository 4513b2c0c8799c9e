//! Generated environments, answered by modelgate and by the official Rust engine.
//!
//! `MODELGATE_DIFFERENTIAL_CASES=1000000 cargo test --release` makes a long run of it.

use std::env;

use modelgate_differential::flagsmith::{coverage::Coverage, generate, official};

const CASES: usize = 24_000;

fn cases() -> usize {
    match env::var("MODELGATE_DIFFERENTIAL_CASES") {
        Ok(count) => count.parse().expect("MODELGATE_DIFFERENTIAL_CASES is a number of cases"),
        Err(_) => CASES,
    }
}

#[test]
fn every_outcome_is_generated() {
    let mut coverage = Coverage::default();
    let cases = cases();
    for number in 0..cases {
        let case = generate::case(number);
        if let Ok(answers) = official::answer(&case) {
            coverage.note(number, &case, &answers);
        }
    }
    println!("{cases} cases, {} cells of coverage\n{}", coverage.cells(), coverage.summary());
    assert_eq!(coverage.empty_cells(), Vec::<String>::new(), "never generated");
}
