//! What the server is told, and that nothing waits for it.

use std::time::Duration;

use modelgate::{Context, Flags, flagsmith, source::HttpSettings};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    flagsmith::{
        Answer, Flagsmith, NEVER, OTHER_SERVER_KEY, Place, SERVER_KEY, document, feature,
        override_of,
    },
};
use serde_json::{Value, json};

use crate::{MOMENT, environment, source, store};

fn counting(url: &str) -> flagsmith::Source {
    source(url).analytics(Some(Duration::from_millis(5)))
}

fn ask(flags: &Flags, key: &str, times: usize) {
    for _ in 0..times {
        flags.string(key, &Context::new("user-1"), "none");
    }
}

fn counted() -> Value {
    environment("v1")
}

#[test]
fn usage_is_reported_on_and_off_and_nothing_of_who_asked() {
    let mut off = feature(2, "off", "v1");
    off["enabled"] = json!(false);
    let mut environment = document(MOMENT, &[feature(1, "m", "v1"), off.clone()]);
    environment["identity_overrides"] = json!([override_of("user-1", off)]);
    let server = Flagsmith::start(environment);
    let flags = store(counting(&server.url()).application("fraud", "2"));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "m", 3);
    ask(&flags, "off", 2);
    ask(&flags, "unknown", 9);
    eventually("both are reported", || {
        server.usage("m") == [(true, 3)].into() && server.usage("off") == [(false, 2)].into()
    });
    assert!(server.usage("unknown").is_empty());
    for report in server.asked(Place::Second) {
        assert_eq!(report.uri, "/api/v2/analytics/flags/");
        assert_eq!(report.headers["x-environment-key"], SERVER_KEY);
        assert_eq!(report.headers["content-type"], "application/json");
        assert_eq!(report.headers["flagsmith-application-name"], "fraud");
        assert!(!report.body.to_string().contains("user-1"), "{}", report.body);
    }
    // A changed feature is another, and the counts of the one before are not lost with it.
    ask(&flags, "m", 4);
    server.set_document(document(MOMENT, &[feature(1, "m", "v2")]));
    expect(&flags, |_| flags.snapshot().flag("off").is_none());
    ask(&flags, "m", 5);
    eventually("all is reported", || server.usage("m") == [(true, 12)].into());
    assert!(server.asked(Place::First).is_empty());
}

#[test]
fn a_server_without_the_second_version_is_told_in_the_first() {
    for status in [404, 405, 403] {
        let server = Flagsmith::start(counted());
        server.set(Place::Second, Answer::Status(status));
        let flags = store(counting(&server.url()));
        flags.wait_ready(PATIENCE).unwrap();
        ask(&flags, "m", 3);
        eventually("reported", || server.first_usage("m") == 3);
        ask(&flags, "m", 4);
        eventually("reported", || server.first_usage("m") == 7);
        let report = server.asked(Place::First).remove(0);
        assert_eq!(report.uri, "/api/v1/analytics/flags/");
        assert_eq!(report.headers["x-environment-key"], SERVER_KEY);
        assert_eq!(report.body, json!({"m": 3}));
        assert_eq!(server.asked(Place::Second).len(), 1, "not asked again");
    }
}

#[test]
fn a_new_key_is_told_in_the_second_version_again() {
    let server = Flagsmith::start(counted());
    server.set(Place::Second, Answer::Status(403));
    let source = counting(&server.url());
    let key = source.key_handle();
    let flags = store(source);
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "m", 3);
    eventually("reported", || server.first_usage("m") == 3);
    server.set(Place::Second, Answer::Well);
    key.set(OTHER_SERVER_KEY).unwrap();
    ask(&flags, "m", 4);
    eventually("reported on and off", || server.usage("m") == [(true, 4)].into());
    assert_eq!(server.first_usage("m"), 3);
}

