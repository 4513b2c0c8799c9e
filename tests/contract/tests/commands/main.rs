//! Every command of the service, through a small client, against a stand-in for LaunchDarkly.

#[path = "../../../sources/src/eventually.rs"]
mod eventually;
#[allow(dead_code, reason = "the tests of the sources use the rest")]
#[path = "../../../sources/src/launchdarkly.rs"]
mod launchdarkly;
#[path = "../../../sources/src/server.rs"]
mod server;

mod callbacks;
mod evaluation;
mod events;
mod harness;
mod service;

use eventually::eventually;
