//! Everything that can go wrong on the way to the server.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use modelgate::{Context, HttpSettings};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    proxy::{Fault, Proxy},
    unleash::{Answer, Place, Unleash},
};

use crate::{features, reason, source, store};

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Features, Answer::RetryAfter(429, 1));
    let started = Instant::now();
    let flags = store(source(&server.url()));
    expect(&flags, |status| reason(status) == "server answered 429");
    server.set(Place::Features, Answer::Well);
    expect_text(&flags, "m", "v1");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked(Place::Features).iter().filter(|asked| !asked.well).count(), 1);
}

#[test]
fn failures_are_spaced_out() {
    let server = Unleash::start("[]");
    server.set(Place::Features, Answer::Status(500));
    let started = Instant::now();
    let slow = source(&server.url()).retry(Duration::from_millis(20), Duration::from_millis(40));
    let _flags = store(slow);
    eventually("some requests", || server.asked(Place::Features).len() >= 6);
    // Half of each pause at the least: 10 + 4 * 20.
    assert!(started.elapsed() >= Duration::from_millis(90), "{:?}", started.elapsed());
}

#[test]
fn a_server_may_come_later_than_the_service() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flags = store(
        source(&format!("http://{address}/api"))
            .bootstrap(format!(r#"{{"version": 2, "features": {}}}"#, features("bootstrapped"))),
    );
    let status = expect(&flags, |status| reason(status).contains("could not be reached"));
    assert!(status.sources[0].is_stale());
    expect_text(&flags, "m", "bootstrapped");
    let _server = Unleash::at(address, &features("v1"));
    expect_text(&flags, "m", "v1");
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn every_fault_on_the_way_leaves_the_last_good_flags_in_force_and_passes() {
    let server = Unleash::start(&features("v0"));
    let proxy = Proxy::before(server.address);
    let settings = HttpSettings::new().timeout(Duration::from_millis(300)).max_bytes(1 << 20);
    let flags = store(source(&format!("{}/api", proxy.url())).settings(settings));
    flags.wait_ready(PATIENCE).unwrap();
    let json = "application/json";
    let faults = [
        Fault::Refused,
        Fault::Reset(0),
        Fault::Reset(150),
        Fault::Silence,
        Fault::SlowLoris(Duration::from_millis(50)),
        Fault::ok(json, r#"{"version": 2, "features": [{"name": "m", "ena"#),
        Fault::ok("text/html", "<html>error</html>"),
        Fault::ok(json, r#"{"message": "try again later"}"#),
        Fault::ok(json, "[]"),
        Fault::ok(json, ""),
        Fault::deep(10_000),
        Fault::Endless,
        Fault::status("401 Unauthorized"),
        Fault::status("403 Forbidden"),
        Fault::status("404 Not Found"),
        Fault::status("429 Slow Down"),
        Fault::status("500 Oh"),
        Fault::RedirectLoop,
    ];
    for (round, fault) in faults.into_iter().enumerate() {
        proxy.set(fault.clone());
        server.set_features(&features(&format!("v{}", round + 1)));
        expect(&flags, |status| status.sources[0].is_stale());
        let value = flags.string("m", &Context::new("u"), "none");
        // A poll may have come before the fault.
        let good = [format!("v{round}"), format!("v{}", round + 1)];
        assert!(good.contains(&value), "{fault:?}: {value}");
        proxy.set(Fault::None);
        proxy.cut();
        expect_text(&flags, "m", &good[1]);
        expect(&flags, |status| status.sources[0].is_ready());
    }
}

#[test]
fn every_fault_of_a_stream_leaves_the_last_good_flags_in_force_and_passes() {
    let stream = "text/event-stream";
    let event = |data: &str| format!("event: unleash-connected\ndata: {data}\n\n");
    let faults = [
        Fault::Refused,
        Fault::Reset(150),
        Fault::Silence,
        Fault::SlowLoris(Duration::from_millis(50)),
        Fault::ok("text/html", "<html>error</html>"),
        Fault::ok(stream, r#"event: unleash-connected\ndata: {"eve"#),
        Fault::ok(stream, event(r#"{"events": {}}"#)),
        Fault::ok(stream, event(&"[".repeat(10_000))),
        Fault::Endless,
        Fault::status("401 Unauthorized"),
        Fault::status("404 Not Found"),
        Fault::status("503 Busy"),
        Fault::RedirectLoop,
    ];
    for fault in faults {
        let server = Unleash::start(&features("v1"));
        server.set(Place::Stream, Answer::Well);
        let proxy = Proxy::before(server.address);
        let settings = HttpSettings::new().timeout(Duration::from_millis(200)).max_bytes(1 << 20);
        let streaming = source(&format!("{}/api", proxy.url())).streaming().settings(settings);
        let flags = store(streaming.silence(Duration::from_secs(1)));
        expect_text(&flags, "m", "v1");
        proxy.set(fault.clone());
        proxy.cut();
        expect(&flags, |status| status.sources[0].is_stale());
        expect_text(&flags, "m", "v1");
        server.set_features(&features("v2"));
        proxy.set(Fault::None);
        proxy.cut();
        expect_text(&flags, "m", "v2");
        expect(&flags, |status| status.sources[0].is_ready());
    }
}

#[test]
fn names_that_are_not_known_and_servers_that_are_not_secure_are_said() {
    let server = Unleash::start(&features("v1"));
    let secure = format!("https://{}/api", server.address);
    for url in ["http://flags.invalid/api", &secure] {
        let flags = store(source(url));
        expect(&flags, |status| reason(status).starts_with("server could not be reached"));
    }
}
