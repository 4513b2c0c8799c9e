//! The threads of an autopilot: one that talks to the store, one that keeps the share right while the
//! first waits, and one a writer.

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
    evidence::Evidence,
    plan::RolloutPlan,
    replica::{ClockReading, LocalHealth, Replica, ReplicaTiming, ReplicaView, ShareGate},
    stage::Share,
    status,
    store::StateStore,
    writer::ShareWriter,
};
use crate::{clock::Clock, prediction_id::PredictionId, router::clamp::Clamped};

/// Transitions that wait for a slow receiver.
const TRANSITION_BUFFER: usize = 100;

/// A command and who waits for what comes of it.
pub(super) struct PendingCommand {
    pub(super) command: Command,
    pub(super) reply: SyncSender<Result<(), CommandError>>,
}

/// What the threads and the handles share.
pub(super) struct RunnerShared {
    pub(super) plan: Arc<RolloutPlan>,
    pace: ReplicaTiming,
    evidence: Arc<dyn Evidence>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    view: Arc<Mutex<ReplicaView>>,
    control: Mutex<ShareControl>,
    /// The writers that found something else than they left: at which revision, and in words.
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
    gate: ShareGate,
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
    /// Somebody asked the store's thread for something.
    store: bool,
    /// Something changed that the share depends on.
    share: bool,
    /// Counts what may be to be written.
    writers: u64,
    stopped: bool,
}

/// The threads. They end when this is dropped; it does not wait for a store that hangs.
pub(super) struct Runner {
    shared: Arc<RunnerShared>,
}

impl Runner {
    pub(super) fn start(
        plan: RolloutPlan,
        pace: ReplicaTiming,
        evidence: Arc<dyn Evidence>,
        store: Arc<dyn StateStore>,
        writers: Vec<Arc<dyn ShareWriter>>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Runner> {
        let plan = Arc::new(plan);
        let id = PredictionId::generate();
        let hash = evidence.config_hash();
        let replica = Replica::new(Arc::clone(&plan), pace, id.to_string(), &hash);
        let shared = Arc::new(RunnerShared {
            plan,
            pace,
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
        // One each: a vendor that never answers keeps no other from being told.
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

    /// The store's thread.
    fn run_polling(&self, mut replica: Replica, mut random: u64) {
        loop {
            // The store and the evidence are the user's code: one that panics is as one that fails.
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
            // A fifth more or less, so that a fleet started at once does not ask at once.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let fifth = (random >> 33) as f64 / f64::from(1_u32 << 31);
            let pause = self.pace.period.mul_f64(0.8 + 0.4 * fifth);
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
                // In force here by the time the caller hears of it.
                self.apply_share();
                // Whoever asked may have given up by now.
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

    /// The thread that lets go of the share when nothing is heard.
    fn run_share_control(&self) {
        let pause = (self.pace.period / 4).min(Duration::from_secs(1));
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

    /// Waits for a change, or for this long; `true` when it is over.
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
            control.gate.decide(&view, &self.plan, &self.pace, &*self.evidence, self.time());
        let decided = (share, why);
        if control.published.as_ref() != Some(&decided) {
            publish(&control.routers, &self.plan.autopilot, &decided);
            control.published = Some(decided);
        }
        control.routers.retain(|router| router.strong_count() > 0);
    }

    /// How the candidate fares on the routers: on the worst of them.
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

    /// Nobody on this process is let through any more, before the store knows.
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
        status::status(&self.plan, &view, published, metrics, self.overruled(), self.time())
    }

    /// Whether an operator decides on any of the routers, and the share does not.
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
