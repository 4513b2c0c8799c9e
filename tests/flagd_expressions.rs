//! JSONLogic as flagd's engines evaluate it: the core on which all agree, and outside of it the
//! official Rust evaluator's answers.

use modelgate::{OwnedContext, clock::SystemClock, flag::ErrorCode, flagd::Flagd};
use serde_json::{Value, json};

/// Rules with constants, each with its value; `"ERROR"` for a rule that cannot be evaluated.
const CONSTANT: &str = r#"
[
 [{"if": []}, null], [{"if": [1]}, 1], [{"if": [0, 1]}, null], [{"if": [0, 1, 0, 2, 3]}, 3],
 [{"if": "a"}, "ERROR"], [{"?:": [1, 2, 3]}, 2], [{"if": [[], 1, 2]}, 2],
 [{"if": [false, {"unknown": []}, "x"]}, "x"], [{"if": [true, {"unknown": []}, "x"]}, "ERROR"],
 [{"and": []}, null], [{"and": [1, 0, 2]}, 0], [{"and": [1, "", {"unknown": 1}]}, ""],
 [{"or": [0, "", []]}, []], [{"or": [0, 3, {"unknown": 1}]}, 3], [{"and": "x"}, "ERROR"],
 [{"!": []}, true], [{"!": [[]]}, true], [{"!": 0}, true], [{"!!": ["0"]}, true],
 [{"!!": [[[]]]}, true], [{"!!": []}, false],
 [{"===": [1, 1.0]}, true], [{"===": [1, "1"]}, false], [{"===": [1, 1, 2]}, false],
 [{"===": [1]}, "ERROR"], [{"===": [[1], [1.0]]}, true], [{"!==": [1, 2, 1]}, true],
 [{"==": [1]}, "ERROR"], [{"==": [1, "1"]}, true], [{"==": [1, "1.0"]}, true],
 [{"==": [1, " 1"]}, "ERROR"], [{"==": ["abc", 1]}, "ERROR"], [{"!=": ["abc", 1]}, "ERROR"],
 [{"==": [null, null]}, true], [{"==": [null, 0]}, true], [{"==": [null, 1]}, false],
 [{"==": [null, false]}, true], [{"==": [null, ""]}, true], [{"==": [null, "a"]}, false],
 [{"==": [null, []]}, "ERROR"], [{"==": [true, 1]}, true], [{"==": [true, 2]}, false],
 [{"==": [true, "true"]}, true], [{"==": [true, "1"]}, false], [{"==": [false, ""]}, false],
 [{"==": ["", 0]}, "ERROR"], [{"==": [[1], [1]]}, true], [{"==": [[1], [1, 2]]}, "ERROR"],
 [{"==": [[1], 1]}, "ERROR"], [{"==": [1, 1, 2]}, false],
 [{"<": [1]}, "ERROR"], [{"<": [1, 2, 3]}, true], [{"<": [1, 3, 2]}, false],
 [{"<": [1, 2, 3, 3]}, false], [{"<": ["10", "9"]}, true], [{"<": ["10", 9]}, false],
 [{"<": ["abc", 9]}, "ERROR"], [{"<": [null, 1]}, true], [{"<=": [null, null]}, true],
 [{"<": [null, "a"]}, false], [{"<": [true, "2"]}, true], [{"<": ["", 1]}, true],
 [{"<": ["", ""]}, false], [{"<": [[1], 2]}, "ERROR"], [{">": [3, 2, 1]}, true],
 [{">=": [2, 2]}, true], [{"<": [2, 1, "abc"]}, false], [{"<": ["a", true]}, false],
 [{"in": ["a", "abc"]}, true], [{"in": ["", "abc"]}, true], [{"in": [1, "123"]}, false],
 [{"in": [1, [1.0]]}, true], [{"in": [1, ["1"]]}, false], [{"in": [[1], [[1]]]}, true],
 [{"in": ["a"]}, false], [{"in": ["a", null]}, false],
 [{"cat": []}, ""], [{"cat": "a"}, "a"], [{"cat": ["a", null, true, 1, 1.5, -0.0]}, "atrue11.50.0"],
 [{"cat": [["a", [1, null]], 1]}, "a[1,null]1"], [{"cat": [1e21, 1e-7]}, "1e210.0000001"],
 [{"substr": ["jsonlogic", 4]}, "logic"], [{"substr": ["jsonlogic", -5]}, "logic"],
 [{"substr": ["jsonlogic", 4, -2]}, "log"], [{"substr": ["jsonlogic", -5, -2]}, "log"],
 [{"substr": ["jsonlogic", -20, 3]}, "jso"], [{"substr": ["jsonlogic", 0, -20]}, ""],
 [{"substr": ["abc", "1"]}, "abc"], [{"substr": [123, 1]}, "23"], [{"substr": ["éàü", 1, 1]}, "à"],
 [{"substr": ["abc", -9223372036854775808]}, "abc"], [{"substr": []}, ""],
 [{"substr": ["abc", 9223372036854775807, 9223372036854775807]}, ""],
 [{"+": []}, 0], [{"+": "3.5"}, 3.5], [{"+": ["1", null, true]}, 2], [{"+": ["abc", 1]}, "ERROR"],
 [{"+": [9223372036854775807, 1]}, 9.223372036854776e18], [{"+": [[1, 2]]}, "ERROR"],
 [{"-": []}, "ERROR"], [{"-": ["1"]}, -1], [{"-": [10, 2, 3]}, 5],
 [{"-": [-9223372036854775808]}, 9.223372036854776e18], [{"*": []}, 1], [{"*": [2, 0.5]}, 1],
 [{"/": [2]}, 0.5], [{"/": [5, 2]}, 2.5], [{"/": [1, 0]}, "ERROR"], [{"/": [8, 2, 2]}, 2],
 [{"/": [1.5, 0]}, 1.7976931348623157e308], [{"/": []}, "ERROR"], [{"/": [0, null]}, 0],
 [{"%": [-5, 3]}, -2], [{"%": [5.5, 2]}, 1.5], [{"%": [5]}, "ERROR"], [{"%": [5, 0]}, "ERROR"],
 [{"%": [-9223372036854775808, -1]}, 0], [{"%": [17, 7, 2]}, 1],
 [{"min": [1, 2, -3]}, -3], [{"max": [1, 2.5]}, 2.5], [{"max": []}, "ERROR"],
 [{"min": ["1", 2]}, "ERROR"], [{"max": [[1, 5]]}, "ERROR"],
 [{"merge": [[1, 2], 3, [[4]], null]}, [1, 2, 3, [4]]],
 [{"map": [[1, 2], {"*": [{"var": ""}, 2]}]}, [2, 4]], [{"map": [null, 1]}, []],
 [{"map": [5, {"var": ""}]}, [5]], [{"map": [[1]]}, "ERROR"],
 [{"filter": [[1, 0, "", "0"], {"var": ""}]}, [1, "0"]], [{"filter": [5, true]}, "ERROR"],
 [{"reduce": [[1, 2, 3], {"+": [{"var": "accumulator"}, {"var": "current"}]}, 4]}, 10],
 [{"reduce": [[], {"var": "current"}, 7]}, 7], [{"reduce": [[1]]}, "ERROR"],
 [{"all": [[1, 2], {">": [{"var": ""}, 0]}]}, true], [{"all": [[], true]}, false],
 [{"some": [[1, 0], {">": [{"var": ""}, 0]}]}, true], [{"some": ["abc", true]}, false],
 [{"none": [[1, 0], {">": [{"var": ""}, 5]}]}, true], [{"none": [null, true]}, true],
 [{"starts_with": ["abc", "a"]}, true], [{"starts_with": ["abc"]}, null],
 [{"ends_with": ["abc", 3]}, null], [{"ends_with": ["abc", "c", "c"]}, null],
 [{"sem_ver": ["v1.2", "=", "1.2.0+build"]}, true], [{"sem_ver": ["1.2.3", "^", "1.0.0"]}, true],
 [{"sem_ver": ["1.2.3", "~", "1.3.0"]}, false], [{"sem_ver": ["1.2.3-a", "<", "1.2.3"]}, true],
 [{"sem_ver": [1.2, ">=", 1]}, true], [{"sem_ver": ["1.2.3", "!=", "1.2.4"]}, true],
 [{"sem_ver": ["x", "=", "1"]}, null], [{"sem_ver": ["1", "===", "1"]}, null],
 [{"sem_ver": ["1", "="]}, null], [{"log": "x"}, "ERROR"]
]"#;

