//! Stores that come and go leave nothing behind. Alone in its process, for it counts what the
//! process holds.
#![cfg(target_os = "linux")]

use std::time::Duration;

use modelgate::{Flags, unleash};
use modelgate_source_tests::{
    PATIENCE, eventually,
    process::{open, threads},
    unleash::{Answer, Place, Unleash},
};

const CYCLES: usize = 1000;

#[test]
fn a_thousand_stores_leave_neither_threads_nor_sockets() {
    let server = Unleash::start("[]");
    server.set(Place::Stream, Answer::Well);
    let cycle = |streams: bool| {
        let source = unleash::Source::new(server.url(), "default:development.hidden")
            .metrics(Some(Duration::from_secs(60)));
        let source = if streams { source.streaming() } else { source };
        let flags = Flags::builder().source(source).build().unwrap();
        flags.wait_ready(PATIENCE).unwrap();
    };
    cycle(false);
    let (ours, files) = (threads(), open());
    for number in 0..CYCLES {
        cycle(number.is_multiple_of(2));
    }
    eventually("everything is let go", || threads() <= ours && open() <= files);
    assert_eq!(threads(), 0);
}
