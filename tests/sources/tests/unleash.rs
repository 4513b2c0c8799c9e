//! `unleash::Source` against a stand-in for the server.

#[path = "unleash/deltas.rs"]
mod deltas;
#[path = "unleash/faults.rs"]
mod faults;
#[path = "unleash/impact.rs"]
mod impact;
#[path = "unleash/recorded.rs"]
mod recorded;
#[path = "unleash/streaming.rs"]
mod streaming;
#[path = "unleash/usage.rs"]
mod usage;

use std::time::Duration;

use modelgate::{
    Flags,
    source::{HttpSettings, LastKnownGood},
    unleash,
};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    log::Log,
    reason, store,
    unleash::{Answer, Place, Unleash},
};

const TOKEN: &str = "default:development.hidden";

fn feature(name: &str, value: &str) -> String {
    format!(
        r#"{{"name": "{name}", "type": "release", "enabled": true, "strategies": [
            {{"name": "default", "parameters": {{}}, "constraints": [], "variants": [
                {{"name": "{value}", "weight": 1000, "stickiness": "default",
                  "payload": {{"type": "string", "value": "{value}"}}}}]}}], "variants": []}}"#
    )
}

fn features(value: &str) -> String {
    format!("[{}]", feature("m", value))
}

fn source(url: &str) -> unleash::Source {
    unleash::Source::new(url, TOKEN)
        .interval(Duration::from_millis(5))
        .metrics(None)
        .retry(Duration::from_millis(2), Duration::from_millis(20))
        .settings(HttpSettings::new().timeout(PATIENCE))
}

fn counting(url: &str) -> unleash::Source {
    source(url).metrics(Some(Duration::from_millis(5)))
}

#[test]
fn polling_says_who_asks_and_asks_for_what_is_new() {
    let server = Unleash::start(&features("v1"));
    let source = source(&server.url())
        .app_name("fraud")
        .instance_id("host-7")
        .project("risk")
        .project("shared")
        .name_prefix("ml-")
        .tag("team:risk");
    let flags = store(source);
    expect_text(&flags, "m", "v1");
    assert_eq!(flags.status().sources[0].revision.as_deref(), Some("\"5f3a:1:v1\""));
    eventually("a few polls", || server.asked(Place::Features).len() >= 3);
    let asked = server.asked(Place::Features);
    let query = "project=risk&project=shared&namePrefix=ml-&tag=team%3Arisk";
    assert_eq!(asked[0].uri, format!("/api/client/features?{query}"));
    let headers = &asked[0].headers;
    assert_eq!(headers["authorization"], TOKEN);
    assert_eq!(headers["unleash-client-spec"], "5.2.0");
    assert_eq!(headers["unleash-appname"], "fraud");
    assert_eq!(headers["unleash-instanceid"], "host-7");
    assert_eq!(headers["unleash-connection-id"].len(), 36);
    assert!(headers["unleash-sdk"].to_str().unwrap().starts_with("modelgate:"));
    assert_eq!(headers["unleash-interval"], "5");
    assert!(headers.get("if-none-match").is_none());
    assert_eq!(asked[2].headers["if-none-match"], "\"5f3a:1:v1\"");
    server.set_features(&features("v2"));
    expect_text(&flags, "m", "v2");
    assert_eq!(flags.status().sources[0].revision.as_deref(), Some("\"5f3a:2:v1\""));
    assert!(server.asked(Place::Register).is_empty(), "not asked to report");
}

#[test]
fn a_malformed_feature_keeps_its_last_good_form_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = Unleash::start(&features("v1"));
    let flags = store(source(&server.url()).last_known_good(&path));
    expect_text(&flags, "m", "v1");
    let wrong = r#"{"name": "m", "enabled": "yes", "strategies": []}"#;
    server.set_features(&format!("[{wrong}, {}]", feature("other", "new")));
    expect_text(&flags, "other", "new");
    let status = expect(&flags, |status| !status.sources[0].problems.is_empty());
    assert_eq!(status.sources[0].problems[0].key, "m");
    expect_text(&flags, "m", "v1");
    drop(flags);
    // The file has the last good form as well.
    let flags = store(source("http://127.0.0.1:9/api").last_known_good(&path));
    expect_text(&flags, "m", "v1");
    expect_text(&flags, "other", "new");
    drop(flags);
    let flags = store(source(&server.url()));
    server.set_features(&features("v3"));
    expect_text(&flags, "m", "v3");
    expect(&flags, |status| status.sources[0].problems.is_empty());
}

