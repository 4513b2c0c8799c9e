//! Flag dialects: each reads one vendor's own flag data and answers exactly as that vendor does.
//!
//! [`flagd`] is the native one: flag files, flags written in code and the tests use it.

pub mod flagd;
pub mod flagsmith;
pub mod launchdarkly;
pub mod unleash;
