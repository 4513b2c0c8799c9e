//! The settings of an autopilot, and which are refused.

use std::{sync::Arc, time::Duration};

use super::{
    Error,
    handle::Autopilot,
    judge::Judge,
    plan::{OnNoData, OnUndecided, OnWorse, RolloutPlan},
    replica::ReplicaTiming,
    runner::Runner,
    stage::{Share, Stage},
    store::StateStore,
    writer::ShareWriter,
};
use crate::{
    clock::{Clock, SystemClock},
    version::Version,
};

/// Settings of an autopilot under construction; made by [`Autopilot::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    plan: RolloutPlan,
    timing: ReplicaTiming,
    evidence: Option<Arc<dyn Judge>>,
    store: Option<Arc<dyn StateStore>>,
    writers: Vec<Arc<dyn ShareWriter>>,
    clock: Option<Arc<dyn Clock>>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(name: String, candidate: Version) -> Builder {
        Builder {
            plan: RolloutPlan::new(name, candidate),
            timing: ReplicaTiming::default(),
            evidence: None,
            store: None,
            writers: Vec::new(),
            clock: None,
        }
    }

    /// The stages, each with a larger share than the one before. A last one of 100 % sets how long the
    /// candidate is guarded once everybody reaches it, and whether that needs an approval. Default: 5 % for a day, 25 %
    /// and 50 % for two days each, then 100 %, guarded for seven.
    pub fn stages(mut self, stages: impl IntoIterator<Item = Stage>) -> Builder {
        self.plan.stages = stages.into_iter().collect();
        if let Some(last) = self.plan.stages.pop_if(|last| last.share == Share::EVERYBODY) {
            self.plan.guard = last.dwell;
            self.plan.guard_approval = last.approval;
        }
        self
    }

    /// How long the candidate at least runs in shadow before anybody reaches it. Default: an hour.
    pub fn shadow_for(mut self, time: Duration) -> Builder {
        self.plan.shadow = time;
        self
    }

    /// How long the rollout can still be rolled back once everybody reaches the candidate. Default: seven
    /// days.
    pub fn guard_for(mut self, time: Duration) -> Builder {
        self.plan.guard = time;
        self
    }

    /// What the candidate is judged by. Required.
    pub fn require(mut self, evidence: &(impl Judge + Clone)) -> Builder {
        self.evidence = Some(Arc::new(evidence.clone()));
        self
    }

    /// Where the replicas keep the document that they agree on. Required.
    pub fn store(mut self, store: impl StateStore) -> Builder {
        self.store = Some(Arc::new(store));
        self
    }

    /// Writes each stage to where people look, such as the vendor's dashboard. Whom a replica lets
    /// through does not depend on it. May be called several times.
    pub fn writer(mut self, writer: impl ShareWriter) -> Builder {
        self.writers.push(Arc::new(writer));
        self
    }

    /// What tells this candidate from another registered under the same name, such as the hash of the
    /// model's file. Another artefact begins a rollout of its own. Default: the version's name.
    pub fn artefact(mut self, artefact: impl Into<String>) -> Builder {
        self.plan.artefact = artefact.into();
        self
    }

    /// Draws other users than the last rollout of this name did. Default: 0, the [published](super::draw)
    /// draw.
    pub fn reseed(mut self, seed: u32) -> Builder {
        self.plan.seed = seed;
        self
    }

    /// How many scored pairs a stage needs unless it sets a number of its own. Default: 100.
    pub fn min_pairs(mut self, pairs: u64) -> Builder {
        self.plan.min_pairs = pairs;
        self
    }

    /// How many users must have been held back in a stage, for comparison. Default: 30.
    pub fn min_held_back(mut self, users: u64) -> Builder {
        self.plan.min_held_back = users;
        self
    }

    /// What happens when a guardrail is worse. Default: [`OnWorse::RollBack`].
    pub fn on_worse(mut self, what: OnWorse) -> Builder {
        self.plan.on_worse = what;
        self
    }

    /// What happens while a guardrail is undecided. Default: [`OnUndecided::Hold`].
    pub fn on_undecided(mut self, what: OnUndecided) -> Builder {
        self.plan.on_undecided = what;
        self
    }

    /// What happens when nothing arrives for three times the [grace](Self::no_data_after). Default:
    /// [`OnNoData::Pause`].
    pub fn on_no_data(mut self, what: OnNoData) -> Builder {
        self.plan.on_no_data = what;
        self
    }

    /// After how long without any data the `no_data` gate holds. Default: a tenth of the stage's time, at
    /// least an hour.
    pub fn no_data_after(mut self, grace: Duration) -> Builder {
        self.plan.no_data = Some(grace);
        self
    }

    /// How long a stage may be held before it is paused. Default: seven days.
    pub fn max_hold(mut self, time: Duration) -> Builder {
        self.plan.max_hold = time;
        self
    }

    /// How long a pause may last before the rollout is rolled back. Default: thirty days.
    pub fn max_pause(mut self, time: Duration) -> Builder {
        self.plan.max_pause = time;
        self
    }

    /// How long after a rollback a retry is refused. Default: an hour.
    pub fn cool_down(mut self, time: Duration) -> Builder {
        self.plan.cool_down = time;
        self
    }

    /// How many times the candidate's breaker must open within ten minutes, over the fleet, for a
    /// rollback; 0 is never. Default: 3.
    pub fn breaker_opens(mut self, opens: u64) -> Builder {
        self.plan.breaker_opens = opens;
        self
    }

    /// How often a replica polls the store, give or take a fifth. A raise is announced three times this
    /// long ahead. Default: ten seconds.
    pub fn every(mut self, period: Duration) -> Builder {
        self.timing.period = period;
        self.plan.lead = period.saturating_mul(3);
        self
    }

    /// For how long without an answer of the store the share may still grow, and for how long it stays in
    /// force. Default: 2 minutes and 15 minutes.
    pub fn freshness(mut self, freeze: Duration, lapse: Duration) -> Builder {
        (self.timing.freeze, self.timing.lapse) = (freeze, lapse);
        self
    }

    /// The clock by which stages and periods are timed. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Builder {
        self.clock = Some(clock);
        self
    }

    /// Builds the autopilot and starts its threads. Nobody is let through until the state has been read.
    ///
    /// # Errors
    ///
    /// [`Error`], naming the setting.
    pub fn build(self) -> Result<Autopilot, Error> {
        let Builder { plan, timing, evidence, store, writers, clock } = self;
        validate(&plan, &timing)?;
        let evidence = evidence.ok_or(Error::NoEvidence)?;
        let store = store.ok_or(Error::NoStore)?;
        let clock = clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        Runner::start(plan, timing, evidence, store, writers, clock)
            .map(Autopilot::new)
            .map_err(Error::Thread)
    }
}

fn validate(plan: &RolloutPlan, timing: &ReplicaTiming) -> Result<(), Error> {
    let setting = |field, found: String, expected| Err(Error::Setting { field, found, expected });
    if plan.autopilot.is_empty() {
        return setting("name", "nothing".to_owned(), "a name");
    }
    let mut before = Share::NOBODY;
    for stage in &plan.stages {
        if stage.share <= before || stage.share >= Share::EVERYBODY {
            return setting(
                "stages",
                format!("{} after {before}", stage.share),
                "shares that grow, from above 0 to at most 100 %",
            );
        }
        before = stage.share;
    }
    if timing.period < Duration::from_millis(10) {
        return setting("every", format!("{:?}", timing.period), "at least 10 ms");
    }
    if timing.freeze < timing.period || timing.lapse < timing.freeze {
        return setting(
            "freshness",
            format!("{:?} and {:?}", timing.freeze, timing.lapse),
            "at least the period, and the second no shorter than the first",
        );
    }
    Ok(())
}
