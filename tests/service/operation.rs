//! Everything but the answers: switching, looking, breaking and mending.

use std::{collections::HashSet, fs};

use modelgate::shadow;
use serde_json::{Value, json};

use super::{
    Ask, Client, Site, flags,
    site::{PATIENCE, logs},
};
use crate::example::service::Service;

pub async fn the_kill_switch_acts_on_the_next_request<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let mut definitions = flags("v2", false);
    let site = Site::new(Some(definitions.clone()));
    let service = site.service();
    let client = client(service.clone()).await;
    let ask = Ask::predict("user-1", json!({ "features": site.pixels(0) }));

    let before = client.send(ask.clone()).await.answer();
    assert_eq!((&before["model_version"], &before["fell_back"]), (&json!("v2"), &json!(false)));

    definitions["ml-model-version"]["state"] = json!("DISABLED");
    site.change_flags(&service, definitions.clone());
    let killed = client.send(ask.clone()).await.answer();
    assert_eq!((&killed["model_version"], &killed["reason"]), (&json!("v1"), &json!("DISABLED")));
    assert!(killed["flag_revision"].as_u64() > before["flag_revision"].as_u64(), "{killed}");

    definitions["ml-model-version"]["state"] = json!("ENABLED");
    site.change_flags(&service, definitions);
    assert_eq!(client.send(ask).await.answer()["model_version"], "v2");
}

pub async fn a_service_without_flags_serves_v1_and_is_not_ready<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(None);
    let service = site.service();
    let client = client(service.clone()).await;
    let ask = Ask::predict("user-1", json!({ "features": site.pixels(0) }));

    assert_eq!(client.send(Ask::get("/healthz")).await.status, 200);
    let got = client.send(Ask::get("/readyz")).await;
    assert_eq!(got.status, 503);
    let ready = got.json();
    assert_eq!(ready["ready"], false);
    let reason = ready["reasons"][0].as_str().unwrap();
    assert!(reason.contains("`file`") && reason.contains("delivered nothing"), "{reason}");
    let answer = client.send(ask.clone()).await.answer();
    assert_eq!(answer["model_version"], "v1");
    assert_eq!((&answer["reason"], &answer["fell_back"]), (&json!("NOT_READY"), &json!(true)));

    site.write_flags(flags("v2", false));
    service.router().wait_ready(PATIENCE).unwrap();
    let ready = client.send(Ask::get("/readyz")).await.answer();
    assert_eq!(ready, json!({ "ready": true, "reasons": [] }));
    assert_eq!(client.send(ask).await.answer()["model_version"], "v2");
}

