//! One process's part in the fleet: what it reads, writes, decides, and lets through meanwhile.
//!
//! Times are handed in, so that the whole protocol runs on a virtual clock. Ages are monotonic: a
//! wall clock that jumps gains nobody anything. Only `effective_at` is wall time.

mod command;
mod counts;
mod document;
mod fleet;
mod share;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use self::fleet::Heartbeat;
pub(super) use self::share::ShareGate;
use super::{
    command::{Command, CommandError},
    evidence::Evidence,
    gate::GateReport,
    machine::{self, DecisionContext},
    plan::RolloutPlan,
    state::RolloutState,
    store::{self, Expect, StateStore, Tag},
    sums::MetricSum,
    transition::Transition,
};

/// How often a replica looks, and how long it trusts what it saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ReplicaTiming {
    pub(super) period: Duration,
    /// Without an answer of the store for this long the share grows no more.
    pub(super) freeze: Duration,
    /// For this long: nobody is let through.
    pub(super) lapse: Duration,
    /// A tally that has not changed for this long is of a replica that is gone.
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

/// The time, twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockReading {
    /// Since any fixed moment of this process; never goes back.
    pub(super) monotonic: Duration,
    /// Milliseconds since 1970; may jump.
    pub(super) unix: u64,
}

/// How the candidate fares on this process's routers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LocalHealth {
    pub(super) eligible: bool,
    pub(super) breaker_opens: u64,
    /// What a writer found changed: at which revision, and in words.
    pub(super) conflict: Option<(u64, String)>,
}

/// The state as this replica last read or wrote it.
#[derive(Clone, Debug)]
struct StoredState {
    state: Arc<RolloutState>,
    tag: Tag,
    /// When this share was first seen announced, by our own time.
    announced: Duration,
}

/// What a replica knows: enough to say whom it lets through while the store keeps it waiting.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicaView {
    id: String,
    seen: Option<StoredState>,
    read_at: Option<Duration>,
    /// The evidence of this process condemned the candidate.
    veto: Option<String>,
    /// Somebody aborted here, and the store does not know it yet.
    aborting: Option<Command>,
    pub(super) gates: Vec<GateReport>,
    pub(super) replicas: usize,
    pub(super) metrics: Vec<MetricSum>,
    /// Why the store did not do what was asked.
    pub(super) problem: Option<String>,
}

pub(super) struct Replica {
    plan: Arc<RolloutPlan>,
    pace: ReplicaTiming,
    id: String,
    prefix: String,
    config_hash: String,
    seq: u64,
    view: ReplicaView,
    /// Where others look while a store keeps this one waiting.
    published_view: Arc<Mutex<ReplicaView>>,
    ticked_at: Duration,
    /// What the evidence counts for: of which candidate, in which attempt.
    begun: Option<(String, u32)>,
    heartbeats: BTreeMap<String, Heartbeat>,
    /// When whom the evidence has counted was last shared.
    shared_at: Option<Duration>,
    /// The last revision whose transitions were handed on.
    reported_rev: Option<u64>,
}

impl Replica {
    pub(super) fn new(
        plan: Arc<RolloutPlan>,
        pace: ReplicaTiming,
        id: String,
        evidence: &str,
    ) -> Replica {
        Replica {
            prefix: slug(&plan.autopilot),
            config_hash: plan.hash(evidence),
            plan,
            pace,
            id,
            seq: 0,
            view: ReplicaView::default(),
            published_view: Arc::default(),
            ticked_at: Duration::ZERO,
            begun: None,
            heartbeats: BTreeMap::new(),
            shared_at: None,
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

    /// Where what this replica knows is to be seen, without waiting for it.
    pub(super) fn published_view(&self) -> Arc<Mutex<ReplicaView>> {
        Arc::clone(&self.published_view)
    }

    fn publish(&self) {
        let mut published_view = self.published_view.lock();
        // Somebody who aborts does not wait for this replica either.
        let aborting = published_view.aborting.take().or_else(|| self.view.aborting.clone());
        *published_view = ReplicaView { aborting, id: self.id.clone(), ..self.view.clone() };
    }

    /// Looks, tells the others, and decides for all if nobody else has lately.
    pub(super) fn poll(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Evidence,
        local: &LocalHealth,
        time: ClockReading,
    ) {
        let polled = self.try_poll(store, evidence, local, time);
        // That somebody else was first is how it should be.
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
        evidence: &dyn Evidence,
        local: &LocalHealth,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        // Its own evidence needs no store.
        self.check_own_evidence(evidence);
        self.read(store, evidence, time)?;
        self.tell(store, evidence, local, time)?;
        if let Some(command) = self.view.aborting.clone() {
            // Refused: it has been rolled back, or released, by somebody else meanwhile.
            if let Err(CommandError::StoreUnavailable { why }) =
                self.commit_command(store, evidence, &command, time)
            {
                return Err(store::Error::plain(why));
            }
            self.aborted();
        }
        self.lead(store, evidence, time)?;
        self.share_seen(store, evidence, time)
    }

    /// The fleet knows of an abort.
    fn aborted(&mut self) {
        self.view.aborting = None;
        self.published_view.lock().aborting = None;
    }

    /// Stops on its own evidence, whatever the others know.
    fn check_own_evidence(&mut self, evidence: &dyn Evidence) {
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

    /// Decides for the fleet, if nobody has for a period.
    fn lead(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Evidence,
        time: ClockReading,
    ) -> Result<(), store::Error> {
        let since = time.monotonic.saturating_sub(self.ticked_at);
        if since < self.pace.period {
            return Ok(());
        }
        let Some(seen) = self.view.seen.clone() else { return Ok(()) };
        let fleet = self.read_fleet(store, evidence, &seen.state, time)?;
        let (sums, gone) = (fleet.sums, fleet.gone);
        let id = self.id.clone();
        let elapsed = since.min(self.pace.period * 2);
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
            // This plan is not the fleet's, unless most follow it by now.
            false if fleet.like_this * 2 > sums.replicas => {
                machine::replan(&self.plan, &self.config_hash, &seen.state, &sums, now)
            }
            false => return Ok(()),
        };
        let tag = store.store(&self.state_name(), &next.to_bytes(), Expect::Tag(seen.tag))?;
        self.adopt(next, tag, evidence, time);
        self.view.read_at = Some(time.monotonic);
        for name in gone.keys().chain(&fleet.stale) {
            // Folded, or of an attempt that is over: one left behind is removed the next time.
            let _ = store.remove(&format!("{}/tally/{name}.json", self.prefix));
            self.heartbeats.remove(name);
        }
        Ok(())
    }

    /// The transitions that have not been handed on yet, oldest first.
    pub(super) fn new_transitions(&mut self) -> Vec<Transition> {
        let Some(seen) = &self.view.seen else { return Vec::new() };
        let transitions = seen.state.transitions.iter();
        let new_transitions = match self.reported_rev {
            // What happened before this process started is history, not news.
            None => Vec::new(),
            Some(reported_rev) => {
                transitions.filter(|one| one.rev > reported_rev).cloned().collect()
            }
        };
        self.reported_rev = Some(self.reported_rev.unwrap_or(0).max(seen.state.rev));
        new_transitions
    }
}

/// The folder of an autopilot's documents: its name, where that is a folder's name.
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
