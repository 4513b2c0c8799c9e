//! The threads of an autopilot: one that talks to the store, and one that keeps the share right while
//! the first waits.

mod writing;

use std::{
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
    AutopilotStatus, CommandError, Transition,
    command::Command,
    evidence::Evidence,
    plan::Plan,
    replica::{Gatekeeper, Local, Pace, Replica, Time, View},
    stage::Share,
    status,
    store::StateStore,
    writer::ShareWriter,
};
use crate::{clock::Clock, prediction_id::PredictionId, router::clamp::Clamped};

/// Transitions that wait for a slow receiver.
const NEWS: usize = 100;

/// A command and who waits for what comes of it.
pub(super) struct Asked {
    pub(super) command: Command,
    pub(super) reply: SyncSender<Result<(), CommandError>>,
}

/// What the threads and the handles share.
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pace: Pace,
    evidence: Arc<dyn Evidence>,
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    view: Arc<Mutex<View>>,
    keeper: Mutex<Keeper>,
    /// A writer found something else than it left: at which revision, and in words.
    conflict: Mutex<Option<(u64, String)>>,
    writers: Vec<Arc<dyn ShareWriter>>,
    prefix: String,
    subscribers: Mutex<Vec<SyncSender<Transition>>>,
    asked: Mutex<Vec<Asked>>,
    wake: Wake,
}

/// What is in force on the routers.
#[derive(Default)]
struct Keeper {
    gatekeeper: Gatekeeper,
    routers: Vec<Weak<dyn Clamped>>,
    published: Option<(Share, String)>,
}

#[derive(Default)]
struct Wake {
    woken: Mutex<Woken>,
    changed: Condvar,
}

#[derive(Default)]
struct Woken {
    /// Somebody asked the store's thread for something.
    store: bool,
    /// Something changed that the share depends on.
    share: bool,
    /// Something may be to be written.
    writers: bool,
    stopped: bool,
}

/// The threads. They end when this is dropped; it does not wait for a store that hangs.
pub(super) struct Runner {
    shared: Arc<Shared>,
}

impl Runner {
    pub(super) fn start(
        plan: Plan,
        pace: Pace,
        evidence: Arc<dyn Evidence>,
        store: Arc<dyn StateStore>,
        writers: Vec<Arc<dyn ShareWriter>>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Runner> {
        let plan = Arc::new(plan);
        let id = PredictionId::generate();
        let hash = evidence.config_hash();
        let replica = Replica::new(Arc::clone(&plan), pace, id.to_string(), &hash);
        let shared = Arc::new(Shared {
            plan,
            pace,
            evidence,
            store,
            clock,
            view: replica.outlet(),
            keeper: Mutex::default(),
            conflict: Mutex::default(),
            writers,
            prefix: replica.prefix().to_owned(),
            subscribers: Mutex::default(),
            asked: Mutex::default(),
            wake: Wake::default(),
        });
        let runner = Runner { shared };
        let polling = Arc::clone(&runner.shared);
        thread::Builder::new()
            .name("modelgate-autopilot".into())
            .spawn(move || polling.poll_for_ever(replica, id.as_u128() as u64))?;
        let keeping = Arc::clone(&runner.shared);
        thread::Builder::new()
            .name("modelgate-autopilot-share".into())
            .spawn(move || keeping.keep_for_ever())?;
        if !runner.shared.writers.is_empty() {
            let writing = Arc::clone(&runner.shared);
            thread::Builder::new()
                .name("modelgate-autopilot-write".into())
                .spawn(move || writing.write_for_ever())?;
        }
        Ok(runner)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.shared.wake.woken.lock().stopped = true;
        self.shared.wake.changed.notify_all();
    }
}

impl Shared {
    fn time(&self) -> Time {
        let unix = u64::try_from(self.clock.unix().as_millis()).unwrap_or(u64::MAX);
        Time { monotonic: self.clock.monotonic(), unix }
    }

