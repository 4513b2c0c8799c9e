//! Unleash: toggles, updates of them, hostile input, and a router bound to them.

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod payloads;
mod router;
mod toggles;
mod updates;
