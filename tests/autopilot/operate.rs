//! What an operator tells an autopilot, and what its status says.

use std::time::Duration;

use modelgate::{
    Context, ModelError, ModelRouter, Rollout,
    autopilot::{self, Autopilot, CommandError, MetricFinding, Phase, Share, Stage, draw},
    model_fn,
    verdict::{Metric, Verdict},
};
use serde_json::json;

use crate::{
    scripted::{FLAG, Scripted, at_25_percent, hurried, key, router, until},
    support::{serving, test_flags},
};

#[test]
fn what_an_operator_decides_is_no_evidence_and_the_status_says_so() {
    let (autopilot, _evidence) = at_25_percent();
    let verdict = Verdict::<f32>::builder("v2").metric(Metric::live_failures()).build().unwrap();
    let router = router(&autopilot)
        .source(test_flags(&serving(FLAG, "v2")))
        .observer(verdict.clone())
        .build()
        .unwrap();
    until(|| autopilot.status().share == 25.0);
    verdict.enter_stage(1, 25_000);
    let everybody_asks = || {
        (0..400).for_each(|n| drop(router.predict(&Context::new(&key(n)), &[]).unwrap()));
        let tally = verdict.tally();
        let live = &tally.live[&1];
        (live.candidate.requests, live.held_back.requests, live.both)
    };
    let through = (0..400).filter(|n| draw(FLAG, &key(*n)) < 25_000).count() as u64;
    let counted = everybody_asks();
    assert_eq!(counted, (through, 400 - through, 0));
    assert!(!autopilot.status().overruled);

    type Act<'a> = &'a dyn Fn();
    let pin = |version| router.pin(version).unwrap();
    let acts: [(Act<'_>, Act<'_>); 3] = [
        (&|| pin("v2"), &|| router.unpin()),
        (&|| pin("v1"), &|| router.unpin()),
        (&|| router.block("v2").unwrap(), &|| router.unblock("v2").unwrap()),
    ];
    for (does, undoes) in acts {
        does();
        assert_eq!(everybody_asks(), counted, "it counts neither for the candidate nor against");
        let status = autopilot.status();
        assert!(status.overruled && status.headline.contains("no evidence"), "{status}");
        assert_eq!(status.agreed_share, 25.0, "the rollout is where it was");
        undoes();
        assert!(!autopilot.status().overruled);
    }
    assert_eq!(everybody_asks(), (2 * through, 2 * (400 - through), 0));
}

#[test]
fn an_abort_is_in_force_when_it_returns_and_is_latched() {
    let (autopilot, _evidence) = at_25_percent();
    let router = router(&autopilot).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    let news = autopilot.subscribe();
    until(|| autopilot.status().share == 25.0);
    autopilot.abort("support calls").unwrap();
    let through = (0..1_000).map(key).find(|key| draw(FLAG, key) < 25_000).unwrap();
    assert_eq!(router.decide(&Context::new(&through)).unwrap().version().as_str(), "v1");
    assert_eq!(autopilot.status().phase, Some(Phase::RolledBack));
    assert!(matches!(autopilot.resume("no"), Err(CommandError::NotNow { .. })));
    let told: Vec<_> = std::iter::from_fn(|| news.recv_timeout(Duration::from_secs(5)).ok())
        .take_while(|transition| transition.to != Phase::RolledBack)
        .map(|transition| transition.share)
        .collect();
    let shares = [0.0, 5.0, 25.0].map(Share::from_percent);
    assert!(told.ends_with(&shares[1..]), "{told:?}");
}

#[test]
fn a_replicas_own_evidence_stops_it_at_once_and_the_fleet_soon() {
    let (autopilot, evidence) = at_25_percent();
    let _router = router(&autopilot).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    until(|| autopilot.status().share == 25.0);
    *evidence.veto.lock() = Some("three of three failed".to_owned());
    until(|| autopilot.status().phase == Some(Phase::RolledBack));
    let last = autopilot.status().transitions.pop().unwrap();
    assert_eq!((last.cause.as_str(), last.sentence.as_str()), ("veto", "three of three failed"));
}

