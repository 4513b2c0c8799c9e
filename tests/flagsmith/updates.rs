//! What is wrong in a document, and what an update leaves alone.

use modelgate::testing::TestFlags;
use modelgate::{Context, FlagSet, Flags, flag::ProblemSeverity, flagsmith::Flagsmith};
use serde_json::{Value as Json, json};

use crate::documents::{
    compile, condition, context_of, document, feature, reason, segment, served,
};

#[test]
fn what_is_wrong_is_named_and_leaves_its_neighbours_alone() {
    let mut wrong = context_of(
        &[feature("good", "v"), feature("listed", json!([1])), feature("odd", 1)],
        &[
            segment("1", "good", "yes", json!([condition("a", "SOUNDS_LIKE", "b")])),
            segment("2", "good", "two", json!([condition("a", "IS_SET", "")])),
        ],
    );
    wrong["features"]["odd"]["enabled"] = json!("maybe");
    wrong["features"]["nameless"] = json!({"enabled": true});
    let flags = Flagsmith::new().compile(&wrong.to_string()).unwrap();
    let problems: Vec<_> = flags.problems().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "flag `listed` at /features/listed/value: found array, expected text, a boolean, a \
             number or null",
            "flag `odd` at /features/odd/enabled: found string \"maybe\", expected a boolean",
            "flag `nameless` at /features/nameless: found nothing, expected a field `name`",
            "flag `` at /segments/1/rules/0/conditions/0: found `SOUNDS_LIKE`, expected an operator \
             of Flagsmith",
        ]
    );
    let severities: Vec<_> = flags.problems().iter().map(|problem| problem.severity).collect();
    let (rejected, warning) = (ProblemSeverity::Rejected, ProblemSeverity::Warning);
    assert_eq!(severities, [rejected, rejected, rejected, warning]);
    assert_eq!(served(&flags, "good", &Context::new("u").with("a", 1)), "two");
    for text in [
        "",
        "[]",
        "{}",
        "5",
        r#"{"environment": {}}"#,
        r#"{"api_key": 1}"#,
        r#"{"environment": {"key": "e"}, "segments": 5}"#,
        r#"{"api_key": "e", "project": 5}"#,
    ] {
        assert!(Flagsmith::new().compile(text).is_err(), "{text}");
    }
    // What an API serves beyond or short of what is read does no harm.
    let flags = compile(&json!({"api_key": "e", "feature_states": null, "new": [1]}));
    assert!(flags.is_empty());
}

#[test]
fn a_bad_update_keeps_the_last_good_form_of_what_it_gets_wrong() {
    let good = document();
    let mut bad = document();
    bad["feature_states"][0]["feature"]["id"] = json!("one");
    bad["project"]["segments"][0]["rules"] = json!(5);
    bad["identity_overrides"][0]["identity_features"] = json!(5);
    bad["feature_states"].as_array_mut().unwrap().push(json!({
        "feature": {"id": 2, "name": "new"}, "enabled": true, "feature_state_value": 2,
    }));
    let source = TestFlags::silent();
    let flags = Flags::builder().source(source.clone()).build().unwrap();
    let publish = |document: &Json| {
        source.replace(Flagsmith::new().compile(&document.to_string()).unwrap());
    };
    let answers = || {
        let europe = Context::new("u").with("region", "eu");
        [&europe, &Context::new("vip"), &Context::new("u")]
            .map(|context| flags.string("model", context, "none"))
    };
    publish(&good);
    let before = answers();
    assert_eq!(&before[..2], ["eu", "pinned"]);
    for _ in 0..2 {
        publish(&bad);
        assert_eq!(answers(), before, "kept, however often the source repeats itself");
        assert_eq!(flags.integer("new", &Context::new("u"), 0), 2);
    }
    let mut gone = document();
    gone["project"]["segments"] = json!([]);
    gone["identity_overrides"] = json!([]);
    publish(&gone);
    assert_eq!(answers()[0], answers()[2], "removed is not wrong");
}

