//! What routers count, as the server is told it.

use std::{sync::Arc, thread, time::Duration};

use modelgate::{
    Binding, Context, ModelRouter, Shadow,
    compare::Tolerance,
    model_fn,
    source::HttpSettings,
    unleash::{self, ImpactMetrics, Unleash as Dialect},
};
use modelgate_source_tests::{
    PATIENCE, eventually,
    log::Log,
    unleash::{Answer, Asked, Place, Unleash},
};
use serde_json::Value;

use crate::{counting, features, source, store};

type Router = ModelRouter<[f64], f64>;

fn router(source: unleash::Source) -> Router {
    let impact = ImpactMetrics::new();
    let router = Router::builder(Binding::value("m"))
        .model("v1", model_fn(|x: &[f64]| Ok(x[0])))
        .model("v2", model_fn(|x: &[f64]| Ok(x[0] + 1.0)))
        .fallback("v2")
        .source(source.impact_metrics(&impact))
        .shadow(
            Shadow::always()
                .candidate("v2")
                .queue(4096)
                .budget(modelgate::shadow::Budget::unlimited()),
        )
        .compare(Tolerance::absolute(0.5))
        .impact_metrics("fraud", &impact)
        .build()
        .unwrap();
    router.wait_ready(PATIENCE).unwrap();
    router
}

fn predict(router: &Router, times: usize) {
    for _ in 0..times {
        assert_eq!(router.predict(&Context::new("user-1"), &[1.0]).unwrap().version(), "v1");
    }
    assert!(router.flush(PATIENCE));
}

fn metric<'a>(report: &'a Asked, name: &str) -> Option<&'a Value> {
    report.body["impactMetrics"].as_array()?.iter().find(|metric| metric["name"] == name)
}

/// The sum of a counter, or of a histogram's observations, over the reports that were taken.
fn total(server: &Unleash, name: &str) -> u64 {
    let reports = server.asked(Place::Metrics);
    let taken = reports.iter().filter(|report| report.well).filter_map(|it| metric(it, name));
    let samples = taken.flat_map(|metric| metric["samples"].as_array().unwrap());
    samples.map(|it| it["value"].as_u64().or(it["count"].as_u64()).unwrap()).sum()
}

#[test]
fn what_a_router_counts_is_reported_as_impact_metrics() {
    let server = Unleash::start(&features("v1"));
    let router = router(counting(&server.url()).app_name("payments"));
    predict(&router, 20);
    eventually("all is reported", || {
        total(&server, "modelgate_answers_total") == 20
            && total(&server, "modelgate_shadows_completed_total") == 20
    });
    let reports = server.asked(Place::Metrics);
    let first =
        |name: &str| reports.iter().find_map(|report| metric(report, name)).unwrap().clone();
    let answers = first("modelgate_answers_total");
    assert_eq!(answers["type"], "counter");
    assert!(!answers["help"].as_str().unwrap().is_empty());
    let labels = &answers["samples"][0]["labels"];
    let label = |name: &str| labels[name].as_str().unwrap();
    let found = ["appName", "environment", "router", "version"].map(label);
    assert_eq!(found, ["payments", "development", "fraud", "v1"]);
    let seconds = first("modelgate_service_seconds");
    assert_eq!(seconds["type"], "histogram");
    let sample = &seconds["samples"][0];
    let buckets = sample["buckets"].as_array().unwrap();
    assert_eq!(buckets.last().unwrap()["le"], "+Inf");
    assert_eq!(buckets.last().unwrap()["count"], sample["count"]);
    assert!(sample["sum"].as_f64().unwrap() > 0.0);
    let share = first("modelgate_shadow_disagreement");
    assert_eq!((&share["type"], &share["samples"][0]["value"]), (&"gauge".into(), &1.0.into()));
    assert_eq!(share["samples"][0]["labels"]["candidate"], "v2");
    assert_eq!(total(&server, "modelgate_service_seconds"), 20);
}

#[test]
fn failures_neither_lose_nor_double_a_figure() {
    let server = Unleash::start(&features("v1"));
    let router = router(counting(&server.url()));
    for status in [500, 503, 429] {
        server.set(Place::Metrics, Answer::Status(status));
        let before = server.asked(Place::Metrics).len();
        predict(&router, 10);
        eventually("it is tried", || server.asked(Place::Metrics).len() >= before + 2);
        predict(&router, 1);
        server.set(Place::Metrics, Answer::Well);
    }
    eventually("all is reported", || total(&server, "modelgate_answers_total") == 33);
    assert_eq!(total(&server, "modelgate_service_seconds"), 33);
    let reports = server.asked(Place::Metrics).len();
    let polls = server.asked(Place::Features).len();
    eventually("a few polls", || server.asked(Place::Features).len() >= polls + 5);
    assert_eq!(server.asked(Place::Metrics).len(), reports, "nothing is left to report");
    assert_eq!(total(&server, "modelgate_answers_total"), 33);
}

