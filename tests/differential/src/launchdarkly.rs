//! The LaunchDarkly dialect beside `launchdarkly-server-sdk-evaluation`.

pub mod attribute;
pub mod big_segments;
pub mod bucket;
pub mod case;
pub mod clause;
pub mod complete;
pub mod context;
pub mod coverage;
pub mod dates;
pub mod disagreements;
pub mod flag;
pub mod generate;
pub mod mutate;
pub mod official;
pub mod operand;
pub mod ours;
pub mod reference;
pub mod rollout;
pub mod segment;
