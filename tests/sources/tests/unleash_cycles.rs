//! Stores that come and go leave nothing behind. Alone in its process, for it counts what the
//! process holds.
#![cfg(target_os = "linux")]

use std::{fs, time::Duration};

use modelgate::{Flags, unleash};
use modelgate_source_tests::{
    PATIENCE, eventually,
    unleash::{Answer, Place, Unleash},
};

const CYCLES: usize = 1000;

/// The threads of stores, and all that is open: files, sockets, event queues.
fn held() -> (usize, usize) {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = threads.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    let ours = names.filter(|name| name.starts_with("modelgate")).count();
    (ours, fs::read_dir("/proc/self/fd").unwrap().count())
}

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
    let before = held();
    for number in 0..CYCLES {
        cycle(number.is_multiple_of(2));
    }
    eventually("everything is let go", || held() <= before);
    assert_eq!(held().0, 0);
}
