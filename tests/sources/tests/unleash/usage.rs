//! What the server is told, and that nothing waits for it.

use std::time::Duration;

use modelgate::{Context, Flags, source::HttpSettings};
use modelgate_source_tests::{
    PATIENCE, eventually, expect, expect_text,
    unleash::{Answer, Place, Unleash},
};

use crate::{TOKEN, counting, feature, features, source, store};

fn ask(flags: &Flags, key: &str, times: usize) {
    for _ in 0..times {
        flags.string(key, &Context::new("user-1"), "none");
    }
}

#[test]
fn the_application_is_registered() {
    let server = Unleash::start(&features("v1"));
    server.set(Place::Register, Answer::Status(500));
    let _flags = store(counting(&server.url()).app_name("fraud").instance_id("host-7"));
    eventually("it is tried again", || server.asked(Place::Register).len() >= 2);
    server.set(Place::Register, Answer::Well);
    eventually("registered", || server.asked(Place::Register).iter().any(|asked| asked.well));
    let asked = server.asked(Place::Register).pop().unwrap();
    assert_eq!(asked.uri, "/api/client/register");
    assert_eq!(asked.headers["authorization"], TOKEN);
    assert_eq!(asked.headers["content-type"], "application/json");
    let body = asked.body;
    assert_eq!((&body["appName"], &body["instanceId"]), (&"fraud".into(), &"host-7".into()));
    assert_eq!(body["connectionId"], asked.headers["unleash-connection-id"].to_str().unwrap());
    assert!(body["sdkVersion"].as_str().unwrap().starts_with("modelgate:"));
    assert_eq!(body["interval"], 5);
    assert!(body["started"].as_u64().unwrap() > 1_600_000_000_000);
    let strategies = body["strategies"].as_array().unwrap();
    assert!(strategies.contains(&"flexibleRollout".into()), "{strategies:?}");
}

#[test]
fn usage_is_reported_per_variant() {
    let off = r#"{"name": "off", "enabled": false, "strategies": []}"#;
    let server = Unleash::start(&format!("[{}, {off}]", feature("counted", "v1")));
    let flags = store(counting(&server.url()).app_name("fraud"));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "counted", 3);
    ask(&flags, "off", 2);
    ask(&flags, "unknown", 9);
    eventually("both are reported", || {
        server.usage("counted").yes == 3 && server.usage("off").no == 2
    });
    assert_eq!(server.usage("counted").no, 0);
    assert_eq!(server.usage("counted").variants, [("v1".to_owned(), 3)].into());
    assert_eq!(server.usage("unknown").no, 0);
    let report = server.asked(Place::Metrics).remove(0);
    assert_eq!(report.headers["authorization"], TOKEN);
    assert_eq!(report.body["appName"], "fraud");
    let moment = |name: &str| report.body["bucket"][name].as_u64().unwrap();
    assert!(moment("start") <= moment("stop"));
    // A changed feature is another, and the counts of the one before are not lost with it.
    ask(&flags, "counted", 4);
    server.set_features(&format!("[{}]", feature("counted", "v2")));
    eventually("the change is there", || {
        flags.snapshot().flag("off").is_none() && flags.snapshot().flag("counted").is_some()
    });
    ask(&flags, "counted", 5);
    eventually("all is reported", || server.usage("counted").yes == 12);
    let variants = [("v1".to_owned(), 7), ("v2".to_owned(), 5)];
    assert_eq!(server.usage("counted").variants, variants.into());
}

