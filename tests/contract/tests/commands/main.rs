//! Every command of the service, through a small client, against a stand-in for LaunchDarkly.

#[allow(dead_code, reason = "the tests of the sources use the rest")]
#[path = "../../../sources/src/launchdarkly.rs"]
mod launchdarkly;

mod callbacks;
mod evaluation;
mod events;
mod harness;
mod service;
