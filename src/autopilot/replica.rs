//! A replica: what one process reads, writes and decides for the fleet, and whom it lets through.
//!
//! Times are passed in, so that the whole protocol can run on a virtual clock. Ages are monotonic: a wall
//! clock that jumps makes nothing older. Only `effective_at` is wall time.

mod command;
mod counts;
mod document;
mod fleet;
mod share;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use self::fleet::Heartbeat;
pub(super) use self::share::ShareInForce;
use super::{
    command::{Command, CommandError},
    gate::GateReport,
    judge::Judge,
    machine::{self, DecisionContext},
    plan::RolloutPlan,
    state::RolloutState,
    store::{self, Expect, StateStore, Tag},
    sums::MetricSum,
    transition::Transition,
};

/// How often a replica polls the store, and how long it trusts what it has read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ReplicaTiming {
    pub(super) period: Duration,
    /// The share stops growing when the store has not answered for this long.
    pub(super) freeze: Duration,
    /// Nobody is let through when it has not answered for this long.
    pub(super) lapse: Duration,
    /// A replica is gone when its tally has not changed for this long, which is then kept in the state.
    pub(super) fold: Duration,
}

impl Default for ReplicaTiming {
    fn default() -> ReplicaTiming {
        ReplicaTiming {
            period: Duration::from_secs(10),
            freeze: Duration::from_secs(120),
            lapse: Duration::from_secs(900),
            fold: Duration::from_secs(24 * 3600),
        }
    }
}

/// The time by both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockReading {
    /// Since a fixed moment in this process; never goes back.
    pub(super) monotonic: Duration,
    /// Milliseconds since 1970; may jump.
    pub(super) unix: u64,
}

/// The candidate's health on this process's routers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LocalHealth {
    pub(super) eligible: bool,
    pub(super) breaker_opens: u64,
    /// That a writer found something changed by another: at which revision, and in words.
    pub(super) conflict: Option<(u64, String)>,
}

/// The state as this replica last read or wrote it.
#[derive(Clone, Debug)]
struct StoredState {
    state: Arc<RolloutState>,
    tag: Tag,
    /// When this share was first read, by this process's monotonic clock.
    announced: Duration,
}

/// What a replica knows: enough to decide whom it lets through while the store keeps it waiting.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicaView {
    id: String,
    seen: Option<StoredState>,
    read_at: Option<Duration>,
    /// Why this process's own evidence shows the candidate to be worse.
    veto: Option<String>,
    /// An abort given to this process that has not been committed yet.
    aborting: Option<Command>,
    pub(super) gates: Vec<GateReport>,
    pub(super) replicas: usize,
    pub(super) metrics: Vec<MetricSum>,
    /// Why the store did not do what was asked.
    pub(super) problem: Option<String>,
}

pub(super) struct Replica {
    plan: Arc<RolloutPlan>,
    timing: ReplicaTiming,
    id: String,
    prefix: String,
    config_hash: String,
    seq: u64,
    view: ReplicaView,
    /// A copy for other threads, which do not wait for this one.
    published_view: Arc<Mutex<ReplicaView>>,
    ticked_at: Duration,
    /// What the evidence counts for: which artefact, and which attempt.
    begun: Option<(String, u32)>,
    heartbeats: BTreeMap<String, Heartbeat>,
    /// When the users counted were last exchanged.
    exchanged_at: Option<Duration>,
    /// The last revision whose transitions were reported.
    reported_rev: Option<u64>,
}

impl Replica {
    pub(super) fn new(
        plan: Arc<RolloutPlan>,
        timing: ReplicaTiming,
        id: String,
        evidence: &str,
    ) -> Replica {
        Replica {
            prefix: slug(&plan.autopilot),
            config_hash: plan.hash(evidence),
            plan,
            timing,
            id,
            seq: 0,
            view: ReplicaView::default(),
            published_view: Arc::default(),
            ticked_at: Duration::ZERO,
            begun: None,
            heartbeats: BTreeMap::new(),
            exchanged_at: None,
            reported_rev: None,
        }
    }

