//! `flagsmith::Source` against a stand-in for Flagsmith.

#[path = "flagsmith/captured.rs"]
mod captured;
#[path = "flagsmith/faults.rs"]
mod faults;
#[path = "flagsmith/realtime.rs"]
mod realtime;
#[path = "flagsmith/usage.rs"]
mod usage;

use std::{error::Error, time::Duration};

use modelgate::{
    Context, Flags,
    flagsmith::{self, Flagsmith as Dialect},
    source::{HttpSettings, LastKnownGood},
};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    flagsmith::{Answer, CLIENT_KEY, Flagsmith, Place, SERVER_KEY, document, feature, override_of},
    log::Log,
    reason, store,
};
use serde_json::{Value, json};

const MOMENT: &str = "2026-11-22T07:55:08.620212+00:00";

fn environment(value: &str) -> Value {
    document(MOMENT, &[feature(1, "m", value)])
}

fn source(url: &str) -> flagsmith::Source {
    flagsmith::Source::new(SERVER_KEY)
        .url(url)
        .interval(Duration::from_millis(5))
        .analytics(None)
        .retry(Duration::from_millis(2), Duration::from_millis(20))
        .settings(HttpSettings::new().timeout(PATIENCE))
}

#[test]
fn polling_says_who_asks_and_asks_for_everything() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(source(&server.url()).application("fraud", "1.2.3"));
    expect_text(&flags, "m", "v1");
    assert_eq!(flags.status().sources[0].name, "flagsmith");
    assert_eq!(flags.status().sources[0].revision.as_deref(), Some(MOMENT));
    eventually("a few polls", || server.asked(Place::Document).len() >= 3);
    for asked in server.asked(Place::Document) {
        assert_eq!(asked.uri, "/api/v1/environment-document/");
        assert_eq!(asked.headers["x-environment-key"], SERVER_KEY);
        assert_eq!(asked.headers["flagsmith-application-name"], "fraud");
        assert_eq!(asked.headers["flagsmith-application-version"], "1.2.3");
        assert!(asked.headers.get("if-modified-since").is_none());
        assert!(asked.headers.get("if-none-match").is_none());
    }
    assert!(server.asked(Place::Second).is_empty(), "not asked to report");
    assert!(server.asked(Place::Stream).is_empty(), "not asked to listen");
}

#[test]
fn a_change_is_there_with_the_next_poll_and_what_is_equal_is_not_delivered_again() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(source(&server.url()));
    expect_text(&flags, "m", "v1");
    let (revision, polls) = (flags.snapshot().revision(), server.asked(Place::Document).len());
    eventually("a few polls", || server.asked(Place::Document).len() >= polls + 5);
    assert_eq!(flags.snapshot().revision(), revision);
    server.set_document(environment("v2"));
    expect_text(&flags, "m", "v2");
    // Switched off, it has its value still and routes to nobody.
    let mut off = environment("v2");
    off["feature_states"][0]["enabled"] = json!(false);
    server.set_document(off);
    expect_text(&flags, "m", "none");
    server.set_document(document(MOMENT, &[]));
    expect(&flags, |_| flags.snapshot().flag("m").is_none());
}

#[test]
fn only_who_asks_for_it_makes_conditional_requests() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(source(&server.url()).conditional());
    expect_text(&flags, "m", "v1");
    eventually("a few polls", || server.asked(Place::Document).len() >= 3);
    let asked = server.asked(Place::Document);
    assert!(asked[0].headers.get("if-modified-since").is_none());
    assert_eq!(asked[1].headers["if-modified-since"], "Sun, 22 Nov 2026 07:01:00 GMT");
    expect(&flags, |status| status.sources[0].is_ready());
    server.set_document(environment("v2"));
    expect_text(&flags, "m", "v2");
}

#[test]
fn an_identity_has_its_own_and_the_others_do_not() {
    let mut environment = environment("v1");
    environment["identity_overrides"] = json!([override_of("vip", feature(1, "m", "pinned"))]);
    let server = Flagsmith::start(&environment);
    let flags = store(source(&server.url()));
    expect_text(&flags, "m", "v1");
    assert_eq!(flags.string("m", &Context::new("vip"), "none"), "pinned");
    environment["identity_overrides"] = json!([]);
    server.set_document(&environment);
    expect(&flags, |_| flags.string("m", &Context::new("vip"), "none") == "v1");
}

