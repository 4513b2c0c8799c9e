//! The report of a router alone.

use std::time::Duration;

use modelgate::{
    Context, ModelError, ModelRouter, Rollout, Shadow, model::ErrorKind, model_fn, report::Report,
    shadow::Budget,
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
                    [0.0] => ModelError::of_kind(ErrorKind::Overloaded, "the queue is full"),
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

/// By the clock a shadow and a live answer cannot be compared; by what they use of a processor they can.
#[cfg(unix)]
#[test]
fn the_processor_time_of_both_sides_stands_beside_the_time_by_the_clock() {
    let router = ModelRouter::<[f32], f32>::builder("flag")
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f32]| Ok(1.0)))
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("flag").unwrap())
        .shadow(Shadow::always().candidate("v2").budget(Budget::unlimited()))
        .build()
        .unwrap();
    for _ in 0..3 {
        router.predict(&Context::new("user-1"), &[1.0]).unwrap();
    }
    assert!(router.flush(Duration::from_secs(60)));
    let report = Report::builder("flag").router(&router).build();
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let shown = |version: &str, measured: &str| {
        let rows = json["latency"].as_array().unwrap().iter();
        rows.filter(|row| row["version"] == version && row["measured"] == measured)
            .map(|row| row["count"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(shown("v1", "answering a caller, by the clock"), 3, "{json}");
    assert_eq!(shown("compared with v2", "answering a caller, processor time"), 3, "{json}");
    assert_eq!(shown("v2", "in shadow, processor time"), 3, "{json}");
    assert!(report.html().contains("in shadow, processor time"));
}