pub async fn the_status_shows_sources_versions_and_shadows<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(Some(flags("v1", true)));
    let service = site.service();
    let client = client(service.clone()).await;
    for number in 0..30 {
        let body = json!({ "features": site.pixels(number) });
        client.send(Ask::predict("user-1", body)).await.answer();
    }
    assert!(service.router().flush(PATIENCE));

    let status = client.send(Ask::get("/status")).await.answer();
    assert_eq!(status["ready"], true);
    assert_eq!(status["sources"][0]["name"], "file");
    assert_eq!(status["sources"][0]["state"], "ready");
    assert_eq!(status["sources"][0]["flags"], 2);
    let versions = status["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2, "{status}");
    assert_eq!(versions[0]["version"], "v1");
    assert_eq!(versions[0]["answered"]["STATIC"], 30);
    assert_eq!(versions[0]["service_time"]["count"], 30);
    for version in versions {
        assert_eq!(version["state"], "eligible", "{status}");
    }
    let candidates = status["shadows"][0]["candidates"].as_array().unwrap();
    let v2 = candidates.iter().find(|candidate| candidate["candidate"] == "v2").unwrap();
    assert_eq!(v2["wanted"], 30, "{status}");
    let lost: u64 = v2["dropped"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(v2["completed"].as_u64(), Some(30 - lost), "{status}");
    assert_eq!(status["shadows"][0]["sinks"]["recorded"], v2["completed"], "{status}");
    // A source that has trouble says so, and what it delivered stays in force.
    fs::write(&site.config.flags, "{ half").unwrap();
    assert!(service.router().flags().wait_until(PATIENCE, |status| {
        status.source("file").is_some_and(|source| source.is_stale())
    }));
    let status = client.send(Ask::get("/status")).await.answer();
    assert_eq!(status["sources"][0]["state"], "stale", "{status}");
    assert_eq!(status["sources"][0]["flags"], 2);
    assert_eq!(client.send(Ask::get("/readyz")).await.status, 200);
}

pub async fn the_metrics_are_in_the_format_of_prometheus<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(Some(flags("v2", true)));
    let service = site.service();
    service
        .router()
        .install(
            "a \"quoted\" back\\slash\nversion",
            modelgate::model_fn(|_: &modelgate::Features| {
                Err::<modelgate::Classification, _>(modelgate::ModelError::new("none"))
            }),
            &modelgate::model::Acceptance::new(),
        )
        .unwrap();
    let client = client(service).await;
    for number in 0..7 {
        let body = json!({ "features": site.pixels(number) });
        client.send(Ask::predict("user-1", body)).await.answer();
    }

    let got = client.send(Ask::get("/metrics")).await;
    assert_eq!(got.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(got.body).unwrap();
    let mut families = HashSet::new();
    let mut seen = HashSet::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert!(families.insert(name), "{name} is described twice");
        } else if !line.is_empty() {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            assert!(families.contains(series.split('{').next().unwrap()), "{line}");
            assert!(seen.insert(series), "{series} is there twice");
        }
    }
    for expected in [
        "modelgate_answers_total{router=\"ml-model-version\",version=\"v2\",reason=\"STATIC\"} 7\n",
        "modelgate_version_eligible{router=\"ml-model-version\",version=\"v1\"} 1\n",
        "version=\"a \\\"quoted\\\" back\\\\slash\\nversion\"} 1\n",
        "modelgate_source_ready{store=\"flags\",source=\"file\"} 1\n",
        "modelgate_ready{store=\"flags\"} 1\n",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

pub async fn paths_and_methods_that_are_not_served_get_json_as_well<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(Some(flags("v1", false)));
    let client = client(site.service()).await;
    let error = client.send(Ask::get("/predictions")).await.error(404);
    assert!(error.contains("/predictions") && error.contains("/predict,"), "{error}");
    let error = client.send(Ask::get("/predict")).await.error(405);
    assert!(error.contains("GET") && error.contains("POST"), "{error}");
    for path in ["/healthz", "/readyz", "/status", "/metrics"] {
        let error = client.send(Ask { method: "POST", ..Ask::get(path) }).await.error(405);
        assert!(error.contains("POST") && error.contains("GET"), "{error}");
    }
}

/// The path `/panic` is the test's own.
pub async fn a_panic_in_a_handler_is_a_500_and_nothing_else_dies<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(Some(flags("v1", false)));
    let client = client(site.service()).await;
    for number in 0..20 {
        let error = client.send(Ask::get("/panic")).await.error(500);
        assert!(!error.contains("secret"), "{error}");
        let body = json!({ "features": site.pixels(number) });
        client.send(Ask::predict("user-1", body)).await.answer();
    }
}

