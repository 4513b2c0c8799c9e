//! One model on one server: its connections, its state, its requests.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::{Either, select};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{
    Builder, Error, FailedAttempt,
    checked::Checked,
    limit::Limit,
    redact,
    transport::{Request, Transport},
    wire::{InferenceRequest, InferenceResponse},
};
use crate::{
    model::ModelError,
    source::network::{Backoff, Network, Retry, Task, jittered},
    timer::Timer,
};

/// How long to wait, after a model is lost, before the server is asked about it again.
const AFTER_LOSS: Duration = Duration::from_millis(500);

/// The pauses between the attempts of one request, whose deadline bounds them all.
const RETRY: Retry = Retry { first: Duration::from_millis(10), max: Duration::from_millis(250) };

/// What the clones of a model share. Its thread ends with the last of them.
pub(super) struct Core {
    pub(super) shared: Arc<SharedConnection>,
    timer: Timer,
    network: Arc<Network>,
    #[expect(dead_code, reason = "held so that the server is watched")]
    watch: Task,
}

pub(super) struct SharedConnection {
    pub(super) options: Builder,
    classifier: bool,
    transport: Transport,
    pub(super) limit: Limit,
    /// The metadata that was read first. The model must not change after that.
    checked: OnceLock<Checked>,
    ready: AtomicBool,
    why: Mutex<Option<Box<str>>>,
    /// Held during a check, so that there is one at a time.
    looking: tokio::sync::Mutex<()>,
    lost: Notify,
    pub(super) retried: AtomicUsize,
}

impl Core {
    pub(super) fn start(options: Builder, classifier: bool, look: bool) -> Result<Core, Error> {
        options.validate()?;
        let network =
            Network::start().map_err(|error| Error::Client { source: Box::new(error) })?;
        let network = Arc::new(network);
        let transport = {
            let _in_loop = network.enter();
            Transport::new(&options)?
        };
        let timer = Timer::start().map_err(|error| Error::Client { source: error.into() })?;
        let shared = Arc::new(SharedConnection {
            limit: Limit::new(options.in_flight, options.waiting),
            options,
            classifier,
            transport,
            checked: OnceLock::new(),
            ready: AtomicBool::new(false),
            why: Mutex::new(None),
            looking: tokio::sync::Mutex::new(()),
            lost: Notify::new(),
            retried: AtomicUsize::new(0),
        });
        let watch = network.spawn(Arc::clone(&shared).watch(look));
        Ok(Core { shared, timer, network, watch })
    }

    /// Checks the server now.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        self.in_loop(async move { shared.look().await }).await?
    }

    pub(super) fn is_ready(&self) -> bool {
        // Acquire: with the release below, what was checked is seen as well.
        self.shared.ready.load(Ordering::Acquire)
    }

    pub(super) fn checked(&self) -> Result<&Checked, Error> {
        match self.shared.checked.get() {
            Some(checked) if self.is_ready() => Ok(checked),
            _ => Err(Error::NotReady { why: self.why().into() }),
        }
    }

    /// The metadata, whether or not the server is ready now.
    pub(super) fn known(&self) -> Option<&Checked> {
        self.shared.checked.get()
    }

    /// Why the model is not ready.
    pub(super) fn why(&self) -> String {
        let why = self.shared.why.lock();
        why.as_deref().unwrap_or("server has not been reached yet").to_owned()
    }

    /// Runs a task on the network thread, whichever runtime the caller is on. Dropping the returned
    /// future cancels the task.
    async fn in_loop<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Error> {
        let (send, answer) = oneshot::channel();
        let _task = self.network.spawn(async move {
            let _ = send.send(task.await);
        });
        answer.await.map_err(|_| Error::Client { source: "network thread ended".into() })
    }

    /// Runs a task until a deadline.
    pub(super) async fn within<T>(
        &self,
        task: impl Future<Output = Result<T, ModelError>>,
        ends: Instant,
    ) -> Result<T, ModelError> {
        let task = std::pin::pin!(task);
        match select(task, self.timer.sleep_until(ends)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => {
                Err(Error::Deadline { limit: self.shared.options.deadline }.into())
            }
        }
    }

    /// The deadline of a request that starts now.
    pub(super) fn ends(&self) -> Instant {
        let now = Instant::now();
        // `Instant` cannot hold every sum: a deadline above a year counts as a year.
        let year = Duration::from_secs(31_536_000);
        now.checked_add(self.shared.options.deadline.min(year)).unwrap_or(now)
    }

    /// Sends a request, with as many retries as are allowed, and reads the answer.
    pub(super) async fn ask(
        &self,
        checked: &Checked,
        question: InferenceRequest,
        ends: Instant,
    ) -> Result<InferenceResponse, ModelError> {
        let shared = &self.shared;
        let place = shared.limit.place().await?;
        let left = ends.saturating_duration_since(Instant::now());
        let request = shared.transport.request(&question, checked, left)?;
        let asked = {
            let shared = Arc::clone(shared);
            self.in_loop(async move {
                // Released on the network thread, so that a request whose caller has given up counts
                // until it has really ended.
                let _place = place;
                shared.tries(request, ends).await
            })
        };
        let replied = match asked.await? {
            Ok(answered) => answered.read(),
            Err(error) => Err(error),
        };
        replied.map_err(|mut error| {
            if let Some(said) = error.message_mut() {
                *said = redact::without_features(said, &question.inputs);
            }
            error.into()
        })
    }
}

