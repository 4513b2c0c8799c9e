//! `flagd::Source` against a stand-in for the daemon's sync service.

use std::{io::Write, net::TcpListener, time::Duration};

use modelgate::{Context, Flags, flagd};
use modelgate_source_tests::{
    PATIENCE, attempts, eventually, expect, expect_text,
    flagd::Flagd,
    proxy::Proxy,
    reason, store,
    tunnel::{head_of, tunnel_to},
};

fn serving(version: &str) -> String {
    format!(
        r#"{{"flags": {{"m": {{"state": "ENABLED", "variants": {{"it": "{version}"}},
            "defaultVariant": "it"}}}}}}"#
    )
}

fn quick(server: &Flagd) -> flagd::Source {
    flagd::Source::new(server.address.ip().to_string(), server.address.port())
        .deadline(PATIENCE)
        .retry(Duration::from_millis(2), Duration::from_millis(20))
}

#[test]
fn every_change_arrives_by_the_stream() {
    let server = Flagd::start(&serving("v1"));
    let flags = store(quick(&server).selector("flagSetId=models"));
    flags.wait_ready(PATIENCE).unwrap();
    for version in ["v2", "v3", "v4"] {
        server.publish(&serving(version));
        expect_text(&flags, "m", version);
    }
    let (request, selector) = server.requests().remove(0);
    assert_eq!(request.selector, "flagSetId=models");
    assert_eq!(selector.as_deref(), Some("flagSetId=models"));
    assert!(request.provider_id.starts_with("modelgate/"), "{request:?}");
    assert_eq!(server.requests().len(), 1, "one stream");
}

#[test]
fn the_servers_context_fills_what_the_callers_leaves_out() {
    let server = Flagd::start(&serving("v1"));
    let by_region = r#"{"flags": {"m": {"state": "ENABLED", "variants": {"a": "eu", "b": "other"},
        "defaultVariant": "b", "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "a"]}}}}"#;
    server.publish_with(by_region, &[("region", "eu")]);
    let flags = store(quick(&server));
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(flags.string("m", &Context::new("u"), ""), "eu");
    assert_eq!(flags.string("m", &Context::new("u").with("region", "us"), ""), "other");
}

