//! Frozen assignments, which no release may change.

mod flagd;
mod frozen;
mod launchdarkly;
