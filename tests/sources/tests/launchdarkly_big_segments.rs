//! Big segments by a store that requests do not wait for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use modelgate::{
    Context, FlagSet,
    launchdarkly::{
        Detail, LaunchDarkly,
        big_segments::{self, BigSegments, Status},
    },
    source,
};
use modelgate_source_tests::{PATIENCE, eventually};
use serde_json::json;

/// What the vendor's documentation gives for `user-key`.
const HASH_OF_USER_KEY: &str = "CEXjZY7cHJG/ydFy7q4+YEFwVrG3/pkJwA4FAjrbfx0=";

#[derive(Clone, Default)]
struct Store(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lists: Mutex<HashMap<String, Vec<(String, bool)>>>,
    up_to_date: Mutex<Option<Duration>>,
    is_down: Mutex<bool>,
    questions: AtomicUsize,
    polls: AtomicUsize,
    /// Held while questions are to wait.
    gate: (Mutex<bool>, Condvar),
}

impl Store {
    fn new() -> Store {
        let store = Store::default();
        store.synchronized(now());
        store
    }

    fn list(&self, hash: &str, segment: &str, is_in: bool) {
        let mut lists = self.0.lists.lock().unwrap();
        lists.insert(hash.to_owned(), vec![(segment.to_owned(), is_in)]);
    }

    fn synchronized(&self, moment: Duration) {
        *self.0.up_to_date.lock().unwrap() = Some(moment);
    }

    fn set_down(&self, is_down: bool) {
        *self.0.is_down.lock().unwrap() = is_down;
    }

    fn hold(&self, is_held: bool) {
        *self.0.gate.0.lock().unwrap() = is_held;
        self.0.gate.1.notify_all();
    }

    fn questions(&self) -> usize {
        self.0.questions.load(Ordering::SeqCst)
    }

    fn answer<T>(&self, answer: T) -> Result<T, source::Error> {
        match *self.0.is_down.lock().unwrap() {
            true => Err(source::Error::new("the store is down")),
            false => Ok(answer),
        }
    }
}

impl big_segments::Store for Store {
    fn memberships(&self, context_hash: &str) -> Result<Vec<(String, bool)>, source::Error> {
        self.0.questions.fetch_add(1, Ordering::SeqCst);
        let held = self.0.gate.0.lock().unwrap();
        drop(self.0.gate.1.wait_while(held, |is_held| *is_held).unwrap());
        let lists = self.0.lists.lock().unwrap();
        self.answer(lists.get(context_hash).cloned().unwrap_or_default())
    }

    fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error> {
        self.0.polls.fetch_add(1, Ordering::SeqCst);
        self.answer(*self.0.up_to_date.lock().unwrap())
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

/// A cache that does by itself nothing within a test.
fn calm() -> big_segments::CacheBuilder {
    big_segments::Cache::builder().fresh_for(hour()).poll_interval(hour()).stale_after(hour())
}

fn well(cache: &big_segments::Cache) {
    eventually("the store is known to be well", || cache.status() == Status::Healthy);
}

fn flags(cache: &big_segments::Cache) -> (LaunchDarkly, FlagSet) {
    let dialect = LaunchDarkly::new().with_big_segments(cache.clone());
    let data = json!({
        "flags": {"m": {"key": "m", "on": true, "variations": ["out", "in"], "salt": "s",
            "fallthrough": {"variation": 0}, "rules": [{"variation": 1, "clauses": [
                {"attribute": "", "op": "segmentMatch", "values": ["beta"]}]}]}},
        "segments": {"beta": {"key": "beta", "unbounded": true, "generation": 2}},
    });
    let set = dialect.compile(&data.to_string()).unwrap();
    (dialect, set)
}

fn answer(detail: Detail<'_>) -> (String, Option<Status>) {
    (detail.string("none").value.to_owned(), detail.reason.big_segments_status)
}

#[test]
fn a_context_that_was_prepared_has_the_vendors_answer_at_once() {
    let store = Store::new();
    store.list(HASH_OF_USER_KEY, "beta.g2", true);
    let cache = calm().build(store.clone()).unwrap();
    well(&cache);
    let (dialect, set) = flags(&cache);
    assert!(cache.prepare("user-key").wait(PATIENCE));
    let user = Context::new("user-key");
    let found = answer(dialect.detail(&set, "m", &user));
    assert_eq!(found, ("in".to_owned(), Some(Status::Healthy)));
    assert!(cache.prepare("user-key").wait(PATIENCE), "known already");
    assert_eq!(store.questions(), 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(cache.prepare("somebody-else")));
    assert_eq!(cache.membership("beta.g2", "somebody-else").member, None);
}

#[test]
fn a_context_that_was_not_is_visible_as_such_and_fetched_beside_the_request() {
    let store = Store::new();
    store.list(HASH_OF_USER_KEY, "beta.g2", true);
    store.hold(true);
    let cache = calm().build(store.clone()).unwrap();
    well(&cache);
    let (dialect, set) = flags(&cache);
    let user = Context::new("user-key");
    for _ in 0..10 {
        let missed = answer(dialect.detail(&set, "m", &user));
        assert_eq!(missed, ("out".to_owned(), Some(Status::StoreError)));
    }
    store.hold(false);
    let wanted = ("in".to_owned(), Some(Status::Healthy));
    eventually("it is there", || answer(dialect.detail(&set, "m", &user)) == wanted);
    // Whatever was asked meanwhile.
    assert!(cache.prepare("another").wait(PATIENCE));
    assert_eq!(store.questions(), 2);
}

#[test]
fn an_evaluation_that_may_wait_has_the_vendors_answer_at_the_first_request() {
    let store = Store::new();
    store.list(HASH_OF_USER_KEY, "beta.g2", true);
    let cache = calm().wait(PATIENCE).build(store.clone()).unwrap();
    let (dialect, set) = flags(&cache);
    let user = Context::new("user-key");
    let asked = || answer(dialect.detail(&set, "m", &user));
    let in_it = ("in".to_owned(), Some(Status::Healthy));
    assert_eq!(asked(), in_it, "nobody prepared it, and the store had not been asked how it is");
    store.list(HASH_OF_USER_KEY, "beta.g2", false);
    assert_eq!((asked(), store.questions()), (in_it, 1), "it is kept");
    store.set_down(true);
    let nobody = Context::new("somebody-else");
    let failed = ("out".to_owned(), Some(Status::StoreError));
    assert_eq!(answer(dialect.detail(&set, "m", &nobody)), failed);
    assert_eq!(answer(dialect.detail(&set, "m", &nobody)), failed);
    assert_eq!(store.questions(), 2, "a store that fails is not asked again at once");
}

#[test]
fn an_evaluation_that_may_wait_is_never_served_what_is_no_longer_fresh() {
    let store = Store::new();
    let cache = calm().fresh_for(Duration::ZERO).wait(PATIENCE).build(store.clone()).unwrap();
    let (dialect, set) = flags(&cache);
    let user = Context::new("user-key");
    for (is_in, value) in [(true, "in"), (false, "out"), (true, "in")] {
        store.list(HASH_OF_USER_KEY, "beta.g2", is_in);
        let found = answer(dialect.detail(&set, "m", &user));
        assert_eq!(found, (value.to_owned(), Some(Status::Healthy)));
    }
    assert_eq!(store.questions(), 3);
}

#[test]
fn an_evaluation_waits_no_longer_than_it_may() {
    let store = Store::new();
    store.hold(true);
    let cache = calm().wait(Duration::from_millis(1)).build(store.clone()).unwrap();
    let (dialect, set) = flags(&cache);
    let user = Context::new("user-key");
    let late = ("out".to_owned(), Some(Status::StoreError));
    assert_eq!(answer(dialect.detail(&set, "m", &user)), late);
    store.hold(false);
}

/// Were each of its thousand segments waited for, it would take a quarter of an hour.
#[test]
fn a_flag_of_many_big_segments_waits_once_for_a_store_that_hangs() {
    let store = Store::new();
    store.hold(true);
    let cache = calm().wait(Duration::from_secs(1)).build(store.clone()).unwrap();
    let evaluation = std::thread::spawn(move || {
        (0..1000).map(|n| cache.membership(&format!("beta-{n}.g1"), "user-key").status).max()
    });
    eventually("the evaluation is through", || evaluation.is_finished());
    assert_eq!(evaluation.join().unwrap(), Some(Status::StoreError));
    store.hold(false);
}

#[test]
fn a_store_that_is_down_from_the_start_is_known_to_be_by_whoever_waits() {
    let store = Store::new();
    store.set_down(true);
    let cache = calm().wait(hour()).build(store.clone()).unwrap();
    assert_eq!(cache.status(), Status::StoreError);
}

#[test]
fn showing_a_cache_waits_for_nothing() {
    struct Silent(Store);
    impl big_segments::Store for Silent {
        fn memberships(&self, hash: &str) -> Result<Vec<(String, bool)>, source::Error> {
            self.0.memberships(hash)
        }
        fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error> {
            drop(self.0.memberships(""));
            self.0.last_up_to_date()
        }
    }
    let store = Store::new();
    store.hold(true);
    let cache = calm().wait(hour()).build(Silent(store.clone())).unwrap();
    assert!(format!("{cache:?}").contains("status: StoreError"), "{cache:?}");
    store.hold(false);
}

#[test]
fn memberships_are_fetched_again_and_serve_meanwhile() {
    let store = Store::new();
    store.list(HASH_OF_USER_KEY, "beta.g2", true);
    let cache = calm().fresh_for(Duration::from_millis(1)).build(store.clone()).unwrap();
    well(&cache);
    assert!(cache.prepare("user-key").wait(PATIENCE));
    store.list(HASH_OF_USER_KEY, "beta.g2", false);
    eventually("the change is there", || {
        let found = cache.membership("beta.g2", "user-key");
        assert_eq!(found.status, Status::Healthy);
        found.member == Some(false)
    });
    store.set_down(true);
    eventually("the failure is visible, the answer stays", || {
        let found = cache.membership("beta.g2", "user-key");
        assert_eq!(found.member, Some(false));
        found.status == Status::StoreError
    });
    assert!(!cache.prepare("user-key").wait(PATIENCE));
    store.set_down(false);
    eventually("all is well again", || {
        cache.membership("beta.g2", "user-key").status == Status::Healthy
    });
}

#[test]
fn the_state_of_the_store_is_followed() {
    let store = Store::new();
    let cache = calm().poll_interval(Duration::from_millis(1)).build(store.clone()).unwrap();
    well(&cache);
    assert!(cache.prepare("user-key").wait(PATIENCE));
    store.synchronized(now() - hour() - hour());
    let status = || cache.membership("beta.g2", "user-key").status;
    eventually("stale", || status() == Status::Stale);
    store.set_down(true);
    eventually("down", || status() == Status::StoreError);
    store.synchronized(now());
    store.set_down(false);
    eventually("well", || status() == Status::Healthy);
}

#[test]
fn a_store_that_hangs_is_none_that_is_well() {
    let store = Store::new();
    let quick =
        calm().poll_interval(Duration::from_millis(1)).stale_after(Duration::from_millis(500));
    let cache = quick.build(store.clone()).unwrap();
    eventually("well", || {
        store.synchronized(now());
        cache.status() == Status::Healthy
    });
    store.hold(true);
    let waiting = cache.prepare("user-key");
    eventually("stale", || cache.status() == Status::Stale);
    assert!(!waiting.wait(Duration::from_millis(1)));
    store.synchronized(now() + hour());
    store.hold(false);
    well(&cache);
}

#[test]
fn no_more_contexts_are_kept_than_allowed_and_those_in_use_stay() {
    let store = Store::new();
    let cache = calm().contexts(10).build(store.clone()).unwrap();
    well(&cache);
    for number in 0..50 {
        assert!(cache.prepare(&format!("user-{number}")).wait(PATIENCE));
        assert_eq!(cache.membership("s.g1", "user-0").status, Status::Healthy);
    }
    assert!(format!("{cache:?}").contains("contexts: 10,"), "{cache:?}");
    assert_eq!(store.questions(), 50);
    let first = cache.membership("s.g1", "user-1");
    assert_eq!(first.status, Status::StoreError, "let go of, and fetched anew");
}

#[test]
fn the_thread_ends_with_the_last_handle_and_a_panic_of_the_store_ends_nothing() {
    struct Panicking;
    impl big_segments::Store for Panicking {
        fn memberships(&self, _: &str) -> Result<Vec<(String, bool)>, source::Error> {
            panic!("on purpose")
        }
        fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error> {
            Ok(Some(now()))
        }
    }
    let cache = calm().build(Panicking).unwrap();
    assert!(!cache.prepare("user-key").wait(PATIENCE));
    assert!(!cache.prepare("user-key").wait(PATIENCE));
    let store = Store::new();
    let cache = calm().build(store.clone()).unwrap();
    well(&cache);
    let clone = cache.clone();
    drop(cache);
    assert!(clone.prepare("user-key").wait(PATIENCE));
    drop(clone);
    eventually("the thread has let go of the store", || Arc::strong_count(&store.0) == 1);
}

/// The wake-up that ends a thread comes before the channel closes: one that is just about to park
/// must not miss both.
#[test]
fn no_thread_outlives_its_cache_however_soon_that_goes() {
    let stores: Vec<Store> = (0..300)
        .map(|_| {
            let store = Store::new();
            drop(calm().build(store.clone()).unwrap().prepare("user-key"));
            store
        })
        .collect();
    eventually("all threads have let go of their stores", || {
        stores.iter().all(|store| Arc::strong_count(&store.0) == 1)
    });
}

#[test]
fn a_store_that_fails_is_asked_once_for_each_context() {
    let store = Store::new();
    store.hold(true);
    let cache = calm().build(store.clone()).unwrap();
    well(&cache);
    store.set_down(true);
    let users = ["user-1", "user-2"];
    let asked: Vec<_> = (0..50).map(|n| cache.prepare(users[n % 2])).collect();
    (0..50).for_each(|n| {
        cache.membership("s.g1", users[n % 2]);
    });
    store.hold(false);
    assert!(asked.into_iter().all(|preparing| !preparing.wait(PATIENCE)));
    // Neither are they asked for again before a good answer would be.
    assert!(!cache.prepare("user-1").wait(PATIENCE));
    assert!(!cache.prepare("user-2").wait(PATIENCE));
    assert_eq!(store.questions(), 2);
}

#[test]
fn a_context_that_the_store_hangs_over_delays_no_other() {
    struct Hanging(Store);
    impl big_segments::Store for Hanging {
        fn memberships(&self, hash: &str) -> Result<Vec<(String, bool)>, source::Error> {
            if hash == HASH_OF_USER_KEY {
                return self.0.memberships(hash);
            }
            Ok(Vec::new())
        }
        fn last_up_to_date(&self) -> Result<Option<Duration>, source::Error> {
            self.0.last_up_to_date()
        }
    }
    let store = Store::new();
    store.hold(true);
    let cache = calm().build(Hanging(store.clone())).unwrap();
    well(&cache);
    let hanging = cache.prepare("user-key");
    eventually("it hangs", || store.questions() == 1);
    assert!(cache.prepare("another").wait(PATIENCE));
    store.hold(false);
    assert!(hanging.wait(PATIENCE));
}
