//! Writers against stand-ins for what they write to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri},
};
use serde_json::{Value, json};

use crate::autopilot::{
    Cause, Phase, Share,
    writer::{FlagdFile, Flagsmith, Intent, LaunchDarkly, ShareWriter, Unleash, Webhook, Written},
};

/// A server that holds one document, and remembers what it was asked.
#[derive(Clone, Default)]
struct StandIn {
    document: Arc<Mutex<Value>>,
    asked: Arc<Mutex<Vec<(String, String, Value)>>>,
    /// What a write is answered with.
    refuses: Arc<Mutex<Option<u16>>>,
}

impl StandIn {
    fn start(document: Value) -> (StandIn, String) {
        let server = StandIn::default();
        *server.document.lock().unwrap() = document;
        let app = Router::new().fallback(answer).with_state(server.clone());
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address: SocketAddr = listener.local_addr().unwrap();
                sender.send(address).unwrap();
                axum::serve(listener, app).await.unwrap();
            });
        });
        (server, format!("http://{}", receiver.recv().unwrap()))
    }

    fn writes(&self) -> Vec<(String, String, Value)> {
        self.asked.lock().unwrap().iter().filter(|(method, ..)| method != "GET").cloned().collect()
    }
}

async fn answer(
    State(server): State<StandIn>,
    method: Method,
    uri: Uri,
    body: String,
) -> (StatusCode, Json<Value>) {
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    server.asked.lock().unwrap().push((method.to_string(), uri.path().to_owned(), body.clone()));
    if method != Method::GET {
        let refused = *server.refuses.lock().unwrap();
        if let Some(status) = refused.filter(|_| method != Method::POST) {
            return (StatusCode::from_u16(status).unwrap(), Json(json!({})));
        }
        // A request for an approval changes nothing yet.
        if method != Method::POST {
            apply(&mut server.document.lock().unwrap(), &method, body);
        }
    }
    let document = server.document.lock().unwrap().clone();
    (StatusCode::OK, Json(document))
}

/// What the vendors make of a write.
fn apply(document: &mut Value, method: &Method, body: Value) {
    if *method == Method::PUT && document["results"].is_array() {
        document["results"][0] = body;
        return;
    }
    if *method == Method::PUT {
        let id = document["id"].clone();
        *document = body;
        document["id"] = id;
        return;
    }
    for instruction in body["instructions"].as_array().into_iter().flatten() {
        let place = |id: &str| if id == "id-v2" { 1 } else { 0 };
        let made = match instruction.get("variationId").and_then(Value::as_str) {
            Some(id) => json!({ "variation": place(id) }),
            None => {
                let weights = instruction["rolloutWeights"].as_object().unwrap();
                let variations: Vec<Value> = weights
                    .iter()
                    .map(|(id, weight)| json!({ "variation": place(id), "weight": weight }))
                    .collect();
                json!({ "rollout": { "variations": variations } })
            }
        };
        document["environments"]["production"]["fallthrough"] = made;
    }
}

fn intent(rev: u64, percent: f64) -> Intent {
    Intent {
        autopilot: "ml-model".to_owned(),
        candidate: "v2".to_owned(),
        rev,
        attempt: 0,
        from: Phase::Shadowing,
        to: Phase::Ramping { stage: 1 },
        share: Share::from_percent(percent),
        cause: Cause::Advanced,
        sentence: "nothing is worse".to_owned(),
    }
}

/// 5, 25, 50, 100 % and back to nobody, each twice; then somebody else is not overwritten.
fn drive(
    writer: &dyn ShareWriter,
    seen: impl Fn(f64),
    meddle: impl FnOnce(),
    untouched: impl Fn(),
) {
    let mut last: Option<Written> = None;
    for (rev, percent) in [5.0, 25.0, 50.0, 100.0, 0.0, 5.0].into_iter().enumerate() {
        for _ in 0..2 {
            last = Some(writer.write(&intent(rev as u64, percent), last.as_ref()).unwrap());
            seen(percent);
        }
    }
    meddle();
    let refused = writer.write(&intent(9, 25.0), last.as_ref()).unwrap_err();
    assert!(refused.is_conflict(), "{refused}");
    untouched();
    writer.write(&intent(10, 25.0), None).expect("a person has agreed to what is there");
    seen(25.0);
}

#[test]
fn unleash_shows_each_stage_and_a_persons_edit_stays() {
    let (server, url) = StandIn::start(json!({
        "id": "s-1", "name": "flexibleRollout", "constraints": [{"contextName": "region"}],
        "parameters": {"rollout": "0", "stickiness": "default", "groupId": "g"},
    }));
    let writer =
        Unleash::new(&url, "admin", ("default", "use-v2"), ("development", "s-1")).unwrap();
    let document = Arc::clone(&server.document);
    drive(
        &writer,
        |percent| {
            let document = document.lock().unwrap();
            assert_eq!(document["parameters"]["rollout"], json!(percent.to_string()));
            assert_eq!(document["parameters"]["groupId"], "g", "the rest stays");
        },
        || document.lock().unwrap()["constraints"] = json!([]),
        || assert_eq!(document.lock().unwrap()["parameters"]["rollout"], "5"),
    );
    let writes = server.writes();
    assert_eq!(writes.len(), 7, "what is there already is not written: {writes:?}");
    let path =
        "/api/admin/projects/default/features/use-v2/environments/development/strategies/s-1";
    assert!(
        writes.iter().all(|(method, at, body)| {
            method == "PUT" && at == path && body.get("id").is_none()
        })
    );
}