    /// The store's thread.
    fn poll_for_ever(&self, mut replica: Replica, mut random: u64) {
        loop {
            // The store and the evidence are the user's code: one that panics is as one that fails.
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(&mut replica)));
            if turn.is_err() {
                tracing::error!(
                    target: "modelgate::autopilot",
                    autopilot = %self.plan.autopilot,
                    "the store or the evidence panicked"
                );
            }
            self.wake(|woken| (woken.share, woken.writers) = (true, true));
            // A fifth more or less, so that a fleet started at once does not ask at once.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let fifth = (random >> 33) as f64 / f64::from(1_u32 << 31);
            let pause = self.pace.period.mul_f64(0.8 + 0.4 * fifth);
            let stopped = self.wait(pause, |woken| std::mem::take(&mut woken.store));
            if stopped {
                return;
            }
        }
    }

    fn turn(&self, replica: &mut Replica) {
        loop {
            let asked = std::mem::take(&mut *self.asked.lock());
            if asked.is_empty() {
                break;
            }
            for Asked { command, reply } in asked {
                let done = replica.command(&*self.store, &*self.evidence, command, self.time());
                // In force here by the time the caller hears of it.
                self.settle();
                // Whoever asked may have given up by now.
                let _ = reply.send(done);
            }
        }
        let local = self.local();
        replica.poll(&*self.store, &*self.evidence, &local, self.time());
        self.settle();
        for transition in replica.news() {
            self.tell(&transition);
        }
    }

    /// The thread that lets go of the share when nothing is heard.
    fn keep_for_ever(&self) {
        let pause = (self.pace.period / 4).min(Duration::from_secs(1));
        loop {
            if catch_unwind(AssertUnwindSafe(|| self.settle())).is_err() {
                tracing::error!(
                    target: "modelgate::autopilot",
                    autopilot = %self.plan.autopilot,
                    "the evidence panicked"
                );
            }
            if self.wait(pause, |woken| std::mem::take(&mut woken.share)) {
                return;
            }
        }
    }

    fn wake(&self, change: impl FnOnce(&mut Woken)) {
        change(&mut self.wake.woken.lock());
        self.wake.changed.notify_all();
    }

    /// Waits for a change, or for this long; `true` when it is over.
    fn wait(&self, pause: Duration, due: impl Fn(&mut Woken) -> bool) -> bool {
        let mut woken = self.wake.woken.lock();
        let until = std::time::Instant::now() + pause;
        loop {
            if woken.stopped {
                return true;
            }
            if due(&mut woken) || self.wake.changed.wait_until(&mut woken, until).timed_out() {
                return woken.stopped;
            }
        }
    }

    /// Publishes the share on every router, where it changed.
    fn settle(&self) {
        let mut keeper = self.keeper.lock();
        let view = self.view.lock().clone();
        let (share, why) =
            keeper.gatekeeper.settle(&view, &self.plan, &self.pace, &*self.evidence, self.time());
        let settled = (share, why);
        if keeper.published.as_ref() != Some(&settled) {
            publish(&keeper.routers, &self.plan.autopilot, &settled);
            keeper.published = Some(settled);
        }
        keeper.routers.retain(|router| router.strong_count() > 0);
    }

    /// How the candidate fares on the routers: on the worst of them.
    fn local(&self) -> Local {
        let routers: Vec<_> = self.keeper.lock().routers.iter().filter_map(Weak::upgrade).collect();
        let health: Vec<_> =
            routers.iter().map(|router| router.health(&self.plan.candidate)).collect();
        Local {
            eligible: !health.is_empty()
                && health.iter().all(|one| one.is_some_and(|one| one.eligible)),
            breaker_opens: health.iter().flatten().map(|one| one.breaker_opens).sum(),
            conflict: self.conflict.lock().clone().map(|(_, why)| why),
        }
    }

    fn tell(&self, transition: &Transition) {
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
        let (sender, receiver) = mpsc::sync_channel(NEWS);
        self.subscribers.lock().push(sender);
        receiver
    }

    pub(super) fn ask(&self, asked: Asked) {
        self.asked.lock().push(asked);
        self.wake(|woken| woken.store = true);
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
            self.settle();
        }
    }

    pub(super) fn attach(&self, router: Weak<dyn Clamped>) {
        let mut keeper = self.keeper.lock();
        if let Some(published) = &keeper.published {
            publish(std::slice::from_ref(&router), &self.plan.autopilot, published);
        }
        keeper.routers.push(router);
        drop(keeper);
        self.wake(|woken| woken.store = true);
    }

    pub(super) fn knows_users_together(&self) -> bool {
        self.store.is_shared() && self.evidence.knows_users()
    }

    pub(super) fn status(&self) -> AutopilotStatus {
        let published = self.keeper.lock().published.clone();
        let published =
            published.unwrap_or_else(|| (Share::NOBODY, "nothing has been read yet".to_owned()));
        let view = self.view.lock().clone();
        let metrics = view.metrics();
        status::status(&self.plan, &view, published, metrics, self.time())
    }
}

fn publish(routers: &[Weak<dyn Clamped>], autopilot: &str, (share, why): &(Share, String)) {
    let why: Arc<str> = why.as_str().into();
    for router in routers.iter().filter_map(Weak::upgrade) {
        router.clamp(autopilot, share.thousandths(), &why);
    }
}
