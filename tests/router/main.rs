//! The router: decisions, fallbacks, failures, and what the usual hand-written glue gets wrong.

#[path = "../support/doubles.rs"]
mod doubles;
#[path = "../support/mod.rs"]
mod support;

mod batched;
mod breaker;
mod consistency;
mod contexts;
mod eligibility;
mod fallbacks;
mod faults;
mod lazy_model;
mod promises;
mod rollout;
mod serialized;
mod source_faults;
mod traps;
