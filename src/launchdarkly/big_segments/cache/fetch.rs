//! The threads that ask the store.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use crossbeam_channel::{Receiver, TryRecvError};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{CacheState, CachedContext, FetchRequest, Store, Ticket, encoded};
use crate::{
    contain::contained,
    flag::table::ShardedTable,
    launchdarkly::{big_segments::Status, time::milliseconds},
    source::{self, chain},
};

/// What the cache holds, for the threads that change it.
#[derive(Default)]
pub(super) struct CacheEntries {
    table: ShardedTable<Arc<CachedContext>>,
    /// The keys, from the one that came first.
    order: VecDeque<Arc<str>>,
}

/// How many contexts are fetched at a time. A call of the store that hangs holds a thread: others are
/// fetched until as many hang.
const FETCHERS: usize = 4;

/// The longest that `Instant` is asked to count ahead, for a pause past the end of time.
const HOUR: Duration = Duration::from_secs(3600);

/// Contexts that are being fetched, and who else waits for each.
type PendingFetches = Mutex<HashMap<Box<str>, Vec<Ticket>>>;

/// Asks the store for as long as anybody has the cache.
pub(super) fn start(
    shared: &Arc<CacheState>,
    requests: Receiver<FetchRequest>,
    store: impl Store,
) -> Result<(), source::Error> {
    let (store, pending) = (Arc::new(store), Arc::<PendingFetches>::default());
    let mut runs: Vec<Box<dyn FnOnce() + Send>> = Vec::with_capacity(FETCHERS + 1);
    for _ in 0..FETCHERS {
        let (weak, requests) = (Arc::downgrade(shared), requests.clone());
        let (store, pending) = (Arc::clone(&store), Arc::clone(&pending));
        runs.push(Box::new(move || keep_fetching(&weak, &requests, &*store, &pending)));
    }
    let weak = Arc::downgrade(shared);
    runs.push(Box::new(move || keep_polling(&weak, &*store)));
    let mut threads = Vec::with_capacity(runs.len());
    let started = runs.into_iter().try_for_each(|run| {
        let thread = thread::Builder::new().name("modelgate-big-segments".to_owned()).spawn(run)?;
        threads.push(thread.thread().clone());
        Ok::<(), io::Error>(())
    });
    // In either case: the threads that there are end when they are woken.
    let _ = shared.threads.set(threads.into());
    started.map_err(|error| {
        source::Error::with_source("thread of big segments could not be started", error)
    })
}

/// Asks whether the store is up to date, on a thread of its own: also while contexts keep coming,
/// or hang.
fn keep_polling(shared: &Weak<CacheState>, store: &impl Store) {
    let mut due = Instant::now();
    loop {
        {
            let Some(shared) = shared.upgrade() else { return };
            if due <= Instant::now() {
                poll(&shared, store);
                let now = Instant::now();
                due = now.checked_add(shared.settings.poll_interval).unwrap_or(now + HOUR);
            }
        }
        thread::park_timeout(due.saturating_duration_since(Instant::now()));
    }
}

fn keep_fetching(
    shared: &Weak<CacheState>,
    requests: &Receiver<FetchRequest>,
    store: &impl Store,
    pending: &PendingFetches,
) {
    loop {
        let request = match requests.try_recv() {
            Ok(request) => request,
            // Nobody has the cache any more, though its sender is there for a moment longer: the wake-up
            // that says so comes before it goes.
            Err(TryRecvError::Empty) if shared.strong_count() == 0 => return,
            Err(TryRecvError::Empty) => {
                thread::park();
                continue;
            }
            Err(TryRecvError::Disconnected) => return,
        };
        let Some(shared) = shared.upgrade() else { return };
        let FetchRequest { key, ticket, since } = request;
        {
            let mut pending = pending.lock();
            if let Some(tickets) = pending.get_mut(&key) {
                tickets.extend(ticket);
                continue;
            }
            pending.insert(key.clone(), Vec::from_iter(ticket));
        }
        let done = fetch(&shared, store, &key, since);
        let tickets = pending.lock().remove(&key);
        shared.waits.end(&key);
        tickets.into_iter().flatten().for_each(|ticket| ticket.answer(done));
    }
}

