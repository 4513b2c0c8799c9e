//! Flags that a test switches.

use std::{borrow::Cow, fmt, sync::Arc};

use parking_lot::Mutex;

use crate::{
    flag::{Flag, FlagSet, store::Flags},
    source::{self, FlagSource, FlagUpdates, Subscription},
    value::Value,
};

/// A source whose flags a test sets, and changes while the service runs. A clone is another handle
/// on the same flags: give one to the router, or to several, and keep one.
///
/// ```
/// use modelgate::{Context, ModelRouter, model_fn, testing::TestFlags};
///
/// let flags = TestFlags::new().with("ml-model-version", "v1");
/// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
///     .model("v1", model_fn(|row: &[f32]| Ok(row[0])))
///     .model("v2", model_fn(|row: &[f32]| Ok(row[0] + 1.0)))
///     .fallback("v1")
///     .source(flags.clone())
///     .build()?;
///
/// let user = Context::new("user-42");
/// assert_eq!(router.predict(&user, &[1.0])?.version(), "v1");
/// flags.set("ml-model-version", "v2");
/// assert_eq!(router.predict(&user, &[1.0])?.version(), "v2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct TestFlags(Arc<Mutex<FlagsState>>);

#[derive(Default)]
struct FlagsState {
    /// `None` until the source is to have delivered.
    set: Option<FlagSet>,
    stores: Vec<FlagUpdates>,
}

impl TestFlags {
    /// Flags that have been delivered, none so far.
    pub fn new() -> TestFlags {
        let flags = TestFlags::silent();
        flags.0.lock().set = Some(FlagSet::new());
        flags
    }

    /// Flags that have not arrived: whoever uses them is not ready until the first is set.
    pub fn silent() -> TestFlags {
        TestFlags::default()
    }

    /// The same flags, and this one, which answers everybody alike.
    #[must_use]
    pub fn with(self, key: &str, value: impl Into<Value>) -> TestFlags {
        self.set(key, value);
        self
    }

    /// From now on this flag answers everybody so: a version's name, `true`, a number, an object.
    /// When this returns, the change is published to every store that uses these flags.
    pub fn set(&self, key: &str, value: impl Into<Value>) {
        self.put(Flag::constant(key, value));
    }

    /// From now on this flag counts, a [`Rollout`](crate::Rollout) for instance.
    pub fn put(&self, flag: Flag) {
        self.change(|set| set.with(flag));
    }

    /// There is no such flag any more.
    pub fn remove(&self, key: &str) {
        self.change(|set| set.without(key));
    }

    /// These flags count from now on, and no others.
    pub fn replace(&self, set: FlagSet) {
        self.change(|_| set);
    }

    /// The source is in trouble: what it delivered stays in force, and is stale until the next
    /// change.
    pub fn fail(&self, message: impl Into<String>) {
        let message = message.into();
        for store in &self.0.lock().stores {
            store.report(source::Error::new(message.clone()));
        }
    }

    /// A store of these flags alone.
    pub fn store(&self) -> Flags {
        match Flags::builder().source(self.clone()).build() {
            Ok(flags) => flags,
            // This source starts always.
            Err(_) => Flags::from(FlagSet::new()),
        }
    }

    fn change(&self, change: impl FnOnce(FlagSet) -> FlagSet) {
        let mut state = self.0.lock();
        let set = change(state.set.take().unwrap_or_default());
        state.set = Some(set.clone());
        state.stores.retain(|store| !store.is_closed());
        for store in &state.stores {
            store.replace(set.clone());
        }
    }
}

impl FlagSource for TestFlags {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("test")
    }
    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        let mut state = self.0.lock();
        if let Some(set) = &state.set {
            updates.replace(set.clone());
        }
        state.stores.push(updates);
        Ok(Subscription::none())
    }
}

impl fmt::Debug for TestFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestFlags").field("set", &self.0.lock().set).finish_non_exhaustive()
    }
}
