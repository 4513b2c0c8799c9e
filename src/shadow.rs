//! Shadow runs: a candidate sees the request that the primary answers, off the caller's path.

mod budget;
mod line;
mod loss;
mod policy;
mod pool;
mod priority;
mod run;
mod sample;

pub use self::{
    budget::Budget,
    line::ShadowStats,
    loss::{LossCause, ShadowCounts},
    policy::{Shadow, ShadowError},
    priority::Priority,
};
pub(crate) use self::{
    line::ShadowLine,
    loss::Candidate,
    policy::{Mode, Trigger},
    run::Answered,
    sample::Sampler,
};

#[cfg(test)]
mod tests;
