//! Every operator over every pair of types, answered as flagd's Go core answers it.

use std::time::Duration;

use modelgate::{
    FlagSet, OwnedContext, Reason,
    clock::ManualClock,
    flag::ErrorCode,
    flagd::{Flagd, Fractional},
    value::Value,
};
use serde_json::json;

/// What the Go core answered; see the file's head.
const MATRIX: &str = include_str!("../data/flagd_matrix.tsv");

/// A flag with the rule, whose variants are the texts that the table expects of it.
fn flag<'t>(rule: &str, cells: impl Iterator<Item = &'t str>) -> FlagSet {
    let rule: serde_json::Value = serde_json::from_str(rule).unwrap();
    let names = cells.filter_map(name).map(|name| (name.to_owned(), json!(1)));
    let variants: serde_json::Map<_, _> = names.chain([("other".to_owned(), json!(0))]).collect();
    let definition = json!({"flags": {"flag": {
        "state": "ENABLED", "variants": variants, "defaultVariant": "other", "targeting": rule,
    }}});
    let dialect = Flagd::new().with_fractional(Fractional::V2);
    dialect.compile(&definition.to_string()).unwrap()
}

/// The variant that a cell names.
fn name(cell: &str) -> Option<&str> {
    match cell {
        "t" => Some("true"),
        "f" => Some("false"),
        "~" | "!" => None,
        cell => cell.strip_prefix('='),
    }
}

fn context(values: &[(&str, &str)]) -> OwnedContext {
    let mut context = OwnedContext::new("k");
    for (name, value) in values.iter().filter(|(_, value)| *value != "absent") {
        let value: Value = serde_json::from_str(value).unwrap();
        context = context.with(*name, value);
    }
    context
}

/// What is wrong with an answer.
fn wrong(flags: &FlagSet, context: &OwnedContext, cell: &str) -> Option<String> {
    let clock = ManualClock::at_unix(Duration::from_secs(1_700_000_001));
    let answer = flags.evaluate_at("flag", context, &clock);
    let (explained, _) = flags.explain_at("flag", context, &clock);
    assert_eq!((answer.variant, answer.error), (explained.variant, explained.error));
    let right = match (cell, name(cell)) {
        ("!", _) => answer.error == Some(ErrorCode::ParseError),
        (_, None) => answer.error.is_none() && answer.reason == Reason::Default,
        (_, Some(name)) => answer.variant == Some(name),
    };
    let found = format!("{cell} expected, found {:?} {:?}", answer.variant, answer.error);
    (!right).then_some(found)
}

#[test]
fn every_operator_takes_every_pair_of_types_as_the_go_core_does() {
    let mut lines = MATRIX.lines().filter(|line| !line.starts_with('#'));
    let values: Vec<&str> = lines.next().unwrap().split('\t').skip(1).collect();
    let (mut compared, mut differences) = (0, Vec::new());
    let mut lines = lines.peekable();
    while let Some(rule) = lines.next() {
        let rule = rule.strip_prefix("rule\t").unwrap();
        let mut rows: Vec<Vec<&str>> = Vec::new();
        while let Some(row) = lines.next_if(|line| !line.starts_with("rule\t")) {
            rows.push(row.split('\t').collect());
        }
        let flags = flag(rule, rows.iter().flatten().copied());
        for (x, row) in values.iter().zip(&rows) {
            for (y, cell) in values.iter().zip(row) {
                compared += 1;
                if let Some(wrong) = wrong(&flags, &context(&[("x", x), ("y", y)]), cell) {
                    differences.push(format!("{rule} x {x} y {y}: {wrong}"));
                }
            }
        }
    }
    assert!(compared > 18_000, "{compared}");
    let count = differences.len();
    differences.truncate(60);
    assert!(count == 0, "{count} of {compared} differ:\n{}", differences.join("\n"));
}
