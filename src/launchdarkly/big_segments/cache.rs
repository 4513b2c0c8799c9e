//! Big segments from a store elsewhere: what it said is kept in memory, and fetched beside requests.

mod fetch;
mod preparing;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    thread::Thread,
    time::{Duration, Instant},
};

use crate::hash::Names;
use crossbeam_channel::Sender;
use parking_lot::{Condvar, Mutex};

pub use self::preparing::Prepare;
use self::{fetch::CacheEntries, preparing::Ticket};
use crate::{
    flag::{store::SnapshotCell, table::ShardedTable},
    launchdarkly::big_segments::{BigSegmentAnswer, BigSegments, BigSegmentsStatus},
    source,
};

/// How many contexts may wait to be fetched.
const QUEUE: usize = 1000;

/// A store of big segments' members elsewhere, as LaunchDarkly's Relay Proxy fills it: Redis,
/// DynamoDB, a table of yours.
///
/// Both methods may wait as long as they must: they are called on threads of the
/// [`Cache`]'s own, the first for four contexts at a time. One that panics has failed. A context that the store
/// hangs over delays no other, while fewer than four of them hang at once: let a client time out.
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
///   rather be late than be told `STORE_ERROR` at a user's first request.
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
/// Looking a context up takes no lock, and allocates only where one has to be fetched. Clones share
/// one cache; its threads end with the last of them.
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
    /// For requests: a copy of what the thread has.
    members: SnapshotCell<ShardedTable<Arc<Membership>>>,
    kept: Mutex<CacheEntries>,
    wanted: Sender<FetchRequest>,
    threads: OnceLock<Box<[Thread]>>,
    status: AtomicU8,
    /// Milliseconds after `started`.
    polled: AtomicU64,
    /// Whether that is more than 0, for those who wait for it.
    first_poll: (Mutex<bool>, Condvar),
    started: Instant,
}

/// What the store said of one context.
struct Membership {
    segments: Names<Box<str>, bool>,
    fetched: Instant,
    /// Fetching them anew did not work.
    failed: bool,
    /// Whether they are being fetched again.
    wanted: AtomicBool,
    /// Asked for since the cache last looked for somebody to let go.
    used: AtomicBool,
}

/// A context to be fetched, and who waits for it.
struct FetchRequest {
    key: Box<str>,
    ticket: Option<Ticket>,
    asked: Instant,
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
    /// How many contexts are kept; 1000 otherwise. Beyond that, one that was not asked for lately
    /// is let go.
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

    /// How long the evaluation of a flag may wait for the store, about a context that it does not know
    /// or has known for longer than [`fresh_for`](Self::fresh_for); not at all otherwise.
    ///
    /// With this the first answer for a context is the vendor's own, and costs what the vendor's
    /// costs: a question to the store, in the midst of the request and on its thread. Only flags
    /// that refer to a big segment wait. After this time the rules decide, as they do without it.
    pub fn wait(mut self, at_most: Duration) -> CacheBuilder {
        self.wait = at_most;
        self
    }

    /// Starts the cache's threads, which ask the store at once whether it is up to date.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn build(self, store: impl Store) -> Result<Cache, source::Error> {
        let (wanted, asked) = crossbeam_channel::bounded(QUEUE);
        let shared = Arc::new(CacheState {
            settings: self,
            members: SnapshotCell::new(ShardedTable::default()),
            kept: Mutex::default(),
            wanted,
            threads: OnceLock::new(),
            status: AtomicU8::new(place(BigSegmentsStatus::StoreError)),
            polled: AtomicU64::new(0),
            first_poll: Default::default(),
            started: Instant::now(),
        });
        fetch::start(&shared, asked, store)?;
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
    /// When its thread cannot be started.
    pub fn new(store: impl Store) -> Result<Cache, source::Error> {
        Cache::builder().build(store)
    }

