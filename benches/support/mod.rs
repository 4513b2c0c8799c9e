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
    Context, Flag, FlagSet, FlagSink, FlagSource, Flags, SourceError, Subscription,
    dialect::flagd::Flagd,
};
use serde_json::{Value as Json, json};

/// How many users are asked for in turn, so that no branch predictor learns one of them by heart.
pub const USERS: usize = 64;

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

    pub fn targeting(self) -> Json {
        let split = json!({"fractional": [["v2", 25], ["v1", 75]]});
        let var = |name: &str| json!({"var": name});
        match self {
            Rules::Split => split,
            Rules::RuleThenSplit => json!({"if": [{"==": [var("region"), "eu"]}, "v2", split]}),
            Rules::Ten => json!({"if": [
                {"==": [var("region"), "eu"]}, "v1",
                {"==": [var("plan"), "free"]}, "v1",
                {"<": [var("age"), 18]}, "v1",
                {"in": [var("region"), ["br", "in", "jp"]]}, "v1",
                {"ends_with": [var("email"), "@example.org"]}, "v1",
                {"!=": [var("plan"), "pro"]}, "v1",
                {">": [var("age"), 99]}, "v1",
                {"starts_with": [var("email"), "test+"]}, "v1",
                {"==": [var("region"), "ca"]}, "v1",
                {"in": [var("plan"), ["pro", "team"]]}, "v2",
                split,
            ]}),
        }
    }
}

/// One flag as it stands in a definition.
pub fn flag(rules: Rules, default: &str) -> Json {
    json!({
        "state": "ENABLED",
        "variants": {"v1": "fraud-v1", "v2": "fraud-v2"},
        "defaultVariant": default,
        "targeting": rules.targeting(),
    })
}

/// One that is on for v2 and off for v1.
pub fn switch(rules: Rules, default: &str) -> Json {
    let mut flag = flag(rules, default);
    flag["variants"] = json!({"v1": false, "v2": true});
    flag
}

/// A definition of this many flags.
pub fn definition(rules: Rules, flags: usize) -> String {
    let flags: serde_json::Map<String, Json> =
        (0..flags).map(|index| (key(index), flag(rules, "v1"))).collect();
    json!({ "flags": flags }).to_string()
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

/// A store of boolean flags that is fed by hand.
pub struct Fed {
    pub flags: Flags,
    sink: FlagSink,
    updates: [Flag; 2],
}

impl Fed {
    pub fn new(rules: Rules, flags: usize) -> Fed {
        let hand = Hand::default();
        let store = Flags::builder().source(hand.clone()).build().unwrap();
        let sink = hand.0.lock().unwrap().clone().unwrap();
        sink.replace(switches(rules, flags));
        // Another flag than the one that is read, so that answers stay what they are.
        let updates = ["v1", "v2"].map(|default| {
            let text = switch(rules, default).to_string();
            Flagd::new().compile_flag(&key(0), &text).unwrap()
        });
        Fed { flags: store, sink, updates }
    }

    /// Updates one flag, about a thousand times a second, until the answer is dropped.
    pub fn updating(&self) -> Updating {
        let (sink, updates) = (self.sink.clone(), self.updates.clone());
        Updating::start(move |turn| {
            sink.upsert(updates[turn % 2].clone());
        })
    }
}

/// A set of boolean flags.
pub fn switches(rules: Rules, flags: usize) -> FlagSet {
    let flags: serde_json::Map<String, Json> =
        (0..flags).map(|index| (key(index), switch(rules, "v1"))).collect();
    Flagd::new().compile(&json!({ "flags": flags }).to_string()).unwrap()
}

#[derive(Clone, Default)]
struct Hand(Arc<Mutex<Option<FlagSink>>>);

impl FlagSource for Hand {
    fn name(&self) -> Cow<'static, str> {
        "hand".into()
    }
    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
        *self.0.lock().unwrap() = Some(sink);
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
