//! Numbers, whichever way `serde_json` hands them on: any crate of a program may turn on its feature
//! `arbitrary_precision`. CI runs this with and without.

use modelgate::{
    Context, Features, FlagSet, Flags,
    clock::ManualClock,
    flag::{ErrorCode, ValueType},
    flagd::Flagd,
    flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly,
    model::Label,
    unleash::Unleash,
    value::Value,
};

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_value_keeps_the_kind_and_the_sign_of_each_number() {
    for (json, expected) in [
        ("10", Value::Int(10)),
        ("-3", Value::Int(-3)),
        ("0", Value::Int(0)),
        ("10.0", Value::Float(10.0)),
        ("0.1", Value::Float(0.1)),
        ("1e21", Value::Float(1e21)),
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
        ("123456789012345678901234567890", Value::Float(1.234_567_890_123_456_8e29)),
        ("0.000001234567890123456789", Value::Float(1.234_567_890_123_456_8e-6)),
    ] {
        assert_eq!(value(json), expected, "{json}");
        let through: serde_json::Value = serde_json::from_str(json).unwrap();
        let again: Value = serde_json::from_value(through).unwrap();
        assert_eq!(again.as_f64(), expected.as_f64(), "{json}");
    }
    let Value::Float(zero) = value("-0") else { panic!("{:?}", value("-0")) };
    assert!(zero.is_sign_negative());
    assert!(serde_json::from_str::<Value>("1e400").is_err());
    assert_eq!(value(r#"{"a": [1.5, {"b": 2}]}"#).to_string(), r#"{"a":[1.5,{"b":2}]}"#);
}

#[test]
fn features_and_labels_are_numbers() {
    let features: Features =
        serde_json::from_str(r#"{"age": 41, "share": 0.5, "big": 1e30}"#).unwrap();
    let again: Value = serde_json::from_str(&serde_json::to_string(&features).unwrap()).unwrap();
    for (name, expected) in [("age", 41.0), ("share", 0.5), ("big", 1e30)] {
        assert_eq!(again.get(name).and_then(Value::as_f64), Some(expected), "{name}");
    }
    let row: Features = serde_json::from_str("[1, 2.5]").unwrap();
    assert_eq!(row.len(), 2);
    assert_eq!(serde_json::from_str::<Label>("7").unwrap(), Label::Int(7));
    assert_eq!(serde_json::from_str::<Label>("\"cat\"").unwrap(), Label::Text("cat".into()));
    assert!(serde_json::from_str::<Label>("1.5").is_err());
}

fn text(flags: &FlagSet, context: &Context<'_>) -> String {
    let clock = ManualClock::default();
    flags.evaluate_at("f", context, &clock).string("none").value.to_owned()
}

#[test]
fn every_dialect_reads_decimal_numbers() {
    let flagd = Flagd::new()
        .compile(
            r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": "v1", "b": "v2"},
                "defaultVariant": "a", "targeting": {"if": [{"<": [{"var": "x"}, 2.5]}, "b"]}}}}"#,
        )
        .unwrap();
    let launchdarkly = LaunchDarkly::new()
        .compile(
            r#"{"flags": {"f": {"key": "f", "version": 1, "on": true, "variations": ["v1", "v2"],
                "fallthrough": {"variation": 0}, "rules": [{"variation": 1, "clauses": [
                    {"attribute": "x", "op": "lessThan", "values": [2.5], "contextKind": "user"}]}]}},
                "segments": {}}"#,
        )
        .unwrap();
    let flagsmith = Flagsmith::new()
        .compile(
            r#"{"environment": {"key": "e", "name": "n"},
                "features": {"f": {"key": "1", "name": "f", "enabled": true, "value": "v1",
                    "variants": [{"value": "v2", "weight": 100.0, "priority": 1.5}]}}}"#,
        )
        .unwrap();
    let context = Context::new("u").with("x", 2.25);
    for flags in [&flagd, &launchdarkly, &flagsmith] {
        assert!(flags.problems().is_empty(), "{:?}", flags.problems());
        assert_eq!(text(flags, &context), "v2");
    }
    let unleash = Unleash::new()
        .compile(
            r#"{"version": 2, "features": [{"name": "f", "enabled": true, "strategies": [
                {"name": "flexibleRollout", "parameters": {"rollout": 100, "stickiness": "userId",
                    "groupId": "f"}, "constraints": [{"contextName": "x", "operator": "NUM_LT",
                    "value": "2.5"}]}]}]}"#,
        )
        .unwrap();
    assert!(unleash.problems().is_empty(), "{:?}", unleash.problems());
    let clock = ManualClock::default();
    let answer = unleash.evaluate_at("f", &context, &clock);
    assert_eq!(answer.on, Some(true));
}

