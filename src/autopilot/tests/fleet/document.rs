//! The document that a fleet agrees on: raises, a store that forgets, commands, two leaders.

use super::*;

#[test]
fn a_raise_is_announced_and_made_together() {
    let mut fleet = CalmFleet::new(4);
    fleet.fleet.iter_mut().for_each(|process| process.skew = 0);
    fleet.run_until(|state| state.phase == AT_25);
    let at = committed(&fleet.store).unwrap().effective_at;
    while (fleet.now.get() + 1_000_001) * 1_000 < at {
        assert_eq!(fleet.shares(), [5.0; 4]);
        fleet.run(1);
    }
    fleet.run(1);
    assert_eq!(fleet.shares(), [25.0; 4]);
}

#[test]
fn a_replica_that_hears_nothing_stops_growing_and_then_lets_go() {
    let mut fleet = CalmFleet::new(3);
    fleet.run_until(|state| state.phase == AT_25);
    fleet.run(200);
    fleet.cut_off(0, true);
    let from = fleet.now.get();
    fleet.run_until(|state| state.phase == Phase::Ramping { stage: 3 });
    fleet.run(200);
    assert_eq!(fleet.shares(), [25.0, 50.0, 50.0]);
    fleet.run(from + LAPSE + 100 - fleet.now.get());
    assert_eq!(fleet.shares()[0], 0.0);
    fleet.cut_off(0, false);
    fleet.run(PERIOD * 2);
    assert_eq!(fleet.shares()[0], fleet.shares()[1], "it hears again");
}

#[test]
fn an_announced_raise_is_not_made_by_a_replica_that_was_cut_off_before() {
    let mut fleet = CalmFleet::new(2);
    fleet.run_until(|state| state.phase == AT_25);
    // Both have read the announcement; its time comes only after this one has heard nothing for long.
    fleet.run(PERIOD * 2);
    fleet.fleet[0].skew = -(FREEZE as i64) * 4_000;
    fleet.cut_off(0, true);
    let before = fleet.shares()[0];
    fleet.run(FREEZE + 10);
    assert!(fleet.shares()[0] <= before.max(25.0));
}

#[test]
fn a_store_that_forgets_is_told_again_and_no_share_grows_by_it() {
    let mut fleet = CalmFleet::new(3);
    fleet.run_until(|state| state.phase == Phase::Ramping { stage: 1 });
    let old = fleet.store.load("test/state.json").unwrap().unwrap().0;
    fleet.run_until(|state| state.phase == AT_25);
    let rev = committed(&fleet.store).unwrap().rev;
    fleet.store.store("test/state.json", &old, Expect::Any).unwrap();
    fleet.run(PERIOD * 2);
    let state = committed(&fleet.store).unwrap();
    assert!(state.rev >= rev && state.phase == AT_25, "{state:?}");
    fleet.store.remove("test/state.json").unwrap();
    fleet.run(PERIOD * 2);
    assert!(committed(&fleet.store).unwrap().rev >= rev);
}

#[test]
fn a_rollback_that_the_store_lost_is_committed_again() {
    let mut fleet = CalmFleet::new(3);
    fleet.run_until(|state| state.phase == AT_25);
    let before = fleet.store.load("test/state.json").unwrap().unwrap().0;
    fleet.tell(1, CommandKind::Abort);
    fleet.run(PERIOD * 2);
    assert_eq!(fleet.shares(), [0.0; 3]);
    // The write is gone, and somebody has committed others on top of what was there before.
    let mut other = RolloutState::parse(&before).unwrap();
    other.rev += 50;
    fleet.store.store("test/state.json", &other.to_bytes(), Expect::Any).unwrap();
    fleet.run(PERIOD * 2);
    assert_eq!(committed(&fleet.store).unwrap().phase, Phase::RolledBack);
    assert_eq!(fleet.shares(), [0.0; 3]);
}

