//! One process's part in the fleet: what it reads, writes, decides, and lets through meanwhile.
//!
//! Times are handed in, so that the whole protocol runs on a virtual clock. Ages are monotonic: a
//! wall clock that jumps gains nobody anything. Only `effective_at` is wall time.

mod command;
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
    phase::Phase,
    plan::RolloutPlan,
    state::RolloutState,
    store::{Expect, StateStore, StoreError, Tag},
    sums::MetricSum,
    tally::ReplicaTally,
    transition::Transition,
};

/// How often replicas tell each other whom they have counted, at a period of ten seconds.
const SHARE_SEEN: Duration = Duration::from_secs(60);

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
    ) -> Result<(), StoreError> {
        // Its own evidence needs no store.
        self.check_own_evidence(evidence);
        self.read(store, evidence, time)?;
        self.tell(store, evidence, local, time)?;
        if let Some(command) = self.view.aborting.clone() {
            // Refused: it has been rolled back, or released, by somebody else meanwhile.
            if let Err(CommandError::StoreUnavailable { why }) =
                self.commit_command(store, evidence, &command, time)
            {
                return Err(StoreError::plain(why));
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

    /// Reads the state, makes the first, or restores what the store forgot.
    fn read(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Evidence,
        time: ClockReading,
    ) -> Result<(), StoreError> {
        let name = self.state_name();
        match store.load(&name)? {
            Some((bytes, tag)) => {
                let state = RolloutState::parse(&bytes).map_err(|error| {
                    StoreError::new(format!("{name} cannot be followed"), error)
                })?;
                let forgotten =
                    self.view.seen.as_ref().and_then(|seen| forgotten(&seen.state, &state));
                match forgotten {
                    None => self.adopt(state, tag, evidence, time),
                    Some(mine) => {
                        let tag = store.store(&name, &mine.to_bytes(), Expect::Tag(tag))?;
                        self.adopt(mine, tag, evidence, time);
                    }
                }
            }
            None => {
                let state = match &self.view.seen {
                    Some(seen) => RolloutState::clone(&seen.state),
                    None => RolloutState::new(&self.plan, &self.config_hash, time.unix),
                };
                let tag = store.store(&name, &state.to_bytes(), Expect::Absent)?;
                self.adopt(state, tag, evidence, time);
            }
        }
        self.view.read_at = Some(time.monotonic);
        self.publish();
        Ok(())
    }

    fn adopt(
        &mut self,
        state: RolloutState,
        tag: Tag,
        evidence: &dyn Evidence,
        time: ClockReading,
    ) {
        let (ticked, announced) = match &self.view.seen {
            Some(seen) => (
                seen.state.tick.count != state.tick.count,
                match seen.state.effective_at == state.effective_at {
                    true => seen.announced,
                    false => time.monotonic,
                },
            ),
            None => (true, time.monotonic),
        };
        if ticked {
            self.ticked_at = time.monotonic;
        }
        let begins = (state.artefact.clone(), state.attempt);
        let folded = state.closed.contains_key(&self.id);
        if folded {
            // The fleet took this process for gone: what it counted until then is kept, and it goes
            // on as another, with nothing.
            self.id = crate::prediction_id::PredictionId::generate().to_string();
            self.seq = 0;
        }
        if folded || self.begun.as_ref() != Some(&begins) {
            evidence.begin(state.attempt);
            self.begun = Some(begins);
            self.shared_at = None;
            self.view.veto = None;
        }
        self.view.seen = Some(StoredState { state: Arc::new(state), tag, announced });
        self.publish();
    }

    /// Writes what this process counts.
    fn tell(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Evidence,
        local: &LocalHealth,
        time: ClockReading,
    ) -> Result<(), StoreError> {
        let Some((artefact, attempt)) = self.begun.clone() else { return Ok(()) };
        self.seq = self.seq.saturating_add(1);
        let guarding = self.state().is_some_and(|state| {
            matches!(state.phase.running(), Some(super::phase::Running::Guarding))
        });
        let tally = ReplicaTally {
            schema: super::state::SCHEMA,
            replica: self.id.clone(),
            seq: self.seq,
            at: time.unix,
            config_hash: self.config_hash.clone(),
            artefact,
            attempt,
            eligible: local.eligible,
            breaker_opens: local.breaker_opens,
            veto: self.view.veto.clone(),
            alarm: if guarding { evidence.alarm(self.view.replicas.max(1)) } else { None },
            conflict: local.conflict.as_ref().map(|(_, why)| why.clone()),
            conflict_rev: local.conflict.as_ref().map_or(0, |(rev, _)| *rev),
            counts: evidence.counts(),
        };
        let name = format!("{}/tally/{}.json", self.prefix, self.id);
        store.store(&name, &tally.to_bytes(), Expect::Any)?;
        Ok(())
    }

    /// Tells the others whom this process has counted, and hears whom they have.
    fn share_seen(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Evidence,
        time: ClockReading,
    ) -> Result<(), StoreError> {
        let since = self.shared_at.map(|at| time.monotonic.saturating_sub(at));
        if since.is_some_and(|since| since < SHARE_SEEN.min(self.pace.period * 6)) {
            return Ok(());
        }
        self.shared_at = Some(time.monotonic);
        let (Some((_, attempt)), Some(seen)) = (&self.begun, evidence.seen()) else {
            return Ok(());
        };
        let folder = format!("{}/seen-{attempt}/", self.prefix);
        let own = format!("{folder}{}", self.id);
        for name in store.list(&folder)?.into_iter().filter(|name| *name != own) {
            if let Some((bytes, _)) = store.load(&name)? {
                evidence.merge_seen(&bytes);
            }
        }
        store.store(&own, &seen, Expect::Any)?;
        Ok(())
    }

    /// Decides for the fleet, if nobody has for a period.
    fn lead(
        &mut self,
        store: &dyn StateStore,
        evidence: &dyn Evidence,
        time: ClockReading,
    ) -> Result<(), StoreError> {
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

/// The state that must be restored in the store, if it forgot something that happened.
fn forgotten(mine: &RolloutState, found: &RolloutState) -> Option<RolloutState> {
    if found.rev < mine.rev {
        return Some(mine.clone());
    }
    // A rollback is left by a new attempt or another candidate, and by nothing else.
    let same = found.artefact == mine.artefact && found.attempt == mine.attempt;
    let undone = mine.phase == Phase::RolledBack
        && !matches!(found.phase, Phase::RolledBack)
        && found.config_hash == mine.config_hash;
    (same && undone).then(|| RolloutState { rev: found.rev.saturating_add(1), ..mine.clone() })
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
