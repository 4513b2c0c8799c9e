//! The flagd dialect beside `flagd-evaluation-engine`.

pub mod case;
pub mod coverage;
pub mod disagreements;
pub mod expression;
pub mod fractional;
pub mod generate;
pub mod official;
pub mod ours;
pub mod reference;