/// Rules over a context.
const OVER_CONTEXT: &str = r#"
[
 [{"var": "n"}, null, {"n": null}], [{"var": ["n", 5]}, null, {"n": null}],
 [{"var": ["a", 5]}, 5, {}], [{"var": ["a.b.c", 5]}, 5, {"a": {"b": null}}],
 [{"var": ["a", {"var": "b"}]}, 7, {"b": 7}], [{"var": "a.1"}, "y", {"a": ["x", "y"]}],
 [{"var": "a.-1"}, null, {"a": ["x"]}], [{"var": "a.length"}, null, {"a": ["x"]}],
 [{"var": "a.b"}, null, {"a.b": 1}], [{"var": {"var": "n"}}, 7, {"n": "a", "a": 7}],
 [{"var": {"cat": ["a", ".b"]}}, 3, {"a": {"b": 3}}], [{"var": 0}, 5, {"0": 5}],
 [{"var": 1.5}, 8, {"1": {"5": 8}}], [{"var": "a."}, 5, {"a": {"": 5}}],
 [{"var": "s.0"}, null, {"s": "abc"}],
 [{"!!": {"var": "x"}}, false, {"x": {}}], [{"!!": {"var": "x"}}, true, {"x": {"a": 0}}],
 [{"!!": {"var": "x"}}, false, {"x": -0.0}],
 [{"==": [{"var": "a"}, {"var": "b"}]}, false, {"a": {"x": 1}, "b": {"x": 1}}],
 [{"===": [{"var": "a"}, {"var": "b"}]}, true, {"a": {"x": 1, "y": 2}, "b": {"y": 2.0, "x": 1}}],
 [{"===": [{"var": "a"}, {"var": "b"}]}, false, {"a": {"x": 1}, "b": {"x": 1, "y": 2}}],
 [{"==": [{"var": "a"}, "x"]}, "ERROR", {"a": {"x": 1}}],
 [{"in": ["b", {"var": "l"}]}, true, {"l": ["a", "b"]}],
 [{"in": [{"var": "x"}, [1, {"var": "y"}]]}, true, {"x": 2, "y": 2}],
 [{"cat": {"var": "x"}}, "1[1,\"a\"]", {"x": [1, [1, "a"]]}],
 [{"cat": [{"var": "x"}]}, "{\"a\":1}", {"x": {"a": 1}}],
 [{"substr": [{"var": "x"}, 1, 2]}, "bc", {"x": "abcd"}],
 [{"+": {"var": "x"}}, 5, {"x": [2, 3]}], [{"max": [{"var": "x"}]}, 3, {"x": [2, 3]}],
 [{"-": {"var": "x"}}, -1, {"x": [2, 3]}], [{"%": {"var": "x"}}, 1, {"x": [4, 3]}],
 [{"missing": ["a", "b.c"]}, ["b.c"], {"a": null, "b": {}}],
 [{"missing": {"var": "x"}}, ["a"], {"x": ["a", "b"], "b": 1}],
 [{"missing_some": [1, ["a", "b"]]}, [], {"a": 1}],
 [{"missing_some": [2, ["a", "b"]]}, ["b"], {"a": 1}],
 [{"map": [{"var": "x"}, {"var": "a"}]}, [1, null, null], {"x": [{"a": 1}, {"b": 2}, 3]}],
 [{"map": [{"var": "x"}, {"map": [{"var": "y"}, {"var": ""}]}]}, [[1, 2], [3]],
  {"x": [{"y": [1, 2]}, {"y": 3}]}],
 [{"map": [[1], {"var": "x"}]}, [null], {"x": 9}],
 [{"map": [{"var": "x"}, {"var": ""}]}, [1, 2], {"x": {"a": 1, "b": 2}}],
 [{"reduce": [{"var": "x"}, {"+": [{"var": "accumulator"}, {"var": "current.a"}]}, 0]}, 3,
  {"x": [{"a": 1}, {"a": 2}]}],
 [{"all": [{"var": "x"}, true]}, false, {}], [{"all": [{"var": "x"}, true]}, true, {"x": {"a": 1}}],
 [{"some": [{"var": "x"}, {"==": [{"var": ""}, 1]}]}, true, {"x": {"a": 1}}],
 [{"starts_with": [{"var": "x"}, {"var": "y"}]}, true, {"x": "abc", "y": "ab"}],
 [{"var": "$flagd.flagKey"}, "flag", {"$flagd": {"flagKey": "mine"}}],
 [{"<": [1700000000, {"var": "$flagd.timestamp"}]}, true, {}],
 [{"var": "$flagd.else"}, null, {}], [{"var": "targetingKey"}, null, {}]
]"#;