#[test]
fn a_token_that_is_refused_is_said_and_works_again_when_it_is_allowed() {
    for status in [401, 403] {
        let server = Unleash::start(&features("v1"));
        server.set(Place::Features, Answer::Status(status));
        let flags = store(source(&server.url()));
        let said = format!("server answered {status}");
        expect(&flags, |status| reason(status) == said);
        let error = flags.wait_ready(Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains(&said) && !error.contains("hidden"), "{error}");
        server.set(Place::Features, Answer::Well);
        expect_text(&flags, "m", "v1");
        server.set(Place::Features, Answer::Status(status));
        expect(&flags, |status| reason(status) == said);
        expect_text(&flags, "m", "v1");
        server.set(Place::Features, Answer::Well);
        expect(&flags, |status| status.sources[0].is_ready());
    }
}

#[test]
fn a_bootstrap_that_cannot_be_read_is_said_and_nothing_else() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Features, Answer::Hang);
    let flags = store(source(&server.url()).bootstrap("{ half"));
    expect(&flags, |status| reason(status).starts_with("bootstrap ignored"));
    assert!(!flags.is_ready());
}

#[test]
fn a_service_starts_from_its_last_known_good_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = Unleash::start(&features("v1"));
    let flags = store(source(&server.url()).last_known_good(&path));
    flags.wait_ready(PATIENCE).unwrap();
    eventually("saved", || LastKnownGood::at(&path).load().unwrap().is_some());
    drop(flags);
    server.set(Place::Features, Answer::Status(500));
    let bootstrap = format!(r#"{{"features": {}}}"#, features("bootstrapped"));
    let flags = store(source(&server.url()).last_known_good(&path).bootstrap(bootstrap));
    assert!(flags.is_ready() && flags.status().sources[0].is_stale());
    expect_text(&flags, "m", "v1");
    server.set(Place::Features, Answer::Well);
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let refused = |source| Flags::builder().source(source).build().unwrap_err();
    assert_eq!(refused(source("flags.example.com")).source_name(), "unleash");
    refused(source("http://127.0.0.1:9").app_name("line\nbreak"));
    let error = refused(unleash::Source::new("http://127.0.0.1:9", "hidden\n"));
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
}

#[test]
fn no_output_shows_the_token() {
    let log = Log::start();
    let server = Unleash::start(&features("v1"));
    server.set(Place::Metrics, Answer::Status(403));
    let source = counting(&server.url());
    let shown = format!("{source:?}");
    let flags = store(source);
    expect_text(&flags, "m", "v1");
    eventually("refused", || log.text().contains("takes no usage"));
    server.set(Place::Features, Answer::Status(403));
    let status = expect(&flags, |status| status.sources[0].is_stale());
    let shown = format!("{shown} {flags:?} {status:?}");
    drop(flags);
    for text in [shown, log.text()] {
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn a_url_without_the_api_is_named_with_what_is_missing() {
    let server = Unleash::start(&features("v1"));
    let url = server.url();
    let flags = store(source(url.strip_suffix("/api").unwrap()));
    let error = flags.wait_ready(Duration::MAX).unwrap_err();
    assert!(error.is_rejected());
    let said = format!("server answered 404 to http://{}/…", server.address);
    let text = error.to_string();
    assert!(text.contains(&said) && text.contains("which ends in `/api`"), "{text}");
}

#[test]
fn a_new_token_is_tried_at_once() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Features, Answer::Status(401));
    let hour = Duration::from_secs(3600);
    let source = source(&server.url()).interval(hour).retry(hour, hour);
    let token = source.token_handle();
    let flags = store(source);
    assert!(flags.wait_ready(PATIENCE).unwrap_err().is_rejected());
    server.set(Place::Features, Answer::Well);
    token.set("*:production.second").unwrap();
    expect_text(&flags, "m", "v1");
    server.set_features(&features("v2"));
    token.set("*:production.third").unwrap();
    expect_text(&flags, "m", "v2");
    let asked = server.asked(Place::Features);
    let tokens: Vec<_> = asked.iter().map(|asked| asked.headers["authorization"].clone()).collect();
    assert_eq!(tokens, [TOKEN, "*:production.second", "*:production.third"]);
}