/// A flag that says this, in the dialects that have numbers.
fn saying(number: &str) -> [(FlagSet, bool); 3] {
    let flagd = format!(
        r#"{{"flags": {{"f": {{"state": "ENABLED", "variants": {{"a": {number}}}, "defaultVariant": "a"}}}}}}"#
    );
    let launchdarkly = format!(
        r#"{{"flags": {{"f": {{"key": "f", "version": 1, "on": true, "variations": [{number}],
            "fallthrough": {{"variation": 0}}}}}}, "segments": {{}}}}"#
    );
    let flagsmith = format!(
        r#"{{"environment": {{"key": "e", "name": "n"}},
            "features": {{"f": {{"key": "1", "name": "f", "enabled": true, "value": {number}}}}}}}"#
    );
    // The server and the SDKs of Flagsmith know no float that is an integer as well.
    [
        (Flagd::new().compile(&flagd).unwrap(), true),
        (LaunchDarkly::new().compile(&launchdarkly).unwrap(), true),
        (Flagsmith::new().compile(&flagsmith).unwrap(), false),
    ]
}

#[test]
fn an_integer_read_of_a_float_drops_the_fraction_where_the_vendor_does() {
    let cases = [
        ("0.5", Some(0)),
        ("-0.5", Some(0)),
        ("3.999", Some(3)),
        ("-3.999", Some(-3)),
        ("10.0", Some(10)),
        ("9007199254740991.0", Some(9_007_199_254_740_991)),
        // Beyond, not every whole number is a float: which one was meant is not known.
        ("9007199254740992.0", None),
        ("-9007199254740992.0", None),
        ("1e300", None),
    ];
    for (number, expected) in cases {
        for (flags, truncates) in saying(number) {
            let expected = expected.filter(|_| truncates);
            let user = Context::new("u");
            let answer = flags.evaluate("f", &user);
            let read = answer.integer(-77);
            assert_eq!(read.value, expected.unwrap_or(-77), "{number}");
            assert_eq!(
                read.error,
                expected.is_none().then_some(ErrorCode::TypeMismatch),
                "{number}"
            );
            assert_eq!(answer.of_type(ValueType::Integer).error, read.error, "{number}");
            // A float it stays to everybody else.
            assert_eq!(answer.float(0.0).value, number.parse::<f64>().unwrap());
            assert_eq!(answer.string("none").error, Some(ErrorCode::TypeMismatch));
            let found = (read.value, read.error);
            let details = Flags::from(flags.clone()).details("f", &user, -77_i64);
            assert_eq!((details.value, details.error), found, "{number}");
        }
    }
}

#[test]
fn an_integer_is_read_as_it_is_and_as_a_float() {
    for (number, float) in [("7", 7.0), ("-7", -7.0), ("9223372036854775807", i64::MAX as f64)] {
        for (flags, _) in saying(number) {
            let user = Context::new("u");
            let answer = flags.evaluate("f", &user);
            assert_eq!(answer.integer(0).value, number.parse::<i64>().unwrap());
            assert_eq!((answer.float(0.0).value, answer.float(0.0).error), (float, None));
        }
    }
}
