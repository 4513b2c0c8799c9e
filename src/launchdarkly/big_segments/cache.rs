//! Big segments from a store elsewhere: what it said is kept in memory, and fetched beside requests.

mod fetch;
mod preparing;
mod waits;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;
use parking_lot::{Condvar, Mutex};

pub use self::preparing::Prepare;
use self::{fetch::CacheEntries, preparing::Ticket, waits::Waits};
use crate::{
    flag::{store::SnapshotCell, table::ShardedTable},
    hash::Names,
    launchdarkly::big_segments::{BigSegments, Membership, Status},
    source,
};

/// How many contexts may wait to be fetched.
const QUEUE: usize = 1000;

/// A store of big segments' members elsewhere, as LaunchDarkly's Relay Proxy fills it: Redis,
/// DynamoDB, a table of yours.
///
/// Both methods may wait as long as they must: they are called on threads of the [`Cache`]'s own,
/// [`memberships`](Store::memberships) on four. One that panics has failed. A call that hangs holds its
/// thread: while one, two or three hang, other contexts are fetched; while four hang, none is. Give the
/// client of the store a timeout.
pub trait Store: Send + Sync + 'static {
    /// The segments of one context, by the names under which the store lists them
    /// (`beta-users.g2`): `true` for those that it is in, `false` for those that it is kept out of.
    ///
    /// `context_hash` is the base64 of the SHA-256 of the context's key.
    ///
    /// # Errors
    /// When the store could not be asked.
    fn memberships(&self, context_hash: &str) -> Result<Vec<(String, bool)>, source::Error>;

    /// When the store was last brought up to date, since 1970; `None` if it never was.
    ///
    /// # Errors
    /// When the store could not be asked.
    fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error>;
}

/// Keeps in memory what a [`Store`] says, for requests that do not wait for it.
///
/// The vendor's clients ask the store in the middle of an evaluation, and wait for it. Here an
/// evaluation reads memory only:
///
/// - a context that is not there is fetched, and until that is done nobody is listed for it: the
///   segment's rules decide, and the answer's `bigSegmentsStatus` is `STORE_ERROR`;
/// - one that was fetched longer ago than a client may keep it is fetched again, and what is
///   there serves meanwhile; if that has become too old, the status is `STALE`;
/// - [`prepare`](Cache::prepare) fetches a context beforehand, for a caller who wants
///   the vendor's own answer at the first request: as soon as a user logs in, for instance;
/// - [`wait`](CacheBuilder::wait) has evaluations wait as the vendor's do, for services that would
///   rather be late than answer with `STORE_ERROR` at a user's first request.
///
/// ```
/// use std::time::Duration;
/// use modelgate::{launchdarkly::big_segments, source};
/// use modelgate::launchdarkly::LaunchDarkly;
///
/// struct Redis;
///
/// impl big_segments::Store for Redis {
///     fn memberships(&self, context_hash: &str) -> Result<Vec<(String, bool)>, source::Error> {
///         Ok(Vec::new()) // SMEMBERS big_segment_include:<context_hash>, and ..._exclude:
///     }
///     fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error> {
///         Ok(None) // GET big_segments_synchronized_on
///     }
/// }
///
/// let members = big_segments::Cache::builder().stale_after(Duration::from_secs(300)).build(Redis)?;
/// let dialect = LaunchDarkly::new().with_big_segments(members.clone());
/// // Where there is time to wait, or `.await` it:
/// assert!(members.prepare("user-42").wait(Duration::from_secs(5)));
/// # Ok::<(), source::Error>(())
/// ```
///
/// Unless evaluations wait, looking a context up takes no lock, and allocates only where one has to be
/// fetched. Clones share one cache; its threads end with the last of them.
#[derive(Clone)]
pub struct Cache(Arc<CacheState>);

/// How a [`Cache`] is kept. The defaults are those of the vendor's clients.
#[derive(Clone, Debug)]
#[must_use]
pub struct CacheBuilder {
    contexts: usize,
    fresh_for: Duration,
    poll_interval: Duration,
    stale_after: Duration,
    wait: Duration,
}

