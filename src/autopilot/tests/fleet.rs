//! A fleet on a virtual clock: partitions, restarts, clocks that are wrong and jump, bad candidates.
//!
//! A step is a second. What the model changes and checks is what `share` and `poll` do in a service;
//! only time, the network and the evidence are made up.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use super::plan;
use crate::autopilot::{
    Evidence, Findings, MetricFinding, MetricRole, MetricSum, Phase, Share,
    command::{Command, CommandKind},
    plan::RolloutPlan,
    replica::{ClockReading, LocalHealth, Replica, ReplicaTiming, ReplicaView, ShareGate},
    state::RolloutState,
    store::{self, Expect, MemoryStore, StateStore, Tag},
    transition::verify_history,
};

const PERIOD: u64 = 40;
const DWELLS: [u64; 4] = [300, 600, 900, 900];
const FREEZE: u64 = 480;
const LAPSE: u64 = 3_600;

/// Small, fast and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn below(&mut self, limit: u64) -> u64 {
        (self.next() * limit as f64) as u64
    }
    fn one_in(&mut self, chance: f64) -> bool {
        self.next() < chance
    }
}

/// Evidence that is good until the test says otherwise.
#[derive(Default)]
struct Made {
    pairs: Mutex<u64>,
    veto: Mutex<bool>,
    attempts: Mutex<Vec<u32>>,
}

impl Evidence for Made {
    fn config_hash(&self) -> String {
        String::new()
    }
    fn begin(&self, attempt: u32) {
        *self.pairs.lock().unwrap() = 0;
        *self.veto.lock().unwrap() = false;
        self.attempts.lock().unwrap().push(attempt);
    }
    fn enter(&self, _stage: usize, _share: Share) {}
    fn counts(&self) -> Value {
        *self.pairs.lock().unwrap() += 500;
        json!(*self.pairs.lock().unwrap())
    }
    fn judge(&self, counts: &[&Value], _attempt: u32, _stage: usize) -> Findings {
        Findings {
            pairs: counts.iter().filter_map(|count| count.as_u64()).sum(),
            metrics: vec![MetricSum {
                name: String::new(),
                role: MetricRole::Guardrail,
                finding: MetricFinding::NotWorse,
                ln_e_worse: 0.0,
                expected_pairs: None,
                sentence: String::new(),
            }],
            ..Findings::default()
        }
    }
    fn veto(&self, _attempt: u32) -> Option<String> {
        self.veto.lock().unwrap().then(|| "own evidence".to_owned())
    }
}

/// A store that some replicas cannot reach, and that may forget.
#[derive(Clone, Default)]
pub(super) struct Network {
    store: MemoryStore,
    cut_off: Arc<Mutex<bool>>,
}

impl Network {
    pub(super) fn over(store: &MemoryStore) -> Network {
        Network { store: store.clone(), cut_off: Arc::default() }
    }

    pub(super) fn cut_off(&self, cut_off: bool) {
        *self.cut_off.lock().unwrap() = cut_off;
    }

    fn reach(&self) -> Result<(), store::Error> {
        match *self.cut_off.lock().unwrap() {
            true => Err(store::Error::plain("cut off")),
            false => Ok(()),
        }
    }
}

