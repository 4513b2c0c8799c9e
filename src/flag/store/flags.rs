//! The handle of a store.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Core, FlagValue, Guard, NotReadyError, Snapshot, SnapshotListener, SourceStatus, Status,
    details, not_ready::RuntimeCheck,
};
use crate::{
    clock::{Clock, SystemClock},
    contain::contained,
    context::EvaluationContext,
    flag::{EvaluationDetails, FlagSet},
    source::{self, FlagSource, FlagUpdates, Subscription},
    value::Map,
};

/// All flags of a service, kept up to date by its sources. Clones share one store; when the last
/// one is dropped the sources stop.
///
/// ```
/// use modelgate::{Context, Flags, source::EnvironmentSource};
///
/// let overrides = EnvironmentSource::new().with_variables([("MODELGATE_FLAG_BETA", "true")]);
/// let flags = Flags::builder().source(overrides).build()?;
/// assert!(flags.boolean("beta", &Context::new("user-42"), false));
/// assert_eq!(flags.integer("absent", &Context::new("user-42"), 3), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Flags(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    /// In the order of the sources. Apart from the core, which sources hold on to while they
    /// deliver: the core must not be what stops them.
    subscriptions: Mutex<Vec<Subscription>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.close();
        let subscriptions = std::mem::take(&mut *self.subscriptions.lock());
        drop(subscriptions);
    }
}

impl Flags {
    /// A store without sources yet.
    pub fn builder() -> Builder {
        Builder { sources: Vec::new(), clock: None }
    }

    /// Whether the flag `key` is on; `default` when it does not say.
    pub fn boolean(&self, key: &str, context: &dyn EvaluationContext, default: bool) -> bool {
        self.value(key, context, default)
    }

    /// The text of the flag `key`; `default` when it does not say.
    pub fn string(
        &self,
        key: &str,
        context: &dyn EvaluationContext,
        default: impl Into<String>,
    ) -> String {
        self.value(key, context, default.into())
    }

    /// The integer of the flag `key`; `default` when it does not say.
    pub fn integer(&self, key: &str, context: &dyn EvaluationContext, default: i64) -> i64 {
        self.value(key, context, default)
    }

    /// The number of the flag `key`; `default` when it does not say.
    pub fn float(&self, key: &str, context: &dyn EvaluationContext, default: f64) -> f64 {
        self.value(key, context, default)
    }

    /// The object of the flag `key`; `default` when it does not say.
    pub fn object(&self, key: &str, context: &dyn EvaluationContext, default: Map) -> Map {
        self.value(key, context, default)
    }

    fn value<T: FlagValue>(&self, key: &str, context: &dyn EvaluationContext, default: T) -> T {
        details::read(&self.load(), key, context, &*self.0.core.clock, default).value
    }

    /// The answer of the flag `key` with how it came about.
    ///
    /// ```
    /// use modelgate::{Context, Flags, Reason, Rollout};
    ///
    /// let flags = Flags::builder().source(Rollout::everyone("v1").flag("version")?).build()?;
    /// let details = flags.details("version", &Context::new("user-42"), String::from("none"));
    /// assert_eq!((&*details.value, details.reason), ("v1", Reason::Static));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn details<T: FlagValue>(
        &self,
        key: &str,
        context: &dyn EvaluationContext,
        default: T,
    ) -> EvaluationDetails<T> {
        let flags = self.load();
        let details = details::read(&flags, key, context, &*self.0.core.clock, default);
        details.into_owned_details()
    }

    /// All flags as they are now. Takes a lock; meant for looking, not for requests.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.core.cell.load_full()
    }

    /// The flags for one request; waits for nobody.
    #[inline]
    pub(crate) fn load(&self) -> Guard<Snapshot> {
        self.0.core.cell.load()
    }

    /// Whether every required source has delivered.
    pub fn is_ready(&self) -> bool {
        self.load().is_ready()
    }

    /// Waits until every required source has delivered.
    ///
    /// # Errors
    ///
    /// When one has not within `timeout`, and at once when one is
    /// [rejected](crate::flag::store::SourceState::Rejected); the error names it and why.
    ///
    /// This blocks. In a task, and wherever a source of your own runs on the thread that would wait,
    /// use [`ready`](Self::ready).
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), NotReadyError> {
        if self.is_ready() {
            return Ok(());
        }
        let runtime = RuntimeCheck::begin();
        self.wait_until(timeout, |status| status.ready || status.has_rejected());
        let status = self.status();
        // It may have come between the two looks.
        if status.ready {
            return Ok(());
        }
        // Who asks only whether it is ready has held up nobody.
        let held_up = !timeout.is_zero() && runtime.was_held_up();
        Err(NotReadyError::of(&status, held_up))
    }

    /// As [`wait_ready`](Self::wait_ready), for tasks: it holds up neither the executor nor a source
    /// whose own task runs on the same thread. Needs no particular runtime.
    ///
    /// # Errors
    ///
    /// As [`wait_ready`](Self::wait_ready).
    ///
    /// ```
    /// use std::time::Duration;
    /// use modelgate::{FlagSet, Flags};
    ///
    /// # futures::executor::block_on(async {
    /// let flags = Flags::from(FlagSet::new());
    /// flags.ready(Duration::from_secs(10)).await?;
    /// # Ok::<(), modelgate::flag::store::NotReadyError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(feature = "async")]
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReadyError> {
        if self.is_ready() {
            return Ok(());
        }
        let flags = self.clone();
        crate::blocking::run_on_thread(move || flags.wait_ready(timeout)).await
    }

    /// Waits until `condition` holds of the status, and says whether it did within `timeout`.
    /// Looks again whenever a source delivers, confirms or fails.
    pub fn wait_until(&self, timeout: Duration, condition: impl FnMut(&Status) -> bool) -> bool {
        self.0.core.wait_until(timeout, condition)
    }

    /// How the store and its sources are.
    pub fn status(&self) -> Status {
        self.0.core.status()
    }

    /// The age of the least fresh required source's data; `None` while one of them has none, or
    /// its age is not known.
    pub fn age(&self) -> Option<Duration> {
        self.0.core.age()
    }

    /// Calls `callback` after every change of the flags, for as long as the store lives. Calls
    /// come one at a time and in order, on the thread of the source that made the change; changes
    /// that come during a call are announced in one. A panic in it is caught and logged.
    ///
    /// A callback that holds a clone of this handle keeps the store alive for ever.
    pub fn on_change(&self, callback: impl Fn(&Arc<Snapshot>) + Send + Sync + 'static) {
        self.0.core.on_change(Arc::new(callback));
    }

    /// Calls `callback` whenever the state of a source becomes another: starting, ready, stale,
    /// rejected. Calls come one at a time and in order, on the thread on which it happened, which
    /// for network sources is the one of all of them: return soon, or hand the status to a thread
    /// or a task of your own. A panic in it is caught and logged.
    ///
    /// ```
    /// use modelgate::{FlagSet, Flags};
    ///
    /// let flags = Flags::from(FlagSet::new());
    /// let (sender, changes) = std::sync::mpsc::channel();
    /// flags.on_status_change(move |source| {
    ///     // As a stream: what receives may be an alert, a log, a task.
    ///     let _ = sender.send((source.name.clone(), source.state.clone()));
    /// });
    /// # drop(changes);
    /// ```
    ///
    /// A callback that holds a clone of this handle keeps the store alive for ever.
    pub fn on_status_change(&self, callback: impl Fn(&SourceStatus) + Send + Sync + 'static) {
        self.0.core.on_status_change(Arc::new(callback));
    }

    /// Tells `listener` of the current snapshot at once, and of every later one before it is
    /// announced to anybody else.
    pub(crate) fn listen(&self, listener: Weak<dyn SnapshotListener>) {
        self.0.core.listen(listener);
    }
}

