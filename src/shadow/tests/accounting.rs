//! Whatever fails and whenever it is shut down, each run that was wanted ends in one way.

use super::*;

#[derive(Clone, Debug)]
enum Fault {
    None,
    Error,
    Panic,
    Late,
    Block(u8),
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::Error),
        1 => Just(Fault::Panic),
        1 => Just(Fault::Late),
        1 => (0..8_u8).prop_map(Fault::Block),
    ];
    proptest::collection::vec(fault, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Every run that was wanted ends in exactly one way, whatever goes wrong, however many
    /// threads offer, and even when the line is shut down in the middle.
    #[test]
    fn every_run_wanted_ends_in_exactly_one_way(
        plans in proptest::collection::vec(faults(), 1..4),
        queue in 1..6_usize,
        threads in 1..4_usize,
        shutdown_after in proptest::option::of(0..40_u64),
        poor in any::<bool>(),
    ) {
        let budget = if poor {
            Budget::cpu_percent(0.001).burst(Duration::from_micros(100))
        } else {
            Budget::unlimited()
        };
        let policy = policy()
            .queue(queue)
            .threads(threads)
            .budget(budget)
            .deadline(Duration::from_secs(5))
            .grace(LONG);
        let bench = Bench::new(policy);
        let wanted: u64 = plans.iter().map(|plan| plan.len() as u64).sum();
        let accepted = AtomicU64::new(0);
        let offered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for plan in &plans {
                let (bench, accepted, offered) = (&bench, &accepted, &offered);
                scope.spawn(move || {
                    for fault in plan.iter().cloned() {
                        let clock = bench.clock.clone();
                        let offer = bench.offer(move || match fault {
                            Fault::None => Ok(1.0),
                            Fault::Error => Err(ModelError::new("no such table")),
                            Fault::Panic => panic!("planned"),
                            Fault::Late => {
                                clock.advance(Duration::from_secs(6));
                                Ok(1.0)
                            }
                            Fault::Block(turns) => {
                                (0..turns).for_each(|_| std::thread::yield_now());
                                Ok(2.0)
                            }
                        });
                        accepted.fetch_add(u64::from(offer.is_ok()), Ordering::SeqCst);
                        offered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            if let Some(after) = shutdown_after {
                let (line, offered) = (&bench.line, &offered);
                scope.spawn(move || {
                    while offered.load(Ordering::SeqCst) < after.min(wanted) {
                        std::thread::yield_now();
                    }
                    line.stop().unwrap();
                });
            }
        });
        let counts = bench.settle();
        prop_assert_eq!(counts.wanted(), wanted);
        prop_assert_eq!(counts.handed_over(), accepted.load(Ordering::SeqCst));
        prop_assert_eq!(counts.completed() + counts.dropped_in_all(), wanted, "{:?}", counts);
        // Refusals by panic do not occur here: what is dropped for a panic was run, and shown.
        let shown = counts.completed() + counts.dropped(DropCause::Panic);
        prop_assert_eq!(bench.seen.len() as u64, shown);
    }
}
