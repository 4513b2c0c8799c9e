//! Whole rollouts on a virtual clock, judged by a real [`Verdict`]: users come, fail by chance, are
//! shadowed and answered; the replica, the machine and the statistics are those of a service.

mod table;

use std::{sync::Arc, time::Duration};

use crate::{
    ModelError,
    autopilot::{
        Evidence as _, Phase, Share, Stage,
        command::{Command, CommandKind},
        draw,
        plan::RolloutPlan,
        replica::{ClockReading, LocalHealth, Replica, ReplicaTiming, ShareGate},
        state::RolloutState,
        store::{MemoryStore, StateStore as _},
        transition::{Cause, verify_history},
    },
    compare::{Comparison, Run, key::KeyHasher, sink::ComparisonSink as _},
    router::{AnswerObserver as _, LiveAnswer},
    verdict::{Metric, Verdict},
    version::Version,
};

const TICK: Duration = Duration::from_secs(10);

/// Small, fast and the same everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(crate::verdict::stats::rounding::splitmix64(seed))
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (crate::verdict::stats::rounding::splitmix64(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of a mean, by Knuth's product of uniform numbers, in parts that stay above zero.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            let limit = (-left.min(30.0)).exp();
            left -= 30.0;
            let mut product = self.next();
            while product > limit {
                count += 1;
                product *= self.next();
            }
        }
        count
    }
}

/// How the two versions fare, and the vendor's flag.
#[derive(Clone, Copy)]
struct World {
    /// New users a second.
    rate: f64,
    champion_fails: f64,
    candidate_fails: f64,
    /// The candidate answers NaN to so many.
    nan: f64,
    flag_on: bool,
    store_away: bool,
}

const WELL: World = World {
    rate: 20.0,
    champion_fails: 0.005,
    candidate_fails: 0.005,
    nan: 0.0,
    flag_on: true,
    store_away: false,
};

struct Service {
    plan: Arc<RolloutPlan>,
    verdict: Verdict<f64>,
    replica: Replica,
    gate: ShareGate,
    store: MemoryStore,
    away: super::fleet::Network,
    hasher: KeyHasher,
    random: Random,
    now: Duration,
    user: u64,
    share: Share,
    exposed: u64,
}

fn plan() -> RolloutPlan {
    let mut plan = super::plan();
    plan.autopilot = "scenario".to_owned();
    plan.shadow = Duration::from_secs(1_800);
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::from_secs(1_800));
    plan.stages = [5.0, 25.0, 50.0].map(stage).into();
    plan.guard = Duration::from_secs(3_600);
    plan
}

impl Service {
    fn new(seed: u64, plan: RolloutPlan) -> Service {
        let verdict = Verdict::builder("v2")
            .against("v1")
            .metric(Metric::failures().margin(0.01))
            .metric(Metric::live_failures())
            .build()
            .unwrap();
        let (plan, store) = (Arc::new(plan), MemoryStore::new());
        let hash = verdict.config_hash();
        Service {
            replica: Replica::new(
                Arc::clone(&plan),
                ReplicaTiming::default(),
                format!("{seed:032x}"),
                &hash,
            ),
            plan,
            verdict,
            gate: ShareGate::default(),
            away: super::fleet::Network::over(&store),
            store,
            hasher: KeyHasher::new([7; 32]).unwrap(),
            random: Random::new(seed),
            now: TICK,
            user: 0,
            share: Share::NOBODY,
            exposed: 0,
        }
    }

    fn time(&self) -> ClockReading {
        let unix = 1_700_000_000_000 + self.now.as_millis() as u64;
        ClockReading { monotonic: self.now, unix }
    }

    /// Ten seconds: the users of that time, then a look.
    fn tick(&mut self, world: World) {
        if world.flag_on {
            for _ in 0..self.random.poisson(world.rate * TICK.as_secs_f64()) {
                self.request(world);
            }
        }
        self.now += TICK;
        self.away.cut_off(world.store_away);
        let (time, local) = (self.time(), LocalHealth { eligible: true, ..LocalHealth::default() });
        self.replica.poll(&self.away, &self.verdict, &local, time);
        let view = self.replica.published_view();
        let view = view.lock();
        let pace = ReplicaTiming::default();
        self.share = self.gate.decide(&view, &self.plan, &pace, &self.verdict, time).0;
    }

