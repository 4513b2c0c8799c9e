//! JSONLogic as flagd's Go core evaluates it. The answers are those of the engine of its release
//! 0.16.0 (jsonlogic 3.9.1 and flagd's own operators).

use std::time::Duration;

use modelgate::{
    OwnedContext, Reason,
    clock::{ManualClock, SystemClock},
    flag::ErrorCode,
    flagd::{Flagd, Fractional},
};
use serde_json::{Value, json};

/// Rules on constants, and their results: `=` and the text with which the result is looked up among
/// the variants, null, or `"ERROR"` if the rule cannot be evaluated.
const CONSTANT: &str = r#"
[
 [{"if": []}, null], [{"if": [1]}, "=1"], [{"if": [0, 1]}, null], [{"if": [0, 1, 0, 2, 3]}, "=3"],
 [{"if": "a"}, "ERROR"], [{"?:": [1, 2, 3]}, "=2"], [{"if": [[], 1, 2]}, "=2"],
 [{"if": [false, {"unknown": []}, "x"]}, "=x"], [{"if": [true, {"unknown": []}, "x"]}, "ERROR"],
 [{"and": []}, null], [{"and": [1, 0, 2]}, "=0"], [{"and": [1, "", {"unknown": 1}]}, "="],
 [{"or": [0, "", []]}, "=[]"], [{"or": [0, 3, {"unknown": 1}]}, "=3"], [{"and": "x"}, "ERROR"],
 [{"!": []}, "=true"], [{"!": [[]]}, "=true"], [{"!": 0}, "=true"], [{"!!": ["0"]}, "=true"],
 [{"!!": [[[]]]}, "=true"], [{"!!": []}, "=false"], [{"===": [1, 1.0]}, "=true"],
 [{"===": [1, "1"]}, "=false"], [{"===": [1, 1, 2]}, "=true"], [{"===": [1]}, "=false"],
 [{"===": [[1], [1.0]]}, "=false"], [{"!==": [1, 2, 1]}, "=true"], [{"==": [1]}, "=false"],
 [{"==": [1, "1"]}, "=true"], [{"==": [1, "1.0"]}, "=true"], [{"==": [1, " 1"]}, "=false"],
 [{"==": ["abc", 1]}, "=false"], [{"!=": ["abc", 1]}, "=true"], [{"==": [null, null]}, "=true"],
 [{"==": [null, 0]}, "=false"], [{"==": [null, 1]}, "=false"], [{"==": [null, false]}, "=false"],
 [{"==": [null, ""]}, "=false"], [{"==": [null, "a"]}, "=false"], [{"==": [null, []]}, "=false"],
 [{"==": [true, 1]}, "=true"], [{"==": [true, 2]}, "=false"], [{"==": [true, "true"]}, "=false"],
 [{"==": [true, "1"]}, "=true"], [{"==": [false, ""]}, "=true"], [{"==": ["", 0]}, "=true"],
 [{"==": [[1], [1]]}, "=false"], [{"==": [[1], [1, 2]]}, "=false"], [{"==": [[1], 1]}, "=false"],
 [{"==": [1, 1, 2]}, "=true"], [{"<": [1]}, "=false"], [{"<": [1, 2, 3]}, "=true"],
 [{"<": [1, 3, 2]}, "=false"], [{"<": [1, 2, 3, 3]}, "=true"], [{"<": ["10", "9"]}, "=true"],
 [{"<": ["10", 9]}, "=false"], [{"<": ["abc", 9]}, "=false"], [{"<": [null, 1]}, "=true"],
 [{"<=": [null, null]}, "=true"], [{"<": [null, "a"]}, "=false"], [{"<": [true, "2"]}, "=true"],
 [{"<": ["", 1]}, "=true"], [{"<": ["", ""]}, "=false"], [{"<": [[1], 2]}, "=false"],
 [{">": [3, 2, 1]}, "=true"], [{">=": [2, 2]}, "=true"], [{"<": [2, 1, "abc"]}, "=false"],
 [{"<": ["a", true]}, "=false"], [{"in": ["a", "abc"]}, "=true"], [{"in": ["", "abc"]}, "=true"],
 [{"in": [1, "123"]}, "ERROR"], [{"in": [1, [1.0]]}, "=true"], [{"in": [1, ["1"]]}, "=true"],
 [{"in": [[1], [[1]]]}, "ERROR"], [{"in": ["a"]}, "=false"], [{"in": ["a", null]}, "=false"],
 [{"cat": []}, "="], [{"cat": "a"}, "=a"], [{"cat": ["a", null, true, 1, 1.5, -0.0]}, "ERROR"],
 [{"cat": [["a", [1, null]], 1]}, "ERROR"],
 [{"cat": [1e21, 1e-7]}, "=10000000000000000000000.0000001"],
 [{"substr": ["jsonlogic", 4]}, "=logic"], [{"substr": ["jsonlogic", -5]}, "=logic"],
 [{"substr": ["jsonlogic", 4, -2]}, "=log"], [{"substr": ["jsonlogic", -5, -2]}, "=log"],
 [{"substr": ["jsonlogic", -20, 3]}, "=jsonlogic"], [{"substr": ["jsonlogic", 0, -20]}, "ERROR"],
 [{"substr": ["abc", "1"]}, "=bc"], [{"substr": [123, 1]}, "=23"],
 [{"substr": ["éàü", 1, 1]}, "=à"], [{"substr": ["abc", -9223372036854775808]}, "=abc"],
 [{"substr": []}, "ERROR"],
 [{"substr": ["abc", 9223372036854775807, 9223372036854775807]}, "=abc"], [{"+": []}, "=0"],
 [{"+": "3.5"}, "=3.5"], [{"+": ["1", null, true]}, "ERROR"], [{"+": ["abc", 1]}, "=1"],
 [{"+": [9223372036854775807, 1]}, "=9223372036854776000"], [{"+": [[1, 2]]}, "ERROR"],
 [{"-": []}, "=0"], [{"-": ["1"]}, "=-1"], [{"-": [10, 2, 3]}, "=5"],
 [{"-": [-9223372036854775808]}, "=9223372036854776000"], [{"*": []}, "=1"],
 [{"*": [2, 0.5]}, "=1"], [{"/": [2]}, "=2"], [{"/": [5, 2]}, "=2.5"], [{"/": [1, 0]}, "ERROR"],
 [{"/": [8, 2, 2]}, "=2"], [{"/": [1.5, 0]}, "ERROR"], [{"/": []}, "=0"],
 [{"/": [0, null]}, "ERROR"], [{"%": [-5, 3]}, "=-2"], [{"%": [5.5, 2]}, "=1.5"],
 [{"%": [5]}, "ERROR"], [{"%": [5, 0]}, "ERROR"], [{"%": [-9223372036854775808, -1]}, "=-0"],
 [{"%": [17, 7, 2]}, "=3"], [{"min": [1, 2, -3]}, "=-3"], [{"max": [1, 2.5]}, "=2.5"],
 [{"max": []}, null], [{"min": ["1", 2]}, "=1"], [{"max": [[1, 5]]}, "ERROR"],
 [{"merge": [[1, 2], 3, [[4]], null]}, "=[1,2,3,[4],null]"],
 [{"map": [[1, 2], {"*": [{"var": ""}, 2]}]}, "=[2,4]"], [{"map": [null, 1]}, "=[]"],
 [{"map": [5, {"var": ""}]}, "=[]"], [{"map": [[1]]}, "=[]"],
 [{"filter": [[1, 0, "", "0"], {"var": ""}]}, "=[1,0]"], [{"filter": [5, true]}, "=[]"],
 [{"reduce": [[1, 2, 3], {"+": [{"var": "accumulator"}, {"var": "current"}]}, 4]}, "=10"],
 [{"reduce": [[], {"var": "current"}, 7]}, "=7"], [{"reduce": [[1]]}, "=0"],
 [{"all": [[1, 2], {">": [{"var": ""}, 0]}]}, "=true"], [{"all": [[], true]}, "=false"],
 [{"some": [[1, 0], {">": [{"var": ""}, 0]}]}, "=true"], [{"some": ["abc", true]}, "=false"],
 [{"none": [[1, 0], {">": [{"var": ""}, 5]}]}, "=true"], [{"none": [null, true]}, "=true"],
 [{"starts_with": ["abc", "a"]}, "=true"], [{"starts_with": ["abc"]}, null],
 [{"ends_with": ["abc", 3]}, null], [{"ends_with": ["abc", "c", "c"]}, null],
 [{"sem_ver": ["v1.2", "=", "1.2.0+build"]}, "=true"],
 [{"sem_ver": ["1.2.3", "^", "1.0.0"]}, "=true"],
 [{"sem_ver": ["1.2.3", "~", "1.3.0"]}, "=false"],
 [{"sem_ver": ["1.2.3-a", "<", "1.2.3"]}, "=true"], [{"sem_ver": [1.2, ">=", 1]}, "=true"],
 [{"sem_ver": ["1.2.3", "!=", "1.2.4"]}, "=true"], [{"sem_ver": ["x", "=", "1"]}, null],
 [{"sem_ver": ["1", "===", "1"]}, null], [{"sem_ver": ["1", "="]}, null], [{"log": "x"}, "ERROR"],
 [{"abs":[-3]}, "=3"], [{"abs":-3}, "=3"], [{"contains_all":[["a","b"],["a"]]}, "=true"],
 [{"contains_any":[["a"],["b"]]}, "=false"], [{"contains_none":[["a"],["b"]]}, "=true"],
 [{"set":[1,"a",2]}, "=1"], [{"cat":[" a"," b "]}, "=a b"], [{"cat":[" a"]}, "= a"],
 [{"a":1,"b":2}, "={a:1,b:2}"], [{"if":[true,{"a":1,"b":2}]}, "={a:1,b:2}"],
 [{"+":["0x10",1]}, "=1"], [{"+":["inf",1]}, "ERROR"], [{"<":["-inf",1]}, "=true"],
 [{"==":["nan",0]}, "=false"], [{"==":["1e2",100]}, "=true"], [{"*":[1e308,10]}, "ERROR"],
 [{"<":[{"/":[1,0]},5]}, "=false"], [{"cat":[9007199254740993]}, "=9007199254740992"],
 [{"cat":[{"/":[1,0]}]}, "=+Inf"], [{"+":[1e21]}, "=1e+21"], [{"+":[1e-7]}, "=1e-7"],
 [{"in":[5,[[1,9]]]}, "=true"], [{"in":["a",[["a","z"]]]}, "=true"],
 [{"reduce":[[1,2],{"cat":[{"var":"accumulator"},{"var":"current"}]},"x"]}, "=x12"],
 [{"reduce":[["a"],{"var":"valueType"},""]}, "=string"], [{"all":[[1,2],true]}, "ERROR"],
 [{"some":[[1],{"var":""}]}, "=true"], [{"cat":["a<b"]}, "=a\\u003cb"],
 [{"cat":["a\"b"]}, "=a\\b"]
]"#;

