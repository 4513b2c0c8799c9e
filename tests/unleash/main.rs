//! Unleash: toggles, updates of them, hostile input, and a router bound to them.

mod constraints;
mod dependencies;
mod features;
mod hostile;
mod payloads;
mod router;
mod strategies;
mod toggles;
mod updates;
