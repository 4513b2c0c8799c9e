//! The flags and the users that every benchmark here decides on, ours and those beside peers.
#![allow(dead_code)]

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use modelgate::{
    Context, FlagSet, FlagSource, Flags,
    source::{self, FlagUpdates, Subscription},
};

mod dialect;
pub mod flagd;
pub mod flagsmith;
pub mod launchdarkly;
pub mod unleash;

pub use self::dialect::Dialect;

/// How many users are asked for in turn, so that no branch predictor learns one of them by heart.
pub const USERS: usize = 64;

/// The share of the users that a split gives v2.
pub const PERCENT: u32 = 25;

/// What the flags' rules are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// A quarter of the users gets v2.
    Split,
    /// One rule that does not match, then the split.
    RuleThenSplit,
    /// Ten rules of which the last matches.
    Ten,
}

impl Rules {
    pub const ALL: [Rules; 3] = [Rules::Split, Rules::RuleThenSplit, Rules::Ten];

    pub fn name(self) -> &'static str {
        match self {
            Rules::Split => "plain split",
            Rules::RuleThenSplit => "one rule, then split",
            Rules::Ten => "ten rules, last matches",
        }
    }

    /// How many of the users get v2, and how many more or fewer chance may make of it.
    pub fn expected(self) -> (usize, usize) {
        match self {
            Rules::Ten => (USERS, 0),
            _ => (USERS * PERCENT as usize / 100, 12),
        }
    }
}

/// Whether a version is v2. No flag here serves anything but v1 and v2.
pub fn is_second(version: &str) -> bool {
    match version {
        "fraud-v1" => false,
        "fraud-v2" => true,
        other => panic!("no flag here serves `{other}`"),
    }
}

/// The key of a flag: one of many that begin alike, as a team's flags do.
pub fn key(index: usize) -> String {
    format!("ml-model-version-{index:04}")
}

/// Somebody who asks.
pub struct User {
    pub key: String,
    pub region: &'static str,
    pub plan: &'static str,
    pub age: i64,
    pub email: String,
}

impl User {
    pub fn context(&self) -> Context<'_> {
        Context::new(&self.key)
            .with("region", self.region)
            .with("plan", self.plan)
            .with("age", self.age)
            .with("email", &self.email)
    }
}

pub fn users() -> Vec<User> {
    (0..USERS)
        .map(|index| User {
            key: format!("user-{}", 100_000 + index * 7_919),
            region: "us",
            plan: "pro",
            age: 20 + index as i64 % 60,
            email: format!("person{index}@example.com"),
        })
        .collect()
}

/// A store of flags that is fed by hand.
#[derive(Clone)]
pub struct Fed {
    pub flags: Flags,
    updates: FlagUpdates,
    set: FlagSet,
}

impl Fed {
    pub fn new(set: FlagSet) -> Fed {
        let hand = Hand::default();
        let flags = Flags::builder().source(hand.clone()).build().unwrap();
        let updates = hand.0.lock().unwrap().clone().unwrap();
        updates.replace(set.clone());
        Fed { flags, updates, set }
    }

    /// Publishes what `update` makes of the flags there are.
    pub fn update(&mut self, update: impl FnOnce(&FlagSet) -> FlagSet) {
        self.set = update(&self.set);
        self.updates.replace(self.set.clone());
    }

    /// Updates about a thousand times a second, until the answer is dropped.
    pub fn updating(
        &self,
        mut update: impl FnMut(&FlagSet) -> FlagSet + Send + 'static,
    ) -> Updating {
        let mut fed = self.clone();
        Updating::start(move |_| fed.update(&mut update))
    }
}

/// A set of boolean flags.
pub fn switches(rules: Rules, flags: usize) -> FlagSet {
    Dialect::Flagd.compile(&flagd::switches(rules, flags).to_string())
}

/// Updates of the first flag that leave it as it is, so that answers stay what they are.
pub fn switching(rules: Rules) -> impl FnMut(&FlagSet) -> FlagSet + Send + 'static {
    let text = flagd::switch(rules, PERCENT).to_string();
    move |set| Dialect::Flagd.update(set, &key(0), &text)
}

#[derive(Clone, Default)]
struct Hand(Arc<Mutex<Option<FlagUpdates>>>);

impl FlagSource for Hand {
    fn name(&self) -> Cow<'static, str> {
        "hand".into()
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        *self.0.lock().unwrap() = Some(updates);
        Ok(Subscription::none())
    }
}

/// A thread that updates something a thousand times a second.
pub struct Updating {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Updating {
    pub fn start(mut update: impl FnMut(usize) + Send + 'static) -> Updating {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            for turn in 0_usize.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                update(turn);
                let due = Duration::from_millis(turn as u64 + 1);
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
        });
        Updating { stop, thread: Some(thread) }
    }
}

impl Drop for Updating {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// The time that `threads` threads take to do `work` this many times each.
pub fn together(threads: usize, count: u64, work: impl Fn(u64) + Sync) -> Duration {
    if threads == 1 {
        let started = Instant::now();
        work(count);
        return started.elapsed();
    }
    let line = std::sync::Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    line.wait();
                    work(count);
                })
            })
            .collect();
        line.wait();
        let started = Instant::now();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        started.elapsed()
    })
}
