//! Flags written in code: what a [`Rollout`](crate::Rollout) is made of.

pub(crate) mod definition;

pub use self::definition::{AttributeCondition, Condition, Error, Schedule, Shares};
