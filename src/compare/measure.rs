//! The names of what the comparators of this crate measure: stable, as records carry them.

pub(crate) const NONE: &str = "none";
pub(super) const CUSTOM: &str = "custom";
pub(super) const LABEL: &str = "label";
pub(super) const SCORE: &str = "score";
pub(super) const ARGMAX: &str = "argmax";
pub(super) const MAX_DISTANCE: &str = "max_distance";
pub(super) const TOTAL_VARIATION: &str = "total_variation";
pub(super) const TOP_K: &str = "top_k";
pub(super) const TOP_K_ORDER: &str = "top_k_order";
pub(super) const COSINE: &str = "cosine";

/// All of them, by which a record's measure is recognised.
pub(crate) const ALL: [&str; 10] =
    [NONE, CUSTOM, LABEL, SCORE, ARGMAX, MAX_DISTANCE, TOTAL_VARIATION, TOP_K, TOP_K_ORDER, COSINE];