#[test]
fn an_update_of_one_thing_is_as_good_as_a_new_document() {
    let dialect = Flagsmith::new();
    let original = context_of(
        &[feature("f", "none"), feature("g", "none")],
        &[
            segment("1", "f", "one", json!([condition("a", "IS_SET", "")])),
            segment("2", "f", "two", json!([condition("a", "IS_SET", "")])),
        ],
    );
    let flags = compile(&original);
    let user = Context::new("u").with("a", 1);
    assert_eq!(served(&flags, "f", &user), "one");
    // The first now overrides another feature: both are put together anew.
    let moved = segment("1", "g", "one", json!([condition("a", "IS_SET", "")]));
    let changed = dialect.with_segment(&flags, &moved.to_string()).unwrap();
    assert_eq!(
        (served(&changed, "f", &user), served(&changed, "g", &user)),
        ("two".into(), "one".into())
    );
    assert_eq!(served(&flags, "g", &user), "none", "the old set is as it was");
    // And back, in its old place: of two equals it is the first again.
    let back = dialect.with_segment(&changed, &original["segments"]["1"].to_string()).unwrap();
    assert_eq!(
        (served(&back, "f", &user), served(&back, "g", &user)),
        ("one".into(), "none".into())
    );
    assert_eq!(reason(&back, "g", &user), "STATIC");
    // A new one comes last.
    let third = segment("0", "f", "zero", json!([condition("a", "IS_SET", "")]));
    let more = dialect.with_segment(&back, &third.to_string()).unwrap();
    let ids: Vec<_> = dialect.segments(&more, &user).iter().map(|found| found.name).collect();
    assert_eq!(ids, ["segment 1", "segment 2", "segment 0"]);
    let fewer = dialect.without_segment(&dialect.without_segment(&more, "1"), "2");
    assert_eq!(served(&fewer, "f", &user), "zero");
    // A feature that was not there finds the overrides that were waiting for it.
    let without = fewer.without("f");
    assert!(dialect.feature(&without, "f", &user).is_none());
    let again = dialect.with_feature(&without, &feature("f", "new").to_string()).unwrap();
    assert_eq!(served(&again, "f", &user), "zero");
    assert_eq!(served(&again, "f", &Context::new("u")), "new");
    let refused = dialect.with_segment(&again, r#"{"key": "1", "name": 5}"#).unwrap_err();
    assert_eq!((&*refused.path, &*refused.expected), ("/name", "a string"));
    assert!(dialect.with_feature(&FlagSet::new(), "{}").is_err());
}

#[test]
fn mending_a_segment_takes_its_problem_away() {
    let mut document = document();
    document["project"]["segments"][0]["name"] = json!(null);
    let dialect = Flagsmith::new();
    let flags = dialect.compile(&document.to_string()).unwrap();
    assert_eq!(flags.problems().len(), 1);
    document["project"]["segments"][0]["name"] = json!("europe");
    let mended = document["project"]["segments"][0].to_string();
    // A new one comes behind it, and mends nothing.
    let mut new = document["project"]["segments"][0].clone();
    new["id"] = json!(8);
    let more = dialect.with_segment(&flags, &new.to_string()).unwrap();
    assert_eq!(more.problems(), flags.problems());
    let more = dialect.with_segment(&more, &mended).unwrap();
    let europe = Context::new("u").with("region", "eu");
    let found = dialect.segments(&more, &europe);
    assert_eq!((found.len(), found[0].metadata.get("segment_id")), (2, Some(&7_i64.into())));
    let flags = dialect.with_segment(&flags, &mended).unwrap();
    assert!(flags.problems().is_empty());
    assert_eq!(served(&flags, "model", &Context::new("u").with("region", "eu")), "eu");
}

#[test]
fn replacing_or_removing_a_segment_takes_its_warnings_away() {
    let bad = || json!([condition("a", "REGEX", "[")]);
    let mut api = document();
    api["project"]["segments"][0]["rules"][0]["conditions"][0] =
        json!({"operator": "REGEX", "property_": "region", "value": "["});
    let good = document()["project"]["segments"][0].clone();
    let context = context_of(&[feature("f", "no")], &[segment("7", "f", "yes", bad())]);
    let replaced = segment("7", "f", "yes", json!([condition("a", "IS_SET", "")]));
    let (in_api, in_context) =
        (api["project"]["segments"][0].clone(), segment("7", "f", "yes", bad()));
    let cases = [(api, good, in_api), (context, replaced, in_context)];
    let dialect = Flagsmith::new();
    for (document, good, bad) in cases {
        let flags = dialect.compile(&document.to_string()).unwrap();
        assert_eq!(flags.problems().len(), 1);
        let path = flags.problems()[0].path.clone();
        let mended = dialect.with_segment(&flags, &good.to_string()).unwrap();
        assert!(mended.problems().is_empty(), "{:?}", mended.problems());
        assert!(dialect.without_segment(&flags, "7").problems().is_empty());
        // Said once, and where it stands, however often it comes.
        let mut again = mended;
        for _ in 0..3 {
            again = dialect.with_segment(&again, &bad.to_string()).unwrap();
        }
        let paths: Vec<_> = again.problems().iter().map(|problem| &*problem.path).collect();
        assert_eq!(paths, [path]);
    }
}