impl StateStore for Network {
    fn load(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, store::Error> {
        self.reach()?;
        self.store.load(name)
    }
    fn store(&self, name: &str, bytes: &[u8], expect: Expect) -> Result<Tag, store::Error> {
        self.reach()?;
        self.store.store(name, bytes, expect)
    }
    fn list(&self, prefix: &str) -> Result<Vec<String>, store::Error> {
        self.reach()?;
        self.store.list(prefix)
    }
    fn remove(&self, name: &str) -> Result<(), store::Error> {
        self.reach()?;
        self.store.remove(name)
    }
}

fn pace() -> ReplicaTiming {
    ReplicaTiming {
        period: Duration::from_secs(PERIOD),
        freeze: Duration::from_secs(FREEZE),
        lapse: Duration::from_secs(LAPSE),
        fold: Duration::from_secs(24 * 3600),
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn model_plan() -> RolloutPlan {
    let mut plan = plan();
    plan.shadow = seconds(DWELLS[0]);
    for (stage, dwell) in plan.stages.iter_mut().zip(&DWELLS[1..]) {
        stage.dwell = seconds(*dwell);
    }
    plan.guard = seconds(100_000);
    plan.lead = seconds(3 * PERIOD);
    plan
}

/// One process.
struct Process {
    replica: Replica,
    gate: ShareGate,
    view: Arc<parking_lot::Mutex<ReplicaView>>,
    evidence: Made,
    link: Network,
    boots: u64,
    booted: u64,
    due: u64,
    skew: i64,
    heartbeats: Option<u64>,
    share: Share,
}

fn replica(plan: &Arc<RolloutPlan>, id: u64) -> Replica {
    Replica::new(Arc::clone(plan), pace(), format!("{id:032x}"), "")
}

impl Process {
    fn new(
        plan: &Arc<RolloutPlan>,
        store: &MemoryStore,
        place: u64,
        random: &mut Random,
    ) -> Process {
        let replica = replica(plan, place);
        Process {
            view: replica.published_view(),
            replica,
            gate: ShareGate::default(),
            evidence: Made::default(),
            link: Network { store: store.clone(), cut_off: Arc::default() },
            boots: place,
            booted: 0,
            due: random.below(PERIOD),
            skew: random.below(10_000) as i64 - 5_000,
            heartbeats: None,
            share: Share::NOBODY,
        }
    }

    fn restart(&mut self, plan: &Arc<RolloutPlan>, now: u64, random: &mut Random) {
        self.boots += 100;
        self.replica = replica(plan, self.boots);
        self.view = self.replica.published_view();
        self.gate = ShareGate::default();
        self.evidence = Made::default();
        self.booted = now;
        self.due = now + random.below(PERIOD);
        self.heartbeats = None;
    }

    fn time(&self, now: u64) -> ClockReading {
        let unix = (now as i64 + 1_000_000) * 1_000 + self.skew;
        // Each process has a monotonic clock of its own.
        ClockReading { monotonic: seconds(now - self.booted + 7), unix: unix as u64 }
    }

    fn step(&mut self, plan: &RolloutPlan, now: u64, bad: bool, random: &mut Random) {
        let time = self.time(now);
        if now >= self.due {
            self.due = now + (PERIOD as f64 * (0.8 + 0.4 * random.next())) as u64;
            if bad && self.share > Share::NOBODY && random.one_in(0.05) {
                *self.evidence.veto.lock().unwrap() = true;
            }
            let local = LocalHealth { eligible: true, ..LocalHealth::default() };
            self.replica.poll(&self.link, &self.evidence, &local, time);
            if !self.is_cut_off() {
                self.heartbeats = Some(now);
            }
        }
        let view = self.view.lock();
        self.share = self.gate.decide(&view, plan, &pace(), &self.evidence, time).0;
    }

    fn is_cut_off(&self) -> bool {
        *self.link.cut_off.lock().unwrap()
    }

    fn silent_for(&self, now: u64) -> u64 {
        self.heartbeats.map_or(u64::MAX, |heartbeats| now - heartbeats)
    }
}

fn committed(store: &MemoryStore) -> Option<RolloutState> {
    let (bytes, _) = store.load("test/state.json").unwrap()?;
    Some(RolloutState::parse(&bytes).unwrap())
}

#[derive(Default)]
struct WriteAttempt {
    steps: u64,
    rolled_back: u64,
    finished: u64,
    longest_after_rollback: u64,
}

/// One rollout with everything that happens to it.
fn run(seed: u64, tried: &mut WriteAttempt) {
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
        tried.steps += 1;
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
                    tried.longest_after_rollback = tried.longest_after_rollback.max(after);
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
    tried.rolled_back += u64::from(state.phase == Phase::RolledBack);
    tried.finished += u64::from(state.phase == Phase::Guarding);
}

fn run_all(seeds: std::ops::Range<u64>) -> WriteAttempt {
    let mut tried = WriteAttempt::default();
    seeds.for_each(|seed| run(seed, &mut tried));
    assert!(
        tried.rolled_back >= 15 && tried.finished >= 30,
        "{} {}",
        tried.rolled_back,
        tried.finished
    );
    assert!(tried.longest_after_rollback <= LAPSE);
    tried
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

/// A fleet without accidents, for what is tried by hand.
struct Calm {
    plan: Arc<RolloutPlan>,
    store: MemoryStore,
    fleet: Vec<Process>,
    now: Cell<u64>,
    random: RefCell<Random>,
}

impl Calm {
    fn new(count: u64) -> Calm {
        let (plan, store) = (Arc::new(model_plan()), MemoryStore::new());
        let mut random = Random(77);
        let fleet =
            (0..count).map(|place| Process::new(&plan, &store, place, &mut random)).collect();
        Calm { plan, store, fleet, now: Cell::new(0), random: random.into() }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.set(self.now.get() + 1);
            for process in &mut self.fleet {
                process.step(&self.plan, self.now.get(), false, &mut self.random.borrow_mut());
            }
        }
    }

    #[track_caller]
    fn run_until(&mut self, what: impl Fn(&RolloutState) -> bool) {
        for _ in 0..20_000 {
            self.run(1);
            if committed(&self.store).is_some_and(|state| what(&state)) {
                return;
            }
        }
        panic!("{:?}", committed(&self.store));
    }

    fn shares(&self) -> Vec<f64> {
        self.fleet.iter().map(|process| process.share.percent()).collect()
    }

    fn tell(&mut self, process: usize, kind: CommandKind) {
        let now = self.now.get();
        let Process { replica, link, evidence, .. } = &mut self.fleet[process];
        let time = ClockReading { monotonic: seconds(now + 7), unix: (1_000_000 + now) * 1_000 };
        let command = Command { kind, reason: "because".to_owned() };
        replica.command(link, evidence, command, time).unwrap();
    }

    fn cut_off(&self, process: usize, cut_off: bool) {
        *self.fleet[process].link.cut_off.lock().unwrap() = cut_off;
    }
}

const AT_25: Phase = Phase::Ramping { stage: 2 };

#[test]
fn a_raise_is_announced_and_made_together() {
    let mut fleet = Calm::new(4);
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
    let mut fleet = Calm::new(3);
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
    let mut fleet = Calm::new(2);
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
    let mut fleet = Calm::new(3);
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
    let mut fleet = Calm::new(3);
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
    let mut fleet = Calm::new(1);
    fleet.store.store("test/state.json", b"{\"schema\": 9}", Expect::Any).unwrap();
    fleet.run(PERIOD * 10);
    assert_eq!(fleet.shares(), [0.0]);
    assert_eq!(fleet.store.load("test/state.json").unwrap().unwrap().0, b"{\"schema\": 9}");
    assert!(fleet.fleet[0].view.lock().problem.as_deref().unwrap().contains("state.json"));
}

#[test]
fn clocks_that_jump_gain_no_dwell_and_delay_no_raise_for_long() {
    let mut fleet = Calm::new(2);
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
fn the_sums_are_those_of_one_process_whatever_was_restarted_repeated_and_reordered() {
    let mut fleet = Calm::new(3);
    fleet.run_until(|state| state.phase == Phase::Ramping { stage: 1 });
    let plan = Arc::clone(&fleet.plan);
    let sum = |fleet: &Calm| -> u64 {
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
    let mut fleet = Calm::new(2);
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
    let mut fleet = Calm::new(3);
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
                let (evidence, local) =
                    (Made::default(), LocalHealth { eligible: true, ..LocalHealth::default() });
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
    let mut fleet = Calm::new(2);
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

/// When each tally is stored, and what it says, by second.
fn tallies(worse_from: u64) -> Vec<(u64, String, u64, bool)> {
    let mut fleet = Calm::new(3);
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