struct CacheState {
    settings: CacheBuilder,
    /// For requests: a copy of `entries`.
    contexts: SnapshotCell<ShardedTable<Arc<CachedContext>>>,
    /// For the threads that fetch.
    entries: Mutex<CacheEntries>,
    requests: Sender<FetchRequest>,
    waits: Waits,
    threads: OnceLock<Box<[Thread]>>,
    status: AtomicU8,
    /// Milliseconds from `started` to the last answer about the store's state; 0: there was none.
    polled: AtomicU64,
    /// Whether there was one, for those who wait for it.
    first_poll: (Mutex<bool>, Condvar),
    started: Instant,
}

/// What the store said of one context.
struct CachedContext {
    segments: Names<Box<str>, bool>,
    fetched: Instant,
    /// The store could not be asked the last time: the segments are those of the time before.
    failed: bool,
    /// Whether they are to be fetched again.
    refreshing: AtomicBool,
    /// Read since the cache last looked for a context to evict.
    used: AtomicBool,
}

/// A context to be fetched, and who waits for it.
struct FetchRequest {
    key: Box<str>,
    ticket: Option<Ticket>,
    since: Instant,
}

impl Default for CacheBuilder {
    fn default() -> CacheBuilder {
        CacheBuilder {
            contexts: 1000,
            fresh_for: Duration::from_secs(5),
            poll_interval: Duration::from_secs(5),
            stale_after: Duration::from_secs(120),
            wait: Duration::ZERO,
        }
    }
}

impl CacheBuilder {
    /// How many contexts are kept; 1000 otherwise. Beyond that, one that was not read lately is
    /// evicted.
    pub fn contexts(mut self, contexts: usize) -> CacheBuilder {
        self.contexts = contexts.max(1);
        self
    }

    /// How long a context's memberships are served before they are fetched again; 5 seconds
    /// otherwise.
    pub fn fresh_for(mut self, time: Duration) -> CacheBuilder {
        self.fresh_for = time;
        self
    }

    /// The pause between two questions whether the store is up to date; 5 seconds otherwise.
    pub fn poll_interval(mut self, interval: Duration) -> CacheBuilder {
        self.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// From which age on the store, or what was fetched of a context, counts as stale; 2 minutes
    /// otherwise.
    pub fn stale_after(mut self, age: Duration) -> CacheBuilder {
        self.stale_after = age;
        self
    }

    /// How long evaluations may wait for the store, about a context that the cache does not know
    /// or has known for longer than [`fresh_for`](Self::fresh_for); not at all otherwise.
    ///
    /// With this the first answer for a context is the vendor's own, and costs what the vendor's
    /// costs: a call of the store, in the middle of the request, and a lock. Only flags that refer to
    /// a big segment wait. After this time the rules decide, as they do without it.
    ///
    /// The time counts from the first evaluation that waits for a context until the store has answered:
    /// a flag with several big segments waits once, and while the store hangs over a context, only the
    /// first evaluations for it wait.
    pub fn wait(mut self, at_most: Duration) -> CacheBuilder {
        self.wait = at_most;
        self
    }

    /// Starts the cache's threads, which ask the store at once whether it is up to date.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn build(self, store: impl Store) -> Result<Cache, source::Error> {
        let (requests, requested) = crossbeam_channel::bounded(QUEUE);
        let shared = Arc::new(CacheState {
            settings: self,
            contexts: SnapshotCell::new(ShardedTable::default()),
            entries: Mutex::default(),
            requests,
            waits: Waits::default(),
            threads: OnceLock::new(),
            status: AtomicU8::new(encoded(Status::StoreError)),
            polled: AtomicU64::new(0),
            first_poll: Default::default(),
            started: Instant::now(),
        });
        fetch::start(&shared, requested, store)?;
        Ok(Cache(shared))
    }
}

impl Cache {
    /// A cache with other settings than the vendor's.
    pub fn builder() -> CacheBuilder {
        CacheBuilder::default()
    }

    /// A cache of this store.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn new(store: impl Store) -> Result<Cache, source::Error> {
        Cache::builder().build(store)
    }

    /// Fetches what the store says of the context with this key, unless that is known and fresh.
    /// `await` what is returned, or wait for it; dropping it changes nothing.
    pub fn prepare(&self, key: &str) -> Prepare {
        let known = self.0.contexts.load().get(key).map(Arc::clone);
        if known.is_some_and(|context| !context.failed && self.0.is_fresh(&context)) {
            return Prepare::done(true);
        }
        let (ticket, prepare) = Ticket::new();
        // Where the queue is full the ticket is dropped, which is an answer as well.
        self.0.request(key, Some(ticket));
        prepare
    }

    /// How the store is, as far as is known. Where evaluations [wait](CacheBuilder::wait), this waits
    /// for the first answer as well.
    pub fn status(&self) -> Status {
        self.0.status()
    }
}

