//! A router that follows an Unleash toggle.

use modelgate::{
    Binding, Context, FallbackCause, FlagSet, Flags, ModelRouter, Reason, RouterBuilder,
    flag::EvaluationCounts, model_fn, router::MissingKey, unleash::Unleash,
};
use serde_json::{Value as Json, json};

fn compile(features: &Json, segments: &Json) -> FlagSet {
    let document = json!({"version": 2, "features": features, "segments": segments});
    Unleash::new().compile(&document.to_string()).unwrap()
}

fn router(flags: &FlagSet, binding: impl Into<Binding>) -> RouterBuilder<[f32], f32> {
    ModelRouter::builder(binding)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
        .fallback("v1")
        .flags(Flags::from(flags.clone()))
}

#[test]
fn a_toggle_routes_by_its_state_its_variant_or_its_payload() {
    let variants =
        json!([{"name": "v2", "weight": 1, "payload": {"type": "string", "value": "v2"}}]);
    let features = |enabled: bool| {
        json!([
            {"name": "switch", "enabled": enabled},
            {"name": "variants", "enabled": enabled, "variants": variants},
        ])
    };
    let bindings = || {
        [
            Binding::from(Binding::switch("switch", "v2")),
            Binding::variant("variants"),
            Binding::value("variants"),
        ]
    };
    let user = Context::new("user-1");
    for binding in bindings() {
        let router = router(&compile(&features(true), &json!([])), binding).build().unwrap();
        let decision = router.decide(&user).unwrap();
        assert_eq!((decision.version().as_str(), decision.fallback()), ("v2", None));
    }
    for binding in bindings() {
        let router = router(&compile(&features(false), &json!([])), binding).build().unwrap();
        let decision = router.decide(&user).unwrap();
        assert_eq!((decision.version().as_str(), decision.reason()), ("v1", Reason::Disabled));
    }
    // Archived toggles are no longer sent.
    let router = router(&compile(&json!([]), &json!([])), Binding::variant("variants"));
    let decision = router.build().unwrap().decide(&user).unwrap();
    assert_eq!(decision.fallback(), Some(FallbackCause::FlagNotFound));
}

#[test]
fn without_a_key_a_router_follows_its_policy() {
    let strategies = json!([{"name": "flexibleRollout", "parameters":
        {"rollout": "50", "stickiness": "default", "groupId": "g"}}]);
    let flags =
        compile(&json!([{"name": "t", "enabled": true, "strategies": strategies}]), &json!([]));
    let decide = |policy: MissingKey, context: &Context<'_>| {
        let router =
            router(&flags, Binding::switch("t", "v2")).missing_key(policy).build().unwrap();
        let decisions = (0..40).map(|_| router.decide(context));
        decisions.collect::<Vec<_>>()
    };
    let nobody = Context::anonymous();
    for decision in decide(MissingKey::Fallback, &nobody) {
        let decision = decision.unwrap();
        assert_eq!((decision.version().as_str(), decision.reason()), ("v1", Reason::MissingKey));
    }
    assert!(decide(MissingKey::Refuse, &nobody).iter().all(Result::is_err));
    let drawn = decide(MissingKey::Random, &nobody);
    let second = |decision: &Result<modelgate::Decision, _>| {
        decision.as_ref().is_ok_and(|decision| decision.version().as_str() == "v2")
    };
    assert!(drawn.iter().any(second) && !drawn.iter().all(second));
    let session = Context::anonymous().with("sessionId", "s");
    let sticky = decide(MissingKey::Refuse, &session);
    assert!(sticky.iter().all(second) || !sticky.iter().any(second), "a session will do");
}

#[test]
fn what_is_only_explained_is_not_reported() {
    let exposures = EvaluationCounts::new();
    let features = json!({"version": 2, "features": [{"name": "switch", "enabled": true}]});
    let flags =
        Unleash::new().with_evaluation_counts(&exposures).compile(&features.to_string()).unwrap();
    let router = router(&flags, Binding::switch("switch", "v2")).build().unwrap();
    let user = Context::new("user-1");
    assert_eq!(router.explain(&user).unwrap().decision.version().as_str(), "v2");
    assert!(exposures.take().is_empty());
    router.decide(&user).unwrap();
    assert_eq!(exposures.take().len(), 1);
}
