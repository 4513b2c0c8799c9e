//! What a store says of its sources, and to whom: refusals, recoveries, and documents with a mark.

#![cfg(feature = "file")]

use std::{sync::mpsc, time::Duration};

use modelgate::{
    Context, FlagSet, Flags,
    flag::store::SourceState,
    flagd::Flagd,
    source::{self, FileSource, FlagUpdates, Subscription, source_fn},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A store, and what its one source would deliver with.
fn scripted() -> (Flags, FlagUpdates) {
    let (send, receive) = mpsc::channel();
    let source = source_fn("scripted", move |updates| {
        send.send(updates).unwrap();
        Ok(Subscription::none())
    });
    let flags = Flags::builder().source(source).build().unwrap();
    (flags, receive.recv().unwrap())
}

#[test]
fn nobody_waits_for_a_source_that_is_refused() {
    let (flags, updates) = scripted();
    updates.report(source::Error::new("no route"));
    assert!(!flags.wait_ready(Duration::ZERO).unwrap_err().is_rejected());
    updates.reject(source::Error::new("who are you"));
    let error = flags.wait_ready(Duration::MAX).unwrap_err();
    assert!(error.is_rejected() && error.to_string().contains("who are you"), "{error}");
    let status = &flags.status().sources[0];
    assert!(status.is_rejected() && !status.is_stale(), "there is nothing to be stale");
    updates.replace(FlagSet::new());
    flags.wait_ready(PATIENCE).unwrap();
    updates.reject(source::Error::new("who are you"));
    assert!(flags.is_ready(), "what was delivered stays in force");
    flags.wait_ready(Duration::ZERO).unwrap();
    updates.confirm();
    assert!(flags.status().sources[0].is_ready());
}

#[test]
fn every_change_of_a_state_is_told_once_and_in_order() {
    let (flags, updates) = scripted();
    let (tell, told) = mpsc::channel();
    flags.on_status_change(|_| panic!("a watcher's mistake"));
    flags.on_status_change(move |source| {
        let state = match &source.state {
            SourceState::Starting { .. } => "starting",
            SourceState::Ready => "ready",
            SourceState::Stale { .. } => "stale",
            SourceState::Rejected { .. } => "rejected",
            _ => "new",
        };
        tell.send(format!("{} {state}", source.name)).unwrap();
    });
    updates.report(source::Error::new("no route"));
    updates.reject(source::Error::new("who are you"));
    updates.reject(source::Error::new("who are you"));
    updates.replace(FlagSet::new());
    updates.replace(FlagSet::new());
    updates.report(source::Error::new("lost"));
    updates.report(source::Error::new("still lost"));
    updates.confirm();
    let all: Vec<String> = told.try_iter().collect();
    let wanted = ["rejected", "ready", "stale", "ready"].map(|state| format!("scripted {state}"));
    assert_eq!(all, wanted);
    drop(flags);
    updates.report(source::Error::new("after the end"));
    assert!(told.try_recv().is_err());
}

#[test]
fn a_file_with_a_byte_order_mark_is_no_error() {
    let flagd = r#"{"flags": {"m": {"state": "ENABLED", "variants": {"it": "v1"}, "defaultVariant": "it"}}}"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    std::fs::write(&path, format!("\u{feff}{flagd}")).unwrap();
    let flags = Flags::builder().source(FileSource::watch(&path)).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(flags.string("m", &Context::new("u"), "none"), "v1");
    assert!(Flagd::new().compile(&format!("\u{feff}{flagd}")).is_ok());
}

#[cfg(all(feature = "launchdarkly", feature = "unleash", feature = "flagsmith"))]
#[test]
fn every_dialect_reads_a_document_with_a_byte_order_mark() {
    use modelgate::{flagsmith::Flagsmith, launchdarkly::LaunchDarkly, unleash::Unleash};

    let launchdarkly = "\u{feff}{\"flags\": {}, \"segments\": {}}";
    LaunchDarkly::new().compile(launchdarkly).unwrap();
    Unleash::new().compile("\u{feff}{\"version\": 2, \"features\": []}").unwrap();
    let environment = r#"{"id": 1, "api_key": "k", "project": {"id": 1, "name": "p", "segments": []}, "feature_states": []}"#;
    let bare = Flagsmith::new().compile(environment).is_ok();
    assert_eq!(Flagsmith::new().compile(&format!("\u{feff}{environment}")).is_ok(), bare);
    assert!(bare);
}

/// Whatever is made with an address, a key or a token, and the errors of those that cannot be used.
#[cfg(all(
    feature = "flagd",
    feature = "flagsmith",
    feature = "launchdarkly",
    feature = "remote",
    feature = "unleash"
))]
#[test]
fn no_debug_output_or_error_shows_a_user_a_query_a_key_or_a_token() {
    use modelgate::{
        Shadow,
        autopilot::writer,
        compare::key::KeyHasher,
        flagd, flagsmith, launchdarkly, remote,
        source::{EnvironmentSource, HttpSettings, HttpSource},
        unleash,
    };

    const URL: &str = "https://user:hidden@flags.example.com/hidden/api?token=hidden#hidden";
    // A slash or a hash in a password makes another URL of it, or none.
    const BROKEN: [&str; 4] = [
        "https://user:hid/den@flags.example.com/x",
        "https://user:1#hidden@flags.example.com",
        "https://user:hidden@[flags",
        "user:hidden@flags.example.com",
    ];
    let settings = || {
        HttpSettings::new()
            .header("authorization", "hidden")
            .proxy("http://user:hidden@proxy:3128")
            .root_certificates("hidden")
    };
    let events = launchdarkly::Events::new().url(URL);
    let launchdarkly = launchdarkly::Source::new("sdk-hidden");
    let unleash = unleash::Source::new(URL, "*:hidden.hidden").settings(settings());
    let flagsmith = flagsmith::Source::new("ser.hidden").url(URL).client_key("hidden");
    let http = HttpSource::poll(URL).settings(settings()).header("x-key", "hidden");
    let flagd = flagd::Source::new("flags.example.com", 8015);
    let remote = remote::Classifier::builder(URL, "fraud").token("hidden").http(settings());
    let hasher = KeyHasher::new("hidden hidden hidden").unwrap();
    let shown: Vec<String> = [
        format!("{:?}", settings()),
        format!("{:?} {:?}", launchdarkly.key_handle(), launchdarkly.client()),
        format!("{:?}", launchdarkly.relay(URL).events(events.clone()).settings(settings())),
        format!("{:?}", launchdarkly::Source::new("hidden").base_urls(URL, URL)),
        format!("{events:?}"),
        format!("{:?} {unleash:?}", unleash.token_handle()),
        format!("{:?} {:?}", flagsmith.key_handle(), flagsmith.realtime_url(URL)),
        format!("{:?}", http.changing_header("x-other", "hidden")),
        format!("{:?}", flagd.proxy("http://user:hidden@proxy:3128")),
        format!("{:?}", EnvironmentSource::new()),
        format!("{remote:?} {:?} {:?}", remote.clone().start(), remote.clone().start_graph()),
        format!("{:?}", writer::LaunchDarkly::new(URL, "hidden", ("p", "e", "f"), ("c", "d"))),
        format!("{:?}", writer::Unleash::new(URL, "hidden", ("p", "f"), ("e", "s"))),
        format!("{:?}", writer::Flagsmith::new(URL, "hidden", "hidden", 1, 2)),
        format!("{:?}", writer::Webhook::new(URL)),
        format!("{hasher:?} {:?}", Shadow::always().key_hasher(hasher.clone())),
        format!("{:?}", Context::new("hidden").with("hobby", "hidden")),
    ]
    .into_iter()
    .chain(BROKEN.iter().flat_map(|url| {
        let url = *url;
        let why = |source: Flags| format!("{:?}", source.status());
        let started = |flags: Result<Flags, modelgate::flag::store::StartError>| match flags {
            Ok(flags) => why(flags),
            Err(error) => format!("{error} {error:?}"),
        };
        [
            format!("{:?}", unleash::Source::new(url, "hidden")),
            format!("{:?}", flagsmith::Source::new("ser.hidden").url(url).realtime_url(url)),
            format!("{:?}", launchdarkly::Source::new("hidden").relay(url)),
            format!("{:?}", HttpSource::poll(url)),
            format!("{:?}", remote::Classifier::builder(url, "fraud").start()),
            format!("{:?}", writer::LaunchDarkly::new(url, "hidden", ("p", "e", "f"), ("c", "d"))),
            format!("{:?}", writer::Unleash::new(url, "hidden", ("p", "f"), ("e", "s"))),
            started(Flags::builder().source(HttpSource::poll(url)).build()),
            started(Flags::builder().source(unleash::Source::new(url, "hidden")).build()),
            started(
                Flags::builder().source(launchdarkly::Source::new("hidden").relay(url)).build(),
            ),
            started(
                Flags::builder()
                    .source(HttpSource::poll("http://127.0.0.1:9").settings(settings().proxy(url)))
                    .build(),
            ),
            started(Flags::builder().source(flagd::Source::new("127.0.0.1", 9).proxy(url)).build()),
        ]
    }))
    .collect();
    for shown in &shown {
        assert!(!shown.contains("hidden") && !shown.contains("den@"), "{shown}");
    }
    // It is of use all the same: the host is there.
    let with_host =
        shown.iter().filter(|shown| shown.contains("https://flags.example.com")).count();
    assert!(with_host >= 9, "{with_host}: {shown:#?}");
}