impl SharedConnection {
    async fn tries(
        &self,
        request: Request,
        ends: Instant,
    ) -> Result<super::transport::RawResponse, Error> {
        let mut backoff = Backoff::new(RETRY);
        let mut left = self.options.retries;
        loop {
            let FailedAttempt { error, again } =
                match self.transport.infer(request.clone(), ends).await {
                    Ok(answered) => return Ok(answered),
                    Err(failed) => failed,
                };
            if Instant::now() >= ends {
                return Err(Error::Deadline { limit: self.options.deadline });
            }
            let again = again.filter(|_| left > 0).map(|again| backoff.pause(Some(again)));
            let fits = |pause: &Duration| {
                Instant::now().checked_add(*pause).is_some_and(|moment| moment < ends)
            };
            let Some(pause) = again.filter(fits) else {
                if matches!(error, Error::Gone { .. } | Error::Unreachable { .. }) {
                    // Routers send no more requests until the server has been checked.
                    self.set(Some(&error));
                    self.lost.notify_one();
                }
                return Err(error);
            };
            left = left.saturating_sub(1);
            self.retried.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks the server at intervals whether the model is ready.
    async fn watch(self: Arc<Self>, look: bool) {
        if look {
            let _ = self.look().await;
        }
        loop {
            let interval = jittered(self.options.interval);
            let lost = tokio::time::timeout(interval, self.lost.notified()).await.is_ok();
            if lost {
                tokio::time::sleep(interval.min(AFTER_LOSS)).await;
            }
            let _ = self.look().await;
        }
    }

    async fn look(&self) -> Result<(), Error> {
        let _looking = self.looking.lock().await;
        let found = self.inspect().await;
        self.set(found.as_ref().err());
        found
    }

    async fn inspect(&self) -> Result<(), Error> {
        if let Some(why) = self.transport.not_ready().await? {
            return Err(Error::NotReady { why: why.into() });
        }
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let metadata = self.transport.metadata().await?;
        let found = Checked::new(metadata, &self.options, self.classifier)?;
        let first = self.checked.get_or_init(|| found.clone());
        if *first != found {
            return Err(Error::mismatch(
                "metadata",
                "other inputs, outputs or extensions",
                "the same as at first; create the model anew to accept them",
            ));
        }
        Ok(())
    }

    fn set(&self, error: Option<&Error>) {
        let why: Option<Box<str>> = error.map(|error| match error {
            // The server's message may quote features, which must not reach the log.
            Error::Gone { model, .. } => format!("server does not have model `{model}`").into(),
            error => crate::error_chain(error).into(),
        });
        let ready = why.is_none();
        let (was_ready, before) = {
            let mut place = self.why.lock();
            let before = std::mem::replace(&mut *place, why.clone());
            // Release: see `is_ready`.
            (self.ready.swap(ready, Ordering::AcqRel), before)
        };
        let model = &*self.options.model;
        if ready && !was_ready {
            tracing::info!(target: "modelgate::model", model, "remote model is ready");
        } else if let Some(why) = why.filter(|why| before.as_ref() != Some(why)) {
            let why = &*why;
            tracing::warn!(target: "modelgate::model", model, why, "remote model is not ready");
        }
    }

    pub(super) fn takes_non_finite(&self, checked: &Checked) -> bool {
        self.transport.takes_non_finite(checked)
    }
}