/// Rules on the attributes of a context.
const OVER_CONTEXT: &str = r#"
[
 [{"var": "n"}, null, {"n": null}], [{"var": ["n", 5]}, "=5", {"n": null}],
 [{"var": ["a", 5]}, "=5", {}], [{"var": ["a.b.c", 5]}, "=5", {"a": {"b": null}}],
 [{"var": ["a", {"var": "b"}]}, "=7", {"b": 7}], [{"var": "a.1"}, "=y", {"a": ["x", "y"]}],
 [{"var": "a.-1"}, null, {"a": ["x"]}], [{"var": "a.length"}, "=x", {"a": ["x"]}],
 [{"var": "a.b"}, null, {"a.b": 1}], [{"var": {"var": "n"}}, "=7", {"n": "a", "a": 7}],
 [{"var": {"cat": ["a", ".b"]}}, "=3", {"a": {"b": 3}}], [{"var": 0}, "=5", {"0": 5}],
 [{"var": 1.5}, "=8", {"1": {"5": 8}}], [{"var": "a."}, "={:5}", {"a": {"": 5}}],
 [{"var": "s.0"}, null, {"s": "abc"}], [{"!!": {"var": "x"}}, "=false", {"x": {}}],
 [{"!!": {"var": "x"}}, "=true", {"x": {"a": 0}}], [{"!!": {"var": "x"}}, "=false", {"x": -0.0}],
 [{"==": [{"var": "a"}, {"var": "b"}]}, "=false", {"a": {"x": 1}, "b": {"x": 1}}],
 [{"===": [{"var": "a"}, {"var": "b"}]}, "=false", {"a": {"x": 1, "y": 2}, "b": {"y": 2.0, "x": 1}}],
 [{"===": [{"var": "a"}, {"var": "b"}]}, "=false", {"a": {"x": 1}, "b": {"x": 1, "y": 2}}],
 [{"==": [{"var": "a"}, "x"]}, "=false", {"a": {"x": 1}}],
 [{"in": ["b", {"var": "l"}]}, "=true", {"l": ["a", "b"]}],
 [{"in": [{"var": "x"}, [1, {"var": "y"}]]}, "=true", {"x": 2, "y": 2}],
 [{"cat": {"var": "x"}}, "ERROR", {"x": [1, [1, "a"]]}],
 [{"cat": [{"var": "x"}]}, "ERROR", {"x": {"a": 1}}],
 [{"substr": [{"var": "x"}, 1, 2]}, "=bc", {"x": "abcd"}],
 [{"+": {"var": "x"}}, "=5", {"x": [2, 3]}], [{"max": [{"var": "x"}]}, "ERROR", {"x": [2, 3]}],
 [{"-": {"var": "x"}}, "=-1", {"x": [2, 3]}], [{"%": {"var": "x"}}, "=1", {"x": [4, 3]}],
 [{"missing": ["a", "b.c"]}, "=[a,b.c]", {"a": null, "b": {}}],
 [{"missing": {"var": "x"}}, "=[a]", {"x": ["a", "b"], "b": 1}],
 [{"missing_some": [1, ["a", "b"]]}, "=[]", {"a": 1}],
 [{"missing_some": [2, ["a", "b"]]}, "=[b]", {"a": 1}],
 [{"map": [{"var": "x"}, {"var": "a"}]}, "=[1,null,null]", {"x": [{"a": 1}, {"b": 2}, 3]}],
 [{"map": [{"var": "x"}, {"map": [{"var": "y"}, {"var": ""}]}]}, "ERROR", {"x": [{"y": [1, 2]}, {"y": 3}]}],
 [{"map": [[1], {"var": "x"}]}, "=[null]", {"x": 9}],
 [{"map": [{"var": "x"}, {"var": ""}]}, "ERROR", {"x": {"a": 1, "b": 2}}],
 [{"reduce": [{"var": "x"}, {"+": [{"var": "accumulator"}, {"var": "current.a"}]}, 0]}, "=3", {"x": [{"a": 1}, {"a": 2}]}],
 [{"all": [{"var": "x"}, true]}, "=false", {}],
 [{"all": [{"var": "x"}, true]}, "ERROR", {"x": {"a": 1}}],
 [{"some": [{"var": "x"}, {"==": [{"var": ""}, 1]}]}, "ERROR", {"x": {"a": 1}}],
 [{"starts_with": [{"var": "x"}, {"var": "y"}]}, "=true", {"x": "abc", "y": "ab"}],
 [{"var": "$flagd.flagKey"}, "=flag", {"$flagd": {"flagKey": "mine"}}],
 [{"<": [1700000000, {"var": "$flagd.timestamp"}]}, "=true", {}],
 [{"var": "$flagd.else"}, null, {}], [{"var": "targetingKey"}, null, {}],
 [{"filter":[{"var":"l"},{"==":[{"var":"a"},1]}]}, "=[]", {"l":[{"a":1},{"a":2}],"a":2}],
 [{"some":[{"var":"l"},{"==":[{"var":"a"},1]}]}, "=false", {"l":[{"a":1}],"a":2}],
 [{"all":[{"var":"l"},{"==":[{"var":"a"},1]}]}, "=true", {"l":[{"a":1}],"a":2}],
 [{"map":[{"var":"l"},{"var":"a"}]}, "=[1]", {"l":[{"a":1}],"a":2}],
 [{"none":[{"var":"l"},{"==":[{"var":"a"},1]}]}, "=true", {"l":[{"a":1}],"a":2}],
 [{"all":[{"var":"l"},{"var":"a"}]}, "ERROR", {"l":[{"a":true}]}],
 [{"filter":[{"var":"l"},{"in":[{"var":"id"},{"var":"ids"}]}]}, "=[{id:3}]", {"l":[{"id":1},{"id":3}],"ids":[3]}],
 [{"map":[{"var":"l"},{"filter":[{"var":"m"},{">":[{"var":"n"},{"var":"x"}]}]}]}, "=[[{n:5}]]", {"l":[{"m":[{"n":1},{"n":5}],"x":2}],"x":9}],
 [{"var":["a..b"]}, "=4", {"a":{"b":4}}], [{"var":"l.x"}, "=first", {"l":["first"]}],
 [{"filter":[{"var":"l"},{"==":[{"var":["a",1]},1]}]}, "=[{a:2}]", {"l":[{"a":2}]}],
 [{"var":["$flagd.flagKey","d"]}, "=flag", {}],
 [{"filter":[["a"],{"==":[{"var":"$flagd.flagKey"},"flag"]}]}, "=[a]", {}],
 [{"some":[{"var":"$flagd.flagKey"},{"var":""}]}, "ERROR", {}],
 [{"map":[{"var":"$flagd.flagKey"},{"var":""}]}, "ERROR", {}],
 [{"!":{"var":"l"}}, "=true", {"l":[0]}], [{"!":{"and":[true,{"var":"l"}]}}, "=true", {"l":[0]}],
 [{"if":[true,{"var":"o"}]}, "ERROR", {"o":{"a":1}}]
]"#;