#[test]
fn unleash_without_a_gradual_rollout_is_left_alone() {
    let (server, url) = StandIn::start(json!({"id": "s-1", "name": "default", "parameters": {}}));
    let writer =
        Unleash::new(&url, "admin", ("default", "use-v2"), ("development", "s-1")).unwrap();
    assert!(writer.write(&intent(1, 5.0), None).unwrap_err().is_conflict());
    assert!(server.writes().is_empty());
}

fn launchdarkly_flag() -> Value {
    json!({
        "variations": [{"_id": "id-v1", "value": "v1"}, {"_id": "id-v2", "value": "v2"}],
        "environments": {"production": {"fallthrough": {"variation": 0}}},
    })
}

fn launchdarkly(url: &str) -> LaunchDarkly {
    LaunchDarkly::new(url, "api-token", ("ml", "production", "model"), ("id-v2", "id-v1")).unwrap()
}

#[test]
fn launchdarkly_shows_each_stage_and_a_persons_edit_stays() {
    let (server, url) = StandIn::start(launchdarkly_flag());
    let document = Arc::clone(&server.document);
    let fallthrough =
        || document.lock().unwrap()["environments"]["production"]["fallthrough"].clone();
    drive(
        &launchdarkly(&url),
        |percent| match percent {
            0.0 => assert_eq!(fallthrough(), json!({"variation": 0})),
            100.0 => assert_eq!(fallthrough(), json!({"variation": 1})),
            percent => {
                let fallthrough = fallthrough();
                let variations = fallthrough["rollout"]["variations"].as_array().unwrap();
                let weight = |place: u64| {
                    let one = variations.iter().find(|one| one["variation"] == place).unwrap();
                    one["weight"].as_f64().unwrap() / 1_000.0
                };
                assert_eq!((weight(1), weight(0)), (percent, 100.0 - percent));
            }
        },
        || {
            let edited = json!({"variation": 0});
            document.lock().unwrap()["environments"]["production"]["fallthrough"] = edited;
        },
        || assert_eq!(fallthrough(), json!({"variation": 0})),
    );
    assert!(server.writes().iter().all(|(method, at, body)| {
        method == "PATCH"
            && at == "/api/v2/flags/ml/model"
            && body["environmentKey"] == "production"
            && body["comment"] == "nothing is worse"
    }));
}

#[test]
fn launchdarkly_is_asked_for_an_approval_where_it_wants_one() {
    let (server, url) = StandIn::start(launchdarkly_flag());
    *server.refuses.lock().unwrap() = Some(405);
    let writer = launchdarkly(&url);
    // Tried again as often as it takes, and asked once.
    for _ in 0..3 {
        let refused = writer.write(&intent(1, 5.0), None).unwrap_err();
        assert!(
            !refused.is_conflict() && refused.to_string().contains("an approval was asked for")
        );
    }
    let requests = server.writes().into_iter().filter(|(method, ..)| method == "POST");
    let mut requests: Vec<_> = requests.collect();
    let asked = requests.remove(0);
    assert!(requests.is_empty(), "{requests:?}");
    assert_eq!(asked.0, "POST");
    assert_eq!(asked.1, "/api/v2/flags/ml/model/environments/production/approval-requests");
    assert_eq!(asked.2["instructions"][0]["rolloutWeights"]["id-v2"], 5_000);
}

/// The list that Flagsmith answers with, of which a write replaces the first.
fn flagsmith_states(candidate: f64) -> Value {
    json!({"results": [
        {"id": 7, "feature": 3, "enabled": true, "feature_state_value": "v1", "updated_at": "then",
         "feature_segment": null, "identity": null, "multivariate_feature_state_values": [
            {"id": 70, "multivariate_feature_option": 11, "percentage_allocation": candidate},
            {"id": 71, "multivariate_feature_option": 12, "percentage_allocation": 0.0}]},
        {"id": 8, "feature": 3, "enabled": true, "feature_segment": 5, "identity": null,
         "multivariate_feature_state_values": [
            {"id": 72, "multivariate_feature_option": 11, "percentage_allocation": 100.0}]},
    ]})
}

