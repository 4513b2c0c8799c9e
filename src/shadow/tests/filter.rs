//! Filters: whose runs are passed over.

use super::*;

#[test]
fn a_filter_passes_over_whom_it_does_not_want_and_is_not_asked_about_nobody() {
    let hasher = KeyHasher::new([1; 16]).unwrap();
    let unwanted = hasher.hash("user-42");
    let policy = policy().key_hasher(hasher).admit(move |key| *key != unwanted);
    let bench = Bench::new(policy);
    let ran = Arc::new(AtomicU64::new(0));
    for key in [Some("user-42"), Some("user-43"), None] {
        let ran = ran.clone();
        let prepare = || {
            let call = move || {
                ran.fetch_add(1, Ordering::SeqCst);
                Ok(1.0)
            };
            (answered(key), call)
        };
        bench.line.offer(&bench.candidate, wanted, prepare).unwrap();
        let side = Run::new("v2", Ok(1.0), Duration::ZERO);
        bench.line.record_finished(&bench.candidate, answered(key), side);
    }
    let counts = bench.settle();
    assert_eq!((counts.passed_over(), counts.wanted(), counts.completed()), (2, 4, 4));
    assert_eq!((counts.pending(), counts.dropped_in_all()), (0, 0));
    assert_eq!((ran.load(Ordering::SeqCst), bench.seen.len()), (2, 4));
}

#[test]
fn a_filter_that_panics_keeps_nobody_out() {
    let bench = Bench::new(policy().admit(|_| panic!("filter")));
    bench.offer(|| Ok(1.0)).unwrap();
    assert_eq!(bench.settle().completed(), 1);
}
