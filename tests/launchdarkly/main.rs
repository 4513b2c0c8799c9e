//! LaunchDarkly: flag data, its answers, its operators, and hostile input.

#[path = "../support/launchdarkly.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod answers;
mod flags;
mod hostile;
mod operators;
mod payloads;
mod state;
