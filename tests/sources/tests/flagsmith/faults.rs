//! Everything that can go wrong on the way to the server.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use modelgate::{Context, flagsmith, source::HttpSettings};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    flagsmith::{Answer, Flagsmith, Place, SERVER_KEY},
    proxy::{Fault, Proxy},
};
use serde_json::json;

use crate::{environment, reason, source, store};

/// What a server says of its trouble while its status says that all is well, and other things that
/// are no environment.
const NO_DOCUMENTS: &[(u16, &str, &str)] = &[
    (200, "application/json", r#"{"detail": "Missing identifier"}"#),
    (200, "application/json", r#"{"api_key": "public", "project": {}}"#),
    (200, "application/json", r#"{"flags": {}}"#),
    (200, "application/json", "[]"),
    (200, "application/json", "null"),
    (200, "application/json", ""),
    (200, "text/html", "<html><h1>Maintenance</h1></html>"),
    (500, "text/html", "<html><h1>Server Error (500)</h1></html>"),
    (502, "text/html", "<html>Bad Gateway</html>"),
    (403, "application/json", r#"{"detail": "Invalid or missing Environment Key"}"#),
    (301, "text/html", ""),
    (204, "text/html", ""),
];

#[test]
fn what_is_no_environment_leaves_the_last_good_one_in_force_and_is_said() {
    let server = Flagsmith::start(environment("v1"));
    let flags = store(source(&server.url()));
    for (number, (status, kind, body)) in NO_DOCUMENTS.iter().enumerate() {
        expect_text(&flags, "m", &format!("v{}", number + 1));
        server.set(Place::Document, Answer::Body(*status, kind, body));
        let said = expect(&flags, |status| status.sources[0].is_stale());
        match status {
            200 => assert!(reason(&said).starts_with("answer: found"), "{body}: {}", reason(&said)),
            _ => assert_eq!(reason(&said), format!("server answered {status}")),
        }
        expect_text(&flags, "m", &format!("v{}", number + 1));
        server.set_document(environment(&format!("v{}", number + 2)));
        server.set(Place::Document, Answer::Well);
        expect_text(&flags, "m", &format!("v{}", number + 2));
        expect(&flags, |status| status.sources[0].is_ready());
    }
}

#[test]
fn defaults_for_ever_are_said_from_the_first_failure_on() {
    for (status, kind, body) in NO_DOCUMENTS {
        let server = Flagsmith::start(environment("v1"));
        server.set(Place::Document, Answer::Body(*status, kind, body));
        let flags = store(source(&server.url()));
        let said = expect(&flags, |status| !reason(status).is_empty());
        assert!(!flags.is_ready() && !said.sources[0].is_ready(), "{body}");
        let error = flags.wait_ready(Duration::from_millis(1)).unwrap_err().to_string();
        assert!(error.contains("flagsmith"), "{error}");
        assert_eq!(flags.string("m", &Context::new("user-1"), "default"), "default");
        // And end by themselves.
        server.set(Place::Document, Answer::Well);
        expect_text(&flags, "m", "v1");
    }
}

#[test]
fn pages_without_end_are_said_and_pass() {
    let server = Flagsmith::start(environment("v1"));
    let settings = HttpSettings::new().timeout(Duration::from_millis(100));
    let flags = store(source(&server.url()).settings(settings));
    expect_text(&flags, "m", "v1");
    server.set_pages(&vec![json!([]); 100_000]);
    let status = expect(&flags, |status| status.sources[0].is_stale());
    assert!(!reason(&status).is_empty());
    server.set_document(environment("v2"));
    expect_text(&flags, "m", "v1");
    server.set_pages(&[]);
    expect_text(&flags, "m", "v2");
}

#[test]
fn a_key_that_is_refused_is_tried_seldom_and_works_again_when_it_is_mended() {
    let server = Flagsmith::start(environment("v1"));
    server.set(Place::Document, Answer::Status(403));
    let slow = source(&server.url()).retry(Duration::from_millis(1), Duration::from_millis(200));
    let started = Instant::now();
    let flags = store(slow);
    eventually("it is tried", || server.asked(Place::Document).len() >= 4);
    // Nine tenths of the longest pause at the least, each time.
    assert!(started.elapsed() >= Duration::from_millis(540), "{:?}", started.elapsed());
    server.set(Place::Document, Answer::Well);
    expect_text(&flags, "m", "v1");
}

#[test]
fn a_new_key_is_tried_at_once() {
    let server = Flagsmith::start(environment("v1"));
    let hour = Duration::from_secs(3600);
    let source = flagsmith::Source::new("ser.old")
        .url(server.url())
        .interval(hour)
        .analytics(None)
        .retry(hour, hour)
        .settings(HttpSettings::new().timeout(PATIENCE));
    let key = source.key_handle();
    let flags = store(source);
    eventually("the old one is refused", || server.asked(Place::Document).len() == 1);
    assert!(key.set("public").is_err(), "none of a server");
    // Within the hour that it would have waited.
    key.set(SERVER_KEY).unwrap();
    expect_text(&flags, "m", "v1");
    let asked = server.asked(Place::Document);
    let keys: Vec<_> =
        asked.iter().map(|asked| asked.headers["x-environment-key"].clone()).collect();
    assert_eq!(keys, ["ser.old", SERVER_KEY]);
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let server = Flagsmith::start(environment("v1"));
    server.set(Place::Document, Answer::RetryAfter(429, 1));
    let started = Instant::now();
    let flags = store(source(&server.url()));
    expect(&flags, |status| reason(status) == "server answered 429");
    server.set(Place::Document, Answer::Well);
    expect_text(&flags, "m", "v1");
    assert!(started.elapsed() >= Duration::from_secs(1));
    let refused = server.asked(Place::Document).iter().filter(|asked| !asked.well).count();
    // Once, or once a second where this thread was not let go on.
    assert!((1..=1 + started.elapsed().as_secs() as usize).contains(&refused), "{refused}");
}

#[test]
fn failures_are_spaced_out() {
    let server = Flagsmith::start("{}");
    server.set(Place::Document, Answer::Status(500));
    let started = Instant::now();
    let slow = source(&server.url()).retry(Duration::from_millis(20), Duration::from_millis(40));
    let _flags = store(slow);
    eventually("some requests", || server.asked(Place::Document).len() >= 6);
    // Half of each pause at the least: 10 + 4 * 20.
    assert!(started.elapsed() >= Duration::from_millis(90), "{:?}", started.elapsed());
}

#[test]
fn a_server_may_go_and_come_back_and_come_later_than_the_service() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flags = store(source(&format!("http://{address}/api/v1")));
    expect(&flags, |status| reason(status).contains("could not be reached"));
    for number in 0..3 {
        let server = Flagsmith::at(address, environment(&format!("v{number}")));
        expect_text(&flags, "m", &format!("v{number}"));
        expect(&flags, |status| status.sources[0].is_ready());
        drop(server);
        expect(&flags, |status| status.sources[0].is_stale());
        expect_text(&flags, "m", &format!("v{number}"));
    }
}

#[test]
fn every_fault_on_the_way_leaves_the_last_good_flags_in_force_and_passes() {
    let server = Flagsmith::start(environment("v0"));
    let proxy = Proxy::before(server.address);
    let settings = HttpSettings::new().timeout(Duration::from_millis(500)).max_bytes(64 << 10);
    let flags = store(source(&format!("{}/api/v1", proxy.url())).settings(settings));
    let faults = [
        Fault::Refused,
        Fault::Reset(300),
        Fault::SlowLoris(Duration::from_millis(50)),
        Fault::Silence,
        Fault::ok("application/json", r#"{"api_key": "public", "feature_states": ["#),
        Fault::deep(10_000),
        Fault::Endless,
        Fault::RedirectLoop,
        Fault::status("404 Not Found"),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        expect_text(&flags, "m", &format!("v{number}"));
        proxy.set(fault.clone());
        let status = expect(&flags, |status| status.sources[0].is_stale());
        expect_text(&flags, "m", &format!("v{number}"));
        assert!(!reason(&status).is_empty(), "{fault:?}");
        server.set_document(environment(&format!("v{}", number + 1)));
        proxy.set(Fault::None);
        expect_text(&flags, "m", &format!("v{}", number + 1));
        assert!(flags.wait_until(PATIENCE, |status| status.sources[0].is_ready()), "{fault:?}");
    }
}
