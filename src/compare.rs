//! Comparing what two versions answered: comparators, the comparison, and the sinks it goes to.

mod agreement;
mod channel;
mod comparator;
mod comparison;
mod fan_out;
mod jsonl;
mod key;
mod labels;
mod log;
mod memory;
mod probabilities;
mod sink;
mod tolerance;
mod top_k;

pub use self::{
    agreement::Agreement,
    channel::ChannelSink,
    comparator::Comparator,
    comparison::{Comparison, Side},
    fan_out::FanOut,
    jsonl::{JsonlBuilder, JsonlSink},
    key::{KeyHash, KeyHasher, WeakSecret},
    labels::{Classified, Labels},
    log::TracingSink,
    memory::MemorySink,
    probabilities::{Probabilities, ProbabilityVector},
    sink::{ComparisonSink, SinkCounts, SinkError},
    tolerance::{Score, Tolerance},
    top_k::TopK,
};
