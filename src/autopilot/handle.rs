//! The autopilot itself, as a service holds it.

use std::{
    fmt,
    sync::{Arc, Weak, mpsc},
    time::Duration,
};

use super::{
    Builder, CommandError, Error, Gate, Status, Transition,
    command::{Command, CommandKind},
    evidence::Evidence,
    plan::RolloutPlan,
    replica::ReplicaTiming,
    runner::{PendingCommand, Runner, RunnerShared},
    store::StateStore,
    writer::ShareWriter,
};
use crate::{Rollout, clock::Clock, flag::Flag, rollout, router::clamp::Clamped, version::Version};

/// How long a command waits for the store.
const ANSWER: Duration = Duration::from_secs(10);

/// Rolls a candidate out by itself; see the [module](super).
///
/// A clone is another handle. The autopilot ends when the last is dropped, that of its routers
/// included; its share stays in force on a router that outlives it.
#[derive(Clone)]
pub struct Autopilot {
    runner: Arc<Runner>,
}

impl fmt::Debug for Autopilot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Autopilot").field("plan", self.plan()).finish_non_exhaustive()
    }
}

impl Autopilot {
    /// An autopilot for a candidate. Its name belongs to the draw and to the state: rollouts one after
    /// the other under one name let the same users through first.
    pub fn builder(name: impl Into<String>, candidate: impl Into<Version>) -> Builder {
        Builder::new(name.into(), candidate.into())
    }

    pub(super) fn start(
        plan: RolloutPlan,
        pace: ReplicaTiming,
        evidence: Arc<dyn Evidence>,
        store: Arc<dyn StateStore>,
        writers: Vec<Arc<dyn ShareWriter>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Autopilot, Error> {
        let runner =
            Runner::start(plan, pace, evidence, store, writers, clock).map_err(Error::Thread)?;
        Ok(Autopilot { runner: Arc::new(runner) })
    }

    fn shared(&self) -> &RunnerShared {
        self.runner.shared()
    }

    pub(super) fn plan(&self) -> &RolloutPlan {
        &self.shared().plan
    }

    /// What the rollout looks like now.
    pub fn status(&self) -> Status {
        self.shared().status()
    }

    /// A flag that names the candidate for everybody, for teams without a vendor: how many it reaches
    /// is the autopilot's alone.
    ///
    /// # Errors
    ///
    /// When the flag's key or the candidate's name is not valid.
    pub fn as_source(&self, flag: impl Into<String>) -> Result<Flag, rollout::Error> {
        Rollout::everyone(self.plan().candidate.as_str()).flag(&flag.into())
    }

    /// Approves the next stage, which [asks for it](super::Stage::approval).
    ///
    /// # Errors
    ///
    /// [`CommandError`], when that makes no sense now or could not be written down.
    pub fn approve(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Approve { waived: Vec::new() }, reason.into())
    }

    /// Approves the next stage without waiting for these gates: of [`Dwell`](Gate::Dwell),
    /// [`MinPairs`](Gate::MinPairs), [`Coverage`](Gate::Coverage), [`Undecided`](Gate::Undecided) and
    /// [`Signal`](Gate::Signal). For the present stage only; it is written down.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when that makes no sense now, or could not be written down, or a gate
    /// protects users.
    pub fn approve_waiving(
        &self,
        gates: impl IntoIterator<Item = Gate>,
        reason: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.submit(CommandKind::Approve { waived: gates.into_iter().collect() }, reason.into())
    }

    /// Keeps the share where it is until [`resume`](Self::resume). What is worse is taken back all the
    /// same.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when there is nothing to pause, or it could not be written down.
    pub fn pause(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Pause, reason.into())
    }

    /// Resumes a paused rollout. The stage is observed for its whole time again.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when it is not paused, or it could not be written down.
    pub fn resume(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Resume, reason.into())
    }

    /// Takes the rollout back. On this process nobody reaches the candidate from this moment on, even
    /// if the store does not answer.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when it is rolled back or released already, or could not be written down yet.
    pub fn abort(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        let command = Command { kind: CommandKind::Abort, reason: reason.into() };
        if command.reason.trim().is_empty() {
            return Err(CommandError::NoReason);
        }
        self.shared().abort_here(&command);
        self.send(command)
    }

    /// Begins another attempt after a rollback. It needs twice the evidence of the one before.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when it is not rolled back, when it was rolled back a moment ago, or it
    /// could not be written down.
    pub fn retry(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Retry, reason.into())
    }

    /// Every transition from now on. Up to a hundred wait for a receiver that is slow; more are
    /// dropped, and are in the [status](Self::status) all the same.
    pub fn subscribe(&self) -> mpsc::Receiver<Transition> {
        self.shared().subscribe()
    }

    fn submit(&self, kind: CommandKind, reason: String) -> Result<(), CommandError> {
        self.send(Command { kind, reason })
    }

    fn send(&self, command: Command) -> Result<(), CommandError> {
        if command.reason.trim().is_empty() {
            return Err(CommandError::NoReason);
        }
        let (reply, answer) = mpsc::sync_channel(1);
        self.shared().submit(PendingCommand { command, reply });
        match answer.recv_timeout(ANSWER) {
            Ok(done) => done,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(CommandError::StoreUnavailable {
                why: format!("it has not answered for {} s", ANSWER.as_secs()),
            }),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(CommandError::NotRunning),
        }
    }

    /// Steers this router from now on.
    pub(crate) fn attach(&self, router: Weak<dyn Clamped>) {
        self.shared().attach(router);
    }

    pub(crate) fn name(&self) -> &str {
        &self.plan().autopilot
    }

    pub(crate) fn candidate(&self) -> &Version {
        &self.plan().candidate
    }

    /// Whether users must be known by the same hash in every process.
    pub(crate) fn knows_users_together(&self) -> bool {
        self.shared().knows_users_together()
    }

    pub(crate) fn seed(&self) -> u32 {
        self.plan().seed
    }
}
