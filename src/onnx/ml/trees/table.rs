//! Trees as a file states them, checked.

use super::super::NodeError;

/// The trees of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct TreeTable {
    pub(super) splits: Vec<Split>,
    /// Where the votes of each leaf start and end.
    pub(super) leaves: Vec<(usize, usize)>,
    /// Targets (or classes) and weights.
    pub(super) votes: Vec<(usize, f64)>,
    pub(super) roots: Vec<Child>,
    /// The members that a split asks for.
    pub(super) sets: Vec<Box<[f64]>>,
    pub(super) targets: usize,
}

/// Where a branch leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Child {
    Split(usize),
    Leaf(usize),
}

/// A question about one feature.
#[derive(Clone, Debug)]
pub(super) struct Split {
    pub(super) feature: usize,
    pub(super) test: Test,
    pub(super) threshold: f64,
    /// A missing value goes where a true answer goes.
    pub(super) missing_is_true: bool,
    pub(super) if_true: Child,
    pub(super) if_false: Child,
}

/// How a value is compared with the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
    /// It is one of the set of this number.
    Member(usize),
}

/// More targets than this are a mistake in the file, and the first row would take the memory.
const MOST_TARGETS: usize = 1 << 16;

/// The number of a feature shares 32 bits with four [marks](super::forest::Marks).
pub(super) const MOST_FEATURES: usize = 1 << 28;

impl TreeTable {
    /// Refuses trees that do not end, and numbers out of range.
    pub(super) fn check(self) -> Result<TreeTable, NodeError> {
        if self.roots.is_empty() {
            return Err(NodeError::damaged("found no trees"));
        }
        if self.targets == 0 || self.targets > MOST_TARGETS {
            return Err(NodeError::damaged(format!("found {} targets", self.targets)));
        }
        if self.votes.iter().any(|(target, _)| *target >= self.targets) {
            return Err(NodeError::damaged("a leaf votes for a class that does not exist"));
        }
        let votes = self.votes.len();
        if self.leaves.iter().any(|(start, end)| start > end || *end > votes) {
            return Err(NodeError::damaged("a leaf has votes that do not exist"));
        }
        if self.splits.iter().any(|split| split.feature >= MOST_FEATURES) {
            return Err(NodeError::damaged("a split asks for a feature that no row has"));
        }
        if self.splits.len() > u32::MAX as usize / 4 || self.sets.len() > 1 << 24 {
            return Err(NodeError::damaged("found more splits than can be counted"));
        }
        // Reached once at most, by all trees together: so no circle, and no more to keep than the
        // file holds.
        let mut reached = vec![false; self.splits.len()];
        let mut next: Vec<Child> = self.roots.clone();
        while let Some(child) = next.pop() {
            match child {
                Child::Leaf(leaf) if leaf < self.leaves.len() => {}
                Child::Split(place) => {
                    let (Some(split), Some(reached)) =
                        (self.splits.get(place), reached.get_mut(place))
                    else {
                        return Err(NodeError::damaged(
                            "a branch leads to a node that does not exist",
                        ));
                    };
                    if std::mem::replace(reached, true) {
                        return Err(NodeError::damaged(
                            "two branches lead to one node, or one leads back to the first",
                        ));
                    }
                    next.extend([split.if_true, split.if_false]);
                }
                Child::Leaf(_) => {
                    return Err(NodeError::damaged("a branch leads to a node that does not exist"));
                }
            }
        }
        Ok(self)
    }

    /// The number of features that the splits ask for.
    pub(super) fn width(&self) -> usize {
        self.splits.iter().map(|split| split.feature + 1).max().unwrap_or(0)
    }

    pub(super) fn votes_of(&self, leaf: usize) -> &[(usize, f64)] {
        let span = self.leaves.get(leaf).copied().unwrap_or_default();
        self.votes.get(span.0..span.1).unwrap_or_default()
    }
}
