//! Shadow runs: a candidate sees the request that the primary answers, off the caller's path.

mod budget;
mod counts;
mod dropped;
mod line;
pub(crate) mod policy;
mod pool;
mod priority;
mod run;
mod sample;

pub use self::{
    budget::Budget,
    counts::{DropCause, ShadowCounts},
    dropped::Dropped,
    line::ShadowStats,
    policy::ShadowError,
    priority::Priority,
};
pub(crate) use self::{
    counts::Candidate,
    dropped::Wanted,
    line::ShadowLine,
    policy::{Mode, Shadow, Trigger},
    run::Answered,
    sample::Sampler,
};

#[cfg(test)]
mod tests;
