//! Documents that mean harm.

use modelgate::{Context, Flags, flagsmith::Flagsmith, testing::TestFlags};
use serde_json::{Value as Json, json};

use crate::documents::{compile, condition, context_of, document, feature, holds, segment, served};

#[test]
fn hostile_documents_take_bounded_time_and_memory() {
    let dialect = Flagsmith::new().with_max_memory(1 << 30);
    let user = Context::new("u").with("a", "b");
    let environment = r#""environment": {"key": "e"}"#;
    // Deep nesting is refused, without the rest.
    let mut deep = String::new();
    for _ in 0..10_000 {
        deep.push_str(r#"{"type": "ALL", "rules": ["#);
    }
    deep.push_str(&"]}".repeat(10_000));
    let text = format!(
        r#"{{{environment}, "features": {{"f": {{"name": "f", "enabled": true, "value": 1}}}},
            "segments": {{"1": {{"key": "1", "name": "s", "rules": [{deep}]}}}}}}"#
    );
    match dialect.compile(&text) {
        Ok(flags) => assert_eq!((flags.len(), flags.problems().len()), (1, 1)),
        Err(error) => assert!(error.to_string().contains("neither"), "{error}"),
    }
    // 100,000 rules, the last of which matches.
    let mut rules = String::from(r#"{"type": "ALL"}"#);
    for _ in 0..100_000 {
        rules.push_str(
            r#",{"type":"ANY","conditions":[{"operator":"EQUAL","property":"a","value":"b"}]}"#,
        );
    }
    let overriding = r#"[{"name": "f", "enabled": true, "value": 2}]"#;
    let text = format!(
        r#"{{{environment}, "features": {{"f": {{"name": "f", "enabled": true, "value": 1}}}},
            "segments": {{"1": {{"key": "1", "name": "s", "rules": [{rules}], "overrides": {overriding}}}}}}}"#
    );
    let flags = dialect.compile(&text).unwrap();
    assert_eq!(served(&flags, "f", &user), "2");
    // Text of a million characters, everywhere.
    let long = "x".repeat(1_000_000);
    let path = format!("$.{long}");
    let everywhere = |property: &str, operator: &str| {
        let document = context_of(
            &[feature("f", long.as_str())],
            &[segment("1", "f", "y", json!([condition(property, operator, long.as_str())]))],
        );
        let flags = dialect.compile(&document.to_string()).unwrap();
        served(&flags, "f", &Context::new(&long).with("a", &long))
    };
    for (operator, matches) in [
        ("EQUAL", true),
        ("NOT_EQUAL", false),
        ("CONTAINS", true),
        ("IN", true),
        ("REGEX", false),
        ("MODULO", false),
        ("PERCENTAGE_SPLIT", false),
    ] {
        assert_eq!(everywhere("a", operator) == "y", matches, "{operator}");
    }
    assert_ne!(everywhere(&path, "EQUAL"), "y");
    assert_eq!(everywhere("$.identity.identifier", "EQUAL"), "y");
    // Paths that would go on for ever.
    let mut filters = String::from("$");
    for _ in 0..30 {
        filters.push_str("[?$..*");
    }
    filters.push_str(&"]".repeat(30));
    for path in ["$..*..*..*..*..*..*.x", &filters, &"$..*".repeat(1000), "$[?$..[?$..[?$..x]]].y"]
    {
        assert!(!holds(&condition(path, "IS_SET", ""), &user), "{}", &path[..10]);
    }
    // Many overrides of one feature in one segment, and variants without end.
    let mut wide = segment("1", "f", "y", json!([condition("a", "IS_SET", "")]));
    wide["overrides"] = (0..20_000).map(|n| feature("f", n)).collect();
    let mut many = feature("f", "none");
    many["variants"] = (0..20_000).map(|_| json!({"value": 1, "weight": 1e-9})).collect();
    let flags = compile(&context_of(&[many], &[wide]));
    assert_eq!(served(&flags, "f", &user), "0");
    assert_eq!(served(&flags, "f", &Context::new("u")), "none");
}

#[test]
fn the_longest_chain_of_the_deepest_segments_fits_on_a_small_stack() {
    let name = |n: usize| format!("f{n}");
    let features: Vec<_> = (0..70).map(|n| feature(&name(n), "no")).collect();
    let segments: Vec<_> = (0..69)
        .map(|n| {
            let next = condition(&format!("$.flags.f{}.value", n + 1), "EQUAL", "no");
            let mut rule = json!({"type": "ALL", "conditions": [next]});
            for _ in 0..55 {
                rule = json!({"type": "ANY", "rules": [rule]});
            }
            let mut segment = segment(&name(n), &name(n), "yes", json!([]));
            segment["rules"] = json!([rule]);
            segment
        })
        .collect();
    let flags = compile(&context_of(&features, &segments));
    let evaluate = move || {
        let user = Context::new("u");
        (served(&flags, "f5", &user), served(&flags, "f6", &user))
    };
    // What tokio gives a worker.
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(evaluate).unwrap();
    // The chain of the one is a flag too long, that of the other is 64 flags long.
    assert_eq!(thread.join().unwrap(), ("no".to_owned(), "yes".to_owned()));
}

#[test]
fn a_document_that_gets_everything_wrong_costs_no_more_than_a_good_one() {
    // Each of them was once put back by itself, into a copy of all others.
    const COUNT: usize = 5_000;
    let original = document();
    let many = |is_bad: bool| {
        let copies = |item: &Json, name: &str, id: fn(usize) -> Json, content: &str| -> Json {
            let copy = |n: usize| {
                let mut item = item.clone();
                item[name] = id(n);
                if is_bad {
                    item[content] = json!(5);
                }
                item
            };
            (0..COUNT).map(copy).collect()
        };
        let mut whole = original.clone();
        whole["identity_overrides"] = copies(
            &original["identity_overrides"][0],
            "identifier",
            |n| json!(format!("vip-{n}")),
            "identity_features",
        );
        let segment = &original["project"]["segments"][0];
        whole["project"]["segments"] = copies(segment, "id", |n| json!(n), "rules");
        Flagsmith::new().with_max_memory(1 << 30).compile(&whole.to_string()).unwrap()
    };
    let source = TestFlags::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    source.replace(many(false));
    let bad = many(true);
    assert_eq!(bad.problems().len(), 2 * COUNT);
    source.replace(bad);
    let answer = |context: &Context<'_>| flags.string("model", context, "none");
    assert_eq!(answer(&Context::new("vip-4999")), "pinned");
    assert_eq!(answer(&Context::new("u").with("region", "eu")), "eu");
}
