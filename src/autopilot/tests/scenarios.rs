//! Whole rollouts on a virtual clock, judged by a real [`Verdict`]: users come, fail by chance, are
//! shadowed and answered; the replica, the machine and the statistics are those of a service.

mod rollouts;
mod table;

use std::{sync::Arc, time::Duration};

use crate::{
    ModelError,
    autopilot::{
        Judge as _, Phase, Share, Stage,
        command::{Command, CommandKind},
        draw,
        plan::RolloutPlan,
        replica::{ClockReading, LocalHealth, Replica, ReplicaTiming, ShareInForce},
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
    in_force: ShareInForce,
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
            in_force: ShareInForce::default(),
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
        let timing = ReplicaTiming::default();
        self.share = self.in_force.update(&view, &self.plan, &timing, &self.verdict, time).0;
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
