//! What a decision allocates, and what is kept: counted by an allocator.

#[path = "../support/counting.rs"]
mod counting;
#[path = "../../benches/support/mod.rs"]
mod definitions;
#[path = "../support/not_worse.rs"]
mod not_worse;
#[path = "../support/mod.rs"]
mod support;

mod documents;
mod flags;
mod flagsmith;
mod launchdarkly;
mod memory;
mod router;
mod unleash;
mod verdict;
