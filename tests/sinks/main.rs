//! Sinks of comparisons: files, and events.

mod events;
mod jsonl;
mod places;
