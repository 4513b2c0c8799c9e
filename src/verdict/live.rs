//! Live answers, counted by arm and user, with those that failed or were late.
//!
//! Called on the path of each request. A request of a user who has been seen costs a hash of the
//! key, one cache line of a filter and a counter of the thread's own. A lock is taken only for a
//! request that fails or is late and, where an outcome is asked for, for a user's first in a stage.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{
    ArmCounts, Config, KeySample, MetricKind, OutcomeCounts, OutcomeReceipt, StageCounts,
    id_map::IdMap, stats::rounding::splitmix64, user_filter::UserFilter,
};
use crate::{prediction_id::PredictionId, sharded::Sharded};

/// Stages of an attempt; a ramp usually has four.
const STAGES: usize = 16;
/// Attempts in one process. Their stages are allocated when they begin, and stay: a request may still
/// be counting in one.
const ATTEMPTS: usize = 64;
/// No stage: nothing is counted.
const OFF: usize = usize::MAX;
/// Predictions whose outcomes are waited for; the oldest makes room.
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
    /// The index of the stage that counts, or `OFF`.
    current: AtomicUsize,
    /// `STAGES` for each attempt, one attempt after the other.
    stages: Box<[OnceLock<Box<StageCounters>>]>,
    /// The index of the current attempt's first stage.
    begin: AtomicUsize,
    attempt: AtomicU32,
    seen: UserFilter,
    salt: u64,
    late: Vec<(String, u64)>,
    outcomes: Vec<(String, (f64, f64))>,
    open: Mutex<OpenPredictions>,
}

struct StageCounters {
    share: u32,
    /// By arm: what makes the same key a different entry of the filter in each.
    salts: [u64; 2],
    /// The candidate's requests, those of them that failed, and the same of the users held back.
    requests: Sharded<[AtomicU64; 4]>,
    /// Users, by arm.
    keys: [AtomicU64; 2],
    /// Users seen in both arms.
    both: AtomicU64,
    rare: Mutex<[RareEvents; 2]>,
}

#[derive(Default)]
struct RareEvents {
    failed: KeySample,
    late: BTreeMap<String, KeySample>,
    outcomes: BTreeMap<String, OutcomeCounts>,
}

/// Predictions that wait for their outcomes; bounded, the oldest makes room.
#[derive(Default)]
struct OpenPredictions {
    waiting: IdMap<OpenPrediction>,
    order: VecDeque<PredictionId>,
}

/// In which stage and arm a prediction was made, and which outcomes, by index, are still to come.
struct OpenPrediction {
    stage: usize,
    arm: Arm,
    outcomes: SmallVec<[u16; 4]>,
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

    /// From now on, requests belong to this stage. Returns `false`, and changes nothing, for a stage
    /// that there is no room for or that was begun with another share.
    pub(super) fn enter(&self, stage: u32, share: u32) -> bool {
        let begin = self.begin.load(Ordering::Relaxed);
        let place = usize::try_from(stage).ok().filter(|stage| *stage < STAGES);
        let Some(place) = place.map(|stage| begin.saturating_add(stage)) else { return false };
        let Some(cell) = self.stages.get(place) else { return false };
        // Salted by the fleet's number of the attempt, not by this process's: replicas that started in
        // different attempts exchange their filters.
        let attempt = self.attempt.load(Ordering::Relaxed);
        let begun = cell.get_or_init(|| {
            Box::new(StageCounters {
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

    /// Begins another attempt, of which no stage has begun.
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
    fn first(
        &self,
        stage: &StageCounters,
        place: usize,
        key: (u64, u64),
        request: &LiveRequest<'_>,
    ) {
        if let Some(count) = stage.keys.get(request.arm.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if self.seen.contains(stage.in_arm(key, request.arm.other())) {
            stage.both.fetch_add(1, Ordering::Relaxed);
        }
        if !self.outcomes.is_empty() {
            let mut open = self.open.lock();
            let outcomes = (0..).take(self.outcomes.len()).collect();
            let waits = OpenPrediction { stage: place, arm: request.arm, outcomes };
            open.waiting.insert(request.id, waits);
            open.order.push_back(request.id);
            if open.order.len() > OPEN_OUTCOMES
                && let Some(oldest) = open.order.pop_front()
            {
                open.waiting.remove(&oldest);
            }
        }
    }

    #[cold]
    fn rare(&self, stage: &StageCounters, key: Option<(u64, u64)>, request: &LiveRequest<'_>) {
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

    /// Counts an outcome of this name, or of the first metric where no name is given. Each outcome of a
    /// prediction counts once.
    pub(super) fn outcome(
        &self,
        name: Option<&str>,
        id: PredictionId,
        value: f64,
    ) -> OutcomeReceipt {
        let wanted = |(known, _): &(String, _)| name.is_none_or(|name| name == known);
        let Some(index) = self.outcomes.iter().position(wanted) else {
            return OutcomeReceipt::NoMetric;
        };
        match self.count_outcome(index, id, value) {
            Some(()) => OutcomeReceipt::Counted,
            None => OutcomeReceipt::Unknown,
        }
    }

    fn count_outcome(&self, index: usize, id: PredictionId, value: f64) -> Option<()> {
        let (name, range) = self.outcomes.get(index)?;
        if value.is_nan() {
            return None;
        }
        let (stage, arm) = {
            let mut open = self.open.lock();
            let waits = open.waiting.get_mut(&id)?;
            let awaited = waits.outcomes.iter().position(|it| usize::from(*it) == index)?;
            waits.outcomes.swap_remove(awaited);
            let (stage, arm) = (waits.stage, waits.arm);
            if waits.outcomes.is_empty() {
                open.waiting.remove(&id);
            }
            (stage, arm)
        };
        let stage = self.stages.get(stage).and_then(OnceLock::get)?;
        let mut rare = stage.rare.lock();
        let outcomes = &mut rare.get_mut(arm.index())?.outcomes;
        outcomes.entry(name.clone()).or_default().observe(value, *range);
        Some(())
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

impl StageCounters {
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

/// A hash of a key that is cheap, and the same in every process with this salt. It fills a filter that
/// is exchanged between processes, and is no bucketing hash.
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

/// Makes the same key a different entry of the filter in each attempt, stage and arm.
fn salt(attempt: u32, stage: u32, arm: Arm) -> u64 {
    splitmix64(u64::from(attempt) << 32 | u64::from(stage) << 1 | arm.index() as u64)
}
