//! What the caller brings: defaults of the context, custom strategies, randomness.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use crate::{
    contain::contained,
    context::EvaluationContext,
    flag::{EvaluationCounts, MemoryLimit},
    value::Map,
};

pub(super) type Custom = dyn Fn(&Map, &dyn EvaluationContext) -> bool + Send + Sync;
pub(super) type Random = dyn Fn() -> u64 + Send + Sync;

#[derive(Clone, Default)]
pub(super) struct UnleashOptions {
    pub(super) app_name: Option<Box<str>>,
    pub(super) environment: Option<Box<str>>,
    pub(super) host_name: Option<Box<str>>,
    pub(super) strategies: Vec<(Box<str>, Arc<Custom>)>,
    pub(super) random: Option<Arc<Random>>,
    pub(super) counts: Option<EvaluationCounts>,
    pub(super) memory: MemoryLimit,
}

impl UnleashOptions {
    pub(super) fn strategy(&self, name: &str) -> Option<Arc<Custom>> {
        let custom = self.strategies.iter().rev().find(|(known, _)| **known == *name);
        custom.map(|(_, strategy)| Arc::clone(strategy))
    }

    /// A random number below `bound`; 0 when there is none.
    #[cold]
    pub(super) fn below(&self, bound: u32) -> u32 {
        let bits = match &self.random {
            Some(random) => contained(|| random()).unwrap_or(0),
            None => drawn(),
        };
        ((u128::from(bits) * u128::from(bound)) >> 64) as u32
    }
}

impl fmt::Debug for UnleashOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strategies: Vec<_> = self.strategies.iter().map(|(name, _)| name).collect();
        f.debug_struct("UnleashOptions")
            .field("app_name", &self.app_name)
            .field("environment", &self.environment)
            .field("host_name", &self.host_name)
            .field("strategies", &strategies)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// The state of this thread's generator; 0 before its first use.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// The next number of this thread's generator (SplitMix64), which starts at a random place.
fn drawn() -> u64 {
    STATE.with(|state| {
        let held = match state.get() {
            0 => RandomState::new().hash_one(0_u8),
            held => held,
        };
        let next = held.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ next >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    })
}
