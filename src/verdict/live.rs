//! What was answered live: which arm, which user, failed or late.
//!
//! Called on the path of each request. A request of a user who has been seen costs a hash of the
//! key, one cache line of a filter and a counter of the thread's own; only a user's first request
//! in a stage, and one that fails or is late, takes a lock.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    ArmCounts, Config, KeySample, MetricKind, OutcomeCounts, StageCounts, id_map::IdMap,
    stats::rounding::splitmix64, user_filter::UserFilter,
};
use crate::{prediction_id::PredictionId, sharded::Sharded};

/// More stages than this are not told apart; a ramp has four.
const STAGES: usize = 16;
/// More attempts than this are not told apart.
const ATTEMPTS: usize = 64;
/// No stage: nothing is counted.
const OFF: usize = usize::MAX;
/// Predictions whose outcome may still come.
const OPEN_OUTCOMES: usize = 100_000;

/// Which group a live request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arm {
    Candidate,
    HeldBack,
}

impl Arm {
    fn index(self) -> usize {
        match self {
            Arm::Candidate => 0,
            Arm::HeldBack => 1,
        }
    }

    fn other(self) -> Arm {
        match self {
            Arm::Candidate => Arm::HeldBack,
            Arm::HeldBack => Arm::Candidate,
        }
    }
}

/// One live request, as far as a verdict wants to know.
pub(super) struct LiveRequest<'a> {
    pub(super) id: PredictionId,
    pub(super) key: Option<&'a str>,
    pub(super) arm: Arm,
    pub(super) failed: bool,
    pub(super) time: Duration,
}

pub(super) struct LiveCounts {
    current: AtomicUsize,
    /// Of the attempts, one after the other.
    stages: Box<[OnceLock<Box<Stage>>]>,
    /// Where the current attempt's begin.
    begin: AtomicUsize,
    attempt: AtomicU32,
    seen: UserFilter,
    salt: u64,
    late: Vec<(String, u64)>,
    outcomes: Vec<(String, (f64, f64))>,
    open: Mutex<OpenPredictions>,
}

struct Stage {
    share: u32,
    /// What makes a key another entry of the filter in each arm.
    salts: [u64; 2],
    requests: Sharded<[AtomicU64; 4]>,
    keys: [AtomicU64; 2],
    both: AtomicU64,
    rare: Mutex<[RareEvents; 2]>,
}

#[derive(Default)]
struct RareEvents {
    failed: KeySample,
    late: BTreeMap<String, KeySample>,
    outcomes: BTreeMap<String, OutcomeCounts>,
}

/// In which arm and stage a prediction was made; bounded, the oldest makes room.
#[derive(Default)]
struct OpenPredictions {
    arms: IdMap<(usize, Arm)>,
    order: VecDeque<PredictionId>,
}

impl LiveCounts {
    pub(super) fn new(config: &Config, config_hash: &str, users: u64) -> LiveCounts {
        let late = config.metrics.iter().filter(|metric| metric.kind == MetricKind::LiveLate);
        let outcomes = config.metrics.iter().filter(|metric| metric.kind == MetricKind::Outcome);
        // Users are only looked up where a live metric asks.
        let wanted = config.metrics.iter().any(|metric| !metric.kind.is_paired());
        LiveCounts {
            current: AtomicUsize::new(OFF),
            stages: (0..STAGES * ATTEMPTS).map(|_| OnceLock::new()).collect(),
            begin: AtomicUsize::new(0),
            attempt: AtomicU32::new(0),
            seen: UserFilter::new(if wanted { users } else { 1 }),
            salt: of_text(config_hash, 0).0,
            late: late.map(|m| (m.name.clone(), m.limit_us.unwrap_or(u64::MAX))).collect(),
            outcomes: outcomes
                .map(|metric| (metric.name.clone(), metric.range.unwrap_or((0.0, 1.0))))
                .collect(),
            open: Mutex::new(OpenPredictions::default()),
        }
    }