#[test]
fn identities_on_further_pages_have_their_own_as_well() {
    let mut environment = environment("v1");
    environment["identity_overrides"] = json!([override_of("first", feature(1, "m", "a"))]);
    let server = Flagsmith::start(&environment);
    server.set_pages(&[
        json!([override_of("second", feature(1, "m", "b"))]),
        json!([]),
        json!([override_of("third", feature(1, "m", "c"))]),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let flags = store(source(&server.url()).last_known_good(&path));
    expect_text(&flags, "m", "v1");
    let own = |flags: &Flags| {
        ["first", "second", "third"].map(|key| flags.string("m", &Context::new(key), "none"))
    };
    assert_eq!(own(&flags), ["a", "b", "c"]);
    let asked = server.asked(Place::Document);
    assert_eq!(asked[3].uri, "/api/v1/environment-document/?page_id=page%3A3");
    assert_eq!(asked[3].headers["x-environment-key"], SERVER_KEY);
    // A page that fails leaves all as it was: some identities would else lose their own.
    server.set_pages(&[json!("none"), json!([])]);
    expect(&flags, |status| reason(status).contains("page of the answer"));
    assert_eq!(own(&flags), ["a", "b", "c"]);
    drop(flags);
    let flags = store(source("http://127.0.0.1:9/api/v1").last_known_good(&path));
    assert_eq!(own(&flags), ["a", "b", "c"]);
}

#[test]
fn a_malformed_feature_keeps_its_last_good_form_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = Flagsmith::start(environment("v1"));
    let flags = store(source(&server.url()).last_known_good(&path));
    expect_text(&flags, "m", "v1");
    let mut wrong = feature(1, "m", "v2");
    wrong["enabled"] = json!("yes");
    server.set_document(document(MOMENT, &[wrong, feature(2, "other", "new")]));
    expect_text(&flags, "other", "new");
    let status = expect(&flags, |status| !status.sources[0].problems.is_empty());
    assert_eq!(status.sources[0].problems[0].key, "m");
    expect_text(&flags, "m", "v1");
    drop(flags);
    // The file has the last good form as well.
    let flags = store(source("http://127.0.0.1:9/api/v1").last_known_good(&path));
    expect_text(&flags, "m", "v1");
    expect_text(&flags, "other", "new");
}

#[test]
fn a_service_starts_from_the_file_and_says_that_it_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = Flagsmith::start(environment("v1"));
    let flags = store(source(&server.url()).last_known_good(&path));
    expect_text(&flags, "m", "v1");
    let address = server.address;
    drop((flags, server));
    assert!(LastKnownGood::at(&path).load().unwrap().unwrap().text().contains("feature_states"));

    let start = || {
        let url = format!("http://{address}/api/v1");
        source(&url).bootstrap(environment("bootstrapped").to_string()).last_known_good(&path)
    };
    let flags = store(start());
    flags.wait_ready(Duration::ZERO).unwrap();
    expect_text(&flags, "m", "v1");
    let status = expect(&flags, |status| reason(status).contains("could not be reached"));
    assert!(status.sources[0].is_stale());
    let _server = Flagsmith::at(address, environment("v1"));
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_service_starts_from_a_document_that_it_brings_along() {
    let flags = store(
        source("http://127.0.0.1:9/api/v1").bootstrap(environment("bootstrapped").to_string()),
    );
    flags.wait_ready(Duration::ZERO).unwrap();
    expect_text(&flags, "m", "bootstrapped");
    assert!(flags.status().sources[0].is_stale());
    // One that is none is said, and that is all.
    let flags = store(source("http://127.0.0.1:9/api/v1").bootstrap("{}").interval(PATIENCE));
    expect(&flags, |status| !reason(status).is_empty());
    assert!(!flags.status().sources[0].is_ready());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    let refused = |source: flagsmith::Source| {
        let error = Flags::builder().source(source).build().unwrap_err();
        let (mut text, mut next) = (error.to_string(), error.source());
        while let Some(cause) = next {
            text += &format!(": {cause}");
            next = cause.source();
        }
        text
    };
    let text = refused(flagsmith::Source::new(CLIENT_KEY));
    assert!(text.contains("`ser.`") && !text.contains(CLIENT_KEY), "{text}");
    let text = refused(flagsmith::Source::new(SERVER_KEY).url("flags.example.com"));
    assert!(text.contains("http://"), "{text}");
    let text = refused(flagsmith::Source::new(SERVER_KEY).realtime_url("ws://flags.example.com"));
    assert!(text.contains("http://"), "{text}");
    let text = refused(flagsmith::Source::new(SERVER_KEY).application("a\nb", "1"));
    assert!(text.contains("flagsmith-application-name"), "{text}");
    let text = refused(flagsmith::Source::new("ser.a\nb"));
    assert!(text.contains("x-environment-key"), "{text}");
}

#[test]
fn a_dialect_of_ones_own_compiles_the_flags() {
    let split = json!([{"id": 1, "percentage_allocation": 100.0,
        "multivariate_feature_option": {"key": "all", "value": "v2"}}]);
    let mut environment = environment("v1");
    environment["feature_states"][0]["multivariate_feature_state_values"] = split;
    let server = Flagsmith::start(environment);
    let flags = store(source(&server.url()).dialect(Dialect::new()).name("mine"));
    expect_text(&flags, "m", "v2");
    assert_eq!(flags.status().sources[0].name, "mine");
}

#[test]
fn nothing_that_is_logged_or_shown_has_a_key() {
    // The other tests of this file log here as well, which only makes this one stricter.
    let log = Log::start();
    let server = Flagsmith::start(environment("v1"));
    let source = source(&server.url())
        .realtime_url(server.realtime_url())
        .client_key("client-hidden")
        .analytics(Some(Duration::from_millis(5)));
    assert!(!format!("{source:?}").contains("hidden"), "{source:?}");
    server.set(Place::Second, Answer::Status(403));
    server.set(Place::First, Answer::Status(403));
    let flags = store(source);
    expect_text(&flags, "m", "v1");
    eventually("listening is refused", || !server.asked(Place::Stream).is_empty());
    eventually("reporting is refused", || !server.asked(Place::First).is_empty());
    server.set(Place::Document, Answer::Status(403));
    let status = expect(&flags, |status| reason(status) == "server answered 403");
    assert!(!format!("{status:?}").contains("hidden"));
    drop(flags);
    let log = log.text();
    assert!(log.contains("source is refused") && log.contains("takes no usage"));
    let telling: Vec<&str> = log.lines().filter(|line| line.contains("hidden")).collect();
    assert!(telling.is_empty(), "{telling:#?}");
}
