//! The rollout by itself, and what a person can tell it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Ask, Client, Site, site::PATIENCE};
use crate::example::service::{Candidate, Service};

fn rolling(candidate: Candidate) -> Site {
    let mut site = Site::new(None);
    site.config.rollout = Some(candidate);
    site.config.rollout_token = Some("of-the-test".to_owned());
    site
}

fn command(path: &'static str, token: &str, reason: &str) -> Ask {
    let ask = Ask { method: "POST", body: reason.as_bytes().to_vec(), ..Ask::get(path) };
    ask.with("authorization", format!("Bearer {token}"))
}

#[test]
fn a_rollout_of_another_name_is_refused_with_the_names_there_are() {
    assert_eq!(Candidate::named("bad"), Ok(Candidate::Bad));
    let error = Candidate::named("typo").unwrap_err();
    let expected = "found `typo`, expected `good`, `equal`, `better` or `bad`";
    assert_eq!(error, format!("MODELGATE_ROLLOUT: {expected}"));
}

/// Sends requests of new users until the rollout is as wanted.
async fn until(client: &impl Client, site: &Site, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let rows: Vec<_> = (0..40).map(|row| json!({ "features": site.pixels(row) })).collect();
    for user in 0.. {
        let ask = Ask::predict(&format!("user-{user}"), &rows[user % rows.len()]);
        client.send(ask).await.answer();
        let rollout = client.send(Ask::get("/rollout")).await.answer();
        if wanted(&rollout) {
            return rollout;
        }
        assert!(Instant::now() < deadline, "{rollout}");
        std::thread::sleep(Duration::from_millis(2));
    }
    unreachable!("users do not end")
}

pub async fn a_bad_v2_is_rolled_back_and_a_retry_is_a_persons<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = rolling(Candidate::Bad);
    let client = client(site.service()).await;
    let rollout = until(&client, &site, |rollout| rollout["phase"] == "RolledBack").await;
    assert_eq!(rollout["share"], json!(0.0));
    let last = rollout["transitions"].as_array().unwrap().last().unwrap().clone();
    assert!(last["sentence"].as_str().unwrap().contains("v2 is worse than v1"), "{last}");

    let report = shown(&client, |report| report["rollout"]["phase"] == "RolledBack").await;
    assert_eq!(report["headline"]["standing"], "bad", "{}", report["headline"]);
    assert_eq!(report["rollout"]["stages"][0]["progress"], "stopped");
    assert_eq!(report["rollout"]["stages"][1]["progress"], "not_reached");
    let failures = &report["metrics"][0];
    assert_eq!((&failures["name"], &failures["finding"]), (&json!("failures"), &json!("worse")));
    let enough = failures["worse"]["threshold"].as_f64().unwrap();
    assert!(failures["worse"]["ln_e"].as_f64().unwrap() >= enough, "{failures}");
    assert!(report["decision"]["evidence"]["tally"]["metrics"]["failures"]["worse"].is_u64());
    let page = client.send(Ask::get("/")).await;
    let page = String::from_utf8(page.body).unwrap();
    for words in ["RolledBack", "v2 is worse than v1", "The sums, to recompute it"] {
        assert!(page.contains(words), "{words}");
    }

    let refused = client.send(command("/rollout/resume", "of-the-test", "why not")).await;
    assert_eq!(refused.status, 409, "{}", refused.json());
    let refused = client.send(command("/rollout/retry", "of-the-test", "")).await;
    assert_eq!(refused.status, 400);
}

pub async fn a_good_v2_climbs_before_the_eyes_of_who_looks_at_the_page<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let mut site = rolling(Candidate::Good);
    site.config.traffic = Some(300);
    // Longer than it takes a busy machine to show the page twice.
    site.config.stage = Duration::from_secs(6);
    let client = client(site.service()).await;
    let report = shown(&client, |report| report["rollout"]["share"] == 5.0).await;
    assert_eq!(report["rollout"]["phase"], "Ramping");
    assert_eq!(report["rollout"]["stages"][0]["progress"], "done");
    assert_eq!(report["rollout"]["stages"][1]["progress"], "current");
    assert_eq!(report["gates"].as_array().unwrap().len(), 15);
    assert_eq!(report["metrics"].as_array().unwrap().len(), 4);
    // The truth was told of each answer, and both versions' answers are known.
    let right_and_wrong = report["agreement"]["right_and_wrong"].as_array().unwrap();
    assert!(right_and_wrong[0].as_u64().unwrap() > 100, "{right_and_wrong:?}");
    assert_eq!(report["agreement"]["confusion"].as_array().unwrap().len(), 10);
    assert!(!report["series"][0]["points"].as_array().unwrap().is_empty());
}

/// The report, once it says so: it is rendered at most once a second.
async fn shown(client: &impl Client, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = client.send(Ask::get("/report.json")).await.answer();
        if wanted(&report) {
            return report;
        }
        assert!(Instant::now() < deadline, "{report}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub async fn commands_want_the_token_and_a_reason<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = rolling(Candidate::Good);
    let client = client(site.service()).await;
    until(&client, &site, |rollout| rollout["phase"] == "Shadowing").await;
    for token in ["", "of-the-tess", "of-the-test-", "OF-THE-TEST"] {
        let refused = client.send(command("/rollout/abort", token, "because")).await;
        assert_eq!(refused.status, 401, "{token}");
    }
    let send = async |path, reason| client.send(command(path, "of-the-test", reason)).await;
    assert_eq!(send("/rollout/pause", "lunch").await.status, 200);
    let rollout = client.send(Ask::get("/rollout")).await.answer();
    assert_eq!(
        (&rollout["phase"], &rollout["from"]["phase"]),
        (&json!("Paused"), &json!("Shadowing"))
    );
    assert_eq!(send("/rollout/resume", "lunch is over").await.status, 200);
    assert_eq!(send("/rollout/approve", "nobody asked").await.status, 409);
    assert_eq!(send("/rollout/promote", "no such command").await.status, 404);
    assert_eq!(send("/rollout/abort", "enough").await.status, 200);
    assert_eq!(client.send(Ask::get("/rollout")).await.answer()["phase"], "RolledBack");
}

pub async fn a_service_without_a_rollout_says_so<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = Site::of_the_example();
    let client = client(site.service()).await;
    assert_eq!(client.send(Ask::get("/rollout")).await.status, 404);
    assert_eq!(client.send(command("/rollout/abort", "x", "because")).await.status, 404);
}