    /// From now on, requests belong to this stage. A stage keeps the share it was begun with.
    /// Answers whether it could.
    pub(super) fn enter(&self, stage: u32, share: u32) -> bool {
        let begin = self.begin.load(Ordering::Relaxed);
        let place = usize::try_from(stage).ok().filter(|stage| *stage < STAGES);
        let Some(place) = place.map(|stage| begin.saturating_add(stage)) else { return false };
        let Some(cell) = self.stages.get(place) else { return false };
        // By the fleet's numbers: replicas that started in different attempts tell each other whom they saw.
        let attempt = self.attempt.load(Ordering::Relaxed);
        let begun = cell.get_or_init(|| {
            Box::new(Stage {
                share,
                salts: [Arm::Candidate, Arm::HeldBack].map(|arm| salt(attempt, stage, arm)),
                requests: Sharded::new(Default::default),
                keys: Default::default(),
                both: AtomicU64::new(0),
                rare: Mutex::default(),
            })
        });
        let fits = begun.share == share;
        if fits {
            self.current.store(place, Ordering::Relaxed);
        }
        fits
    }

    pub(super) fn leave(&self) {
        self.current.store(OFF, Ordering::Relaxed);
    }

    /// Another attempt: no stage has begun.
    pub(super) fn reset(&self, attempt: u32) {
        self.leave();
        self.attempt.store(attempt, Ordering::Relaxed);
        self.begin.fetch_add(STAGES, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.current.load(Ordering::Relaxed) != OFF
    }

    #[inline]
    pub(super) fn answered(&self, request: &LiveRequest<'_>) {
        let place = self.current.load(Ordering::Relaxed);
        let Some(stage) = self.stages.get(place).and_then(OnceLock::get) else { return };
        let arm = request.arm;
        if let Some(count) = stage.requests.of_this_thread().get(arm.index() * 2) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let key = request.key.map(|key| of_text(key, self.salt));
        if let Some(key) = key
            && self.seen.insert(stage.in_arm(key, arm))
        {
            self.first(stage, place, key, request);
        }
        let late = self.late.first().is_some_and(|_| self.is_late(request.time));
        if request.failed || late {
            self.rare(stage, key, request);
        }
    }

    fn is_late(&self, time: Duration) -> bool {
        let micros = time.as_micros();
        self.late.iter().any(|(_, limit)| micros > u128::from(*limit))
    }

    #[cold]
    fn first(&self, stage: &Stage, place: usize, key: (u64, u64), request: &LiveRequest<'_>) {
        if let Some(count) = stage.keys.get(request.arm.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if self.seen.contains(stage.in_arm(key, request.arm.other())) {
            stage.both.fetch_add(1, Ordering::Relaxed);
        }
        if !self.outcomes.is_empty() {
            let mut open = self.open.lock();
            open.arms.insert(request.id, (place, request.arm));
            open.order.push_back(request.id);
            if open.order.len() > OPEN_OUTCOMES
                && let Some(oldest) = open.order.pop_front()
            {
                open.arms.remove(&oldest);
            }
        }
    }

    #[cold]
    fn rare(&self, stage: &Stage, key: Option<(u64, u64)>, request: &LiveRequest<'_>) {
        if request.failed
            && let Some(count) = stage.requests.of_this_thread().get(request.arm.index() * 2 + 1)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let Some((hash, _)) = key else { return };
        let mut rare = stage.rare.lock();
        let Some(rare) = rare.get_mut(request.arm.index()) else { return };
        if request.failed {
            rare.failed.insert(hash);
        }
        let micros = request.time.as_micros();
        for (name, _) in self.late.iter().filter(|(_, limit)| micros > u128::from(*limit)) {
            match rare.late.get_mut(name) {
                Some(sample) => sample.insert(hash),
                None => rare.late.entry(name.clone()).or_default().insert(hash),
            }
        }
    }

    /// Takes an outcome in. `None`: there is no such metric; `Some(false)`: the prediction is not
    /// known, or the value is no number.
    pub(super) fn outcome(&self, name: Option<&str>, id: PredictionId, value: f64) -> Option<bool> {
        let wanted = |(known, _): &&(String, _)| name.is_none_or(|name| name == known);
        let (name, range) = self.outcomes.iter().find(wanted)?;
        let Some((place, arm)) = self.open.lock().arms.get(&id).copied() else {
            return Some(false);
        };
        let stage = self.stages.get(place).and_then(OnceLock::get)?;
        let mut rare = stage.rare.lock();
        let outcomes = &mut rare.get_mut(arm.index())?.outcomes;
        Some(outcomes.entry(name.clone()).or_default().observe(value, *range))
    }

    /// The prediction's outcomes are all known: forget it. For one outcome, at once.
    pub(super) fn forget(&self, id: PredictionId) {
        self.open.lock().arms.remove(&id);
    }

    pub(super) fn has_one_outcome(&self) -> bool {
        self.outcomes.len() == 1
    }

    pub(super) fn tally(&self) -> BTreeMap<u32, StageCounts> {
        let begin = self.begin.load(Ordering::Relaxed);
        let current = self.stages.iter().skip(begin).take(STAGES);
        let begun = current.zip(0_u32..).filter_map(|(cell, at)| Some((at, cell.get()?)));
        begun.map(|(stage, counts)| (stage, counts.counts())).collect()
    }

    pub(super) fn seen(&self) -> &UserFilter {
        &self.seen
    }
}

impl Stage {
    #[inline]
    fn in_arm(&self, (high, low): (u64, u64), arm: Arm) -> (u64, u64) {
        let [candidate, held_back] = self.salts;
        let salt = match arm {
            Arm::Candidate => candidate,
            Arm::HeldBack => held_back,
        };
        (high ^ salt, low ^ salt.rotate_left(32))
    }

    fn counts(&self) -> StageCounts {
        let requests = |place: usize| {
            self.requests
                .iter()
                .filter_map(|shard| shard.get(place))
                .map(|count| count.load(Ordering::Relaxed))
                .fold(0, u64::saturating_add)
        };
        let rare = self.rare.lock();
        let arm = |arm: Arm| {
            let rare = rare.get(arm.index());
            ArmCounts {
                requests: requests(arm.index() * 2),
                failed_requests: requests(arm.index() * 2 + 1),
                keys: self.keys.get(arm.index()).map_or(0, |keys| keys.load(Ordering::Relaxed)),
                failed: rare.map(|rare| rare.failed.clone()).unwrap_or_default(),
                late: rare.map(|rare| rare.late.clone()).unwrap_or_default(),
                outcomes: rare.map(|rare| rare.outcomes.clone()).unwrap_or_default(),
            }
        };
        StageCounts {
            share: self.share,
            candidate: arm(Arm::Candidate),
            held_back: arm(Arm::HeldBack),
            both: self.both.load(Ordering::Relaxed),
        }
    }
}

/// A hash of a key that is the same in every process with this salt, and cheap.
fn of_text(text: &str, salt: u64) -> (u64, u64) {
    let bytes = text.as_bytes();
    let mut hash = salt ^ (bytes.len() as u64).rotate_left(56);
    for chunk in bytes.chunks(8) {
        let word = match <[u8; 8]>::try_from(chunk) {
            Ok(word) => u64::from_le_bytes(word),
            Err(_) => chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        hash = splitmix64(hash ^ word);
    }
    (hash, splitmix64(hash ^ 0x5851_F42D_4C95_7F2D))
}

/// The same key in another attempt, stage or arm is another entry of the filter.
fn salt(attempt: u32, stage: u32, arm: Arm) -> u64 {
    splitmix64(u64::from(attempt) << 32 | u64::from(stage) << 1 | arm.index() as u64)
}
