//! A candidate that keeps panicking is left alone.

use super::*;

#[test]
fn a_candidate_that_panics_again_and_again_is_left_alone_for_longer_and_longer() {
    let bench = Bench::new(policy());
    let panics = || -> Result<(), DropCause> {
        let offered = bench.offer(|| panic!("out of luck"));
        bench.settle();
        offered
    };
    for _ in 0..3 {
        panics().unwrap();
    }
    assert_eq!(panics(), Err(DropCause::Resting));
    bench.clock.advance(Duration::from_millis(1_000));
    panics().unwrap();
    bench.clock.advance(Duration::from_millis(1_999));
    assert_eq!(panics(), Err(DropCause::Resting));
    bench.clock.advance(Duration::from_millis(1));
    bench.offer(|| Ok(1.0)).unwrap();
    bench.settle();
    for _ in 0..3 {
        panics().unwrap();
    }
    assert_eq!(panics(), Err(DropCause::Resting));
    bench.line.end_pause(&Version::new("v2"));
    panics().unwrap();
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.dropped(DropCause::Panic), counts.dropped(DropCause::Resting)), (8, 3));
}

#[test]
fn those_that_wait_behind_three_panics_are_not_run() {
    let bench = Bench::new(policy());
    let release = bench.occupy();
    for _ in 0..5 {
        bench.offer(|| panic!("out of luck")).unwrap();
    }
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.dropped(DropCause::Panic), counts.dropped(DropCause::Resting)), (3, 2));
}