/// Evaluates a rule, and describes how its result differs from the expected one.
fn differs(rule: &Value, expected: &Value, context: &Value) -> Option<String> {
    let name = expected.as_str().and_then(|text| text.strip_prefix('='));
    let mut variants = json!({"other": 0});
    if let Some(name) = name {
        variants[name] = json!(1);
    }
    let definition = json!({"flags": {"flag": {
        "state": "ENABLED", "variants": variants, "defaultVariant": "other", "targeting": rule,
    }}});
    let dialect = Flagd::new().with_fractional(Fractional::V2);
    let flags = dialect.compile(&definition.to_string()).unwrap();
    let mut asker = OwnedContext::anonymous();
    for (name, value) in context.as_object().unwrap().clone() {
        let value: modelgate::value::Value = serde_json::from_value(value).unwrap();
        asker = asker.with(name, value);
    }
    let clock = ManualClock::at_unix(Duration::from_secs(1_700_000_001));
    let plain = flags.evaluate_at("flag", &asker, &clock);
    let (explained, _) = flags.explain_at("flag", &asker, &clock);
    assert_eq!((plain.variant, plain.error), (explained.variant, explained.error), "{rule}");
    let right = match (expected.as_str(), name) {
        (_, Some(name)) => plain.variant == Some(name),
        (Some(_), None) => plain.error == Some(ErrorCode::ParseError),
        (None, _) => plain.error.is_none() && plain.reason == Reason::Default,
    };
    (!right).then(|| {
        format!("{rule} over {context}: {expected} expected, {:?} {:?}", plain.variant, plain.error)
    })
}

#[test]
fn every_expression_has_the_value_that_flagd_gives_it() {
    let cases =
        [CONSTANT, OVER_CONTEXT].map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap());
    let mut wrong = Vec::new();
    for case in cases.iter().flatten() {
        let context = case.get(2).cloned().unwrap_or_else(|| json!({}));
        wrong.extend(differs(&case[0], &case[1], &context));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A condition on an attribute is compiled to a specialised check, which must decide as the general
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
