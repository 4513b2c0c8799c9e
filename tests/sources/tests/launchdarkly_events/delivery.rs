//! Payloads on their way: failures, repetitions, limits, ends.

use modelgate_source_tests::expect;

use super::*;

#[test]
fn a_payload_that_was_taken_and_not_answered_is_repeated_under_its_id() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    server.answer_payloads([Answer::Hang]);
    let settings = HttpSettings::new().timeout(Duration::from_millis(300));
    let flags = store(source(&server).settings(settings));
    flags.string("m", &user("u"), "v0");
    eventually("it comes again", || server.payloads().len() >= 2);
    let payloads = server.payloads();
    assert_eq!(payloads[0].id(), payloads[1].id());
    assert_eq!(payloads[0].events, payloads[1].events);
    flags.string("m", &user("u"), "v0");
    // By the id, the server counts the first once.
    eventually("both", || server.counted("m") == [(Some(0), 2)]);
}

#[test]
fn what_was_counted_is_sent_when_the_store_is_dropped_also_while_a_payload_is_on_its_way() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    server.answer_payloads([Answer::Hang]);
    let flags = store(source(&server));
    flags.string("m", &user("u"), "v0");
    eventually("the first", || !server.payloads().is_empty());
    flags.string("m", &user("u"), "v0");
    drop(flags);
    eventually("both", || server.counted("m") == [(Some(0), 2)]);
}

#[test]
fn what_the_queue_does_not_hold_is_dropped_and_counted_and_counts_are_not() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let flags = store(source(&server).events(patient(&server).capacity(10)));
    for number in 0..100 {
        flags.string("m", &Context::new(&format!("user-{number}")), "v0");
    }
    let payload = last_payload(flags, &server);
    assert_eq!(payload.of_kind("index").len(), 10);
    assert_eq!(server.counted("m"), [(Some(0), 100)]);
}

#[test]
fn a_key_that_is_refused_ends_events_and_not_flags() {
    for status in [401, 403] {
        let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
        server.answer_payloads([Answer::Status(status)]);
        let flags = store(source(&server));
        flags.string("m", &user("u"), "v0");
        eventually("the only one", || server.payloads().len() == 1);
        server.patch_flag(
            "m",
            &flag("m", json!({"version": 8, "fallthrough": {"variation": 1}})).to_string(),
        );
        expect_text(&flags, "m", "v2");
        expect(&flags, |status| status.sources[0].is_ready());
        drop(flags);
        assert_eq!(server.payloads().len(), 1);
    }
}

#[test]
fn a_server_that_wants_rest_has_it_and_loses_nothing() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    server.answer_payloads([Answer::Later(3600)]);
    let flags = store(source(&server));
    flags.string("m", &user("u"), "v0");
    eventually("the first", || server.payloads().len() == 1);
    for _ in 0..10 {
        flags.string("m", &user("u"), "v0");
    }
    // A payload would have come with each of these.
    server.patch_flag(
        "m",
        &flag("m", json!({"version": 8, "fallthrough": {"variation": 1}})).to_string(),
    );
    expect(&flags, |_| flags.string("m", &user("u"), "v0") == "v2");
    assert_eq!(server.payloads().len(), 1);
    drop(flags);
    eventually("all at the end", || server.counted("m").first() >= Some(&(Some(0), 11)));
}

#[test]
fn a_payload_that_the_server_cannot_read_holds_up_no_other() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    server.answer_payloads([400, 400, 413].map(Answer::Status));
    let flags = store(source(&server));
    for payloads in [2, 3, 4] {
        flags.string("m", &user("u"), "v0");
        eventually("it", || server.payloads().len() >= payloads);
    }
    let payloads = server.payloads();
    assert_eq!(payloads[0].id(), payloads[1].id());
    assert_ne!(payloads[1].id(), payloads[2].id());
    assert_ne!(payloads[2].id(), payloads[3].id());
}

#[test]
fn a_service_that_is_away_costs_no_count() {
    let server = LaunchDarkly::start(&data([flag("m", json!({}))]));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flags = store(source(&server).events(events(&server).url(format!("http://{nobody}"))));
    for _ in 0..500 {
        flags.string("m", &user("u"), "v0");
    }
    let address = nobody;
    let events_only = LaunchDarkly::at(address, &data([flag("m", json!({}))]));
    eventually("all", || events_only.counted("m") == [(Some(0), 500)]);
}
