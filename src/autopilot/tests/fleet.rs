//! A fleet on a virtual clock: partitions, restarts, clocks that are wrong and jump, bad candidates.
//!
//! A step is a second. What the model changes and checks is what `share` and `poll` do in a service;
//! only time, the network and the evidence are made up.

mod accidents;
mod document;
mod tallies;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use super::plan;
use crate::autopilot::{
    Findings, Judge, MetricFinding, MetricRole, MetricSum, Phase, Share,
    command::{Command, CommandKind},
    plan::RolloutPlan,
    replica::{ClockReading, LocalHealth, Replica, ReplicaTiming, ReplicaView, ShareInForce},
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
struct ScriptedEvidence {
    pairs: Mutex<u64>,
    veto: Mutex<bool>,
    attempts: Mutex<Vec<u32>>,
}

impl Judge for ScriptedEvidence {
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

fn timing() -> ReplicaTiming {
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
    in_force: ShareInForce,
    view: Arc<parking_lot::Mutex<ReplicaView>>,
    evidence: ScriptedEvidence,
    link: Network,
    boots: u64,
    booted: u64,
    due: u64,
    skew: i64,
    heartbeats: Option<u64>,
    share: Share,
}

fn replica(plan: &Arc<RolloutPlan>, id: u64) -> Replica {
    Replica::new(Arc::clone(plan), timing(), format!("{id:032x}"), "")
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
            in_force: ShareInForce::default(),
            evidence: ScriptedEvidence::default(),
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
        self.in_force = ShareInForce::default();
        self.evidence = ScriptedEvidence::default();
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
        self.share = self.in_force.update(&view, plan, &timing(), &self.evidence, time).0;
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

/// A fleet without accidents, for what is tried by hand.
struct CalmFleet {
    plan: Arc<RolloutPlan>,
    store: MemoryStore,
    fleet: Vec<Process>,
    now: Cell<u64>,
    random: RefCell<Random>,
}

impl CalmFleet {
    fn new(count: u64) -> CalmFleet {
        let (plan, store) = (Arc::new(model_plan()), MemoryStore::new());
        let mut random = Random(77);
        let fleet =
            (0..count).map(|place| Process::new(&plan, &store, place, &mut random)).collect();
        CalmFleet { plan, store, fleet, now: Cell::new(0), random: random.into() }
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
