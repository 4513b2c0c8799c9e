//! Fleets to which everything happens at random, and what no fleet may do.

use super::*;

#[derive(Default)]
struct Totals {
    steps: u64,
    rolled_back: u64,
    finished: u64,
    longest_after_rollback: u64,
}

/// One rollout with everything that happens to it.
fn run(seed: u64, totals: &mut Totals) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..10).for_each(|_| {
        let _ = random.next();
    });
    let (plan, store) = (Arc::new(model_plan()), MemoryStore::new());
    let count = 1 + random.below(6);
    let mut fleet: Vec<Process> =
        (0..count).map(|place| Process::new(&plan, &store, place, &mut random)).collect();
    let bad_from = random.one_in(1.0 / 3.0).then(|| 300 + random.below(4_700));
    let (mut rolled_back, mut raised, mut last): (Option<u64>, u64, Option<RolloutState>) =
        (None, 0, None);
    let mut read = Vec::new();
    for now in 0..7_000 {
        totals.steps += 1;
        for process in &mut fleet {
            if random.one_in(0.0005) {
                let mut cut_off = process.link.cut_off.lock().unwrap();
                *cut_off = !*cut_off;
            }
            if random.one_in(0.0002) {
                process.restart(&plan, now, &mut random);
            }
            if random.one_in(0.0001) {
                let jumps = [-30_000, 30_000, -86_400_000, 86_400_000];
                process.skew += jumps[random.below(4) as usize];
            }
            process.step(&plan, now, bad_from.is_some_and(|from| now >= from), &mut random);
        }
        // Only what changed needs to be read again: most seconds nobody is due.
        let Some((bytes, _)) = store.load("test/state.json").unwrap() else { continue };
        if bytes != read {
            let state = RolloutState::parse(&bytes).unwrap();
            if let Some(last) = &last {
                assert!(state.rev > last.rev, "seed {seed}: a revision twice");
                let (from, to) = (last.share, state.share);
                if to > from {
                    let place = |share| {
                        let stages = (0..=4).map(|stage| plan.share(stage));
                        stages.into_iter().position(|one| one == share).unwrap()
                    };
                    let stage = place(from);
                    assert_eq!(place(to), stage + 1, "seed {seed}: a stage was skipped");
                    let dwelt = now - raised;
                    assert!(dwelt * 2 >= DWELLS[stage], "seed {seed}: raised after {dwelt} s");
                    raised = now;
                }
                assert!(
                    last.phase != Phase::RolledBack || state.phase == Phase::RolledBack,
                    "seed {seed}: a rollback was undone"
                );
            }
            if state.phase == Phase::RolledBack {
                rolled_back = rolled_back.or(Some(now));
            }
            last = Some(state);
            read = bytes;
        }
        let Some(state) = &last else { continue };
        for process in &fleet {
            let (share, silent) = (process.share, process.silent_for(now));
            match rolled_back {
                None => {
                    assert!(share <= state.share, "seed {seed}: {share} above {}", state.share);
                }
                Some(at) if share > Share::NOBODY => {
                    let after = now - at;
                    totals.longest_after_rollback = totals.longest_after_rollback.max(after);
                    let connected = silent <= PERIOD * 12 / 10 + 1;
                    assert!(
                        !connected || after <= PERIOD * 12 / 10 + 1,
                        "seed {seed}: connected and exposed {after} s after the rollback"
                    );
                }
                Some(_) => {}
            }
            assert!(
                share == Share::NOBODY || silent <= LAPSE + 1,
                "seed {seed}: exposed beyond the lapse"
            );
        }
    }
    let state = last.unwrap();
    verify_history(&state.transitions).unwrap();
    totals.rolled_back += u64::from(state.phase == Phase::RolledBack);
    totals.finished += u64::from(state.phase == Phase::Guarding);
}

fn run_all(seeds: std::ops::Range<u64>) -> Totals {
    let mut totals = Totals::default();
    seeds.for_each(|seed| run(seed, &mut totals));
    assert!(
        totals.rolled_back >= 15 && totals.finished >= 30,
        "{} {}",
        totals.rolled_back,
        totals.finished
    );
    assert!(totals.longest_after_rollback <= LAPSE);
    totals
}

// Two halves: the test runner has more than one thread.
#[test]
fn no_fleet_breaks_what_is_promised_whatever_happens_to_it_first_half() {
    assert_eq!(run_all(0..150).steps, 1_050_000);
}

#[test]
fn no_fleet_breaks_what_is_promised_whatever_happens_to_it_second_half() {
    assert_eq!(run_all(150..300).steps, 1_050_000);
}
