//! What a router answers can be sent on as it is.

use std::error::Error;

use modelgate::{
    Context, ModelError, ModelRouter, PredictError, Rollout,
    model::ErrorKind,
    model_fn,
    router::{MissingKey, PredictErrorKind},
};
use serde_json::{Value, json, to_value};

fn router(version: &str) -> ModelRouter<[f32], f32> {
    ModelRouter::builder("version")
        .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
        .model("v2", model_fn(|_: &[f32]| Err(ModelError::new("down"))))
        .fallback("v1")
        .source(Rollout::everyone(version).flag("version").unwrap())
        .build()
        .unwrap()
}

#[test]
fn a_prediction_serializes_flat_under_the_names_of_the_log() {
    let answer = router("v2").predict(&Context::new("user-42"), &[0.5, 1.0]).unwrap();
    let mut shown = to_value(&answer).unwrap();
    assert_eq!(shown["prediction_id"], to_value(answer.id()).unwrap());
    let shown = shown.as_object_mut().unwrap();
    assert!(shown.remove("service_us").is_some_and(|micros| micros.is_u64()));
    shown.remove("prediction_id");
    assert_eq!(
        Value::from(shown.clone()),
        json!({
            "output": 1.5, "version": "v1", "reason": "STATIC", "fallback": "error",
            "variant": "v2", "revision": 1,
        })
    );
}

#[test]
fn a_decision_and_its_explanation_serialize() {
    let router = router("v1");
    let decision = router.decide(&Context::new("user-42")).unwrap();
    let expected = json!({
        "version": "v1", "reason": "STATIC", "fallback": null, "variant": "v1", "revision": 1,
    });
    assert_eq!(to_value(&decision).unwrap(), expected);
    let explanation = to_value(router.explain(&Context::new("user-42")).unwrap()).unwrap();
    assert_eq!(explanation["decision"], expected);
    assert_eq!(explanation["flags"][0]["key"], "version");
    assert_eq!(explanation["flags"][0]["source"], "static");
    assert!(explanation["flags"][0]["trace"].is_array());
    assert_eq!(explanation["shadows"], json!([]));
}

#[test]
fn the_kind_of_an_error_says_what_its_predicates_say() {
    let fails = |kind: ErrorKind| {
        let model = model_fn(move |_: &[f32]| Err::<f32, _>(ModelError::of_kind(kind, "no")));
        let router = ModelRouter::<[f32], f32>::builder("version")
            .model("v1", model)
            .fallback("v1")
            .source(Rollout::everyone("v1").flag("version").unwrap())
            .build()
            .unwrap();
        router.predict(&Context::new("user-42"), &[]).unwrap_err()
    };
    for kind in [ErrorKind::InvalidInput, ErrorKind::Deadline, ErrorKind::Failed] {
        let error: PredictError = fails(kind);
        assert_eq!(error.kind(), PredictErrorKind::Model(kind));
        assert_eq!(error.kind().as_str(), kind.as_str());
        assert_eq!(error.is_invalid_input(), kind == ErrorKind::InvalidInput);
        assert_eq!(error.is_deadline(), kind == ErrorKind::Deadline);
        assert!(error.source().is_some());
    }
    let router = ModelRouter::<[f32], f32>::builder("version")
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .fallback("v1")
        .source(Rollout::percent("v1", 50.0).or("v1").flag("version").unwrap())
        .missing_key(MissingKey::Refuse)
        .build()
        .unwrap();
    let error = router.decide(&Context::anonymous()).unwrap_err();
    assert_eq!(error.kind(), PredictErrorKind::MissingKey);
}
