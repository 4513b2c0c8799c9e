//! The autopilot itself, as a service holds it.

use std::{
    fmt,
    sync::{Arc, Weak, mpsc},
    time::Duration,
};

use super::{
    Builder, CommandError, Gate, Status, Transition,
    command::{Command, CommandKind},
    plan::RolloutPlan,
    runner::{PendingCommand, Runner, RunnerShared},
};
use crate::{Rollout, flag::Flag, rollout, router::clamp::Clamped, version::Version};

/// How long a command waits for the store.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// An automatic rollout; see the [module](super).
///
/// A clone is another handle of the same autopilot. It ends when the last handle is dropped, including
/// those of its routers; its share stays in force on a router that outlives it.
///
/// ```
/// use std::time::Duration;
/// use modelgate::{
///     autopilot::{Autopilot, Stage, store::MemoryStore},
///     verdict::{Metric, Verdict},
/// };
///
/// let verdict = Verdict::<f32>::builder("v2").against("v1").metric(Metric::failures()).build()?;
/// let day = Duration::from_secs(24 * 3600);
/// let autopilot = Autopilot::builder("ml-model-version", "v2")
///     .stages([5.0, 25.0, 50.0].map(|percent| Stage::percent(percent).for_at_least(day)))
///     .require(&verdict)
///     .store(MemoryStore::new())
///     .build()?;
/// // Then give both to the router: `.sink(verdict.clone()).autopilot(&autopilot)`.
/// assert_eq!(autopilot.status().share, 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// An autopilot for a candidate. Users are drawn by the autopilot's name, so that successive rollouts
    /// under one name let the same users through first; the fleet's state is kept under it as well.
    pub fn builder(name: impl Into<String>, candidate: impl Into<Version>) -> Builder {
        Builder::new(name.into(), candidate.into())
    }

    pub(super) fn new(runner: Runner) -> Autopilot {
        Autopilot { runner: Arc::new(runner) }
    }

    fn shared(&self) -> &RunnerShared {
        self.runner.shared()
    }

    pub(super) fn plan(&self) -> &RolloutPlan {
        &self.shared().plan
    }

    /// The present state of the rollout.
    pub fn status(&self) -> Status {
        self.shared().status()
    }

    /// A flag that names the candidate for everybody, for teams without a vendor: then the autopilot alone
    /// decides how many users it reaches.
    ///
    /// # Errors
    ///
    /// When the flag's key or the candidate's name is not valid.
    pub fn as_source(&self, flag: impl Into<String>) -> Result<Flag, rollout::Error> {
        Rollout::everyone(self.plan().candidate.as_str()).flag(&flag.into())
    }

    /// Approves the next stage, where it [needs that](super::Stage::approval).
    ///
    /// # Errors
    ///
    /// [`CommandError`], when there is nothing to approve, or the approval could not be committed.
    pub fn approve(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Approve { waived: Vec::new() }, reason.into())
    }

    /// Approves the next stage and waives these gates for the present one: any of
    /// [`Dwell`](Gate::Dwell), [`MinPairs`](Gate::MinPairs), [`Coverage`](Gate::Coverage),
    /// [`Undecided`](Gate::Undecided) and [`Signal`](Gate::Signal). The history records it.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when there is no next stage, a gate cannot be waived, or the approval could not
    /// be committed.
    pub fn approve_waiving(
        &self,
        gates: impl IntoIterator<Item = Gate>,
        reason: impl Into<String>,
    ) -> Result<(), CommandError> {
        self.submit(CommandKind::Approve { waived: gates.into_iter().collect() }, reason.into())
    }

    /// Keeps the share where it is until [`resume`](Self::resume). A candidate that turns out to be worse
    /// is rolled back all the same.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when there is nothing to pause, or the pause could not be committed.
    pub fn pause(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Pause, reason.into())
    }

    /// Resumes a paused rollout. The stage is observed for its whole time again.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when it is not paused, or the command could not be committed.
    pub fn resume(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Resume, reason.into())
    }

    /// Rolls the rollout back. In this process nobody reaches the candidate from this moment on, even if
    /// the store does not answer.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when it is rolled back or released already, or the abort could not be committed
    /// yet.
    pub fn abort(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        let command = Command { kind: CommandKind::Abort, reason: reason.into() };
        if command.reason.trim().is_empty() {
            return Err(CommandError::NoReason);
        }
        self.shared().abort_here(&command);
        self.send(command)
    }

    /// Begins another attempt after a rollback, at half the error of the one before.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when it is not rolled back, when the
    /// [cool-down](Builder::cool_down) is not over, or the command could not be committed.
    pub fn retry(&self, reason: impl Into<String>) -> Result<(), CommandError> {
        self.submit(CommandKind::Retry, reason.into())
    }

    /// Every transition from now on. Up to a hundred wait for a slow receiver; further ones are dropped,
    /// and can be found in the [status](Self::status).
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
        match answer.recv_timeout(COMMAND_PATIENCE) {
            Ok(done) => done,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(CommandError::StoreUnavailable {
                why: format!("it has not answered for {} s", COMMAND_PATIENCE.as_secs()),
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

    /// Whether the hash of a user's key must be the same in every process.
    pub(crate) fn knows_users_together(&self) -> bool {
        self.shared().knows_users_together()
    }

    pub(crate) fn seed(&self) -> u32 {
        self.plan().seed
    }
}
