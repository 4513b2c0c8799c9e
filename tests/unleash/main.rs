//! Unleash: toggles, updates of them, hostile input, and a router bound to them.

mod hostile;
mod payloads;
mod router;
mod toggles;
mod updates;
