mod last_known_good;
mod server;

use std::{net::TcpListener, time::Duration};

use self::server::{Reply, Server};
use super::{HttpSource, public_part};
use crate::{
    flag::store::{self, Flags, SourceState},
    source::{
        network::HttpSettings,
        testing::{PATIENCE, constants, expect, expect_text, text},
    },
};

fn good(value: &str) -> Reply {
    Reply::Text("200 OK", document(value))
}

fn document(value: &str) -> String {
    format!(r#"{{"a": "{value}"}}"#)
}

fn quick(url: impl Into<String>) -> HttpSource {
    HttpSource::poll(url)
        .dialect(constants)
        .interval(Duration::from_millis(2))
        .retry(Duration::from_millis(2), Duration::from_millis(20))
        .settings(HttpSettings::new().timeout(PATIENCE))
}

fn build(source: HttpSource) -> Flags {
    Flags::builder().source(source).build().unwrap()
}

fn stale_for(reason: &str) -> impl FnMut(&store::Status) -> bool {
    let reason = reason.to_owned();
    move |status| match &status.sources[0].state {
        SourceState::Stale { reason: found, .. } => found.contains(&reason),
        _ => false,
    }
}

fn starting_with(status: &store::Status, wanted: &str) -> bool {
    match &status.sources[0].state {
        SourceState::Starting { last_error: Some(found), .. } => found.contains(wanted),
        _ => false,
    }
}

#[test]
fn flags_are_fetched_and_fetched_again() {
    let server = Server::new(vec![good("1")]);
    let flags = build(
        quick(server.url())
            .settings(HttpSettings::new().user_agent("service/1"))
            .header("X-Api-Key", "secret"),
    );
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(text(&flags, "a"), "1");
    let head = server.next_request();
    assert!(head.starts_with("get /flags.json?token=hidden http/1.1"), "{head}");
    assert!(head.contains("x-api-key: secret") && head.contains("user-agent: service/1"), "{head}");
    server.now(good("2"));
    expect_text(&flags, "a", "2");
}

#[test]
fn a_header_that_changes_is_sent_at_once_and_no_other() {
    let server =
        Server::new(vec![Reply::Text("401 Unauthorized", String::new()), good("1"), good("2")]);
    let hour = Duration::from_secs(3600);
    let source = quick(server.url()).interval(hour).retry(hour, hour);
    let (source, token) = source.changing_header("Authorization", "Bearer first");
    let flags = build(source);
    let sent = |head: String| {
        let line = head.lines().find(|line| line.starts_with("authorization: "));
        line.unwrap().trim_end().to_owned()
    };
    assert_eq!(sent(server.next_request()), "authorization: bearer first");
    // Within the hour that it would have waited.
    token.set("Bearer second").unwrap();
    assert_eq!(sent(server.next_request()), "authorization: bearer second");
    expect_text(&flags, "a", "1");
    token.set("Bearer third").unwrap();
    assert_eq!(sent(server.next_request()), "authorization: bearer third");
    expect_text(&flags, "a", "2");
}

#[test]
fn unchanged_flags_are_confirmed_by_their_tag_and_not_published_again() {
    let server = Server::new(vec![
        Reply::Text("200 OK\r\nETag: \"one\"", document("1")),
        Reply::Text("304 Not Modified", String::new()),
    ]);
    let flags = build(quick(server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    assert!(!server.next_request().contains("if-none-match"));
    for _ in 0..3 {
        assert!(server.next_request().contains("if-none-match: \"one\""));
    }
    let status = flags.status();
    assert_eq!((status.revision, status.sources[0].is_ready()), (1, true));
    assert_eq!(status.sources[0].revision.as_deref(), Some("\"one\""));
    server.now(Reply::Text("200 OK\r\nETag: \"two\"", document("2")));
    expect_text(&flags, "a", "2");
}

#[test]
fn the_same_document_without_a_tag_is_not_published_again() {
    let server = Server::new(vec![good("1")]);
    let flags = build(quick(server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    for _ in 0..4 {
        server.next_request();
    }
    assert_eq!(flags.status().revision, 1);
}

#[test]
fn a_refused_document_is_not_remembered_by_its_tag() {
    let server = Server::new(vec![
        Reply::Text("200 OK\r\nETag: \"good\"", document("1")),
        Reply::Text("200 OK\r\nETag: \"bad\"", "garbage".into()),
    ]);
    let flags = build(quick(server.url()));
    expect(&flags, stale_for("document refused"));
    assert_eq!(text(&flags, "a"), "1");
    for _ in 0..4 {
        assert!(!server.next_request().contains("\"bad\""));
    }
    server.now(good("2"));
    expect_text(&flags, "a", "2");
}

#[test]
fn every_failure_leaves_the_last_good_flags_in_force_and_passes() {
    let server = Server::new(vec![good("0")]);
    let source = quick(server.url()).settings(HttpSettings::new().max_bytes(1000));
    let flags = build(source);
    flags.wait_ready(PATIENCE).unwrap();
    let failures = [
        (Reply::Text("404 Not Found", String::new()), "server answered 404"),
        (Reply::Text("500 Internal Server Error", "{}".into()), "server answered 500"),
        (Reply::Text("302 Found\r\nLocation: /elsewhere", String::new()), "server answered 302"),
        (Reply::Text("304 Not Modified", String::new()), "server answered 304"),
        (Reply::Text("204 No Content", String::new()), "server answered 204"),
        (Reply::Text("200 OK", "[1, 2".into()), "document refused"),
        (Reply::Text("200 OK", document(&"x".repeat(1000))), "answer: found more than 1000 bytes"),
        (Reply::Endless, "answer: found more than 1000 bytes"),
        (Reply::BreakOff, "answer ended early or is damaged"),
        (Reply::Text("nonsense", String::new()), "request failed"),
    ];
    for (round, (failure, reason)) in failures.into_iter().enumerate() {
        server.now(failure);
        let status = expect(&flags, stale_for(reason));
        assert!(status.ready);
        let value = format!("{round} mended");
        server.now(good(&value));
        expect_text(&flags, "a", &value);
        expect(&flags, |status| status.sources[0].is_ready());
    }
}

#[test]
fn a_slow_server_is_given_up_and_asked_again() {
    let server = Server::new(vec![Reply::Silence]);
    let flags =
        build(quick(server.url()).settings(HttpSettings::new().timeout(Duration::from_millis(20))));
    let failing_repeatedly = |status: &store::Status| {
        let SourceState::Starting { attempts, .. } = &status.sources[0].state else { return false };
        *attempts >= 2
    };
    let status = expect(&flags, failing_repeatedly);
    assert!(!status.ready && starting_with(&status, "took too long"), "{status:#?}");
    server.now(good("1"));
    flags.wait_ready(PATIENCE).unwrap();
}

#[test]
fn a_server_that_is_away_at_the_start_is_found_when_it_comes() {
    // A port that was free a moment ago: refused until somebody listens again.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let flags = build(quick(format!("http://{address}/")));
    let failing = |status: &store::Status| {
        matches!(status.sources[0].state, SourceState::Starting { attempts: 3.., .. })
    };
    let status = expect(&flags, failing);
    assert!(!status.ready && starting_with(&status, "refused"), "{status:#?}");
    let error = flags.wait_ready(Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("`http`") && error.contains("refused"), "{error}");
    let _server = Server::on(TcpListener::bind(address).unwrap(), vec![good("1")]);
    flags.wait_ready(PATIENCE).unwrap();
}

#[test]
fn dropping_the_store_ends_a_request_in_flight() {
    let server = Server::new(vec![Reply::Silence]);
    let flags = build(quick(server.url()).settings(HttpSettings::new().timeout(20 * PATIENCE)));
    server.next_request();
    drop(flags);
    // The server reads until the client hangs up, and only then can it be joined.
    drop(server);
}

#[test]
fn what_can_never_work_is_said_at_the_start() {
    for (source, wanted) in [
        (HttpSource::poll("http://"), "URL is malformed"),
        (
            HttpSource::poll("ftp://host/x"),
            "URL: found another beginning, expected `http://` or `https://`",
        ),
        (
            HttpSource::poll("/path"),
            "URL: found another beginning, expected `http://` or `https://`",
        ),
        (HttpSource::poll("http://h/").header("bad name", "x"), "header `bad name` is malformed"),
        (HttpSource::poll("http://h/").header("x", "a\nb"), "value of header `x` is malformed"),
    ] {
        let error = Flags::builder().source(source).build().unwrap_err();
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), wanted);
    }
}

#[test]
fn debug_output_shows_no_secret() {
    let source = HttpSource::poll("https://user:hidden@host/flags?token=hidden#hidden")
        .header("Authorization", "hidden");
    let shown = format!("{source:?}");
    assert!(!shown.contains("hidden") && shown.contains("https://host/…"), "{shown}");
    assert!(shown.contains("Authorization"), "{shown}");
    assert_eq!(public_part("http://host"), "http://host");
    assert_eq!(public_part("http://host:8080/"), "http://host:8080");
    for secret in ["https://user:hid/den@host/x", "https://user:1/den@host", "https://[den", "den"]
    {
        assert!(!public_part(secret).contains("den"), "{secret}");
    }
}
