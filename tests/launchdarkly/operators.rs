//! The operators of LaunchDarkly's clauses: what matches what.

use crate::data;

use data::{compile, flag, value};
use modelgate::OwnedContext;
use serde_json::{Value as Json, json};

/// Whether an attribute with this value matches a clause with these, and whether its negation does.
fn matches(operator: &str, attribute: &Json, values: &Json) -> (bool, bool) {
    let attribute: modelgate::value::Value = serde_json::from_value(attribute.clone()).unwrap();
    let context = OwnedContext::new("user-1").with("a", attribute);
    let [plain, negated] = [false, true].map(|negate| {
        let clause = json!({"attribute": "a", "op": operator, "values": values, "negate": negate});
        let flags = compile(
            json!({"flags": {"flag": flag(json!([{"clauses": [clause], "variation": 1}]))}}),
        );
        value(&flags, "flag", &context) == "yes"
    });
    (plain, negated)
}

fn assert_all(operator: &str, cases: &[(Json, Json, bool)]) {
    for (attribute, values, expected) in cases {
        let found = matches(operator, attribute, values);
        assert_eq!(found, (*expected, !expected), "{attribute} {operator} {values}");
    }
}

#[test]
fn in_compares_as_json_does() {
    assert_all(
        "in",
        &[
            (json!("x"), json!(["y", "x"]), true),
            (json!("x"), json!(["X"]), false),
            (json!(1), json!([1.0]), true),
            (json!(-0.0), json!([0]), true),
            (json!(1), json!(["1", true]), false),
            (json!(9_007_199_254_740_993_i64), json!([9_007_199_254_740_992_i64]), true),
            (json!(true), json!([true]), true),
            (json!(true), json!([1, "true"]), false),
            (json!(["p", "q"]), json!(["q"]), true),
            (json!(["p", "q"]), json!([["p", "q"]]), false),
            (json!([["p"], 3]), json!([["p"]]), true),
            (json!([null]), json!([null]), true),
            (json!([]), json!([[]]), false),
            (json!({"k": [1, {"l": null}]}), json!([{"k": [1.0, {"l": null}]}]), true),
            (json!({"k": 1}), json!([{"k": 1, "l": 2}]), false),
            (json!({"k": 1, "l": 2}), json!([{"k": 1}]), false),
            (json!("x"), json!([]), false),
        ],
    );
    let many: Json = (0..50).map(|n| n.to_string()).collect();
    assert_all("in", &[(json!("49"), many.clone(), true), (json!("50"), many, false)]);
    let numbers: Json = (0..50).rev().collect();
    assert_all("in", &[(json!(49), numbers.clone(), true), (json!(49.5), numbers, false)]);
}

#[test]
fn what_is_not_there_matches_neither_a_clause_nor_its_opposite() {
    for operator in ["in", "contains", "lessThan", "before", "semVerEqual", "unheard of"] {
        assert_eq!(matches(operator, &json!(null), &json!([null, 1, "x"])), (false, false));
    }
}

#[test]
fn texts_are_searched() {
    assert_all(
        "startsWith",
        &[(json!("abc"), json!(["b", "ab"]), true), (json!("abc"), json!([1, "bc"]), false)],
    );
    assert_all("endsWith", &[(json!("abc"), json!(["bc"]), true), (json!(3), json!([3]), false)]);
    assert_all(
        "contains",
        &[(json!("abc"), json!(["b"]), true), (json!("b"), json!(["abc"]), false)],
    );
    assert_all(
        "matches",
        &[
            (json!("hello world"), json!(["wor+"]), true),
            (json!("hello"), json!(["^ello", "lo$"]), true),
            (json!("hello"), json!(["*", "(?=h)"]), false),
            (json!("ΟΔΟΣ"), json!([r"^\w+$"]), true),
            (json!(11), json!(["1"]), false),
        ],
    );
}

#[test]
fn numbers_are_compared_with_any_of_the_values() {
    assert_all("lessThan", &[(json!(5), json!([1, 6]), true), (json!(6), json!([1, 6]), false)]);
    assert_all(
        "lessThanOrEqual",
        &[(json!(6), json!([1, 6.0]), true), (json!("5"), json!([6]), false)],
    );
    assert_all(
        "greaterThan",
        &[(json!(5.5), json!([9, 5]), true), (json!(5), json!(["4"]), false)],
    );
    assert_all(
        "greaterThanOrEqual",
        &[(json!(5), json!([9, 5]), true), (json!([1, 5]), json!([5]), true)],
    );
}

#[test]
fn dates_are_texts_or_milliseconds() {
    let noon = "2020-01-01T12:00:00Z";
    assert_all(
        "before",
        &[
            (json!("2020-01-01T12:59:59.999+01:00"), json!([noon]), true),
            (json!(1_577_880_000_000_i64), json!([noon]), false),
            (json!(1_577_879_999_999_i64), json!([noon]), true),
            (json!(1_577_879_999_999.9), json!([noon]), true),
            (json!("2020-01-01T11:59:59.9999999Z"), json!([noon]), true),
            (json!("2020-01-01"), json!([noon]), false),
            (json!("1577879999999"), json!([noon]), false),
            (json!(-9.1e15), json!([noon]), false),
        ],
    );
    assert_all(
        "after",
        &[
            (json!(1.9), json!([1]), false),
            (json!(2), json!([9, 1.9]), true),
            (json!(noon), json!(["x", "2020-01-01T11:59:59Z"]), true),
            // A leap second is no date to the vendor's Go and Python SDKs.
            (json!(noon), json!(["x", "2020-01-01T11:59:60Z"]), false),
            (json!("2020-01-01T11:59:60Z"), json!(["2020-01-01T11:59:59Z"]), false),
            // Neither is one whose offset has no colon, or is no time.
            (json!(noon), json!(["2020-01-01T11:59:59+00:00"]), true),
            (json!(noon), json!(["2020-01-01T11:59:59+0000"]), false),
            (json!("2020-01-01T12:00:00+0000"), json!(["2020-01-01T11:59:59Z"]), false),
            (json!(noon), json!(["2020-01-01T11:59:59+24:00"]), false),
            (json!(true), json!([0]), false),
        ],
    );
}

#[test]
fn versions_may_leave_out_numbers_and_have_no_v() {
    assert_all(
        "semVerEqual",
        &[
            (json!("2"), json!(["2.0.0"]), true),
            (json!("2.0"), json!(["2+build"]), true),
            (json!("2.0-rc.1"), json!(["2.0.0-rc.1"]), true),
            (json!("v2.0.0"), json!(["2.0.0", "v2.0.0"]), false),
            (json!("02.0.0"), json!(["2.0.0", "02.0.0"]), false),
            (json!("2.0.0.0"), json!(["2.0.0"]), false),
            (json!(2), json!([2, "2"]), false),
        ],
    );
    assert_all(
        "semVerLessThan",
        &[
            (json!("2.0.0-rc.2"), json!(["1", "2.0.0-rc.10"]), true),
            (json!("2.0.0"), json!(["2.0.0-rc.10", "1.9"]), false),
        ],
    );
    assert_all(
        "semVerGreaterThan",
        &[(json!("2.0.1"), json!(["3", "2"]), true), (json!("2"), json!(["2", "x"]), false)],
    );
}

#[test]
fn an_operator_unheard_of_matches_nothing() {
    assert_all("unheard of", &[(json!("x"), json!(["x"]), false)]);
}
