//! The tallies of the replicas: what adds up, and when they are written.

use super::*;

#[test]
fn the_sums_are_those_of_one_process_whatever_was_restarted_repeated_and_reordered() {
    let mut fleet = CalmFleet::new(3);
    fleet.run_until(|state| state.phase == Phase::Ramping { stage: 1 });
    let plan = Arc::clone(&fleet.plan);
    let sum = |fleet: &CalmFleet| -> u64 {
        let names = fleet.store.list("test/tally/").unwrap();
        let loaded = names.iter().map(|name| fleet.store.load(name).unwrap().unwrap().0);
        loaded
            .map(|bytes| {
                crate::autopilot::tally::ReplicaTally::parse(&bytes)
                    .unwrap()
                    .counts
                    .as_u64()
                    .unwrap()
            })
            .sum()
    };
    let before = sum(&fleet);
    // A restarted process is another: the old tally still counts.
    let now = fleet.now.get();
    fleet.fleet[0].restart(&plan, now, &mut fleet.random.borrow_mut());
    assert_eq!(sum(&fleet), before);
    fleet.run(PERIOD * 3);
    assert!(sum(&fleet) > before);
    assert_eq!(fleet.store.list("test/tally/").unwrap().len(), 4);
    // One of another attempt counts for nothing.
    let mut zombie =
        fleet.store.load(&fleet.store.list("test/tally/").unwrap()[0]).unwrap().unwrap().0;
    let text = String::from_utf8(zombie).unwrap().replace("\"attempt\":0", "\"attempt\":9");
    zombie = text.replace("\"replica\":\"", "\"replica\":\"f").into_bytes();
    fleet.store.store("test/tally/f.json", &zombie, Expect::Any).unwrap();
    fleet.run_until(|state| state.phase == AT_25);
    let counted = committed(&fleet.store).unwrap().transitions.last().unwrap().evidence.pairs;
    fleet.store.remove("test/tally/f.json").unwrap();
    let mine = sum(&fleet);
    assert!(counted <= mine, "{counted} of {mine}: the zombie was counted");
}

#[test]
fn a_replica_taken_for_gone_goes_on_as_another_with_nothing() {
    let mut fleet = CalmFleet::new(2);
    fleet.run_until(|state| state.phase == Phase::Ramping { stage: 1 });
    let mut state = committed(&fleet.store).unwrap();
    let name = format!("test/tally/{:032x}.json", 0);
    let tally = fleet.store.load(&name).unwrap().unwrap().0;
    let tally = crate::autopilot::tally::ReplicaTally::parse(&tally).unwrap();
    state.closed.insert(tally.replica.clone(), tally);
    state.rev += 1;
    fleet.store.store("test/state.json", &state.to_bytes(), Expect::Any).unwrap();
    let begun = fleet.fleet[0].evidence.attempts.lock().unwrap().len();
    fleet.run(PERIOD * 3);
    assert_eq!(fleet.fleet[0].evidence.attempts.lock().unwrap().len(), begun + 1);
    assert_eq!(fleet.store.list("test/tally/").unwrap().len(), 3);
}

#[test]
fn a_retry_begins_on_every_replica_with_nothing() {
    let mut fleet = CalmFleet::new(3);
    fleet.run_until(|state| state.phase == AT_25);
    fleet.tell(2, CommandKind::Abort);
    // Twice the cool-down: some of the time between two decisions is nobody's to count.
    fleet.run(7_200);
    assert_eq!(fleet.shares(), [0.0; 3]);
    fleet.tell(0, CommandKind::Retry);
    fleet.run(PERIOD * 2);
    for process in &fleet.fleet {
        assert_eq!(*process.evidence.attempts.lock().unwrap(), [0, 1]);
    }
    fleet.run_until(|state| state.phase == AT_25);
    assert_eq!(committed(&fleet.store).unwrap().attempt, 1);
}

/// When each tally is stored, and what it says, by second.
fn tallies(worse_from: u64) -> Vec<(u64, String, u64, bool)> {
    let mut fleet = CalmFleet::new(3);
    let mut told = BTreeMap::new();
    let mut found = Vec::new();
    for second in 0..3_000 {
        *fleet.fleet[0].evidence.veto.lock().unwrap() = second >= worse_from;
        // Traffic comes as it comes, whatever is found.
        fleet.fleet.iter().for_each(|process| *process.evidence.pairs.lock().unwrap() = second);
        fleet.run(1);
        for name in fleet.store.list("").unwrap() {
            let Some((bytes, tag)) = fleet.store.load(&name).unwrap() else { continue };
            if !name.contains("/tally/") || told.insert(name.clone(), tag.clone()) == Some(tag) {
                continue;
            }
            let tally: Value = serde_json::from_slice(&bytes).unwrap();
            let counts = tally["counts"].as_u64().unwrap();
            found.push((second, name, counts, tally["veto"].is_string()));
        }
    }
    found
}

#[test]
fn a_tally_is_told_by_the_clock_and_never_by_what_it_holds() {
    let (good, bad) = (tallies(u64::MAX), tallies(700));
    let without_flag = |told: &[(u64, String, u64, bool)]| -> Vec<(u64, String, u64)> {
        told.iter().map(|(second, name, counts, _)| (*second, name.clone(), *counts)).collect()
    };
    assert!(good.len() > 100, "{}", good.len());
    assert_eq!(without_flag(&good), without_flag(&bad), "same times, same counts");
    // What was found is a flag beside the counts, told at the next turn and not before.
    assert!(good.iter().all(|(.., veto)| !veto));
    let first = bad.iter().find(|(.., veto)| *veto).unwrap().0;
    assert!((700..700 + 2 * PERIOD).contains(&first), "{first}");
}