/// A store whose flags never change.
impl From<FlagSet> for Flags {
    fn from(set: FlagSet) -> Flags {
        let core = Arc::new(Core::new(vec![("static".into(), true)], Arc::new(SystemClock::new())));
        core.replace(0, set, None);
        Flags(Arc::new(Handle { core, subscriptions: Mutex::default() }))
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}

/// Makes a [`Flags`].
#[must_use = "nothing is fetched before `build`"]
pub struct Builder {
    sources: Vec<(Box<dyn FlagSource>, bool)>,
    clock: Option<Arc<dyn Clock>>,
}

impl Builder {
    /// Adds a source. Sources added later override earlier ones, flag by flag. The store is not
    /// ready before it has delivered.
    pub fn source(mut self, source: impl FlagSource) -> Builder {
        self.sources.push((Box::new(source), true));
        self
    }

    /// Adds a source that the store does not wait for: overrides that may not be there.
    pub fn optional_source(mut self, source: impl FlagSource) -> Builder {
        self.sources.push((Box::new(source), false));
        self
    }

    /// Reads the time from this clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Builder {
        self.clock = Some(clock);
        self
    }

    /// Starts the sources.
    ///
    /// # Errors
    ///
    /// When a source cannot start at all. One that only cannot deliver yet is no error: see
    /// [`Flags::wait_ready`] and [`Flags::status`].
    pub fn build(self) -> Result<Flags, StartError> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let mut names: Vec<(Arc<str>, bool)> = Vec::with_capacity(self.sources.len());
        for (source, required) in &self.sources {
            let name = caught(|| source.name().into_owned())
                .map_err(|cause| StartError { name: "unnamed".into(), cause })?;
            names.push((unique(name, &names), *required));
        }
        let core = Arc::new(Core::new(names.clone(), clock));
        let handle = Handle { core, subscriptions: Mutex::default() };
        for (position, ((source, _), (name, _))) in self.sources.into_iter().zip(names).enumerate()
        {
            let updates = FlagUpdates::new(&handle.core, position, Arc::clone(&name));
            let subscription = caught(move || source.subscribe(updates))
                .and_then(|subscribed| subscribed)
                .map_err(|cause| StartError { name: name.to_string(), cause })?;
            handle.subscriptions.lock().push(subscription);
        }
        Ok(Flags(Arc::new(handle)))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

/// A second `file` becomes `file-2`.
fn unique(name: String, taken: &[(Arc<str>, bool)]) -> Arc<str> {
    let free = |name: &str| !taken.iter().any(|(other, _)| **other == *name);
    if free(&name) {
        return name.into();
    }
    (2_u64..).map(|n| format!("{name}-{n}")).find(|name| free(name)).unwrap_or(name).into()
}

fn caught<T>(call: impl FnOnce() -> T) -> Result<T, source::Error> {
    contained(call).ok_or_else(|| source::Error::new("the source panicked"))
}

/// A source could not start.
#[derive(Debug)]
pub struct StartError {
    name: String,
    cause: source::Error,
}

impl StartError {
    /// The source's name.
    pub fn source_name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flag source `{}` could not start", self.name)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
