//! The Unleash dialect beside `unleash-yggdrasil`.

pub mod case;
pub mod compare;
pub mod constraint;
pub mod context;
pub mod coverage;
pub mod disagreements;
pub mod generate;
pub mod mutate;
pub mod official;
pub mod ours;
pub mod pool;
pub mod scene;
pub mod strategy;
pub mod toggle;
