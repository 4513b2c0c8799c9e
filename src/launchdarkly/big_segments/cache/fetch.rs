//! The threads that ask the store.

use std::{
    collections::{HashMap, VecDeque},
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

use super::{CacheState, FetchRequest, Membership, Store, Ticket, place};
use crate::{
    contain::contained,
    flag::table::ShardedTable,
    launchdarkly::big_segments::BigSegmentsStatus,
    source::{self, chain},
};

/// What the cache holds, for the thread that changes it.
#[derive(Default)]
pub(super) struct CacheEntries {
    table: ShardedTable<Arc<Membership>>,
    /// From the one that came first.
    order: VecDeque<Arc<str>>,
}

/// How many contexts are fetched at a time. A store that lets one wait keeps nobody else from being
/// fetched until it lets as many wait.
const FETCHERS: usize = 4;

/// Contexts that are being fetched, and who else waits for each.
type PendingFetches = Mutex<HashMap<Box<str>, Vec<Ticket>>>;

/// Asks the store for as long as anybody has the cache.
pub(super) fn start(
    shared: &Arc<CacheState>,
    asked: Receiver<FetchRequest>,
    store: impl Store,
) -> Result<(), source::Error> {
    let (store, under_way) = (Arc::new(store), Arc::<PendingFetches>::default());
    let mut threads = Vec::with_capacity(FETCHERS);
    let start = |run: Box<dyn FnOnce() + Send>| {
        thread::Builder::new()
            .name("modelgate-big-segments".to_owned())
            .spawn(run)
            .map(|thread| thread.thread().clone())
            .map_err(|error| {
                source::Error::with_source("thread of big segments could not be started", error)
            })
    };
    for _ in 0..FETCHERS {
        let (weak, asked) = (Arc::downgrade(shared), asked.clone());
        let (store, under_way) = (Arc::clone(&store), Arc::clone(&under_way));
        threads.push(start(Box::new(move || keep_fetching(&weak, &asked, &*store, &under_way)))?);
    }
    let weak = Arc::downgrade(shared);
    threads.push(start(Box::new(move || keep_polling(&weak, &*store)))?);
    let _ = shared.threads.set(threads.into());
    Ok(())
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
    asked: &Receiver<FetchRequest>,
    store: &impl Store,
    under_way: &PendingFetches,
) {
    loop {
        let wanted = match asked.try_recv() {
            Ok(wanted) => wanted,
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
        let FetchRequest { key, ticket, asked } = wanted;
        {
            let mut under_way = under_way.lock();
            if let Some(waiting) = under_way.get_mut(&key) {
                waiting.extend(ticket);
                continue;
            }
            under_way.insert(key.clone(), Vec::from_iter(ticket));
        }
        let done = fetch(&shared, store, &key, asked);
        let waiting = under_way.lock().remove(&key);
        waiting.into_iter().flatten().for_each(|ticket| ticket.answer(done));
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Asks whether the store is up to date.
fn poll(shared: &CacheState, store: &impl Store) {
    let status = match ask(|| store.last_up_to_date()) {
        Ok(Some(moment)) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            match now.saturating_sub(moment) > shared.settings.stale_after {
                true => BigSegmentsStatus::Stale,
                false => BigSegmentsStatus::Healthy,
            }
        }
        Ok(None) => BigSegmentsStatus::Stale,
        Err(error) => {
            let error = chain(&error);
            // Once, and not with every question. The first answer is this one: nobody waits for it here.
            if shared.polled.load(Ordering::Relaxed) == 0
                || shared.status() != BigSegmentsStatus::StoreError
            {
                tracing::warn!(target: "modelgate::source", error, "the store of big segments failed");
            }
            BigSegmentsStatus::StoreError
        }
    };
    let polled = u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    // Release pairs with the acquire in `status`: whoever sees that there was an answer sees it.
    shared.status.store(place(status), Ordering::Relaxed);
    shared.polled.store(polled, Ordering::Release);
    let (is_polled, changed) = &shared.first_poll;
    *is_polled.lock() = true;
    changed.notify_all();
}

/// Fetches one context, unless that was done a moment ago, and says whether it is there and fresh.
fn fetch(shared: &CacheState, store: &impl Store, key: &str, asked: Instant) -> bool {
    let known = shared.kept.lock().table.get(key).map(Arc::clone);
    // Several requests may have missed it before the first was served; and a store that fails is
    // not asked again for the same context before a good answer would be.
    if let Some(known) = &known
        && (shared.is_fresh(known) || (known.failed && known.fetched >= asked))
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
    let members = Arc::new(Membership {
        segments,
        fetched: Instant::now(),
        failed: has_failed,
        wanted: AtomicBool::new(false),
        used: AtomicBool::new(false),
    });
    let mut kept = shared.kept.lock();
    kept.insert(key, members, shared.settings.contexts);
    shared.members.publish(Arc::new(kept.table.clone()));
    !has_failed
}

impl CacheEntries {
    fn insert(&mut self, key: &str, members: Arc<Membership>, most: usize) {
        if self.table.get(key).is_some() {
            self.table.insert(key.into(), members);
            return;
        }
        // Twice around at the most: then each has had its second chance.
        let mut chances = self.order.len().saturating_mul(2);
        while self.order.len() >= most {
            let Some(first) = self.order.pop_front() else { break };
            let used = |members: &Arc<Membership>| members.used.swap(false, Ordering::Relaxed);
            if chances > 0 && self.table.get(&first).is_some_and(used) {
                chances -= 1;
                self.order.push_back(first);
            } else {
                self.table.remove(&first);
            }
        }
        let key: Arc<str> = key.into();
        self.order.push_back(Arc::clone(&key));
        self.table.insert(key, members);
    }
}

fn ask<T>(question: impl FnOnce() -> Result<T, source::Error>) -> Result<T, source::Error> {
    contained(question).unwrap_or_else(|| Err(source::Error::new("the store panicked")))
}
