//! The Flagsmith dialect beside `flagsmith-flag-engine`.

pub mod case;
pub mod coverage;
pub mod disagreements;
pub mod document;
pub mod feature;
pub mod generate;
pub mod mutate;
pub mod official;
pub mod operand;
pub mod ours;
pub mod property;
pub mod segment;
pub mod split;
pub mod traits;