#[test]
fn a_lost_stream_leaves_the_flags_in_force_and_is_opened_again() {
    let server = Flagd::start(&serving("v1"));
    let flags = store(quick(&server).grace_period(Duration::from_millis(1)));
    flags.wait_ready(PATIENCE).unwrap();
    server.refuse(tonic::Code::Unavailable);
    expect(&flags, |status| reason(status).contains("UNAVAILABLE"));
    expect(&flags, |status| reason(status).contains("the grace period: sync stream: UNAVAILABLE"));
    assert_eq!(flags.string("m", &Context::new("u"), ""), "v1");
    server.publish(&serving("v2"));
    expect_text(&flags, "m", "v2");
    server.end_streams();
    server.publish(&serving("v3"));
    expect_text(&flags, "m", "v3");
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_stream_is_renewed_when_its_time_is_up_and_nothing_is_stale_meanwhile() {
    let server = Flagd::start(&serving("v1"));
    let source = quick(&server).stream_deadline(Some(Duration::from_millis(5)));
    let flags = store(source);
    flags.wait_ready(PATIENCE).unwrap();
    eventually("three streams", || server.requests().len() >= 3);
    assert!(flags.status().sources[0].is_ready(), "{:#?}", flags.status());
}

#[test]
fn an_idle_server_is_asked_for_signs_of_life_only_on_demand() {
    let server = Flagd::start(&serving("v1"));
    for keep_alive in [None, Some(Duration::from_millis(5))] {
        let proxy = Proxy::of_bytes(server.address);
        let source = flagd::Source::new(proxy.address().ip().to_string(), proxy.address().port())
            .deadline(PATIENCE);
        let flags = store(match keep_alive {
            Some(interval) => source.keep_alive(interval),
            None => source,
        });
        flags.wait_ready(PATIENCE).unwrap();
        server.publish(&serving("v2"));
        expect_text(&flags, "m", "v2");
        let said = proxy.received();
        match keep_alive {
            // A ping is seventeen bytes.
            Some(_) => eventually("ten pings", || proxy.received() >= said + 170),
            None => {
                server.publish(&serving("v1"));
                expect_text(&flags, "m", "v1");
                // That the window is still open, perhaps; an answer to a ping of the server.
                assert!(proxy.received() < said + 170, "{}", proxy.received() - said);
            }
        }
        assert!(flags.status().sources[0].is_ready());
        assert_eq!(proxy.requests(), 1);
    }
}

#[test]
fn a_stream_that_comes_back_within_the_grace_period_was_never_away() {
    let server = Flagd::start(&serving("v1"));
    let flags = store(quick(&server).grace_period(PATIENCE));
    flags.wait_ready(PATIENCE).unwrap();
    server.refuse(tonic::Code::Unavailable);
    let status = expect(&flags, |status| attempts(status) >= 5);
    assert!(reason(&status).contains("UNAVAILABLE"), "{status:#?}");
    server.publish(&serving("v2"));
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn the_same_definition_again_changes_nothing() {
    let server = Flagd::start(&serving("v1"));
    let flags = store(quick(&server));
    flags.wait_ready(PATIENCE).unwrap();
    for _ in 0..3 {
        server.publish(&serving("v1"));
    }
    let heard = |status: &modelgate::flag::store::Status| {
        let connection = status.sources[0].connection.as_ref().unwrap();
        connection.bytes_received > serving("v1").len() as u64
    };
    expect(&flags, heard);
    assert_eq!(flags.status().revision, 1);
}

#[test]
fn a_bad_definition_is_refused_and_the_next_good_one_taken() {
    let server = Flagd::start(&serving("v1"));
    let flags = store(quick(&server));
    flags.wait_ready(PATIENCE).unwrap();
    server.publish("half a defini");
    expect(&flags, |status| reason(status).contains("document refused"));
    assert_eq!(flags.string("m", &Context::new("u"), ""), "v1");
    server.publish(&serving("v2"));
    expect_text(&flags, "m", "v2");
    assert_eq!(server.requests().len(), 1, "the stream stayed open");
}

#[test]
fn a_fatal_code_is_not_tried_again() {
    let server = Flagd::start(&serving("v1"));
    server.refuse(tonic::Code::Unauthenticated);
    let flags = store(quick(&server).fatal_status_codes(["UNAUTHENTICATED"]));
    expect(&flags, |status| reason(status).contains("UNAUTHENTICATED"));
    server.publish(&serving("v1"));
    let error = flags.wait_ready(Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().contains("UNAUTHENTICATED"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_is_away_at_the_start_is_found_when_it_comes() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = flagd::Source::new("127.0.0.1", address.port())
        .retry(Duration::from_millis(2), Duration::from_millis(20));
    let flags = store(source);
    expect(&flags, |status| reason(status).contains("UNAVAILABLE"));
    let _server = Flagd::at(address, &serving("v1"));
    flags.wait_ready(PATIENCE).unwrap();
}

#[test]
fn a_service_starts_from_its_last_known_good_file_the_servers_context_included() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = Flagd::start(&serving("v1"));
    let by_region = r#"{"flags": {"m": {"state": "ENABLED", "variants": {"a": "eu", "b": "other"},
        "defaultVariant": "b", "targeting": {"if": [{"==": [{"var": "region"}, "eu"]}, "a"]}}}}"#;
    server.publish_with(by_region, &[("region", "eu")]);
    let flags = store(quick(&server).last_known_good(&path));
    flags.wait_ready(PATIENCE).unwrap();
    eventually("saved", || path.exists());
    drop(flags);
    drop(server);
    let away = flagd::Source::new("127.0.0.1", 9).last_known_good(&path);
    let flags = store(away);
    assert!(flags.is_ready() && flags.status().sources[0].is_stale());
    assert_eq!(flags.string("m", &Context::new("u"), ""), "eu");
}