#[test]
fn what_the_server_may_have_is_not_sent_again() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Metrics, Answer::Hang);
    let settings = HttpSettings::new().timeout(Duration::from_millis(300));
    let router = router(counting(&server.url()).settings(settings));
    predict(&router, 3);
    eventually("it hangs", || !server.asked(Place::Metrics).is_empty());
    server.set(Place::Metrics, Answer::Well);
    predict(&router, 4);
    let sent = || {
        let reports = server.asked(Place::Metrics);
        let answers = reports.iter().filter_map(|it| metric(it, "modelgate_answers_total"));
        answers.map(|it| it["samples"][0]["value"].as_u64().unwrap()).sum::<u64>()
    };
    eventually("what came later is reported", || sent() == 7);
    assert!(total(&server, "modelgate_answers_total") <= 7);
}

#[test]
fn the_last_figures_of_a_router_are_heard_and_nothing_keeps_it_alive() {
    let server = Unleash::start(&features("v1"));
    let held = Arc::new(());
    let source = source(&server.url()).metrics(Some(Duration::from_secs(3600)));
    let router = router(source);
    let model = Arc::clone(&held);
    router
        .install(
            "v3",
            model_fn(move |_: &[f64]| {
                let _model = &model;
                Ok(0.0)
            }),
            &modelgate::model::Acceptance::new(),
        )
        .unwrap();
    eventually("registered", || !server.asked(Place::Register).is_empty());
    // On a thread that ends: one that lives on may keep the last models it has read of.
    thread::scope(|scope| scope.spawn(|| predict(&router, 7)).join().unwrap());
    drop(router);
    eventually("reported", || total(&server, "modelgate_answers_total") == 7);
    eventually("its models are gone", || Arc::strong_count(&held) == 1);
}

#[test]
fn a_token_that_may_not_report_costs_nothing_more() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Metrics, Answer::Status(401));
    let router = router(counting(&server.url()));
    predict(&router, 3);
    eventually("refused", || server.asked(Place::Metrics).len() == 1);
    predict(&router, 3);
    let polls = server.asked(Place::Features).len();
    eventually("a few polls", || server.asked(Place::Features).len() >= polls + 5);
    drop(router);
    assert_eq!(server.asked(Place::Metrics).len(), 1);
}

#[test]
fn custom_strategies_are_registered_by_name() {
    let server = Unleash::start(&features("v1"));
    let dialect = Dialect::new()
        .with_strategy("byTenant", |_, _| true)
        .with_strategy("byTenant", |_, _| false)
        .with_strategy("byPlan", |_, _| true);
    let _flags = store(counting(&server.url()).dialect(dialect));
    eventually("registered", || !server.asked(Place::Register).is_empty());
    let registration = server.asked(Place::Register).remove(0).body;
    let names: Vec<_> = registration["strategies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    for name in ["default", "flexibleRollout", "byTenant", "byPlan"] {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{names:?}");
    }
}

#[test]
fn a_figure_that_the_server_does_not_take_poisons_no_other_and_its_loss_is_said() {
    let log = Log::start();
    let server = Unleash::start(&features("v1"));
    server.set(Place::Metrics, Answer::Refuses("modelgate_service_seconds"));
    let router = router(counting(&server.url()).name("refusing"));
    predict(&router, 20);
    eventually("all others are reported", || {
        total(&server, "modelgate_answers_total") == 20
            && total(&server, "modelgate_shadows_completed_total") == 20
    });
    assert_eq!(server.usage("m").yes, 20);
    eventually("it is said", || {
        let text = log.text();
        let mut lines = text.lines().filter(|line| line.contains("source=\"refusing\""));
        lines.any(|line| line.contains("WARN") && line.contains("modelgate_service_seconds"))
    });
    assert_eq!(total(&server, "modelgate_service_seconds"), 0);
}

#[test]
fn a_token_of_another_environment_is_reported_as_that_one() {
    let server = Unleash::start(&features("v1"));
    let source = counting(&server.url());
    let token = source.token_handle();
    let router = router(source);
    let environments = || {
        let reports = server.asked(Place::Metrics);
        let answers = reports.iter().filter_map(|it| metric(it, "modelgate_answers_total"));
        let label = |it: &Value| it["samples"][0]["labels"]["environment"].clone();
        answers.map(label).collect::<Vec<_>>()
    };
    predict(&router, 1);
    eventually("the first is reported", || environments() == ["development"]);
    token.set("default:production.hidden").unwrap();
    predict(&router, 1);
    eventually("the second is reported", || environments() == ["development", "production"]);
}

#[test]
fn the_application_is_called_as_the_source_says_or_else_the_dialect() {
    let mine = r#"[{"name": "m", "enabled": true, "strategies": [{"name": "default",
        "constraints": [{"contextName": "appName", "operator": "IN", "values": ["mine"]}]}]}]"#;
    for (of_source, of_dialect, name) in [
        (None, None, "modelgate"),
        (None, Some("mine"), "mine"),
        (Some("mine"), Some("another"), "mine"),
    ] {
        let server = Unleash::start(mine);
        let mut source = counting(&server.url());
        if let Some(name) = of_source {
            source = source.app_name(name);
        }
        if let Some(name) = of_dialect {
            source = source.dialect(Dialect::new().with_app_name(name));
        }
        let flags = store(source);
        flags.wait_ready(PATIENCE).unwrap();
        assert_eq!(flags.boolean("m", &Context::new("u"), false), name == "mine", "{name}");
        eventually("registered", || !server.asked(Place::Register).is_empty());
        assert_eq!(server.asked(Place::Register)[0].body["appName"], name);
        assert_eq!(server.asked(Place::Features)[0].headers["unleash-appname"], name);
    }
}
