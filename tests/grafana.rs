//! The Grafana board asks for what is there: each metric and label of its queries is in what a service
//! publishes through the exporter.
#![cfg(feature = "metrics")]

use std::{collections::BTreeSet, path::Path, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use modelgate::{
    Context, ModelError, ModelRouter, Shadow,
    autopilot::{Autopilot, Stage, store::FileStore},
    compare::key::KeyHasher,
    flag::store::ConnectionStatus,
    metrics::{publish_autopilot_metrics, publish_metrics, publish_source_metrics},
    model_fn,
    verdict::{Metric, Verdict},
};
use serde_json::Value;

/// What a scrape brings of a service with a shadow, a fallback, a rollout and a connection.
fn scraped() -> String {
    let folder = tempfile::tempdir().unwrap();
    let verdict =
        Verdict::<f32>::builder("v2").against("v1").metric(Metric::failures()).build().unwrap();
    let autopilot = Autopilot::builder("board", "v2")
        .stages([Stage::percent(5.0)])
        .every(Duration::from_millis(20))
        .require(&verdict)
        .store(FileStore::open(folder.path()).unwrap())
        .build()
        .unwrap();
    let hasher = KeyHasher::new("one secret for every process").unwrap();
    let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
        .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
        .model(
            "v2",
            model_fn(|_: &[f32]| -> Result<f32, ModelError> { Err(ModelError::new("it fails")) }),
        )
        .fallback("v1")
        .source(autopilot.as_source("ml-model-version").unwrap())
        .shadow(Shadow::always().candidate("v2").joined().key_hasher(hasher))
        .sink(verdict)
        .autopilot(&autopilot)
        .build()
        .unwrap();
    for user in 0..20 {
        router.predict(&Context::new(&format!("user-{user}")), &[1.0]).unwrap();
    }
    // Metrics are known once somebody has decided.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while autopilot.status().metrics.is_empty() && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let mut status = router.status();
    for source in &mut status.sources {
        source.connection = Some(ConnectionStatus::default());
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        publish_metrics("ml-model-version", &router.stats());
        publish_source_metrics("flags", &status);
        publish_autopilot_metrics(&autopilot.status());
    });
    recorder.handle().render()
}

/// The labels that each line of a metric carries.
fn labels_of(scraped: &str, metric: &str) -> Option<BTreeSet<String>> {
    let begins = format!("{metric}{{");
    let line = scraped.lines().find_map(|line| line.strip_prefix(&begins))?;
    let labels = line.rsplit_once('}')?.0.split("\",");
    Some(labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect())
}

/// The metrics that a query names, and the labels that it asks them for.
fn asked(query: &str) -> (Vec<String>, BTreeSet<String>) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let metrics = query
        .match_indices("modelgate_")
        .map(|(at, _)| query[at..].chars().take_while(|c| is_name(*c)).collect())
        .collect();
    let grouped = inside(query, "by (", ')');
    let matched = inside(query, "{", '}');
    let labels = grouped.iter().flat_map(|group| group.split(','));
    let matched = matched.iter().flat_map(|matchers| matchers.split(','));
    let matched = matched.filter_map(|matcher| matcher.split(['=', '!']).next());
    let labels = labels.chain(matched).map(|label| label.trim().to_owned());
    (metrics, labels.filter(|label| !label.is_empty()).collect())
}

/// What stands between these, each time.
fn inside<'q>(query: &'q str, open: &str, close: char) -> Vec<&'q str> {
    let begun = query.match_indices(open).map(|(at, _)| &query[at + open.len()..]);
    begun.map(|rest| rest.split(close).next().unwrap_or_default()).collect()
}

fn queries(board: &Value, found: &mut Vec<(String, String)>) {
    match board {
        Value::Object(members) => {
            if let Some(query) = members.get("expr").and_then(Value::as_str) {
                let legend = members["legendFormat"].as_str().unwrap_or_default();
                found.push((query.to_owned(), legend.to_owned()));
            }
            members.values().for_each(|member| queries(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn every_query_of_the_board_names_metrics_and_labels_that_are_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grafana.json");
    let board: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let scraped = scraped();
    let mut found = Vec::new();
    queries(&board, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for (query, legend) in &found {
        let (metrics, wanted) = asked(query);
        assert!(!metrics.is_empty(), "{query}");
        for metric in metrics {
            let labels = labels_of(&scraped, &metric)
                .unwrap_or_else(|| panic!("{query}: no {metric} in\n{scraped}"));
            let missing: Vec<_> = wanted.difference(&labels).collect();
            assert!(missing.is_empty(), "{query}: {metric} has {labels:?}");
            // A legend shows only what the query grouped by.
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                assert!(wanted.contains(label), "{query}: legend {legend}");
            }
        }
    }
    for variable in board["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let (metric, label) = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'))
            .and_then(|rest| rest.split_once(", "))
            .unwrap_or_else(|| panic!("{query}"));
        assert!(labels_of(&scraped, metric).unwrap().contains(label), "{query}");
    }
}
