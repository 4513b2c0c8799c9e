//! A model that is loaded when it is first needed.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use once_cell::sync::OnceCell;
use parking_lot::Mutex;

use super::{ErrorKind, Model, ModelError};
use crate::{
    clock::{Clock, SystemClock},
    shadow::is_shadow,
};

/// A model that is loaded when it is first needed, once, by whoever calls [`load`](Self::load).
///
/// A request never loads it, unless [`load_on_request`](Self::load_on_request) asked for that: a
/// request that meets an unloaded model gets an error of the kind
/// [`NotLoaded`](ErrorKind::NotLoaded), and its router answers with the fallback version.
///
/// ```
/// use modelgate::{Model, ModelError, model::{ErrorKind, LazyModel}, model_fn};
///
/// let model = LazyModel::new(|| {
///     Ok::<_, std::io::Error>(model_fn(|text: &str| Ok::<_, ModelError>(text.len())))
/// });
/// assert_eq!(model.predict("four").unwrap_err().kind(), ErrorKind::NotLoaded);
/// model.load()?;
/// assert_eq!(model.predict("four")?, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LazyModel<M> {
    model: OnceCell<M>,
    loader: Loader<M>,
    on_request: bool,
    retry_after: Duration,
    clock: Arc<dyn Clock>,
    /// When a request may next try, in milliseconds of the clock; 0: now.
    next_try: AtomicU64,
    /// What the last attempt failed with.
    failure: Mutex<Option<Failure>>,
}

type Failure = Arc<dyn Error + Send + Sync>;

type Loader<M> = Box<dyn Fn() -> Result<M, Box<dyn Error + Send + Sync>> + Send + Sync>;

impl<M> LazyModel<M> {
    /// A model that this function loads. The function must not load the same model again.
    pub fn new<E>(load: impl Fn() -> Result<M, E> + Send + Sync + 'static) -> LazyModel<M>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        LazyModel {
            model: OnceCell::new(),
            loader: Box::new(move || load().map_err(Into::into)),
            on_request: false,
            retry_after: Duration::from_secs(30),
            clock: Arc::new(SystemClock::new()),
            next_try: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Lets a request load the model, and the requests that come meanwhile wait for it. A shadow
    /// neither loads it nor waits for it. After a failure, requests do not try again until
    /// [`retry_after`](Self::retry_after) has passed.
    #[must_use]
    pub fn load_on_request(mut self) -> LazyModel<M> {
        self.on_request = true;
        self
    }

    /// How long requests leave a model alone whose loading failed. By default 30 seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> LazyModel<M> {
        self.retry_after = wait;
        self
    }

    /// The clock that [`retry_after`](Self::retry_after) is read from.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> LazyModel<M> {
        self.clock = Arc::new(clock);
        self
    }

    /// Loads the model if it is not loaded yet. Of several callers at once one loads it, and the
    /// others wait for that one, and fail with it if it fails. After a failure the next call tries
    /// again.
    ///
    /// # Errors
    ///
    /// When the loader fails or panics.
    pub fn load(&self) -> Result<&M, LazyLoadError> {
        let known = self.failure.lock().clone();
        self.load_unless_failed_since(known)
    }

    fn load_unless_failed_since(&self, known: Option<Failure>) -> Result<&M, LazyLoadError> {
        self.model.get_or_try_init(|| {
            // Those who waited for an attempt that failed do not try one after the other.
            let failure = self.failure.lock().clone();
            if let Some(error) = failure
                && !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &error))
            {
                return Err(LazyLoadError(error));
            }
            let error: Failure = match catch_unwind(AssertUnwindSafe(|| (self.loader)())) {
                Ok(Ok(model)) => return Ok(model),
                Ok(Err(error)) => Arc::from(error),
                Err(payload) => Arc::new(ModelError::panicked(payload)),
            };
            // Before it is known, so that no request comes in between.
            let next =
                milliseconds(self.clock.monotonic()).saturating_add(milliseconds(self.retry_after));
            self.next_try.store(next, Ordering::Relaxed);
            *self.failure.lock() = Some(Arc::clone(&error));
            Err(LazyLoadError(error))
        })
    }

    /// Whether the model is loaded.
    pub fn is_loaded(&self) -> bool {
        self.model.get().is_some()
    }

    /// The model, if it is loaded.
    pub fn get(&self) -> Option<&M> {
        self.model.get()
    }

    fn for_request(&self) -> Result<&M, ModelError> {
        match self.model.get() {
            Some(model) => Ok(model),
            None => self.load_for_request(),
        }
    }

    #[cold]
    fn load_for_request(&self) -> Result<&M, ModelError> {
        let not_loaded = |message: &'static str| ModelError::of_kind(ErrorKind::NotLoaded, message);
        if !self.on_request {
            return Err(not_loaded("the model is not loaded"));
        }
        if is_shadow() {
            return Err(not_loaded("the model is not loaded, and no shadow loads it"));
        }
        // Looked at before the time: whatever fails in between is this request's failure as well.
        let known = self.failure.lock().clone();
        // Relaxed: a request that sees an older time is told of the failure.
        if milliseconds(self.clock.monotonic()) < self.next_try.load(Ordering::Relaxed) {
            return Err(not_loaded("the model could not be loaded, and is not tried again yet"));
        }
        self.load_unless_failed_since(known).map_err(|error| {
            ModelError::with_source(ErrorKind::NotLoaded, "the model could not be loaded", error)
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<F: ?Sized, P, M: Model<F, P>> Model<F, P> for LazyModel<M> {
    fn predict(&self, features: &F) -> Result<P, ModelError> {
        self.for_request()?.predict(features)
    }

    fn predict_batch(&self, rows: &[&F]) -> Vec<Result<P, ModelError>> {
        match self.for_request() {
            Ok(model) => model.predict_batch(rows),
            Err(error) => rows.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Also `true` where a request may load it: then it is sent requests.
    fn is_loaded(&self) -> bool {
        self.on_request || LazyModel::is_loaded(self)
    }

    fn load(&self) -> Result<(), ModelError> {
        LazyModel::load(self).map(drop).map_err(|error| {
            ModelError::with_source(ErrorKind::NotLoaded, "the model could not be loaded", error)
        })
    }
}

impl<M> fmt::Debug for LazyModel<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyModel")
            .field("loaded", &self.is_loaded())
            .field("on_request", &self.on_request)
            .finish_non_exhaustive()
    }
}

/// Loading a [`LazyModel`] failed; why is in `source()`.
#[derive(Debug)]
pub struct LazyLoadError(Failure);

impl fmt::Display for LazyLoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the model could not be loaded")
    }
}

impl Error for LazyLoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
