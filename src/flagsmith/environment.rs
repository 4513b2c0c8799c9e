//! What all features of one set have in common.

use super::{FlagsmithOptions, Generation};

#[derive(Clone, Debug)]
pub(super) struct Environment {
    pub(super) key: Box<str>,
    pub(super) name: Box<str>,
    pub(super) shape: Shape,
    pub(super) options: FlagsmithOptions,
}

/// What the set was compiled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The environment document of the API.
    Document,
    /// An evaluation context of the engine.
    Context,
}

impl Environment {
    /// Whether features may depend on one another.
    #[inline]
    pub(super) fn reads_flags(&self) -> bool {
        self.options.generation == Generation::FlagDependencies
    }
}
