//! The router's promises, through its public face.

mod failures;
mod operation;

use crate::support;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use modelgate::testing::TestFlags;
use modelgate::{
    Binding, BuildError, Context, EvaluationContext, FallbackCause, ModelRouter, Reason,
    RouterBuilder,
    clock::ManualClock,
    model::{Acceptance, ErrorKind},
    model_fn,
    router::{BreakerPolicy, MissingKey, OperateError, stats::VersionState},
};
use support::{Mood, Puppet, flags as compiled_flags, quiet_panics, serving, test_flags};

const FLAG: &str = "ml-model-version";

/// v1 answers 1.0 plus the features, v2 answers 2.0 plus the features; v1 is the fallback.
fn builder(v1: &Puppet, v2: &Puppet) -> RouterBuilder<[f64], f64> {
    ModelRouter::builder(FLAG).model("v1", v1.clone()).model("v2", v2.clone()).fallback("v1")
}

fn puppets() -> (Puppet, Puppet) {
    (Puppet::new(1.0), Puppet::new(2.0))
}

#[test]
fn the_flag_names_the_version_and_a_change_acts_on_the_next_request() {
    let (v1, v2) = puppets();
    let source = test_flags(&serving(FLAG, "v2"));
    let router = builder(&v1, &v2).source(source.clone()).build().unwrap();
    let user = Context::new("user-1");

    let answer = router.predict(&user, &[0.5]).unwrap();
    assert_eq!((answer.version().as_str(), *answer.output()), ("v2", 2.5));
    assert_eq!((answer.reason(), answer.fallback()), (Reason::Static, None));
    assert_eq!(answer.variant(), Some("it"));

    source.replace(compiled_flags(
        r#"{"flags": {"ml-model-version": {"state": "DISABLED", "defaultVariant": "on",
            "variants": {"on": "v2"}}}}"#,
    ));
    let killed = router.predict(&user, &[0.5]).unwrap();
    assert_eq!((killed.version().as_str(), *killed.output()), ("v1", 1.5));
    assert_eq!(killed.reason(), Reason::Disabled);
    assert_eq!(killed.fallback(), Some(FallbackCause::FlagDisabled));
    assert!(killed.revision() > answer.revision());
    assert_ne!(killed.id(), answer.id());
}

#[test]
fn whatever_is_wrong_with_the_flag_the_fallback_answers_and_says_what() {
    let cases = [
        (r#"{}"#, FallbackCause::FlagNotFound, "ERROR"),
        (
            r#"{"ml-model-version": {"state": "ENABLED", "variants": {"a": "v3"},
                "defaultVariant": "a"}}"#,
            FallbackCause::UnknownVersion,
            "STATIC",
        ),
        (
            r#"{"ml-model-version": {"state": "ENABLED", "variants": {"a": {"version": "v2"}},
                "defaultVariant": "a"}}"#,
            FallbackCause::WrongType,
            "STATIC",
        ),
        (
            r#"{"ml-model-version": {"state": "ENABLED", "variants": {"a": "v2"}}}"#,
            FallbackCause::NoVariant,
            "DEFAULT",
        ),
        (
            r#"{"ml-model-version": {"state": "ENABLED", "variants": {"a": "v2"},
                "defaultVariant": "a", "targeting": {"if": [true, "no such variant"]}}}"#,
            FallbackCause::FlagError(modelgate::flag::ErrorCode::General),
            "ERROR",
        ),
    ];
    for (flags, cause, reason) in cases {
        let (v1, v2) = puppets();
        let source = test_flags(&format!(r#"{{"flags": {flags}}}"#));
        let router = builder(&v1, &v2).source(source).build().unwrap();
        let answer = router.predict(&Context::new("user-1"), &[]).unwrap();
        assert_eq!(answer.version(), "v1", "{flags}");
        assert_eq!(answer.fallback(), Some(cause), "{flags}");
        assert!(answer.fell_back());
        assert_eq!(answer.reason().as_str(), reason, "{flags}");
        assert_eq!(v2.calls(), 0);
        assert_eq!(router.stats().fallbacks.get(cause.as_str()), 1);
    }
}

#[test]
fn before_any_flag_has_arrived_the_answer_says_so() {
    let (v1, v2) = puppets();
    let source = TestFlags::silent();
    let router = builder(&v1, &v2).source(source.clone()).build().unwrap();
    let user = Context::new("user-1");
    assert_eq!(router.decide(&user).unwrap().fallback(), Some(FallbackCause::NotReady));
    let answer = router.predict(&user, &[]).unwrap();
    assert_eq!((answer.version().as_str(), answer.reason()), ("v1", Reason::NotReady));
    assert!(router.wait_ready(Duration::ZERO).is_err());

    source.replace(compiled_flags(&serving(FLAG, "v2")));
    router.wait_ready(Duration::ZERO).unwrap();
    assert_eq!(router.predict(&user, &[]).unwrap().version(), "v2");
}

const SPLIT: &str = r#"{"flags": {"ml-model-version": {"state": "ENABLED",
    "variants": {"v1": "v1", "v2": "v2"}, "defaultVariant": "v1",
    "targeting": {"fractional": [["v2", 25], ["v1", 75]]}}}}"#;