#[test]
fn a_candidate_that_nobody_has_waits() {
    let evidence = Scripted::new(MetricFinding::NotWorse);
    let autopilot = hurried(&evidence).build().unwrap();
    type Answer = fn(&[f32]) -> Result<f32, ModelError>;
    let failed: Result<modelgate::model::FnModel<Answer>, _> =
        Err(std::io::Error::other("no such file"));
    let router = ModelRouter::<[f32], f32>::builder(FLAG)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .try_model("v2", failed)
        .fallback("v1")
        .source(test_flags(&serving(FLAG, "v2")))
        .autopilot(&autopilot)
        .build()
        .unwrap();
    until(|| autopilot.status().replicas == 1);
    until(|| autopilot.status().rev > 5);
    let status = autopilot.status();
    assert_eq!((status.phase, status.share), (Some(Phase::Waiting), 0.0));
    let admission = modelgate::model::Acceptance::new();
    router.install("v2", model_fn(|_: &[f32]| Ok(2.0)), &admission).unwrap();
    until(|| autopilot.status().share == 100.0);
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let evidence = Scripted::new(MetricFinding::NotWorse);
    let refused = |builder: autopilot::Builder| builder.build().unwrap_err().to_string();
    let stages = |percents: [f64; 2]| hurried(&evidence).stages(percents.map(Stage::percent));
    assert_eq!(
        refused(stages([25.0, 5.0])),
        "stages: found 5 % after 25 %, expected shares that grow, from above 0 to at most 100 %"
    );
    assert!(refused(stages([0.0, 5.0])).starts_with("stages: found 0 % after 0 %"));
    assert!(refused(hurried(&evidence).every(Duration::ZERO)).starts_with("every: found 0ns"));
    assert!(matches!(
        Autopilot::builder("a", "v2").require(&evidence).build(),
        Err(autopilot::Error::NoStore)
    ));
    assert!(matches!(Autopilot::builder("a", "v2").build(), Err(autopilot::Error::NoEvidence)));

    let autopilot = hurried(&evidence).build().unwrap();
    let unknown = ModelRouter::<[f32], f32>::builder(FLAG)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .fallback("v1")
        .autopilot(&autopilot)
        .build();
    assert!(unknown.unwrap_err().to_string().contains("autopilot: found version `v2`"));
    let twice = router(&autopilot).autopilot(&autopilot).build();
    assert!(twice.unwrap_err().to_string().starts_with("autopilot: found candidate `v2`"));
    let _ = Rollout::everyone("v2");
}

#[test]
fn the_status_serializes_with_everything_a_page_needs() {
    let (autopilot, _evidence) = at_25_percent();
    let _router = router(&autopilot).source(test_flags(&serving(FLAG, "v2"))).build().unwrap();
    until(|| {
        let status = autopilot.status();
        let held = status.held_by.is_some_and(|held| held.gate.as_str() == "approval");
        held && status.share == 25.0
    });
    let status = serde_json::to_value(autopilot.status()).unwrap();
    assert_eq!((&status["phase"], &status["stage"]), (&json!("Ramping"), &json!(2)));
    assert_eq!(status["share"], json!(25.0));
    assert_eq!(status["gates"].as_array().unwrap().len(), 15);
    let stages = status["stages"].as_array().unwrap();
    let progress: Vec<_> = stages.iter().map(|stage| stage["progress"].as_str().unwrap()).collect();
    assert_eq!(progress, ["done", "done", "current", "to_come", "to_come"]);
    assert!(stages[2]["entered_at"].is_u64() && stages[3]["entered_at"].is_null());
    let headline = status["headline"].as_str().unwrap();
    assert!(
        headline.starts_with(
            "v2 answers 25 % of the users whom its flag names; it will not go on yet: "
        ),
        "{headline}"
    );
}