    fn request(&mut self, world: World) {
        self.user += 1;
        let key = format!("user-{}", self.user);
        let let_through = draw(&self.plan.autopilot, &key) < self.share.thousandths();
        let champion = match self.random.next() < world.champion_fails {
            true => Err(ModelError::new("made up")),
            false => Ok(0.5),
        };
        let candidate = match self.random.next() {
            number if number < world.candidate_fails => Err(ModelError::new("made up")),
            number if number < world.candidate_fails + world.nan => {
                // What a router makes of an answer that is no number.
                Err(ModelError::of_kind(crate::model::ErrorKind::NonFinite, "NaN"))
            }
            _ => Ok(0.5),
        };
        let candidate_version = Version::new("v2");
        let mut live = LiveAnswer::new(&candidate_version, Some(&key));
        (live.asked, live.held_back) = (let_through, !let_through);
        live.failed = if let_through { candidate.is_err() } else { champion.is_err() };
        self.verdict.answered(&live);
        self.exposed += u64::from(let_through);
        let took = Duration::from_micros(100);
        let (first, second) = (Run::new("v1", champion, took), Run::new("v2", candidate, took));
        let (primary, shadow) = if let_through { (second, first) } else { (first, second) };
        let mut pair = Comparison::new(primary, shadow);
        pair.key_hash = Some(self.hasher.hash(&key));
        self.verdict.record(&pair);
    }

    fn state(&self) -> RolloutState {
        let name = format!("{}/state.json", self.plan.autopilot);
        RolloutState::parse(&self.store.load(&name).unwrap().unwrap().0).unwrap()
    }

    fn phase(&self) -> Phase {
        self.replica.state().map_or(Phase::Waiting, |state| state.phase)
    }

    /// Until it is in this phase; at most so many hours.
    #[track_caller]
    fn run_to(&mut self, world: World, hours: u64, wanted: impl Fn(Phase) -> bool) {
        for _ in 0..hours * 360 {
            if wanted(self.phase()) {
                return;
            }
            self.tick(world);
        }
        panic!("{} after {hours} h: {:?}", self.phase(), self.state().held_by);
    }

    fn run(&mut self, world: World, minutes: u64) {
        (0..minutes * 6).for_each(|_| self.tick(world));
    }

    fn tell(&mut self, kind: CommandKind) {
        let command = Command { kind, reason: "because".to_owned() };
        let time = self.time();
        self.replica.command(&self.away, &self.verdict, command, time).unwrap();
    }

    /// What was decided last, whose sums are recomputed.
    fn last(&self) -> (Phase, Cause) {
        let state = self.state();
        verify_history(&state.transitions).unwrap();
        (state.phase, state.transitions.last().unwrap().cause)
    }
}

const ROLLED_BACK: fn(Phase) -> bool = |phase| phase == Phase::RolledBack;

fn at(stage: usize) -> impl Fn(Phase) -> bool {
    move |phase| phase == Phase::Ramping { stage }
}

#[test]
fn a_good_candidate_and_an_equal_one_are_released() {
    for (seed, fails) in [(1, 0.001), (2, 0.005)] {
        let mut service = Service::new(seed, plan());
        let world = World { candidate_fails: fails, ..WELL };
        service.run_to(world, 24, |phase| phase == Phase::Released);
        assert_eq!(
            (service.last(), service.share),
            ((Phase::Released, Cause::Released), Share::EVERYBODY)
        );
    }
}

#[test]
fn a_bad_candidate_is_found_in_shadow_before_anybody_reaches_it() {
    for (seed, fails) in [(3, 0.015), (4, 0.05), (5, 0.5)] {
        let mut service = Service::new(seed, plan());
        let world = World { candidate_fails: fails, ..WELL };
        service.run_to(world, 4, ROLLED_BACK);
        assert_eq!(service.exposed, 0, "{fails}");
    }
}

#[test]
fn without_traffic_it_waits_and_then_asks_somebody() {
    let mut service = Service::new(6, plan());
    service.run_to(WELL, 4, at(1));
    let nobody = World { rate: 0.0, ..WELL };
    service.run(nobody, 90);
    assert_eq!(service.phase(), Phase::Ramping { stage: 1 });
    assert_eq!(service.state().held_by.unwrap().as_str(), "no_data");
    service.run_to(nobody, 4, |phase| matches!(phase, Phase::Paused { .. }));
    assert_eq!((service.last().1, service.share.percent()), (Cause::NoData, 5.0));
}

#[test]
fn answers_that_are_no_numbers_are_failures() {
    let mut service = Service::new(7, plan());
    service.run_to(WELL, 4, at(1));
    service.run_to(World { nan: 0.2, ..WELL }, 1, ROLLED_BACK);
    let state = service.state();
    assert!(
        state
            .transitions
            .last()
            .unwrap()
            .evidence
            .metrics
            .iter()
            .all(|metric| metric.ln_e_worse.is_finite())
    );
}

