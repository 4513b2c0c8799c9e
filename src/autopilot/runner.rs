//! The threads of an autopilot: one polls the store, one keeps the share up to date while the first
//! waits, and each writer has one.

mod writer_record;
mod writer_thread;

use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    CommandError, Status, Transition,
    command::Command,
    judge::Judge,
    plan::RolloutPlan,
    replica::{ClockReading, LocalHealth, Replica, ReplicaTiming, ReplicaView, ShareInForce},
    stage::Share,
    status,
    store::StateStore,
    writer::ShareWriter,
};
use crate::{clock::Clock, prediction_id::PredictionId, router::clamp::Clamped};

/// Transitions that wait for a slow receiver.
const TRANSITION_BUFFER: usize = 100;

/// A command, and where its result is waited for.
pub(super) struct PendingCommand {
    pub(super) command: Command,
    pub(super) reply: SyncSender<Result<(), CommandError>>,
}

/// What the threads and the handles share.
pub(super) struct RunnerShared {
    pub(super) plan: Arc<RolloutPlan>,
    timing: ReplicaTiming,
    evidence: Arc<dyn Judge>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    view: Arc<Mutex<ReplicaView>>,
    control: Mutex<ShareControl>,
    /// By writer, a conflict that it found: at which revision, and in words.
    conflicts: Mutex<BTreeMap<String, (u64, String)>>,
    writers: Vec<Arc<dyn ShareWriter>>,
    prefix: String,
    subscribers: Mutex<Vec<SyncSender<Transition>>>,
    pending_commands: Mutex<Vec<PendingCommand>>,
    wake: WakeSignal,
}

/// What is in force on the routers.
#[derive(Default)]
struct ShareControl {
    in_force: ShareInForce,
    routers: Vec<Weak<dyn Clamped>>,
    published: Option<(Share, String)>,
}

#[derive(Default)]
struct WakeSignal {
    flags: Mutex<WakeFlags>,
    changed: Condvar,
}

#[derive(Default)]
struct WakeFlags {
    /// A command is pending, or a router was attached.
    store: bool,
    /// Something changed that the share depends on.
    share: bool,
    /// Rises with each poll, after which there may be something to write. Several threads wait for it.
    writers: u64,
    stopped: bool,
}

/// Ends the threads when it is dropped, without waiting for a store that hangs.
pub(super) struct Runner {
    shared: Arc<RunnerShared>,
}

impl Runner {
    pub(super) fn start(
        plan: RolloutPlan,
        timing: ReplicaTiming,
        evidence: Arc<dyn Judge>,
        store: Arc<dyn StateStore>,
        writers: Vec<Arc<dyn ShareWriter>>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Runner> {
        let plan = Arc::new(plan);
        let id = PredictionId::generate();
        let hash = evidence.config_hash();
        let replica = Replica::new(Arc::clone(&plan), timing, id.to_string(), &hash);
        let shared = Arc::new(RunnerShared {
            plan,
            timing,
            evidence,
            store,
            clock,
            view: replica.published_view(),
            control: Mutex::default(),
            conflicts: Mutex::default(),
            writers,
            prefix: replica.prefix().to_owned(),
            subscribers: Mutex::default(),
            pending_commands: Mutex::default(),
            wake: WakeSignal::default(),
        });
        let runner = Runner { shared };
        let store_thread = Arc::clone(&runner.shared);
        thread::Builder::new()
            .name("modelgate-autopilot".into())
            .spawn(move || store_thread.run_polling(replica, id.as_u128() as u64))?;
        let share_thread = Arc::clone(&runner.shared);
        thread::Builder::new()
            .name("modelgate-autopilot-share".into())
            .spawn(move || share_thread.run_share_control())?;
        // One for each writer: a vendor that never answers delays no other.
        for writer in &runner.shared.writers {
            let (shared, writer) = (Arc::clone(&runner.shared), Arc::clone(writer));
            thread::Builder::new()
                .name("modelgate-autopilot-write".into())
                .spawn(move || shared.run_writer(&writer))?;
        }
        Ok(runner)
    }

    pub(super) fn shared(&self) -> &RunnerShared {
        &self.shared
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.shared.wake.flags.lock().stopped = true;
        self.shared.wake.changed.notify_all();
    }
}

impl RunnerShared {
    fn time(&self) -> ClockReading {
        let unix = u64::try_from(self.clock.unix().as_millis()).unwrap_or(u64::MAX);
        ClockReading { monotonic: self.clock.monotonic(), unix }
    }

    /// Polls the store until the autopilot ends.
    fn run_polling(&self, mut replica: Replica, mut random: u64) {
        loop {
            // The store and the evidence may be the user's code: a panic is treated as a failure.
            let polled = catch_unwind(AssertUnwindSafe(|| self.poll_once(&mut replica)));
            if polled.is_err() {
                tracing::error!(
                    target: "modelgate::autopilot",
                    autopilot = %self.plan.autopilot,
                    "the store or the evidence panicked"
                );
            }
            self.wake(|flags| {
                flags.share = true;
                flags.writers = flags.writers.wrapping_add(1);
            });
            // A fifth more or less, so that replicas started together do not poll together. Knuth's linear
            // congruential generator, whose high bits are random enough for that.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let fifth = (random >> 33) as f64 / f64::from(1_u32 << 31);
            let pause = self.timing.period.mul_f64(0.8 + 0.4 * fifth);
            let stopped = self.wait(pause, |flags| std::mem::take(&mut flags.store));
            if stopped {
                return;
            }
        }
    }

