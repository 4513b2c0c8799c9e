//! A router over models that cost nothing.

use modelgate::{FlagSet, Flags, ModelRouter, model_fn};

/// A router bound to the flag `key` of this set.
pub fn router(set: &FlagSet, key: &str) -> ModelRouter<[f32], f32> {
    ModelRouter::builder(key)
        .model("fraud-v1", model_fn(|_: &[f32]| Ok(0.1)))
        .model("fraud-v2", model_fn(|_: &[f32]| Ok(0.2)))
        .fallback("fraud-v1")
        .flags(Flags::from(set.clone()))
        .build()
        .unwrap()
}
