//! Features that depend on what other features answer.

use modelgate::{
    Context, Reason,
    clock::ManualClock,
    flag::ErrorCode,
    flagsmith::{Flagsmith, Generation},
};
use serde_json::{Value as Json, json};

use crate::documents::{compile, condition, context_of, feature, reason, segment, served};

/// `flag` gets `yes` when this condition holds of another flag.
fn dependent(flag: &str, property: &str, value: &str) -> Json {
    segment(flag, flag, "yes", json!([condition(property, "EQUAL", value)]))
}

#[test]
fn a_feature_may_depend_on_what_another_answers() {
    let mut split = feature("split", "v1");
    split["variants"] = json!([{"key": "all", "value": 2.0, "weight": 100}]);
    let features = [
        feature("base", "no"),
        split,
        feature("a", "no"),
        feature("b", "no"),
        feature("c", "no"),
        feature("d", "no"),
        feature("e", "no"),
    ];
    let segments = [
        segment("s", "base", "yes", json!([condition("plan", "EQUAL", "pro")])),
        dependent("a", "$.flags.base.value", "yes"),
        dependent("b", "$.flags.a.reason", "TARGETING_MATCH; segment=segment a"),
        dependent("c", "$.flags.split.variant", "all"),
        dependent("d", "$.flags['split'].value", "2"),
        dependent("e", "$.flags.absent.enabled", "true"),
    ];
    let document = context_of(&features, &segments);
    let flags = compile(&document);
    let (pro, free) = (Context::new("u").with("plan", "pro"), Context::new("u"));
    for (name, for_pro, for_free) in [
        ("a", "yes", "no"),
        ("b", "yes", "no"),
        ("c", "yes", "yes"),
        ("d", "yes", "yes"),
        ("e", "no", "no"),
    ] {
        assert_eq!(served(&flags, name, &pro), for_pro, "{name}");
        assert_eq!(served(&flags, name, &free), for_free, "{name}");
    }
    let shadow = Context::new("u").with("$.flags.absent.enabled", true);
    assert_eq!(served(&flags, "e", &shadow), "yes");
    let before = Flagsmith::new().with_generation(Generation::BeforeFlagDependencies);
    let flags = before.compile(&document.to_string()).unwrap();
    assert_eq!(served(&flags, "a", &pro), "no");
    assert_eq!(reason(&flags, "split", &free), "SPLIT; weight=100");
}

#[test]
fn a_feature_that_depends_on_itself_says_so_and_keeps_its_ordinary_value() {
    let features: Vec<_> = ["a", "b", "c", "own"].map(|name| feature(name, "no")).into();
    let mut also = segment("also", "a", "also", json!([condition("plan", "EQUAL", "pro")]));
    also["overrides"][0]["priority"] = json!(-1);
    let segments = [
        dependent("a", "$.flags.b.value", "no"),
        dependent("b", "$.flags.a.value", "no"),
        dependent("c", "$.flags.a.value", "no"),
        dependent("own", "$.flags.own.enabled", "true"),
        also,
    ];
    let flags = compile(&context_of(&features, &segments));
    let (user, clock) = (Context::new("u"), ManualClock::default());
    for name in ["a", "b", "own"] {
        assert_eq!(reason(&flags, name, &user), "ERROR; code=CIRCULAR_DEPENDENCY", "{name}");
        assert_eq!(served(&flags, name, &user), "no");
        let answer = flags.evaluate_at(name, &user, &clock);
        assert_eq!((answer.reason, answer.error), (Reason::Error, Some(ErrorCode::General)));
    }
    // One outside of the circle that reads into it does not match, and is no part of it.
    assert_eq!(
        (served(&flags, "c", &user), reason(&flags, "c", &user)),
        ("no".into(), "DEFAULT".into())
    );
    let pro = Context::new("u").with("plan", "pro");
    assert_eq!(served(&flags, "a", &pro), "also");
    assert_eq!(reason(&flags, "a", &pro), "ERROR; code=CIRCULAR_DEPENDENCY");
    assert!(Flagsmith::new().segments(&flags, &user).is_empty());
}

#[test]
fn diamonds_and_long_chains_of_dependencies_take_no_time() {
    let count = 2_000;
    let name = |n: usize| format!("f{n}");
    let features: Vec<_> = (0..count).map(|n| feature(&name(n), "no")).collect();
    // Each reads the next two twice over: exponential, were each read evaluated anew.
    let reads = |n: usize| -> Json {
        (1..=3)
            .map(|ahead| condition(&format!("$.flags.f{}.value", n + ahead % 3), "EQUAL", "no"))
            .collect()
    };
    let diamonds: Vec<_> =
        (0..50).map(|n| segment(&name(n), &name(n), "no", reads(n + 1))).collect();
    let flags = compile(&context_of(&features, &diamonds));
    assert_eq!(reason(&flags, "f0", &Context::new("u")), "TARGETING_MATCH; segment=segment f0");
    let chain: Vec<_> = (0..count - 1)
        .map(|n| dependent(&name(n), &format!("$.flags.f{}.value", n + 1), "no"))
        .collect();
    let flags = compile(&context_of(&features, &chain));
    // It ends at the limit of 64, where a flag counts as unanswered.
    assert_eq!(served(&flags, "f0", &Context::new("u")), "no");
    assert_eq!(
        reason(&flags, &name(count - 2), &Context::new("u")),
        "TARGETING_MATCH; segment=segment f1998"
    );
    let circle: Vec<_> = (0..count)
        .map(|n| {
            let conditions: Json = (0..3)
                .map(|ahead| {
                    condition(&format!("$.flags.f{}.value", (n + 1 + ahead) % count), "EQUAL", "no")
                })
                .collect();
            segment(&name(n), &name(n), "yes", conditions)
        })
        .collect();
    let flags = compile(&context_of(&features, &circle));
    for n in 0..20 {
        assert_eq!(served(&flags, &name(n), &Context::new("u")), "no");
    }
}
