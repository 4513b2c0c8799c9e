//! Stores that come and go leave nothing behind. Alone in its process, for it counts what the
//! process holds.
#![cfg(target_os = "linux")]

use std::time::Duration;

use modelgate::{Context, Flags, flagsmith};
use modelgate_source_tests::{
    PATIENCE, eventually,
    flagsmith::{Flagsmith, SERVER_KEY, document, feature},
    process::{open, threads},
};

const CYCLES: u64 = 200;

#[test]
fn stores_leave_neither_threads_nor_sockets_and_no_count_behind() {
    let features = [feature(1, "m", "v1")];
    let server = Flagsmith::start(document("2026-11-22T07:55:08.620212+00:00", &features));
    let cycle = || {
        let source = flagsmith::Source::new(SERVER_KEY)
            .url(server.url())
            .realtime_url(server.realtime_url())
            .analytics(Some(Duration::from_secs(60)));
        let flags = Flags::builder().source(source).build().unwrap();
        flags.wait_ready(PATIENCE).unwrap();
        assert_eq!(flags.string("m", &Context::new("user-1"), "none"), "v1");
    };
    cycle();
    let (ours, files) = (threads(), open());
    (0..CYCLES).for_each(|_| cycle());
    eventually("every answer is reported", || server.usage("m") == [(true, CYCLES + 1)].into());
    eventually("everything is let go", || threads() <= ours && open() <= files);
    assert_eq!(threads(), 0);
    eventually("nobody listens", || server.listeners() == 0);
}
