//! The flagd dialect beside `flagd-evaluation-engine`.

pub mod case;
pub mod corrected;
pub mod coverage;
pub mod expression;
pub mod fractional;
pub mod generate;
pub mod official;
pub mod ours;
pub mod reference;