#[test]
fn a_caller_without_a_key_is_treated_as_the_policy_says() {
    let router = |policy| {
        let (v1, v2) = puppets();
        builder(&v1, &v2).source(test_flags(SPLIT)).missing_key(policy).build().unwrap()
    };
    for nobody in [Context::anonymous(), Context::new("")] {
        let fallback = router(MissingKey::Fallback).predict(&nobody, &[]).unwrap();
        assert_eq!((fallback.version().as_str(), fallback.reason()), ("v1", Reason::MissingKey));
        assert_eq!(fallback.fallback(), Some(FallbackCause::MissingKey));

        assert!(router(MissingKey::Refuse).predict(&nobody, &[]).unwrap_err().is_missing_key());
        assert!(router(MissingKey::Refuse).decide(&nobody).unwrap_err().is_missing_key());

        let random = router(MissingKey::Random);
        let candidates = (0..4_000)
            .map(|_| random.predict(&nobody, &[]).unwrap())
            .inspect(|answer| assert_eq!(answer.reason(), Reason::MissingKey))
            .filter(|answer| *answer.version() == "v2")
            .count();
        // 1,000 expected; five standard deviations are 137.
        assert!((863..=1_137).contains(&candidates), "{candidates} of 4,000");
    }
    // A flag that does not split answers everybody alike, key or not.
    let (v1, v2) = puppets();
    let everybody = builder(&v1, &v2)
        .source(test_flags(&serving(FLAG, "v2")))
        .missing_key(MissingKey::Refuse)
        .build()
        .unwrap();
    assert_eq!(everybody.predict(&Context::anonymous(), &[]).unwrap().version(), "v2");
}

#[test]
fn a_split_is_sticky_and_has_its_share() {
    let (v1, v2) = puppets();
    let router = builder(&v1, &v2).source(test_flags(SPLIT)).build().unwrap();
    let mut share = 0;
    for n in 0..10_000 {
        let key = n.to_string();
        let user = Context::new(&key);
        let first = router.predict(&user, &[]).unwrap();
        assert_eq!(router.predict(&user, &[]).unwrap().version(), first.version());
        share += usize::from(*first.version() == *"v2");
    }
    // 2,500 expected; five standard deviations are 217.
    assert!((2_283..=2_717).contains(&share), "{share} of 10,000");
}