#[test]
fn a_key_that_may_not_report_still_reads() {
    let server = Flagsmith::start(counted());
    server.set(Place::Second, Answer::Status(404));
    server.set(Place::First, Answer::Status(404));
    let flags = store(counting(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "m", 1);
    eventually("refused", || server.asked(Place::First).len() == 1);
    ask(&flags, "m", 1);
    let polls = server.asked(Place::Document).len();
    eventually("a few polls", || server.asked(Place::Document).len() >= polls + 5);
    expect(&flags, |status| status.sources[0].is_ready());
    drop(flags);
    assert_eq!((server.asked(Place::First).len(), server.asked(Place::Second).len()), (1, 1));
}

#[test]
fn failures_neither_lose_nor_double_a_count() {
    let server = Flagsmith::start(counted());
    let flags = store(counting(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    let failures = [
        Answer::Status(500),
        Answer::Status(503),
        Answer::Status(429),
        Answer::Body(502, "text/html", "<html>"),
    ];
    for answer in failures {
        server.set(Place::Second, answer);
        let before = server.asked(Place::Second).len();
        ask(&flags, "m", 10);
        eventually("it is tried", || server.asked(Place::Second).len() >= before + 2);
        ask(&flags, "m", 1);
        server.set(Place::Second, Answer::Well);
    }
    ask(&flags, "m", 1);
    eventually("all is reported", || server.usage("m") == [(true, 45)].into());
    let (polls, reports) = (server.asked(Place::Document).len(), server.asked(Place::Second).len());
    eventually("a few polls", || server.asked(Place::Document).len() >= polls + 5);
    assert_eq!(server.asked(Place::Second).len(), reports, "nothing is left to report");
    assert!(server.asked(Place::First).is_empty(), "trouble is no reason for the first version");
}

#[test]
fn a_report_that_the_server_will_never_take_is_not_sent_for_ever() {
    let server = Flagsmith::start(counted());
    server.set(Place::Second, Answer::Status(400));
    let flags = store(counting(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "m", 3);
    eventually("refused", || server.asked(Place::Second).len() == 1);
    server.set(Place::Second, Answer::Well);
    ask(&flags, "m", 4);
    eventually("what came later", || server.usage("m") == [(true, 4)].into());
}

#[test]
fn a_server_that_hangs_on_reports_delays_nothing_and_is_told_nothing_twice() {
    let server = Flagsmith::start(counted());
    server.set(Place::Second, Answer::Hang);
    let settings = HttpSettings::new().timeout(Duration::from_millis(300));
    let flags = store(counting(&server.url()).settings(settings));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "m", 3);
    eventually("it hangs", || server.asked(Place::Second).len() == 1);
    server.set_document(document(MOMENT, &[feature(1, "m", "v1"), feature(2, "n", "v2")]));
    expect_text(&flags, "n", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
    server.set(Place::Second, Answer::Well);
    ask(&flags, "m", 4);
    // The server may have counted what hung: it is not told again, and all the rest is.
    let hung = || {
        let asked = server.asked(Place::Second);
        let hung = asked.iter().filter(|asked| !asked.well);
        hung.map(|asked| asked.body["evaluations"][0]["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert!((1..=3).contains(&hung()), "{}", hung());
    eventually("all others are reported", || server.usage("m") == [(true, 7 - hung())].into());
    server.set(Place::Second, Answer::Hang);
    ask(&flags, "m", 5);
    let reports = server.asked(Place::Second).len();
    eventually("it hangs", || server.asked(Place::Second).len() > reports);
    // Returns, however long the server would take.
    drop(flags);
}

#[test]
fn the_last_words_of_a_store_are_heard() {
    for (second, first) in [(Answer::Well, 0), (Answer::Status(404), 7)] {
        let server = Flagsmith::start(counted());
        server.set(Place::Second, second.clone());
        let flags = store(source(&server.url()).analytics(Some(NEVER)));
        flags.wait_ready(PATIENCE).unwrap();
        ask(&flags, "m", 7);
        drop(flags);
        if second == Answer::Well {
            eventually("reported", || server.usage("m") == [(true, 7)].into());
        } else {
            eventually("reported", || server.first_usage("m") == 7);
        }
        assert_eq!(server.asked(Place::Second).len(), 1);
        assert_eq!(server.first_usage("m"), first);
    }
}

#[test]
fn a_slash_at_the_end_of_the_url_changes_nothing() {
    let server = Flagsmith::start(counted());
    let url = format!("{}/", server.url());
    let flags = store(counting(&url));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "m", 2);
    eventually("reported", || server.usage("m") == [(true, 2)].into());
}
