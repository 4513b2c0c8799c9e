//! `launchdarkly::Source` against a stand-in for the service.

use std::time::Duration;

use modelgate::{
    Context,
    flag::store::SourceState,
    launchdarkly,
    source::{HttpSettings, LastKnownGood},
};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    launchdarkly::LaunchDarkly,
    proxy::{Fault, Proxy},
    reason, store,
    tls::{Authority, Terminator},
    tunnel::tunnel_to,
};

const KEY: &str = "sdk-hidden";

fn flag(version: u64, value: &str) -> String {
    format!(
        r#"{{"key": "m", "version": {version}, "on": true, "variations": ["{value}"],
            "fallthrough": {{"variation": 0}}, "salt": "s"}}"#
    )
    .replace('\n', " ")
}

fn data(version: u64, value: &str) -> String {
    format!(r#"{{"flags": {{"m": {}}}, "segments": {{}}}}"#, flag(version, value))
}

fn source(url: &str) -> launchdarkly::Source {
    launchdarkly::Source::new(KEY)
        .base_urls(url, url)
        .retry(Duration::from_millis(2), Duration::from_millis(20))
        .settings(HttpSettings::new().timeout(PATIENCE))
}

#[test]
fn changes_arrive_by_the_stream_and_older_ones_change_nothing() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let flags = store(source(&server.url()).payload_filter("models"));
    flags.wait_ready(PATIENCE).unwrap();
    server.patch_flag("m", &flag(5, "v5"));
    expect_text(&flags, "m", "v5");
    server.patch_flag("m", &flag(4, "v4"));
    server.send("delete", r#"{"path": "/flags/m", "version": 5}"#);
    server.send("goodbye", "{}");
    server.send("patch", r#"{"path": "/experiments/m", "data": {}}"#);
    server.patch_flag("other", &flag(1, "x"));
    expect_text(&flags, "other", "x");
    expect_text(&flags, "m", "v5");
    server.send("delete", r#"{"path": "/flags/m", "version": 7}"#);
    expect_text(&flags, "m", "none");
    server.patch_flag("m", &flag(6, "late"));
    server.patch_flag("m", &flag(8, "back"));
    expect_text(&flags, "m", "back");
    let streams = server.streams();
    assert_eq!(streams.len(), 1);
    assert_eq!(streams[0].0, "/all?filter=models");
    assert_eq!(streams[0].1["authorization"], KEY);
    assert!(streams[0].1["user-agent"].to_str().unwrap().starts_with("modelgate/"));
    assert!(server.polls().is_empty());
}

#[test]
fn a_segment_changes_without_its_flags() {
    let by_segment = r#"{"flags": {"m": {"key": "m", "version": 1, "on": true, "salt": "s",
        "variations": ["out", "in"], "fallthrough": {"variation": 0}, "rules": [{"variation": 1,
        "clauses": [{"attribute": "", "op": "segmentMatch", "values": ["beta"]}]}]}},
        "segments": {"beta": {"key": "beta", "version": 1, "included": []}}}"#;
    let server = LaunchDarkly::start(by_segment);
    let flags = store(source(&server.url()));
    expect_text(&flags, "m", "out");
    server.send(
        "patch",
        r#"{"path": "/segments/beta", "data": {"key": "beta", "version": 2, "included": ["user-1"]}}"#,
    );
    expect_text(&flags, "m", "in");
    server.send("delete", r#"{"path": "/segments/beta", "version": 3}"#);
    expect_text(&flags, "m", "out");
}

#[test]
fn a_malformed_patch_opens_the_stream_anew_keeps_the_last_good_form_and_says_so() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let flags = store(source(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    let malformed = r#"{"key": "m", "version": 2, "on": "yes"}"#;
    server.set_data(&format!(r#"{{"flags": {{"m": {malformed}}}, "segments": {{}}}}"#));
    server.patch_flag("m", malformed);
    eventually("the stream anew", || server.streams().len() == 2);
    // What it begins with is no better, and is no reason to come again.
    let status = expect(&flags, |status| {
        status.sources[0].is_ready() && !status.sources[0].problems.is_empty()
    });
    assert_eq!(status.sources[0].problems[0].key, "m");
    expect_text(&flags, "m", "v1");
    server.patch_flag("m", &flag(3, "v3"));
    expect_text(&flags, "m", "v3");
    expect(&flags, |status| status.sources[0].problems.is_empty());
}

#[test]
fn the_status_says_that_a_patch_is_malformed() {
    let long = Duration::from_secs(3600);
    for (patch, said) in [
        (r#"{"key": "m", "version": 2, "on": "yes"}"#, "patch is malformed: flag `m` at /on"),
        (r#"{"key": "m", "version": "2"}"#, "patch is malformed"),
        ("true", "patch is malformed"),
    ] {
        let server = LaunchDarkly::start(&data(1, "v1"));
        let flags = store(source(&server.url()).relay(server.url()).retry(long, long).events(None));
        flags.wait_ready(PATIENCE).unwrap();
        server.patch_flag("m", patch);
        let status = expect(&flags, |status| status.sources[0].is_stale());
        assert!(reason(&status).starts_with(said), "{status:?}");
        expect_text(&flags, "m", "v1");
    }
}

#[test]
fn requests_say_who_asks_and_leave_out_what_may_not_be_sent() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let events = launchdarkly::Events::new().url(server.url()).diagnostics(None);
    let good = source(&server.url())
        .application("shop", "1.2")
        .wrapper("wrapping", Some("3.4"))
        .events(events);
    let client = good.client();
    let flags = store(good);
    flags.wait_ready(PATIENCE).unwrap();
    client.identify(&Context::new("u"));
    assert!(client.flush_blocking(PATIENCE));
    let instance = "x-launchdarkly-instance-id";
    let (stream, events) = (&server.streams()[0].1, &server.payloads()[0].headers);
    for headers in [stream, events] {
        let tags = "application-id/shop application-version/1.2";
        assert_eq!(headers["x-launchdarkly-tags"], tags);
        assert_eq!(headers["x-launchdarkly-wrapper"], "wrapping/3.4");
        assert_eq!(headers[instance], stream[instance]);
    }
    let bad = source(&server.url()).application("a b", "1.2").payload_filter("a b");
    let flags = store(bad.wrapper("", Some("1")));
    flags.wait_ready(PATIENCE).unwrap();
    let (url, headers) = server.streams().pop().unwrap();
    assert_eq!(url, "/all");
    assert_eq!(headers["x-launchdarkly-tags"], "application-version/1.2");
    assert!(headers.get("x-launchdarkly-wrapper").is_none());
    assert_ne!(headers[instance], stream[instance]);
    let problems = flags.status().sources[0].problems.clone();
    let paths: Vec<_> = problems.iter().map(|problem| &*problem.path).collect();
    assert_eq!(paths, ["/payload_filter", "/application"]);
    server.patch_flag("m", &flag(2, "v2"));
    expect_text(&flags, "m", "v2");
    assert_eq!(flags.status().sources[0].problems.len(), 2, "as long as the settings are these");
}

#[test]
fn an_event_that_cannot_be_read_opens_the_stream_anew() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let flags = store(source(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    server.set_data(&data(2, "v2"));
    server.send("patch", r#"{"path": "/flags/m", "data": {"#);
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
    assert_eq!(server.streams().len(), 2);
}

#[test]
fn a_refusal_is_said_at_once_and_tried_again_seldom() {
    for status in [401, 403, 404] {
        let server = LaunchDarkly::start(&data(1, "v1"));
        server.set_status(status);
        let flags = store(source(&server.url()));
        // However long it may wait.
        let error = flags.wait_ready(Duration::MAX).unwrap_err();
        assert!(error.is_rejected());
        let text = error.to_string();
        assert!(text.contains(&status.to_string()) && !text.contains(KEY), "{text}");
        assert!(flags.status().sources[0].is_rejected());
        server.set_status(200);
        // Five minutes have not passed; an ordinary pause has, many times.
        let other = store(source(&server.url()));
        other.wait_ready(PATIENCE).unwrap();
        assert_eq!(server.streams().len(), 2);
    }
}

#[test]
fn a_key_that_is_accepted_after_all_is_well_again() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let often = (Duration::from_millis(2), Duration::from_millis(20));
    let flags = store(source(&server.url()).retry_refused(often.0, often.1));
    flags.wait_ready(PATIENCE).unwrap();
    server.set_status(401);
    server.send("patch", "garbage");
    let status = expect(&flags, |status| status.sources[0].is_rejected());
    assert!(status.ready && status.sources[0].is_stale(), "what is in force stays: {status:?}");
    server.set_data(&data(2, "v2"));
    server.set_status(200);
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_new_key_is_tried_at_once_and_opens_the_stream_anew() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    server.set_status(401);
    let source = source(&server.url());
    let key = source.key_handle();
    let flags = store(source);
    assert!(flags.wait_ready(PATIENCE).unwrap_err().is_rejected());
    server.set_status(200);
    key.set("sdk-second").unwrap();
    expect_text(&flags, "m", "v1");
    server.set_data(&data(2, "v2"));
    key.set("sdk-third").unwrap();
    expect_text(&flags, "m", "v2");
    let keys: Vec<_> =
        server.streams().iter().map(|asked| asked.1["authorization"].clone()).collect();
    assert_eq!(keys, [KEY, "sdk-second", "sdk-third"]);
    assert_eq!(flags.status().sources[0].connection.as_ref().unwrap().failures, 1, "the refusal");
    assert!(key.set("not\na key").is_err());
}

#[test]
fn flags_and_events_pass_through_a_proxy_to_a_host_of_an_authority_of_ones_own() {
    let ours = Authority::new("ours");
    for scheme in ["https", "http"] {
        let server = LaunchDarkly::start(&data(1, "v1"));
        let certified = ours.certify("flags.invalid");
        let terminator = Terminator::before(server.address, certified, b"http/1.1");
        let behind = if scheme == "https" { terminator.address() } else { server.address };
        let (proxy, heads) = tunnel_to(behind);
        // A name that only the proxy knows.
        let url = format!("{scheme}://flags.invalid:8030");
        let settings = HttpSettings::new()
            .timeout(PATIENCE)
            .proxy(format!("http://user:p%40ss@{proxy}"))
            .root_certificates(ours.pem());
        let events = launchdarkly::Events::new()
            .url(&url)
            .flush_interval(Duration::from_millis(5))
            .diagnostics(None);
        let flags = store(source(&url).settings(settings).events(events));
        flags.wait_ready(PATIENCE).unwrap();
        server.patch_flag("m", &flag(2, "v2"));
        expect_text(&flags, "m", "v2");
        eventually("what was evaluated is told", || !server.events("summary").is_empty());
        let head = heads.recv_timeout(PATIENCE).unwrap().to_ascii_lowercase();
        let asked = match scheme {
            "https" => "connect flags.invalid:8030 http/1.1\r\n",
            _ => "get http://flags.invalid:8030/all http/1.1\r\n",
        };
        assert!(head.starts_with(asked), "{head}");
        // user:p@ss
        assert!(head.contains("proxy-authorization: basic dxnlcjpwqhnz\r\n"), "{head}");
    }
}

#[test]
fn no_debug_output_shows_what_a_url_hides() {
    use modelgate::{flagd, flagsmith, source::HttpSource, unleash};

    let url = "https://user:hidden@flags.example.com/hidden/api?token=hidden";
    let proxy = "http://user:hidden@proxy:3128";
    for shown in [
        format!("{:?}", unleash::Source::new(url, "hidden")),
        format!("{:?}", launchdarkly::Source::new("hidden").relay(url)),
        format!("{:?}", launchdarkly::Source::new("hidden").base_urls(url, url)),
        format!("{:?}", launchdarkly::Events::new().url(url)),
        format!("{:?}", flagsmith::Source::new("ser.hidden").url(url).realtime_url(url)),
        format!("{:?}", HttpSource::poll(url).changing_header("x-key", "hidden")),
        format!("{:?}", flagd::Source::new("flags.example.com", 8015).proxy(proxy)),
    ] {
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(shown.contains("flags.example.com"), "{shown}");
    }
    let escaped = "https://user:hid/den@flags.example.com/x";
    assert!(!format!("{:?}", unleash::Source::new(escaped, "t")).contains("den@"));
}

#[test]
fn what_may_pass_is_tried_again_and_polled_meanwhile() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let proxy = Proxy::before(server.address);
    proxy.set(Fault::status("503 Busy"));
    let streaming = source(&proxy.url()).base_urls(proxy.url(), server.url());
    let flags = store(streaming);
    // By polling, for the stream is away.
    flags.wait_ready(PATIENCE).unwrap();
    expect(&flags, |status| reason(status).contains("503"));
    server.set_data(&data(2, "v2"));
    proxy.set(Fault::None);
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
    assert_eq!(server.polls().len(), 1, "not more often than LaunchDarkly likes");
}

#[test]
fn polling_asks_for_what_is_new() {
    let server = LaunchDarkly::start(&data(1, "v1"));
    let flags = store(source(&server.url()).polling(Duration::ZERO));
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(server.polls()[0].0, "/sdk/latest-all");
    assert!(server.streams().is_empty());
    assert_eq!(server.polls().len(), 1, "thirty seconds have not passed");
}

#[test]
fn a_service_starts_from_its_last_known_good_file_with_the_changes_that_came_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = LaunchDarkly::start(&data(1, "v1"));
    let flags = store(source(&server.url()).last_known_good(&path));
    flags.wait_ready(PATIENCE).unwrap();
    eventually("saved", || LastKnownGood::at(&path).load().unwrap().is_some());
    server.patch_flag("m", &flag(2, "v2"));
    expect_text(&flags, "m", "v2");
    // The end of the stream brings the file up to date at once; the next one begins with all there is.
    server.set_data(&data(2, "v2"));
    server.send("patch", "garbage");
    eventually("saved again", || {
        LastKnownGood::at(&path).load().unwrap().is_some_and(|saved| saved.text().contains("v2"))
    });
    drop(flags);
    drop(server);
    let flags = store(source("http://127.0.0.1:9").last_known_good(&path));
    assert!(flags.is_ready() && flags.status().sources[0].is_stale());
    assert_eq!(flags.string("m", &Context::new("u"), "none"), "v2");
    eventually("several attempts", || match &flags.status().sources[0].state {
        SourceState::Stale { attempts, .. } => *attempts >= 3,
        _ => false,
    });
    drop(flags);
    let saved = LastKnownGood::at(&path).load().unwrap().unwrap();
    assert!(saved.text().contains("v2"), "attempts that fail leave the file alone");
}

#[test]
fn a_change_that_nothing_follows_is_in_the_file_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.lkg");
    let server = LaunchDarkly::start(&data(1, "v1"));
    let flags = store(source(&server.url()).last_known_good(&path));
    flags.wait_ready(PATIENCE).unwrap();
    server.patch_flag("m", &flag(2, "v2"));
    expect_text(&flags, "m", "v2");
    eventually("saved", || {
        let saved = LastKnownGood::at(&path).load().unwrap();
        saved.is_some_and(|saved| saved.text().contains("v2"))
    });
}

#[test]
fn null_stands_for_no_segments_as_in_the_vendors_own_server() {
    let server = LaunchDarkly::start(&format!(
        r#"{{"flags": {{"m": {}}}, "segments": null}}"#,
        flag(1, "v1")
    ));
    let flags = store(source(&server.url()));
    expect_text(&flags, "m", "v1");
    assert_eq!(server.streams().len(), 1);
}

#[test]
fn no_debug_output_shows_the_key() {
    let shown = format!("{:?}", source("http://localhost"));
    assert!(!shown.contains(KEY), "{shown}");
}