#[test]
fn ordered_switches_choose_the_first_that_is_on() {
    let flag = |on: bool| {
        format!(
            r#"{{"state": "ENABLED", "variants": {{"on": true, "off": false}},
                "defaultVariant": "{}"}}"#,
            if on { "on" } else { "off" }
        )
    };
    let decide = |flags: String| {
        let (v1, v2) = puppets();
        let binding = Binding::switch("use-v3", "v3").switch("use-v2", "v2").otherwise("v1");
        let router = ModelRouter::<[f64], f64>::builder(binding)
            .model("v1", v1)
            .model("v2", v2)
            .model("v3", Puppet::new(3.0))
            .fallback("v1")
            .source(test_flags(&format!(r#"{{"flags": {{{flags}}}}}"#)))
            .build()
            .unwrap();
        let decision = router.decide(&Context::new("user-1")).unwrap();
        (decision.version().to_string(), decision.fallback())
    };
    let (on, off) = (flag(true), flag(false));
    let both = |v3: &str, v2: &str| decide(format!(r#""use-v3": {v3}, "use-v2": {v2}"#));
    assert_eq!(both(&on, &on), ("v3".into(), None));
    assert_eq!(both(&off, &on), ("v2".into(), None));
    assert_eq!(both(&off, &off), ("v1".into(), None));
    assert_eq!(
        both(r#"{"state": "DISABLED", "variants": {"on": true}}"#, &on),
        ("v2".into(), None)
    );
    assert_eq!(
        decide(format!(r#""use-v2": {off}"#)),
        ("v1".into(), Some(FallbackCause::FlagNotFound))
    );
    assert_eq!(decide(format!(r#""use-v2": {on}"#)), ("v2".into(), None));
}

#[test]
fn an_object_flag_names_its_version_in_a_field() {
    let (v1, v2) = puppets();
    let router = ModelRouter::<[f64], f64>::builder(Binding::value(FLAG).field("version"))
        .model("v1", v1)
        .model("v2", v2)
        .fallback("v1")
        .source(test_flags(
            r#"{"flags": {"ml-model-version": {"state": "ENABLED", "defaultVariant": "new",
                "variants": {"new": {"version": "v2", "threshold": 0.7}}}}}"#,
        ))
        .build()
        .unwrap();
    let decision = router.decide(&Context::new("user-1")).unwrap();
    assert_eq!((decision.version().as_str(), decision.variant()), ("v2", Some("new")));
}

#[test]
fn a_batch_answers_each_row_as_it_would_alone() {
    quiet_panics();
    let v2 = model_fn(|features: &[f64]| match features[0] {
        7.0 => Err(modelgate::ModelError::new("seven")),
        13.0 => panic!("thirteen"),
        fine => Ok(fine * 2.0),
    });
    let router = ModelRouter::<[f64], f64>::builder(FLAG)
        .model("v1", Puppet::new(1.0))
        .model("v2", v2)
        .fallback("v1")
        .source(test_flags(SPLIT))
        .breaker(BreakerPolicy::disabled())
        .build()
        .unwrap();
    let keys: Vec<String> = (0..500).map(|n| format!("user-{n}")).collect();
    let users: Vec<Context<'_>> = keys.iter().map(|key| Context::new(key)).collect();
    let features: Vec<[f64; 1]> = (0..500).map(|n| [f64::from(n % 20)]).collect();
    let rows: Vec<(&dyn EvaluationContext, &[f64])> =
        users.iter().zip(&features).map(|(user, row)| (user as _, &row[..])).collect();
    let together = router.predict_batch(&rows);
    assert_eq!(together.len(), rows.len());
    for ((user, row), answer) in rows.iter().zip(together) {
        let (answer, alone) = (answer.unwrap(), router.predict(*user, row).unwrap());
        assert_eq!(answer.output(), alone.output());
        assert_eq!(answer.version(), alone.version());
        assert_eq!(answer.fallback(), alone.fallback());
    }
    assert!(router.predict_batch(&[]).is_empty());
}

#[test]
fn what_cannot_work_is_refused_when_the_router_is_built() {
    let (v1, v2) = puppets();
    let message = |builder: RouterBuilder<[f64], f64>| builder.build().unwrap_err().to_string();
    assert_eq!(
        message(ModelRouter::builder(FLAG).fallback("v1")),
        "model: found no version, expected at least one"
    );
    assert_eq!(
        message(ModelRouter::builder(FLAG).model("v1", v1.clone())),
        "fallback: found none, expected the version to serve when others cannot"
    );
    assert_eq!(
        message(builder(&v1, &v2).fallback("v3")),
        r#"fallback: found version `v3`, expected one of ["v1", "v2"]"#
    );
    assert_eq!(
        message(builder(&v1, &v2).model("v2", v2.clone())),
        "model: found version `v2` twice, expected each once"
    );
}

#[test]
fn routers_share_one_store() {
    let flags = modelgate::Flags::from(support::flags(&serving(FLAG, "v2")));
    let (v1, v2) = puppets();
    let one = builder(&v1, &v2).flags(flags.clone()).build().unwrap();
    let other = builder(&v1, &v2).flags(flags.clone()).build().unwrap();
    let user = Context::new("user-1");
    for router in [&one, &other] {
        assert_eq!(router.decide(&user).unwrap().version(), "v2");
    }
    assert_eq!(flags.string(FLAG, &user, "v1"), "v2");
}

#[test]
fn an_explanation_shows_the_flag_its_source_and_its_steps() {
    let (v1, v2) = puppets();
    let router = builder(&v1, &v2).source(test_flags(SPLIT)).build().unwrap();
    let user = Context::new("user-1");
    let explanation = router.explain(&user).unwrap();
    assert_eq!(explanation.decision, router.decide(&user).unwrap());
    let [flag] = explanation.flags.as_slice() else { panic!("{explanation:?}") };
    assert_eq!((flag.key.as_str(), flag.source.as_deref()), (FLAG, Some("test")));
    assert!(
        flag.trace.steps.iter().any(|s| matches!(s, modelgate::flag::TraceStep::Bucket { .. })),
        "{:?}",
        flag.trace
    );
}

#[test]
fn handles_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<ModelRouter<[f64], f64>>();
    shared::<ModelRouter<str, String>>();
}
