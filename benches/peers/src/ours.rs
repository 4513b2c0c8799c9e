//! What is ours in every dialect: a flag of a set, and a router.

use std::sync::{Arc, Mutex};

use modelgate::{
    Context, FlagSet, ModelRouter,
    clock::{Clock, SystemClock},
    model_fn,
};

use crate::{
    contender::{Contender, Entry, Task},
    support::{Dialect, Fed, User, is_second},
};

/// The contexts of the users, made once.
fn contexts() -> Vec<Context<'static>> {
    crate::users().iter().map(User::context).collect()
}

pub const SET: Entry = Entry {
    name: "set",
    title: "modelgate, `FlagSet::evaluate`",
    build: |task| {
        Arc::new(Set {
            set: task.dialect.compile(&task.definition),
            dialect: task.dialect,
            key: task.key.clone(),
            contexts: contexts(),
            clock: SystemClock::new(),
        })
    },
    ingest: None,
};

struct Set {
    set: FlagSet,
    dialect: Dialect,
    key: String,
    contexts: Vec<Context<'static>>,
    clock: SystemClock,
}

impl Set {
    fn ask(&self, context: &Context<'_>) -> bool {
        let clock: &dyn Clock = &self.clock;
        self.dialect.is_second(&self.set.evaluate_at(&self.key, context, clock))
    }
}

impl Contender for Set {
    fn decide(&self, user: usize) -> bool {
        self.ask(&self.contexts[user])
    }
    fn decide_anew(&self, user: &User) -> bool {
        self.ask(&user.context())
    }
}

/// A flag of a set, asked for in the vendor's own way.
pub fn asked<A>(task: &Task, ask: A) -> Arc<dyn Contender>
where
    A: Fn(&FlagSet, &str, &Context<'_>) -> bool + Send + Sync + 'static,
{
    Arc::new(Asked {
        set: task.dialect.compile(&task.definition),
        key: task.key.clone(),
        contexts: contexts(),
        ask,
    })
}

struct Asked<A> {
    set: FlagSet,
    key: String,
    contexts: Vec<Context<'static>>,
    ask: A,
}

impl<A> Contender for Asked<A>
where
    A: Fn(&FlagSet, &str, &Context<'_>) -> bool + Send + Sync,
{
    fn decide(&self, user: usize) -> bool {
        (self.ask)(&self.set, &self.key, &self.contexts[user])
    }
    fn decide_anew(&self, user: &User) -> bool {
        (self.ask)(&self.set, &self.key, &user.context())
    }
}

/// The router of a service, over models that cost nothing and a store that takes in changes.
pub const ROUTER: Entry = Entry {
    name: "router",
    title: "modelgate, `ModelRouter::decide`",
    build: |task| Arc::new(Routed::new(task)),
    ingest: None,
};

struct Routed {
    router: ModelRouter<[f32], f32>,
    dialect: Dialect,
    contexts: Vec<Context<'static>>,
    fed: Mutex<Fed>,
}

impl Routed {
    fn new(task: &Task) -> Routed {
        let fed = Fed::new(task.dialect.compile(&task.definition));
        let router = ModelRouter::builder(task.dialect.binding(&task.key))
            .model("fraud-v1", model_fn(|_: &[f32]| Ok(0.1)))
            .model("fraud-v2", model_fn(|_: &[f32]| Ok(0.2)))
            .fallback("fraud-v1")
            .flags(fed.flags.clone())
            .build()
            .unwrap();
        Routed { router, dialect: task.dialect, contexts: contexts(), fed: Mutex::new(fed) }
    }

    fn ask(&self, context: &Context<'_>) -> bool {
        is_second(self.router.decide(context).unwrap().version().as_str())
    }
}

impl Contender for Routed {
    fn decide(&self, user: usize) -> bool {
        self.ask(&self.contexts[user])
    }
    fn decide_anew(&self, user: &User) -> bool {
        self.ask(&user.context())
    }
    fn update(&self, key: &str, change: &str) -> bool {
        let dialect = self.dialect;
        self.fed.lock().unwrap().update(|set| dialect.update(set, key, change));
        true
    }
}

/// How many flags of a dialect a definition holds, once it is compiled.
pub fn ingested(dialect: Dialect, definition: &str) -> usize {
    let set = dialect.compile(definition);
    assert!(set.problems().is_empty());
    set.len()
}
