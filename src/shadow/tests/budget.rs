//! What shadows may cost.

use super::*;

#[test]
fn a_spent_budget_refuses_and_time_refills_it() {
    let budget = Budget::cpu_percent(0.1).burst(Duration::ZERO);
    let bench = Bench::new(policy().budget(budget));
    bench.offer(spin).unwrap();
    bench.settle();
    assert_eq!(bench.offer(spin), Err(DropCause::Budget));
    // Two milliseconds at a thousandth take at least two thousand to earn.
    bench.clock.advance(Duration::from_millis(1_999));
    assert_eq!(bench.offer(spin), Err(DropCause::Budget));
    bench.clock.advance(Duration::from_secs(3600));
    bench.offer(spin).unwrap();
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.dropped(DropCause::Budget)), (2, 2));
}

#[test]
fn a_run_in_the_queue_is_lost_when_the_one_before_it_spends_the_budget() {
    let bench = Bench::new(policy().budget(Budget::cpu_percent(1e-6).burst(Duration::ZERO)));
    let release = bench.occupy();
    bench.offer(|| Ok(1.0)).unwrap();
    drop(release);
    let counts = bench.settle();
    assert_adds_up(&counts);
    assert_eq!((counts.completed(), counts.dropped(DropCause::Budget)), (1, 1));
}

#[test]
fn while_the_budget_is_overdrawn_one_run_may_wait_for_it() {
    let bench = Bench::new(policy().budget(Budget::cpu_percent(0.25).burst(Duration::ZERO)));
    bench.offer(spin).unwrap();
    // Two milliseconds at a four-hundredth are paid off in 800: until then the thread naps.
    let until = Instant::now() + LONG;
    while bench.candidate.counts().completed() == 0 {
        assert!(Instant::now() < until, "the first run did not end");
        std::thread::yield_now();
    }
    let (mut refused, mut lost) = (0, 0);
    let counts = loop {
        assert!(Instant::now() < until, "nothing was ever taken on and run");
        if bench.offer(|| Ok(1.0)).is_err() {
            refused += 1;
            // On a busy machine the run cost more, and the debt is too long to be waited for yet.
            bench.clock.advance(Duration::from_millis(50));
            continue;
        }
        bench.clock.advance(Duration::from_secs(2));
        let counts = bench.settle();
        if counts.completed() == 2 {
            break counts;
        }
        // The pause is over by the system's clock: it may have been before ours was advanced.
        lost += 1;
    };
    assert_adds_up(&counts);
    assert_eq!(counts.dropped(DropCause::Budget), refused + lost);
}

#[cfg(unix)]
#[test]
fn the_processor_time_of_both_sides_is_recorded_and_counted_where_both_are_known() {
    let bench = Bench::new(policy());
    let known = || {
        let mut answered = answered(None);
        answered.primary.cpu_time = Some(Duration::from_millis(1));
        answered
    };
    bench.line.offer(&bench.candidate, wanted, || (known(), spin)).unwrap();
    bench.line.offer(&bench.candidate, wanted, || (answered(None), spin)).unwrap();
    let elsewhere = || {
        cpu_time::is_spent_elsewhere();
        Ok(1.0)
    };
    bench.line.offer(&bench.candidate, wanted, || (known(), elsewhere)).unwrap();
    let counts = bench.settle();
    let times = |run: &Comparison<f64>| (run.primary.cpu_time, run.candidate.cpu_time);
    let seen: Vec<_> = bench.seen.take().iter().map(times).collect();
    let two = Duration::from_millis(2);
    assert_eq!(seen[0].0, Some(Duration::from_millis(1)));
    assert!(seen[0].1.unwrap() >= two && seen[0].1.unwrap() < two * 10, "{seen:?}");
    assert!(seen[1].0.is_none() && seen[1].1.is_some() && seen[2].1.is_none(), "{seen:?}");
    assert_eq!((counts.primary_cpu().count, counts.candidate_cpu().count), (1, 1));
    assert_eq!(counts.primary_cpu().max, Duration::from_millis(1));
    assert!(counts.candidate_cpu().max >= two);
}