#[test]
fn what_can_never_work_is_said_at_the_start() {
    for (source, wanted) in [
        (flagd::Source::new("a b", 1), "host `a b` is malformed"),
        (flagd::Source::new("h", 1).selector("a\nb"), "selector `a\nb` is malformed"),
        (
            flagd::Source::new("h", 1).certificate("/absent.pem"),
            "certificate /absent.pem is not readable",
        ),
    ] {
        let error = Flags::builder().source(source).build().unwrap_err();
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), wanted);
    }
}

/// Counts the streams that asked with this selector.
fn streams(server: &Flagd, selector: &str) -> usize {
    server.requests().iter().filter(|(request, _)| request.selector == selector).count()
}

#[test]
fn a_server_whose_time_is_always_up_is_not_asked_in_a_loop() {
    let server = Flagd::start(&serving("v1"));
    server.break_streams(tonic::Code::DeadlineExceeded);
    let hour = Duration::from_secs(3600);
    let _calm = store(quick(&server).selector("calm").retry(hour, hour));
    eventually("it is asked", || streams(&server, "calm") == 1);
    let _quick = store(quick(&server).selector("quick"));
    eventually("time has passed", || streams(&server, "quick") >= 10);
    assert_eq!(streams(&server, "calm"), 1);
}

#[test]
fn a_server_that_ends_every_stream_before_it_brings_flags_is_no_server_that_is_starting() {
    let server = Flagd::start(&serving("v1"));
    server.break_streams(tonic::Code::DeadlineExceeded);
    let flags = store(quick(&server));
    let status = expect(&flags, |status| reason(status).contains("before it brought flags"));
    assert!(!status.ready, "{status:?}");
    server.publish(&serving("v1"));
    expect_text(&flags, "m", "v1");
    server.break_streams(tonic::Code::DeadlineExceeded);
    expect(&flags, |status| status.sources[0].is_stale());
}

#[test]
fn deadlines_past_the_end_of_time_are_none() {
    let server = Flagd::start(&serving("v1"));
    let source = quick(&server)
        .deadline(Duration::MAX)
        .stream_deadline(Some(Duration::MAX))
        .keep_alive(Duration::MAX)
        .grace_period(Duration::MAX)
        .retry(Duration::from_millis(2), Duration::MAX);
    let flags = store(source);
    flags.wait_ready(PATIENCE).unwrap();
    server.publish(&serving("v2"));
    expect_text(&flags, "m", "v2");
}

#[test]
fn a_server_behind_a_proxy_is_reached_by_a_tunnel() {
    let server = Flagd::start(&serving("v1"));
    let (tunnel, heads) = tunnel_to(server.address);
    // A name that only the proxy knows.
    let source = flagd::Source::new("flags.invalid", 8015)
        .deadline(PATIENCE)
        .proxy(format!("http://user:p%40ss@{tunnel}"));
    let flags = store(source);
    flags.wait_ready(PATIENCE).unwrap();
    server.publish(&serving("v2"));
    expect_text(&flags, "m", "v2");
    let head = heads.recv_timeout(PATIENCE).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("connect flags.invalid:8015 http/1.1\r\n"), "{head}");
    // user:p@ss
    assert!(head.contains("proxy-authorization: basic dxnlcjpwqhnz\r\n"), "{head}");
}

#[test]
fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = head_of(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n");
        }
    });
    let source = flagd::Source::new("flags.invalid", 8015)
        .deadline(PATIENCE)
        .retry(Duration::from_millis(2), Duration::from_millis(20))
        .proxy(format!("http://user:hidden@{address}"));
    let flags = store(source);
    let status = expect(&flags, |status| reason(status).contains("407 Who are you"));
    assert!(!reason(&status).contains("hidden"), "{status:?}");
}