#[test]
fn flagsmith_shows_each_stage_and_a_persons_edit_stays() {
    let (server, url) = StandIn::start(flagsmith_states(0.0));
    let writer = Flagsmith::new(&url, "key", "environment", 3, 11).unwrap();
    assert!(!format!("{writer:?}").contains("environment"));
    let document = Arc::clone(&server.document);
    let allocation = |state: usize| {
        document.lock().unwrap()["results"][state]["multivariate_feature_state_values"][0]
            ["percentage_allocation"]
            .as_f64()
    };
    drive(
        &writer,
        |percent| {
            assert_eq!(allocation(0), Some(percent));
            assert_eq!(allocation(1), Some(100.0), "a segment's own value stays");
            // What the server counts and dates itself is nobody's edit.
            document.lock().unwrap()["results"][0]["updated_at"] = json!(percent.to_string());
        },
        || document.lock().unwrap()["results"][0]["feature_state_value"] = json!("v0"),
        || assert_eq!(allocation(0), Some(5.0)),
    );
    let writes = server.writes();
    assert_eq!(writes.len(), 7, "what is there already is not written: {writes:?}");
    assert!(writes.iter().all(|(method, at, body)| {
        method == "PUT"
            && at == "/api/v1/environments/environment/featurestates/7/"
            && body["multivariate_feature_state_values"][1]["id"] == 71
    }));
}

#[test]
fn flagsmith_without_the_option_is_left_alone_and_a_refusal_is_no_conflict() {
    let (server, url) = StandIn::start(flagsmith_states(0.0));
    let other = Flagsmith::new(&url, "key", "environment", 3, 99).unwrap();
    assert!(other.write(&intent(1, 5.0), None).unwrap_err().is_conflict());
    assert!(server.writes().is_empty());
    // As an environment with change requests does.
    *server.refuses.lock().unwrap() = Some(403);
    let writer = Flagsmith::new(&url, "key", "environment", 3, 11).unwrap();
    let refused = writer.write(&intent(1, 5.0), None).unwrap_err();
    assert!(!refused.is_conflict() && refused.to_string().contains("403"), "{refused}");
}

#[test]
fn a_webhook_gets_a_line_that_a_channel_shows() {
    let (server, url) = StandIn::start(Value::Null);
    let writer = Webhook::new(format!("{url}/services/secret")).unwrap();
    writer.write(&intent(3, 5.0), None).unwrap();
    let (_, path, body) = server.writes().pop().unwrap();
    assert_eq!(path, "/services/secret");
    let line = "ml-model: v2 Shadowing -> Ramping (stage 1), 5 %: nothing is worse";
    assert_eq!((&body["text"], &body["rollout"]["rev"]), (&json!(line), &json!(3)));
    assert!(!format!("{writer:?}").contains("secret"));
}

#[test]
fn a_flagd_file_shows_each_stage_and_a_persons_edit_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let put = |targeting: Value| {
        let document = json!({"flags": {"model": {"state": "ENABLED", "defaultVariant": "v1",
            "variants": {"v1": "v1", "v2": "v2"}, "targeting": targeting}, "other": {}}});
        std::fs::write(&path, document.to_string()).unwrap();
    };
    let read =
        || -> Value { serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap() };
    put(json!({"fractional": [["v1", 100], ["v2", 0]]}));
    let writer = FlagdFile::new(&path, "model", "v2", "v1");
    drive(
        &writer,
        |percent| {
            let document = read();
            let split = &document["flags"]["model"]["targeting"]["fractional"];
            let share = Share::from_percent(percent).thousandths();
            assert_eq!(*split, json!([["v2", share], ["v1", 100_000 - share]]));
            assert!(document["flags"]["other"].is_object(), "the rest stays");
        },
        || put(json!({"fractional": [["v1", 99], ["v2", 1]]})),
        || assert_eq!(read()["flags"]["model"]["targeting"]["fractional"][1][1], 1),
    );
    for other in [
        json!({"if": [true, "v2", {"fractional": [["v1", 1], ["v2", 1]]}]}),
        json!({"fractional": [["v1", 1], ["v2", 1], ["v3", 1]]}),
        json!({"fractional": [["v1", 1], ["v1", 1]]}),
    ] {
        put(other.clone());
        assert!(writer.write(&intent(1, 5.0), None).unwrap_err().is_conflict(), "{other}");
        assert_eq!(read()["flags"]["model"]["targeting"], other);
    }
}

#[cfg(unix)]
#[test]
fn a_flagd_file_is_replaced_where_it_is_and_stays_readable_for_whom_it_was() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let (link, file) = (folder.path().join("flags.json"), volume.join("flags.json"));
    let document =
        json!({"flags": {"model": {"targeting": {"fractional": [["v1", 1], ["v2", 1]]}}}});
    // As some editors write it.
    std::fs::write(&file, format!("\u{feff}{document}")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    // What another replica, process 1 of its own container, is writing just now.
    std::fs::write(link.with_extension("modelgate.tmp"), "theirs").unwrap();
    let writer = FlagdFile::new(&link, "model", "v2", "v1");
    writer.write(&intent(1, 5.0), None).unwrap();
    let read: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(read["flags"]["model"]["targeting"]["fractional"][0], json!(["v2", 5000]));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(&volume).unwrap().count(), 1, "nothing is left beside it");
    let theirs = std::fs::read_to_string(link.with_extension("modelgate.tmp")).unwrap();
    assert_eq!(theirs, "theirs");
}
