//! The two ways in which a flag client deceives a service: it answers defaults for ever, and its
//! state is stale, and nobody is told. Neither can happen in silence, whichever source it is.

use std::{net::TcpListener, sync::Arc, time::Duration};

use modelgate::{Context, FallbackCause, Flags, ModelRouter, clock::ManualClock, model_fn};
use modelgate_source_tests::{
    PATIENCE, attempts, eventually, expect,
    log::Log,
    reason,
    vendor::{FLAG, VENDORS, Vendor, Way},
};

fn store(vendor: &dyn Vendor, way: &Way, clock: &Arc<ManualClock>) -> Flags {
    Flags::builder().source(vendor.source(way)).clock(clock.clone()).build().unwrap()
}

fn router(flags: &Flags) -> ModelRouter<[f32], f32> {
    ModelRouter::builder(FLAG)
        .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f32]| Ok(2.0)))
        .fallback("v1")
        .flags(flags.clone())
        .build()
        .unwrap()
}

/// How many lines warn of this source.
fn warnings(log: &Log, source: &str) -> usize {
    let named = format!("source=\"{source}\"");
    let warns = |line: &&str| line.contains("WARN") && line.contains(&named);
    log.text().lines().filter(warns).count()
}

#[test]
fn a_client_does_not_answer_defaults_for_ever_without_a_word() {
    let log = Log::start();
    for vendor in VENDORS {
        let name = vendor.name();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let clock = Arc::new(ManualClock::default());
        let flags = store(vendor, &Way::to(nobody), &clock);
        let router = router(&flags);
        let source = vendor.source(&Way::to(nobody)).name().into_owned();
        let status = expect(&flags, |status| attempts(status) >= 8);
        clock.advance(Duration::from_secs(3600));

        // Whoever waits for the flags is told who has not delivered, and why.
        let error = flags.wait_ready(Duration::ZERO).unwrap_err();
        assert_eq!(error.sources().collect::<Vec<_>>(), [&*source], "{name}");
        assert!(error.to_string().contains("refused"), "{name}: {error}");
        // Whoever looks at the status is.
        assert!(!status.ready && status.age.is_none(), "{name}: {status:#?}");
        assert!(reason(&status).contains("refused"), "{name}: {status:#?}");
        let connection = flags.status().sources[0].connection.clone().unwrap();
        assert!(connection.failures >= 8 && connection.last_success.is_none(), "{name}");
        assert!(connection.last_request.is_some(), "{name}");
        // Every single answer says that it is a default, and the counts say how many were.
        let answer = router.predict(&Context::new("u"), &[1.0]).unwrap();
        assert_eq!(answer.decision().fallback(), Some(FallbackCause::NotReady), "{name}");
        let counted = router.stats().fallbacks.iter().find(|(cause, _)| *cause == "not_ready");
        assert_eq!(counted.map(|(_, count)| count), Some(1), "{name}");
        // And whoever reads the log is, more than once but not every time.
        let warnings = warnings(&log, &source);
        assert!((2..200).contains(&warnings), "{name}: {warnings} warnings");
    }
}

#[test]
fn flags_do_not_grow_stale_without_a_word() {
    for vendor in VENDORS {
        let name = vendor.name();
        let server = vendor.start("127.0.0.1:0".parse().unwrap(), "v1");
        let proxy = vendor.proxy(server.address());
        let way = Way { stream_deadline: Some(PATIENCE / 30), ..Way::to(proxy.address()) };
        let clock = Arc::new(ManualClock::default());
        let flags = store(vendor, &way, &clock);
        flags.wait_ready(PATIENCE).unwrap();

        // The worst there is: connections stay open, and nothing comes any more.
        proxy.freeze();
        server.set(2, "v2");
        let status = expect(&flags, |status| attempts(status) >= 2);
        assert!(status.ready && status.sources[0].is_stale(), "{name}: {status:#?}");
        assert!(!reason(&status).is_empty());
        // Predictions go on with what is known, and how old it is can be seen and be alarmed on.
        assert_eq!(flags.string(FLAG, &Context::new("u"), "none"), "v1", "{name}");
        clock.advance(Duration::from_secs(3600));
        let status = flags.status();
        assert!(status.age >= Some(Duration::from_secs(3600)), "{name}: {status:#?}");
        let connection = status.sources[0].connection.as_ref().unwrap();
        assert!(connection.last_success >= Some(Duration::from_secs(3600)), "{name}: {status:#?}");
        assert!(!connection.streaming, "{name}: {status:#?}");
    }
}

#[test]
fn a_stream_that_is_alive_keeps_flags_fresh_and_a_clock_that_jumps_changes_nothing() {
    for vendor in VENDORS {
        let name = vendor.name();
        let server = vendor.start("127.0.0.1:0".parse().unwrap(), "v1");
        let clock = Arc::new(ManualClock::at_unix(Duration::from_secs(1_700_000_000)));
        let way = Way { silence: PATIENCE, ..Way::to(server.address()) };
        let flags = store(vendor, &way, &clock);
        flags.wait_ready(PATIENCE).unwrap();
        // A laptop that slept for ten years: nothing is measured by the calendar.
        clock.advance(Duration::from_secs(10 * 365 * 86_400));
        server.set(2, "v2");
        let status = expect(&flags, |status| {
            flags.string(FLAG, &Context::new("u"), "none") == "v2" && status.sources[0].is_ready()
        });
        assert!(status.age < Some(Duration::from_secs(3600)), "{name}: {status:#?}");
        assert_eq!(status.sources[0].connection.as_ref().unwrap().failures, 0, "{name}");
    }
}

#[test]
fn a_sign_of_life_says_that_nothing_has_changed() {
    let data = r#"{"flags": {}, "segments": {}}"#;
    let server = modelgate_source_tests::launchdarkly::LaunchDarkly::start(data);
    let clock = Arc::new(ManualClock::default());
    let source = modelgate::launchdarkly::Source::new("sdk").relay(server.url());
    let flags = Flags::builder().source(source).clock(clock.clone()).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    let hour = Duration::from_secs(3600);
    clock.advance(hour);
    assert!(flags.age() >= Some(hour), "a stream that says nothing vouches for nothing");
    server.send_raw(": still here\n\n");
    eventually("fresh", || flags.age() < Some(hour));
}