impl CacheState {
    fn status(&self) -> Status {
        if !self.settings.wait.is_zero() && self.polled.load(Ordering::Acquire) == 0 {
            self.wait_for_poll();
        }
        self.known_status()
    }

    fn known_status(&self) -> Status {
        let status = match self.status.load(Ordering::Relaxed) {
            0 => Status::Healthy,
            1 => Status::Stale,
            _ => Status::StoreError,
        };
        let polled = Duration::from_millis(self.polled.load(Ordering::Relaxed));
        let silence = self.started.elapsed().saturating_sub(polled);
        // A store that does not say how it is cannot be trusted to be up to date.
        let patience = self.settings.stale_after.saturating_add(self.settings.poll_interval);
        if silence > patience { status.max(Status::Stale) } else { status }
    }

    fn is_fresh(&self, context: &CachedContext) -> bool {
        context.fetched.elapsed() < self.settings.fresh_for
    }

    /// Waits for the store's first answer, no longer than evaluations may after the start.
    #[cold]
    fn wait_for_poll(&self) {
        let end = self.started.checked_add(self.settings.wait);
        let (polled, changed) = &self.first_poll;
        let mut polled = polled.lock();
        while !*polled {
            match end {
                Some(end) if changed.wait_until(&mut polled, end).timed_out() => return,
                Some(_) => {}
                None => changed.wait(&mut polled),
            }
        }
    }

    /// Has a context fetched that is not known or not fresh, and waits for that as long as the caller
    /// may.
    #[cold]
    fn wait_for(&self, key: &str) {
        let known = self.contexts.load().get(key).map(Arc::clone);
        if known.is_some_and(|context| self.is_fresh(&context)) {
            return;
        }
        let left = self.waits.left(key, self.settings.wait, Instant::now());
        if left.is_zero() {
            return;
        }
        let (ticket, prepare) = Ticket::new();
        if self.request(key, Some(ticket)) {
            prepare.wait(left);
        } else {
            self.waits.end(key);
        }
    }

    /// Has a context fetched, and says whether it will be.
    #[cold]
    fn request(&self, key: &str, ticket: Option<Ticket>) -> bool {
        let request = || FetchRequest { key: key.into(), ticket, since: Instant::now() };
        let sent = !self.requests.is_full() && self.requests.try_send(request()).is_ok();
        if sent {
            self.wake();
        }
        sent
    }

    /// The threads park: those that waited for the channel would be woken under a lock.
    fn wake(&self) {
        self.threads.get().into_iter().flatten().for_each(Thread::unpark);
    }
}

impl Drop for CacheState {
    fn drop(&mut self) {
        self.wake();
    }
}

/// A status as the number that [`CacheState::status`] holds.
fn encoded(status: Status) -> u8 {
    match status {
        Status::Healthy => 0,
        Status::Stale => 1,
        _ => 2,
    }
}

impl BigSegments for Cache {
    fn membership(&self, segment: &str, key: &str) -> Membership {
        let shared = &*self.0;
        let waits = !shared.settings.wait.is_zero();
        if waits {
            shared.wait_for(key);
        }
        let contexts = shared.contexts.load();
        let Some(context) = contexts.get(key) else {
            if !waits {
                shared.request(key, None);
            }
            return Membership::new(None, Status::StoreError);
        };
        if !context.used.load(Ordering::Relaxed) {
            context.used.store(true, Ordering::Relaxed);
        }
        let age = context.fetched.elapsed();
        if !waits
            && age >= shared.settings.fresh_for
            && !context.refreshing.swap(true, Ordering::Relaxed)
        {
            context.refreshing.store(shared.request(key, None), Ordering::Relaxed);
        }
        let status = match () {
            () if context.failed => Status::StoreError,
            () if age > shared.settings.stale_after => Status::Stale,
            () => Status::Healthy,
        };
        let member = context.segments.get(segment).copied();
        Membership::new(member, status.max(shared.status()))
    }
}

/// Shows no key.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("settings", &self.0.settings)
            .field("contexts", &self.0.contexts.load().len())
            .field("status", &self.0.known_status())
            .finish_non_exhaustive()
    }
}
