//! What the flags of one document share while they are compiled.

use std::sync::Arc;

use crate::{flagd::tree::FlagdOptions, value::Map};

/// How many nodes all uses of shared evaluators of one document, and how many members all copies of
/// its metadata, may add up to in any case: a few lines of evaluators that use each other twice could
/// otherwise fill any memory.
pub(super) const REPEATED: usize = 100_000;

/// In a large document they may add up to one for so many of its bytes.
const BYTES_A_REPEATED: usize = 64;

/// What the flags of one document share.
pub(in crate::flagd) struct DocumentContext<'d> {
    pub(in crate::flagd) settings: &'d Arc<FlagdOptions>,
    pub(in crate::flagd) metadata: Arc<Map>,
    pub(super) evaluators: Option<&'d Map>,
    /// Whether some rule so far has a `fractional`.
    pub(in crate::flagd) has_split: bool,
    /// How many nodes and members may still be repeated.
    repeats: usize,
}

impl<'d> DocumentContext<'d> {
    pub(in crate::flagd) fn new(
        settings: &'d Arc<FlagdOptions>,
        evaluators: Option<&'d Map>,
        metadata: &Arc<Map>,
        bytes: usize,
    ) -> DocumentContext<'d> {
        let repeats = REPEATED.max(bytes / BYTES_A_REPEATED);
        let metadata = Arc::clone(metadata);
        DocumentContext { settings, metadata, evaluators, has_split: false, repeats }
    }

    /// Whether so much may be repeated once more.
    pub(in crate::flagd) fn repeat(&mut self, many: usize) -> bool {
        match self.repeats.checked_sub(many) {
            Some(left) => {
                self.repeats = left;
                true
            }
            None => false,
        }
    }
}