/// Evaluates a rule to its value, seen through a comparison with what is expected.
fn holds(rule: &Value, expected: &Value, context: &Value) -> Result<bool, ErrorCode> {
    // The expectation comes with the context: there, `[]` is no rule.
    let definition = json!({"flags": {"flag": {
        "state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "no",
        "targeting": {"if": [{"===": [rule, {"var": "expected"}]}, "yes", "no"]},
    }}});
    let flags = Flagd::new().compile(&definition.to_string()).unwrap();
    let mut asker = OwnedContext::anonymous();
    let expected = ("expected".to_owned(), expected.clone());
    for (name, value) in context.as_object().unwrap().clone().into_iter().chain([expected]) {
        let value: modelgate::value::Value = serde_json::from_value(value).unwrap();
        asker = asker.with(name, value);
    }
    let clock = SystemClock::new();
    let plain = flags.evaluate_at("flag", &asker, &clock);
    let (explained, trace) = flags.explain_at("flag", &asker, &clock);
    assert_eq!((plain.variant, plain.error), (explained.variant, explained.error), "{rule}");
    assert!(!trace.steps.is_empty(), "{rule}");
    match plain.error {
        Some(code) => Err(code),
        None => Ok(plain.boolean(false).value),
    }
}

#[test]
fn every_expression_has_the_value_that_flagd_gives_it() {
    let cases =
        [CONSTANT, OVER_CONTEXT].map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap());
    let mut wrong = Vec::new();
    for case in cases.iter().flatten() {
        let (rule, expected) = (&case[0], &case[1]);
        let context = case.get(2).cloned().unwrap_or_else(|| json!({}));
        let found = holds(rule, expected, &context);
        let right = match expected.as_str() {
            Some("ERROR") => found == Err(ErrorCode::ParseError),
            _ => found == Ok(true),
        };
        if !right {
            wrong.push(format!("{rule} over {context}: expected {expected}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A condition on an attribute is compiled to a check of its own; it has to decide as the general
/// expression does.
#[test]
fn a_condition_decides_as_its_expression_does() {
    let values = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "1.0",
        "-0.0",
        "1.5",
        "9007199254740993",
        r#""""#,
        r#""1""#,
        r#""a""#,
        r#""true""#,
        r#"" 1""#,
        "[]",
        "[1]",
        r#"["a"]"#,
        r#"{"a": 1}"#,
    ];
    let operators =
        ["==", "!=", "===", "!==", "<", "<=", ">", ">=", "in", "starts_with", "ends_with"];
    let clock = SystemClock::new();
    let mut compared = 0;
    for constant in values.iter().filter(|value| !value.contains('{')) {
        for operator in operators {
            for (left, right) in [(r#"{"var": "x"}"#, *constant), (constant, r#"{"var": "x"}"#)] {
                let call = format!(r#"{{"{operator}": [{left}, {right}]}}"#);
                let document = format!(
                    r#"{{"flags": {{
                        "check": {{"state": "ENABLED", "variants": {{"y": 1, "n": 2}},
                            "targeting": {{"if": [{call}, "y", "n"]}}}},
                        "plain": {{"state": "ENABLED", "variants": {{"y": 1, "n": 2}},
                            "targeting": {{"if": [{{"or": [{{"cat": []}}, {{"if": [{call}, 1]}}]}}, "y", "n"]}}}}
                    }}}}"#
                );
                let flags = Flagd::new().compile(&document).unwrap();
                for value in values.iter().map(Some).chain([None]) {
                    let mut context = OwnedContext::anonymous();
                    if let Some(value) = value {
                        let value: modelgate::value::Value = serde_json::from_str(value).unwrap();
                        context = context.with("x", value);
                    }
                    let answer = |key| {
                        let answer = flags.evaluate_at(key, &context, &clock);
                        (answer.variant.map(str::to_owned), answer.error)
                    };
                    assert_eq!(answer("check"), answer("plain"), "{call} with {value:?}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 17 * 11 * 2 * 19);
}