    /// Fetches what the store says of the context with this key, unless that is known and fresh.
    /// `await` what is returned, or wait for it; dropping it changes nothing.
    pub fn prepare(&self, key: &str) -> Prepare {
        let known = self.0.members.load().get(key).map(Arc::clone);
        if known.is_some_and(|members| !members.failed && self.0.is_fresh(&members)) {
            return Prepare::done(true);
        }
        let (ticket, preparing) = Ticket::new();
        // Where the queue is full the ticket is dropped, which is an answer as well.
        self.0.want(key, Some(ticket));
        preparing
    }

    /// How the store is, as far as is known. Where evaluations [wait](CacheBuilder::wait), this waits
    /// for the first answer as well.
    pub fn status(&self) -> BigSegmentsStatus {
        self.0.status()
    }
}

impl CacheState {
    fn status(&self) -> BigSegmentsStatus {
        if !self.settings.wait.is_zero() && self.polled.load(Ordering::Acquire) == 0 {
            self.wait_for_poll();
        }
        let status = match self.status.load(Ordering::Relaxed) {
            0 => BigSegmentsStatus::Healthy,
            1 => BigSegmentsStatus::Stale,
            _ => BigSegmentsStatus::StoreError,
        };
        let polled = Duration::from_millis(self.polled.load(Ordering::Relaxed));
        let silence = self.started.elapsed().saturating_sub(polled);
        // A store that does not answer the question is none that is well.
        let patience = self.settings.stale_after.saturating_add(self.settings.poll_interval);
        if silence > patience { status.max(BigSegmentsStatus::Stale) } else { status }
    }

    fn is_fresh(&self, members: &Membership) -> bool {
        members.fetched.elapsed() < self.settings.fresh_for
    }

    #[cold]
    fn wait_for_poll(&self) {
        let end = Instant::now().checked_add(self.settings.wait);
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
        let known = self.members.load().get(key).map(Arc::clone);
        if known.is_some_and(|members| self.is_fresh(&members)) {
            return;
        }
        let (ticket, preparing) = Ticket::new();
        self.want(key, Some(ticket));
        preparing.wait(self.settings.wait);
    }

    /// Has a context fetched, and says whether it will be.
    #[cold]
    fn want(&self, key: &str, ticket: Option<Ticket>) -> bool {
        let wanted = || FetchRequest { key: key.into(), ticket, asked: Instant::now() };
        let sent = !self.wanted.is_full() && self.wanted.try_send(wanted()).is_ok();
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

fn place(status: BigSegmentsStatus) -> u8 {
    match status {
        BigSegmentsStatus::Healthy => 0,
        BigSegmentsStatus::Stale => 1,
        _ => 2,
    }
}

impl BigSegments for Cache {
    fn membership(&self, segment: &str, key: &str) -> BigSegmentAnswer {
        let shared = &*self.0;
        let waits = !shared.settings.wait.is_zero();
        if waits {
            shared.wait_for(key);
        }
        let known = shared.members.load();
        let Some(members) = known.get(key) else {
            shared.want(key, None);
            return BigSegmentAnswer::new(None, BigSegmentsStatus::StoreError);
        };
        if !members.used.load(Ordering::Relaxed) {
            members.used.store(true, Ordering::Relaxed);
        }
        let age = members.fetched.elapsed();
        if !waits
            && age >= shared.settings.fresh_for
            && !members.wanted.swap(true, Ordering::Relaxed)
        {
            members.wanted.store(shared.want(key, None), Ordering::Relaxed);
        }
        let status = match () {
            () if members.failed => BigSegmentsStatus::StoreError,
            () if age > shared.settings.stale_after => BigSegmentsStatus::Stale,
            () => BigSegmentsStatus::Healthy,
        };
        let member = members.segments.get(segment).copied();
        BigSegmentAnswer::new(member, status.max(shared.status()))
    }
}

/// Shows no key.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("settings", &self.0.settings)
            .field("contexts", &self.0.members.load().len())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