/// Asks whether the store is up to date.
fn poll(shared: &CacheState, store: &impl Store) {
    let status = match ask(|| store.last_up_to_date()) {
        Ok(Some(moment)) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            match now.saturating_sub(moment) > shared.settings.stale_after {
                true => Status::Stale,
                false => Status::Healthy,
            }
        }
        Ok(None) => Status::Stale,
        Err(error) => {
            let error = chain(&error);
            // Once, and not with every poll.
            if shared.polled.load(Ordering::Relaxed) == 0
                || shared.known_status() != Status::StoreError
            {
                tracing::warn!(target: "modelgate::source", error, "the store of big segments failed");
            }
            Status::StoreError
        }
    };
    let polled = milliseconds(shared.started.elapsed()).max(1);
    // Release pairs with the acquire in `status`: whoever sees that there was an answer sees it.
    shared.status.store(encoded(status), Ordering::Relaxed);
    shared.polled.store(polled, Ordering::Release);
    let (is_polled, changed) = &shared.first_poll;
    *is_polled.lock() = true;
    changed.notify_all();
}

/// Fetches one context, unless that was done a moment ago, and says whether it is there and fresh.
fn fetch(shared: &CacheState, store: &impl Store, key: &str, since: Instant) -> bool {
    let known = shared.entries.lock().table.get(key).map(Arc::clone);
    // Several requests may have missed it before the first was served; and a store that fails is
    // not asked again for the same context before a good answer would be.
    if let Some(known) = &known
        && (shared.is_fresh(known) || (known.failed && known.fetched >= since))
    {
        return !known.failed;
    }
    let hash = STANDARD.encode(Sha256::digest(key.as_bytes()));
    let (segments, has_failed) = match ask(|| store.memberships(&hash)) {
        Ok(found) => (found.into_iter().map(|(name, is)| (name.into(), is)).collect(), false),
        Err(error) => {
            let error = chain(&error);
            tracing::debug!(target: "modelgate::source", error, "a context was not fetched");
            // What was known is better than nothing.
            (known.map(|known| known.segments.clone()).unwrap_or_default(), true)
        }
    };
    let context = Arc::new(CachedContext {
        segments,
        fetched: Instant::now(),
        failed: has_failed,
        refreshing: AtomicBool::new(false),
        used: AtomicBool::new(false),
    });
    let mut entries = shared.entries.lock();
    entries.insert(key, context, shared.settings.contexts);
    shared.contexts.publish(Arc::new(entries.table.clone()));
    !has_failed
}

impl CacheEntries {
    /// Inserts a context. Where `most` are there, the first goes that was not read since it was last
    /// looked at, as a clock page replacement would have it.
    fn insert(&mut self, key: &str, context: Arc<CachedContext>, most: usize) {
        if self.table.get(key).is_some() {
            self.table.insert(key.into(), context);
            return;
        }
        // Twice around at the most: then each has had its second chance.
        let mut chances = self.order.len().saturating_mul(2);
        while self.order.len() >= most {
            let Some(first) = self.order.pop_front() else { break };
            let was_used =
                |context: &Arc<CachedContext>| context.used.swap(false, Ordering::Relaxed);
            if chances > 0 && self.table.get(&first).is_some_and(was_used) {
                chances -= 1;
                self.order.push_back(first);
            } else {
                self.table.remove(&first);
            }
        }
        let key: Arc<str> = key.into();
        self.order.push_back(Arc::clone(&key));
        self.table.insert(key, context);
    }
}

/// What the store answers; one that panics has failed.
fn ask<T>(question: impl FnOnce() -> Result<T, source::Error>) -> Result<T, source::Error> {
    contained(question).unwrap_or_else(|| Err(source::Error::new("the store panicked")))
}