pub async fn a_corrupt_v2_stops_nothing_and_a_good_one_can_be_installed<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let mut site = Site::new(Some(flags("v2", true)));
    let models = site.own_models();
    let good = fs::read(models.join("digits_v2.onnx")).unwrap();
    fs::write(models.join("digits_v2.onnx"), &good[..good.len() / 2]).unwrap();
    let service = site.service();
    let client = client(service.clone()).await;
    let ask = Ask::predict("user-1", json!({ "features": site.pixels(0) }));

    let answer = client.send(ask.clone()).await.answer();
    assert_eq!(answer["model_version"], "v1");
    assert_eq!(answer["fell_back"], true);
    let status = client.send(Ask::get("/status")).await.answer();
    let v2 = &status["versions"][1];
    assert_eq!((&v2["version"], &v2["state"]), (&json!("v2"), &json!("ineligible")));
    assert!(v2["why"].as_str().unwrap().contains("digits_v2.onnx"), "{v2}");
    assert_eq!(v2["replaced"]["ineligible"], 1, "{v2}");
    let metrics = client.send(Ask::get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let ineligible = "modelgate_version_eligible{router=\"ml-model-version\",version=\"v2\"} 0\n";
    assert!(metrics.contains(ineligible), "{metrics}");

    fs::write(models.join("digits_v2.onnx"), good).unwrap();
    let digits = site.digits();
    let acceptance = digits.acceptance("v2").unwrap();
    service.router().install("v2", digits.model("v2").unwrap(), &acceptance).unwrap();
    let answer = client.send(ask).await.answer();
    assert_eq!((&answer["model_version"], &answer["fell_back"]), (&json!("v2"), &json!(false)));
    let status = client.send(Ask::get("/status")).await.answer();
    assert_eq!(status["versions"][1]["state"], "eligible");
}

pub async fn a_corrupt_v1_refuses_to_start<C: Client>(_: impl AsyncFn(Service) -> C) {
    let mut site = Site::new(Some(flags("v2", false)));
    let models = site.own_models();
    fs::write(models.join("digits_v1.onnx"), "no model").unwrap();
    let error = Service::start(&site.config).unwrap_err();
    assert!(error.to_string().contains("digits_v1.onnx"), "{error}");
}

pub async fn comparisons_are_on_the_disk_after_a_flush<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(Some(flags("v1", true)));
    let service = site.service();
    let client = client(service.clone()).await;
    let mut answers = Vec::new();
    for number in 0..30 {
        let body = json!({ "features": site.pixels(number) });
        answers.push(client.send(Ask::predict("user-1", body)).await.answer());
    }
    service.flush();
    let written = fs::read_to_string(&site.config.comparisons).unwrap();
    let lines: Vec<Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let stats = service.router().stats();
    let completed: u64 = stats.shadows[0].candidates.iter().map(shadow::Counts::completed).sum();
    assert!(completed > 0, "{stats:?}");
    assert_eq!(lines.len() as u64, completed);
    for line in &lines {
        let answer = answers.iter().find(|a| a["prediction_id"] == line["prediction_id"]);
        let answer = answer.unwrap_or_else(|| panic!("{line} compares nobody's answer"));
        assert_eq!(line["primary"]["version"], "v1");
        assert_eq!(line["candidate"]["version"], "v2");
        assert_eq!(line["primary"]["output"]["label"], answer["label"]);
        let same = line["primary"]["output"]["label"] == line["candidate"]["output"]["label"];
        assert_eq!(line["agrees"], same, "{line}");
    }
}

pub async fn the_user_is_in_no_log_and_no_comparison<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    const USER: &str = "erika.mustermann@example.com";
    // v3 is unknown: that is worth a warning, and a warning must not name the user.
    for version in ["v1", "v3"] {
        let site = Site::new(Some(flags(version, true)));
        let service = site.service();
        let client = client(service.clone()).await;
        let ask = Ask::predict(USER, json!({ "features": site.pixels(0) }));
        client.send(ask.clone().with("x-region", USER)).await.answer();
        let got = client.send(Ask { body: b"{".to_vec(), ..ask.clone() }).await;
        assert!(!got.error(400).contains(USER));
        for path in ["/status", "/metrics"] {
            let got = client.send(Ask::get(path)).await;
            assert!(!String::from_utf8_lossy(&got.body).contains(USER));
        }
        service.flush();
        let comparisons = fs::read_to_string(&site.config.comparisons).unwrap();
        assert!(!comparisons.contains(USER), "{comparisons}");
    }
    let logs = logs();
    assert!(logs.contains("the fallback version answers"), "nothing was caught: {logs}");
    assert!(!logs.contains(USER));
}
