//! Comparing what two versions answered: comparators, the comparison, and the sinks it goes to.

mod agreement;
mod comparator;
mod comparison;
mod cosine_similarity;
pub mod key;
pub(crate) mod measure;
mod probability_distance;
mod same_label;
pub mod sink;
mod slices;
mod tolerance;
mod top_k;

pub use self::{
    agreement::Agreement,
    comparator::Comparator,
    comparison::{Comparison, Run},
    cosine_similarity::CosineSimilarity,
    probability_distance::{HasProbabilities, ProbabilityDistance},
    same_label::{HasLabel, SameLabel},
    slices::Slices,
    tolerance::{Numeric, Tolerance},
    top_k::TopK,
};