#[test]
fn failures_neither_lose_nor_double_a_count() {
    let server = Unleash::start(&format!("[{}]", feature("counted", "v1")));
    let flags = store(counting(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    let failures = [500, 503, 429, 404];
    for status in failures {
        server.set(Place::Metrics, Answer::Status(status));
        let before = server.asked(Place::Metrics).len();
        ask(&flags, "counted", 10);
        eventually("it is tried", || server.asked(Place::Metrics).len() >= before + 2);
        ask(&flags, "counted", 1);
        server.set(Place::Metrics, Answer::Well);
    }
    ask(&flags, "counted", 1);
    eventually("all is reported", || server.usage("counted").yes == 45);
    assert_eq!(server.usage("counted").variants, [("v1".to_owned(), 45)].into());
    let (polls, reports) =
        (server.asked(Place::Features).len(), server.asked(Place::Metrics).len());
    eventually("a few polls", || server.asked(Place::Features).len() >= polls + 5);
    assert_eq!(server.asked(Place::Metrics).len(), reports, "nothing is left to report");
    assert_eq!(server.usage("counted").yes, 45);
    expect(&flags, |status| status.sources[0].is_ready());
}

#[test]
fn a_server_that_hangs_on_reports_delays_nothing_and_is_told_nothing_twice() {
    let server = Unleash::start(&format!("[{}]", feature("counted", "v1")));
    server.set(Place::Metrics, Answer::Hang);
    let settings = HttpSettings::new().timeout(Duration::from_millis(300));
    let flags = store(counting(&server.url()).settings(settings));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "counted", 3);
    eventually("it hangs", || server.asked(Place::Metrics).len() == 1);
    server.set_features(&format!("[{}, {}]", feature("counted", "v1"), feature("m", "v2")));
    expect_text(&flags, "m", "v2");
    expect(&flags, |status| status.sources[0].is_ready());
    server.set(Place::Metrics, Answer::Well);
    ask(&flags, "counted", 4);
    // The server may have counted what hung: it is not told again, and all the rest is.
    let hung = || {
        let asked = server.asked(Place::Metrics);
        let counted = asked.iter().filter(|asked| !asked.well);
        let counted = counted.map(|asked| &asked.body["bucket"]["toggles"]["counted"]["yes"]);
        counted.filter_map(|yes| yes.as_u64()).sum::<u64>()
    };
    assert!((1..=3).contains(&hung()), "{}", hung());
    eventually("all others are reported", || server.usage("counted").yes == 7 - hung());
    server.set(Place::Metrics, Answer::Hang);
    ask(&flags, "counted", 5);
    let reports = server.asked(Place::Metrics).len();
    eventually("it hangs", || server.asked(Place::Metrics).len() > reports);
    // Returns, however long the server would take.
    drop(flags);
}

#[test]
fn the_last_words_of_a_store_are_heard() {
    let server = Unleash::start(&format!("[{}]", feature("counted", "v1")));
    let flags = store(source(&server.url()).metrics(Some(Duration::from_secs(3600))));
    flags.wait_ready(PATIENCE).unwrap();
    eventually("registered", || !server.asked(Place::Register).is_empty());
    ask(&flags, "counted", 7);
    drop(flags);
    eventually("reported", || server.usage("counted").yes == 7);
    assert_eq!(server.asked(Place::Metrics).len(), 1);
}

#[test]
fn a_token_that_may_not_report_still_reads() {
    let server = Unleash::start(&format!("[{}]", feature("counted", "v1")));
    server.set(Place::Register, Answer::Status(403));
    server.set(Place::Metrics, Answer::Status(401));
    let flags = store(counting(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    ask(&flags, "counted", 1);
    eventually("refused", || server.asked(Place::Metrics).len() == 1);
    ask(&flags, "counted", 1);
    let polls = server.asked(Place::Features).len();
    eventually("a few polls", || server.asked(Place::Features).len() >= polls + 5);
    drop(flags);
    assert_eq!(server.asked(Place::Register).len(), 1);
    assert_eq!(server.asked(Place::Metrics).len(), 1);
}

#[test]
fn what_the_server_does_not_take_of_a_report_poisons_nothing_else() {
    let toggles = ["a", "bad", "c", "d", "e"];
    let features: Vec<String> = toggles.iter().map(|name| feature(name, "v1")).collect();
    let server = Unleash::start(&format!("[{}]", features.join(",")));
    server.set(Place::Metrics, Answer::Refuses("bad"));
    let flags = store(counting(&server.url()));
    flags.wait_ready(PATIENCE).unwrap();
    let user = Context::new("user");
    for _ in 0..3 {
        toggles.iter().for_each(|name| drop(flags.string(name, &user, "")));
    }
    let counted = |name: &str| server.usage(name).yes + server.usage(name).no;
    eventually("all others are counted", || {
        toggles.iter().filter(|name| **name != "bad").all(|name| counted(name) == 3)
    });
    // And again: nothing of it is left.
    drop(flags.string("a", &user, ""));
    eventually("the next is counted", || counted("a") == 4);
    assert_eq!(counted("bad"), 0);
}
