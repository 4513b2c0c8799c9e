//! The report of a router alone.

use modelgate::{
    Context, ModelError, ModelRouter, Rollout, model::ModelErrorKind, model_fn, report::Report,
};

/// A version that took no more work failed for another reason than one that broke: the page says so.
#[test]
fn a_version_that_had_no_room_is_shown_as_overloaded_and_not_as_an_error() {
    let router = ModelRouter::<[f32], f32>::builder("flag")
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model(
            "v2",
            model_fn(|features: &[f32]| {
                Err(match features {
                    [0.0] => ModelError::of_kind(ModelErrorKind::Overloaded, "the queue is full"),
                    _ => ModelError::new("no such table"),
                })
            }),
        )
        .fallback("v1")
        .source(Rollout::everyone("v2").flag("flag").unwrap())
        .build()
        .unwrap();
    // One after the other, so that what the breaker makes of them does not matter.
    for features in [0.0, 1.0, 0.0] {
        assert_eq!(*router.predict(&Context::new("user-1"), &[features]).unwrap().output(), 1.0);
    }
    let report = Report::builder("flag").router(&router).build();
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let versions = json["versions"].as_array().unwrap();
    let candidate = versions.iter().find(|version| version["version"] == "v2").unwrap();
    let failures =
        serde_json::json!([{"name": "error", "count": 1}, {"name": "overloaded", "count": 2}]);
    assert_eq!(candidate["failures"], failures, "{json}");
    assert!(report.html().contains("overloaded"));
}
