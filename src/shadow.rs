//! Shadow runs: a candidate sees the request that the primary answers, off the caller's path.

mod allowance;
mod budget;
mod counts;
mod dropped;
mod line;
mod panic_pause;
mod parker;
pub(crate) mod policy;
mod pool;
mod queue;
mod run;
mod sample;
mod scope;
mod sync;

#[cfg(feature = "async")]
pub(crate) use self::scope::AccountHandle;
#[cfg(feature = "async")]
pub(crate) use self::scope::Marked;
pub use self::{
    budget::Budget,
    counts::{Counts, DropCause},
    dropped::Dropped,
    line::Stats,
    policy::Error,
    scope::is_shadow,
};
pub(crate) use self::{
    counts::CandidateCounts,
    dropped::ShadowRequest,
    line::ShadowLine,
    policy::{Mode, Shadow, Trigger},
    run::PrimaryAnswer,
    sample::Sampler,
    scope::ShadowScope,
};

#[cfg(test)]
mod tests;