    fn poll_once(&self, replica: &mut Replica) {
        loop {
            let pending_commands = std::mem::take(&mut *self.pending_commands.lock());
            if pending_commands.is_empty() {
                break;
            }
            for PendingCommand { command, reply } in pending_commands {
                let done = replica.command(&*self.store, &*self.evidence, command, self.time());
                // Applied before the caller gets its reply.
                self.apply_share();
                // The caller may have stopped waiting.
                let _ = reply.send(done);
            }
        }
        let local = self.local();
        replica.poll(&*self.store, &*self.evidence, &local, self.time());
        self.apply_share();
        for transition in replica.new_transitions() {
            self.notify(&transition);
        }
    }

    /// Applies the share until the autopilot ends: it falls by time alone when the store does not answer.
    fn run_share_control(&self) {
        let pause = (self.timing.period / 4).min(Duration::from_secs(1));
        loop {
            if catch_unwind(AssertUnwindSafe(|| self.apply_share())).is_err() {
                tracing::error!(
                    target: "modelgate::autopilot",
                    autopilot = %self.plan.autopilot,
                    "the evidence panicked"
                );
            }
            if self.wait(pause, |flags| std::mem::take(&mut flags.share)) {
                return;
            }
        }
    }

    fn wake(&self, change: impl FnOnce(&mut WakeFlags)) {
        change(&mut self.wake.flags.lock());
        self.wake.changed.notify_all();
    }

    /// Waits for a change, for this long at most. Returns whether the autopilot has ended.
    fn wait(&self, pause: Duration, due: impl Fn(&mut WakeFlags) -> bool) -> bool {
        let mut flags = self.wake.flags.lock();
        let until = std::time::Instant::now() + pause;
        loop {
            if flags.stopped {
                return true;
            }
            if due(&mut flags) || self.wake.changed.wait_until(&mut flags, until).timed_out() {
                return flags.stopped;
            }
        }
    }

    /// Publishes the share on every router, where it changed.
    fn apply_share(&self) {
        let mut control = self.control.lock();
        let view = self.view.lock().clone();
        let (share, why) =
            control.in_force.update(&view, &self.plan, &self.timing, &*self.evidence, self.time());
        let decided = (share, why);
        if control.published.as_ref() != Some(&decided) {
            publish(&control.routers, &self.plan.autopilot, &decided);
            control.published = Some(decided);
        }
        control.routers.retain(|router| router.strong_count() > 0);
    }

    /// The candidate's health over this process's routers: it must be able to answer on each of them.
    fn local(&self) -> LocalHealth {
        let routers: Vec<_> =
            self.control.lock().routers.iter().filter_map(Weak::upgrade).collect();
        let health: Vec<_> =
            routers.iter().map(|router| router.health(&self.plan.candidate)).collect();
        LocalHealth {
            eligible: !health.is_empty()
                && health.iter().all(|one| one.is_some_and(|one| one.eligible)),
            breaker_opens: health.iter().flatten().map(|one| one.breaker_opens).sum(),
            conflict: self.conflicts.lock().values().max().cloned(),
        }
    }

    fn notify(&self, transition: &Transition) {
        tracing::info!(
            target: "modelgate::autopilot",
            autopilot = %self.plan.autopilot,
            from = %transition.from,
            to = %transition.to,
            share = transition.share.percent(),
            cause = transition.cause.as_str(),
            attempt = transition.attempt,
            "{}", transition.sentence
        );
        self.subscribers.lock().retain(|subscriber| {
            !matches!(
                subscriber.try_send(transition.clone()),
                Err(mpsc::TrySendError::Disconnected(_))
            )
        });
    }

    pub(super) fn subscribe(&self) -> mpsc::Receiver<Transition> {
        let (sender, receiver) = mpsc::sync_channel(TRANSITION_BUFFER);
        self.subscribers.lock().push(sender);
        receiver
    }

    pub(super) fn submit(&self, command: PendingCommand) {
        self.pending_commands.lock().push(command);
        self.wake(|flags| flags.store = true);
    }

    /// From now on nobody in this process is let through, before the abort is committed.
    pub(super) fn abort_here(&self, command: &Command) {
        let released = {
            let mut view = self.view.lock();
            let released = view.state().is_some_and(|state| state.phase == super::Phase::Released);
            if !released {
                view.abort(command.clone());
            }
            released
        };
        if !released {
            self.apply_share();
        }
    }

    pub(super) fn attach(&self, router: Weak<dyn Clamped>) {
        let mut control = self.control.lock();
        if let Some(published) = &control.published {
            publish(std::slice::from_ref(&router), &self.plan.autopilot, published);
        }
        control.routers.push(router);
        drop(control);
        self.wake(|flags| flags.store = true);
    }

    pub(super) fn knows_users_together(&self) -> bool {
        self.store.is_shared() && self.evidence.knows_users()
    }

    pub(super) fn status(&self) -> Status {
        let published = self.control.lock().published.clone();
        let published =
            published.unwrap_or_else(|| (Share::NOBODY, "nothing has been read yet".to_owned()));
        let view = self.view.lock().clone();
        let metrics = view.metrics();
        let (freeze, overruled) = (self.timing.freeze, self.overruled());
        status::status(&self.plan, freeze, &view, published, metrics, overruled, self.time())
    }

    /// Whether an operator's pin or block overrides the share on any of the routers.
    fn overruled(&self) -> bool {
        let routers: Vec<_> =
            self.control.lock().routers.iter().filter_map(Weak::upgrade).collect();
        routers.iter().any(|router| {
            router.health(&self.plan.candidate).is_some_and(|health| health.overruled)
        })
    }
}

fn publish(routers: &[Weak<dyn Clamped>], autopilot: &str, (share, why): &(Share, String)) {
    let why: Arc<str> = why.as_str().into();
    for router in routers.iter().filter_map(Weak::upgrade) {
        router.clamp(autopilot, share.thousandths(), &why);
    }
}
