//! The live page: what is asked for is what was rendered, and rendering is nobody's request.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use modelgate::report::{LivePage, Report};

/// More than any machine needs.
const PATIENCE: Duration = Duration::from_secs(120);

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn however_often_it_is_asked_for_it_is_rendered_once_a_second_and_on_no_request() {
    let made = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&made);
    let page = LivePage::builder()
        .watched(Duration::ZERO)
        .idle(Duration::ZERO)
        .start(move || {
            let thread = thread::current().name().map(str::to_owned);
            seen.lock().unwrap().push((Instant::now(), thread));
            Report::builder("made-up").build()
        })
        .unwrap();
    until("three renderings", || {
        assert!(page.html().contains("made-up"));
        assert!(page.json().starts_with('{'));
        made.lock().unwrap().len() >= 3
    });
    let made = made.lock().unwrap();
    for two in made.windows(2) {
        // However slow the machine is, a gap is only longer by it.
        let gap = two[1].0.duration_since(two[0].0);
        assert!(gap >= Duration::from_secs(1), "{gap:?}");
    }
    // The first is the one that `start` makes.
    for (_, thread) in &made[1..] {
        assert_eq!(thread.as_deref(), Some("modelgate-report"));
    }
}

#[test]
fn a_report_that_takes_long_or_panics_leaves_the_page_that_was_there() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (seen, (go_on, waits)) = (Arc::clone(&calls), mpsc::channel::<()>());
    let page = LivePage::start(move || match seen.fetch_add(1, Ordering::AcqRel) {
        0 => Report::builder("the-first").build(),
        1 => {
            // Until the test has looked; where it ended before, whatever comes of it.
            let _ = waits.recv_timeout(PATIENCE);
            panic!("a report that panics");
        }
        _ => Report::builder("the-last").build(),
    })
    .unwrap();
    let shows = |name: &str| page.html().contains(name);
    until("the second is under way", || shows("the-first") && calls.load(Ordering::Acquire) == 2);
    assert!(shows("the-first"), "nobody waits for it");
    go_on.send(()).unwrap();
    until("the third is there", || {
        let last = shows("the-last");
        assert!(last || shows("the-first") || shows("the-last"));
        last
    });
    assert!(calls.load(Ordering::Acquire) >= 3);
}
