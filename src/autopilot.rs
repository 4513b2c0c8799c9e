//! Automatic rollouts: forward only on evidence, back at once, over a whole fleet.
//!
//! A vendor's flag says who *may* get the candidate. An [`Autopilot`] decides how many of them do: 5 %,
//! then 25 %, then 50 %, then all, each step only once the evidence shows that the candidate is not
//! worse by more than was allowed. It can only lower what the flag gives. The vendor's kill switch,
//! [`block`](crate::ModelRouter::block) and [`pin`](crate::ModelRouter::pin) override it; while one of
//! them does, live answers are no evidence.
//!
//! Who is let through is [drawn](draw) by the targeting key. A user who is let through stays so while
//! the share grows. One who is held back is answered by the fallback version, with the cause
//! [`HeldBack`](crate::FallbackCause::HeldBack), which is no failure and no alarm; the vendor
//! hears of no exposure.
//!
//! The replicas of a service agree through one small document in a [`StateStore`](store::StateStore),
//! replaced by compare-and-swap, and through one tally each, which add up. No request waits for any of
//! it.
//!
//! The [guide](crate::guide::autopilot) explains phases, gates and limits.

#[cfg(any(feature = "http", feature = "object-store"))]
mod background;
mod builder;
mod command;
mod error;
mod gate;
mod handle;
mod judge;
mod machine;
mod phase;
mod plan;
mod replica;
mod runner;
mod stage;
mod state;
mod status;
pub mod store;
mod sums;
mod tally;
#[cfg(test)]
mod tests;
mod transition;
pub mod writer;

pub use self::{
    builder::Builder,
    command::CommandError,
    error::Error,
    gate::{Gate, GateOutcome, GateReport},
    handle::Autopilot,
    judge::Judge,
    phase::{Phase, Running},
    plan::{OnNoData, OnUndecided, OnWorse},
    stage::{Share, Stage},
    status::{StageProgress, StageStatus, Status},
    sums::{Findings, MetricFinding, MetricRole, MetricSum},
    transition::{Cause, Mismatch, Transition, verify, verify_history},
};
pub use crate::router::clamp::{ExplainedClamp, draw};
use crate::verdict::hex;