#[test]
fn a_regression_at_half_of_the_users_is_taken_back_within_minutes() {
    let mut service = Service::new(8, plan());
    service.run_to(WELL, 12, at(3));
    service.run(WELL, 5);
    assert_eq!(service.share.percent(), 50.0);
    let before = service.now;
    service.run_to(World { candidate_fails: 0.5, ..WELL }, 1, ROLLED_BACK);
    let took = service.now - before;
    assert!(took <= Duration::from_secs(120), "{took:?}");
    service.tick(WELL);
    assert_eq!(service.share, Share::NOBODY);
    // Good again, it stays where it is: a person's turn.
    service.run(WELL, 120);
    assert_eq!((service.phase(), service.share), (Phase::RolledBack, Share::NOBODY));
}

#[test]
fn one_that_is_bad_every_other_ten_minutes_is_taken_back_once() {
    let mut service = Service::new(9, plan());
    service.run_to(WELL, 4, at(1));
    for minute in 0..240 {
        let fails = if minute / 10 % 2 == 0 { 0.05 } else { 0.005 };
        service.run(World { candidate_fails: fails, ..WELL }, 1);
    }
    let state = service.state();
    let rollbacks = state.transitions.iter().filter(|one| one.to == Phase::RolledBack).count();
    assert_eq!((state.phase, rollbacks), (Phase::RolledBack, 1));
}

#[test]
fn the_vendors_flag_off_holds_and_on_again_goes_on_with_what_was_known() {
    let mut sensitive = plan();
    sensitive.no_data = Some(Duration::from_secs(300));
    let mut service = Service::new(10, sensitive);
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 10);
    let known = service.verdict.judge().health.pairs;
    service.run(World { flag_on: false, ..WELL }, 12);
    let state = service.state();
    assert_eq!(
        (state.phase, state.held_by.unwrap().as_str()),
        (Phase::Ramping { stage: 1 }, "no_data")
    );
    assert_eq!(service.verdict.judge().health.pairs, known);
    service.run_to(WELL, 12, |phase| phase == Phase::Guarding);
}

#[test]
fn a_store_that_is_away_freezes_then_ends_and_comes_back() {
    let mut service = Service::new(11, plan());
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 5);
    let away = World { store_away: true, ..WELL };
    service.run(away, 14);
    assert_eq!(service.share.percent(), 5.0);
    service.run(away, 2);
    assert_eq!(service.share, Share::NOBODY);
    service.run(WELL, 1);
    assert_eq!(service.share.percent(), 5.0);
    assert_eq!(service.phase(), Phase::Ramping { stage: 1 });
}

#[test]
fn own_evidence_stops_a_replica_that_hears_nothing() {
    let mut service = Service::new(12, plan());
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 5);
    service.run(World { store_away: true, candidate_fails: 0.5, ..WELL }, 3);
    assert_eq!(service.share, Share::NOBODY);
    service.run(World { candidate_fails: 0.5, ..WELL }, 1);
    assert_eq!(service.last(), (Phase::RolledBack, Cause::Veto));
}

#[test]
fn what_gets_worse_while_it_waits_or_is_paused_is_taken_back() {
    let mut approval = plan();
    approval.stages[1] = approval.stages[1].clone().approval();
    let mut service = Service::new(13, approval);
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 60);
    assert_eq!(service.state().held_by.unwrap().as_str(), "approval");
    service.run_to(World { candidate_fails: 0.1, ..WELL }, 1, ROLLED_BACK);

    let mut service = Service::new(14, plan());
    service.run_to(WELL, 4, at(1));
    service.tell(CommandKind::Pause);
    service.run(WELL, 5);
    service.run_to(World { candidate_fails: 0.1, ..WELL }, 1, ROLLED_BACK);

    // Before an announced raise is in force.
    let mut service = Service::new(15, plan());
    service.run_to(WELL, 12, at(2));
    assert_eq!(service.share.percent(), 5.0, "announced, and not in force");
    service.run_to(World { candidate_fails: 1.0, ..WELL }, 1, ROLLED_BACK);
    service.tick(WELL);
    assert_eq!(service.share, Share::NOBODY);
}

#[test]
fn a_base_rate_that_rises_with_the_share_is_nobodys_fault() {
    let mut service = Service::new(16, plan());
    let both = |fails| World { champion_fails: fails, candidate_fails: fails, ..WELL };
    service.run_to(both(0.002), 12, at(2));
    service.run_to(both(0.01), 12, at(3));
    service.run(both(0.03), 60);
    assert!(service.phase() != Phase::RolledBack, "{:?}", service.state().transitions.last());
}

#[test]
fn a_retry_asks_for_twice_the_evidence() {
    let mut service = Service::new(17, plan());
    service.run_to(WELL, 4, at(1));
    service.tell(CommandKind::Abort);
    service.run(WELL, 70);
    service.tell(CommandKind::Retry);
    service.run_to(WELL, 12, at(1));
    let threshold = service.verdict.judge().metrics[0].threshold.not_worse;
    assert!((threshold - (1.0_f64 / 0.025).ln()).abs() < 1e-9, "{threshold}");
    assert_eq!(service.state().attempt, 1);
}