    /// The folder of the autopilot's documents.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    fn state_name(&self) -> String {
        format!("{}/state.json", self.prefix)
    }

    pub(super) fn state(&self) -> Option<&RolloutState> {
        self.view.state()
    }

    /// What this replica knows, for other threads.
    pub(super) fn published_view(&self) -> Arc<Mutex<ReplicaView>> {
        Arc::clone(&self.published_view)
    }

    fn publish(&self) {
        let mut published_view = self.published_view.lock();
        // Another thread may have set an abort there, without waiting for this one.
        let aborting = published_view.aborting.take().or_else(|| self.view.aborting.clone());
        *published_view = ReplicaView { aborting, id: self.id.clone(), ..self.view.clone() };
    }

    /// Reads the state, writes this replica's tally, and decides for the fleet if no other has lately.
    pub(super) fn poll(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        local: &LocalHealth,
        time: ClockReading,
    ) {
        let polled = self.try_poll(store, evidence, local, time);
        // A conflict is another replica's success.
        self.view.problem = match polled {
            Err(error) if !error.is_conflict() => Some(crate::error_chain(&error)),
            _ => None,
        };
        self.publish();
        if let Some(problem) = &self.view.problem {
            tracing::debug!(target: "modelgate::autopilot", autopilot = %self.plan.autopilot, error = %problem, "the store did not do what was asked");
        }
    }

    fn try_poll(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        local: &LocalHealth,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        // First, as it needs no store.
        self.check_own_evidence(evidence);
        self.read(store, evidence, time)?;
        self.write_tally(store, evidence, local, time)?;
        if let Some(command) = self.view.aborting.clone() {
            // A refusal means that it has been rolled back or released meanwhile.
            if let Err(CommandError::StoreUnavailable { why }) =
                self.commit_command(store, evidence, &command, time)
            {
                return Err(store::Error::plain(why));
            }
            self.forget_abort();
        }
        self.decide_for_fleet(store, evidence, time)?;
        self.exchange_seen(store, evidence, time)
    }

    /// Forgets an abort that the fleet knows of.
    fn forget_abort(&mut self) {
        self.view.aborting = None;
        self.published_view.lock().aborting = None;
    }

    /// Lets nobody through when its own evidence shows the candidate to be worse, whatever the others
    /// know.
    fn check_own_evidence(&mut self, evidence: &dyn Judge) {
        let Some((_, attempt)) = self.begun else { return };
        if self.view.veto.is_none()
            && let Some(why) = evidence.veto(attempt)
        {
            tracing::warn!(
                target: "modelgate::autopilot",
                autopilot = %self.plan.autopilot,
                candidate = self.plan.candidate.as_str(),
                why,
                "nobody on this process reaches the candidate any more"
            );
            self.view.veto = Some(why);
            self.publish();
        }
    }

    /// Decides for the fleet, if no replica has for a period.
    fn decide_for_fleet(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Judge,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        let since = time.monotonic.saturating_sub(self.ticked_at);
        if since < self.timing.period {
            return Ok(());
        }
        let Some(seen) = self.view.seen.clone() else { return Ok(()) };
        let fleet = self.read_fleet(store, evidence, &seen.state, time)?;
        let (sums, gone) = (fleet.sums, fleet.gone);
        let id = self.id.clone();
        // A fleet that was away has not observed the time of its absence.
        let elapsed = since.min(self.timing.period.saturating_mul(2));
        let now = DecisionContext { elapsed, at: time.unix, by: &id };
        let next = match seen.state.config_hash == self.config_hash {
            true => {
                let mut step = machine::step(&self.plan, &seen.state, &sums, None, now);
                self.view.gates = step.gates;
                step.state
                    .closed
                    .extend(gone.iter().map(|(id, tally)| (id.clone(), tally.clone())));
                step.state
            }
            // Another plan becomes the fleet's once most replicas follow it.
            false if fleet.same_plan * 2 > sums.replicas => {
                machine::replan(&self.plan, &self.config_hash, &seen.state, &sums, now)
            }
            false => return Ok(()),
        };
        let tag = store.store(&self.state_name(), &next.to_bytes(), Expect::Tag(seen.tag))?;
        self.adopt(next, tag, evidence, time);
        self.view.read_at = Some(time.monotonic);
        for name in gone.keys().chain(&fleet.stale) {
            // Kept in the state, or of an attempt that is over. If it cannot be removed, the next decision
            // tries again.
            let _ = store.remove(&format!("{}/tally/{name}.json", self.prefix));
            self.heartbeats.remove(name);
        }
        Ok(())
    }

    /// The transitions that have not been reported yet, oldest first.
    pub(super) fn new_transitions(&mut self) -> Vec<Transition> {
        let Some(seen) = &self.view.seen else { return Vec::new() };
        let transitions = seen.state.transitions.iter();
        let new_transitions = match self.reported_rev {
            // What happened before this process started is not reported.
            None => Vec::new(),
            Some(reported_rev) => {
                transitions.filter(|one| one.rev > reported_rev).cloned().collect()
            }
        };
        self.reported_rev = Some(self.reported_rev.unwrap_or(0).max(seen.state.rev));
        new_transitions
    }
}

/// The folder of an autopilot's documents: its name, or where that is no name of a folder, what is left
/// of it with a hash.
fn slug(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            'a'..='z' | '0'..='9' | '-' => c,
            _ => '-',
        })
        .take(60)
        .collect();
    match plain == name && !name.is_empty() {
        true => plain,
        false => {
            let hash: String = Tag::of(name.as_bytes()).as_str().chars().take(12).collect();
            format!("{plain}-{hash}").trim_start_matches('-').to_owned()
        }
    }
}
