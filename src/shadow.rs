//! Shadow runs: a candidate sees the request that the primary answers, off the caller's path.

mod allowance;
mod budget;
mod counts;
mod dropped;
mod inside;
mod line;
pub(crate) mod policy;
mod pool;
mod rest;
mod run;
mod sample;

pub use self::{
    budget::Budget,
    counts::{DropCause, ShadowCounts},
    dropped::Dropped,
    inside::is_shadow,
    line::ShadowStats,
    policy::ShadowError,
};
#[cfg(feature = "async")]
pub(crate) use self::{
    budget::thread_cpu_time,
    inside::{Marked, Tab},
};
pub(crate) use self::{
    counts::Candidate,
    dropped::Wanted,
    inside::Inside,
    line::ShadowLine,
    policy::{Mode, Shadow, Trigger},
    run::Answered,
    sample::Sampler,
};

#[cfg(test)]
mod tests;