#[test]
fn a_document_that_cannot_be_read_lets_nobody_through_and_is_left_alone() {
    let mut fleet = CalmFleet::new(1);
    fleet.store.store("test/state.json", b"{\"schema\": 9}", Expect::Any).unwrap();
    fleet.run(PERIOD * 10);
    assert_eq!(fleet.shares(), [0.0]);
    assert_eq!(fleet.store.load("test/state.json").unwrap().unwrap().0, b"{\"schema\": 9}");
    assert!(fleet.fleet[0].view.lock().problem.as_deref().unwrap().contains("state.json"));
}

#[test]
fn clocks_that_jump_gain_no_dwell_and_delay_no_raise_for_long() {
    let mut fleet = CalmFleet::new(2);
    fleet.run_until(|state| state.phase == Phase::Ramping { stage: 1 });
    let day = 86_400_000;
    for turn in 0..10 {
        fleet
            .fleet
            .iter_mut()
            .for_each(|process| process.skew += if turn % 2 == 0 { day } else { -day });
        fleet.run(PERIOD);
    }
    let state = committed(&fleet.store).unwrap();
    assert!(state.dwell_ms <= PERIOD * 11 * 1_000, "{}", state.dwell_ms);
    // Committed by a clock that is a day ahead, read by one that is right.
    fleet.fleet.iter_mut().for_each(|process| process.skew = 0);
    fleet.fleet[0].skew = day;
    fleet.run_until(|state| state.phase == AT_25);
    fleet.run(PERIOD * 8);
    assert_eq!(fleet.shares(), [25.0; 2], "twice the announcement is waited at most");
}

#[test]
fn thousands_of_turns_of_two_leaders_commit_each_revision_once() {
    let store = MemoryStore::new();
    let plan = Arc::new(model_plan());
    let revisions = Mutex::new(Vec::new());
    let (store, plan, revisions) = (&store, &plan, &revisions);
    std::thread::scope(|scope| {
        for place in 0..2 {
            scope.spawn(move || {
                let mut replica = replica(plan, place);
                let (evidence, local) = (
                    ScriptedEvidence::default(),
                    LocalHealth { eligible: true, ..LocalHealth::default() },
                );
                for turn in 0..500 {
                    let time = ClockReading {
                        monotonic: seconds(turn * PERIOD),
                        unix: turn * PERIOD * 1_000,
                    };
                    replica.poll(store, &evidence, &local, time);
                    let mine =
                        replica.state().filter(|state| state.tick.by == format!("{place:032x}"));
                    revisions.lock().unwrap().extend(mine.map(|state| (state.rev, place)));
                }
            });
        }
    });
    let mut seen = revisions.lock().unwrap().clone();
    seen.sort_unstable();
    seen.dedup();
    let count = seen.len();
    seen.dedup_by_key(|(rev, _)| *rev);
    assert_eq!(seen.len(), count, "one revision by two leaders");
    assert!(count > 100, "{count}");
}

#[test]
fn an_abort_that_cannot_be_written_is_in_force_here_and_written_later() {
    let mut fleet = CalmFleet::new(2);
    fleet.run_until(|state| state.phase == AT_25);
    fleet.run(200);
    fleet.cut_off(0, true);
    let now = fleet.now.get();
    let time = fleet.fleet[0].time(now);
    let command = Command { kind: CommandKind::Abort, reason: "because".to_owned() };
    let Process { replica, link, evidence, .. } = &mut fleet.fleet[0];
    assert!(replica.command(link, evidence, command, time).is_err());
    fleet.run(1);
    assert_eq!(fleet.shares(), [0.0, 25.0]);
    fleet.run(PERIOD * 2);
    fleet.cut_off(0, false);
    fleet.run(PERIOD * 4);
    assert_eq!(fleet.shares(), [0.0; 2]);
    assert_eq!(committed(&fleet.store).unwrap().phase, Phase::RolledBack);
}
