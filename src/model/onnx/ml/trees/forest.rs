//! Trees laid out to be walked fast.
//!
//! All nodes of all trees lie in one list, the two children of a split side by side, so that a
//! step is one comparison and one addition without a branch. A leaf leads to itself: walks of
//! different lengths can go on together.

use std::collections::VecDeque;

use super::{
    float::Float,
    table::{Child, MOST_FEATURES, Split, Table, Test},
};

/// One step of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<T> {
    pub(super) threshold: T,
    /// The feature, and [`Marks`].
    pub(super) feature: u32,
    /// Where a false answer leads; a true one leads to the next after.
    pub(super) next: u32,
}

/// What stands beside the feature: in every node, how a value passes.
pub(super) struct Marks;

impl Marks {
    /// A missing value passes.
    pub(super) const MISSING: u32 = 1 << 31;
    /// An equal value passes.
    pub(super) const EQUAL: u32 = 1 << 30;
    /// A smaller value passes.
    pub(super) const SMALLER: u32 = 1 << 29;
    /// A member passes; the threshold is the place of the set.
    pub(super) const MEMBER: u32 = 1 << 28;
    pub(super) const FEATURE: u32 = (1 << 28) - 1;
}

const _: () = assert!(MOST_FEATURES == Marks::FEATURE as usize + 1);

/// How the splits of all trees ask: the plainer, the faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    AtMost,
    Below,
    /// One of the two or equality, by the marks.
    Marked,
    /// Members among them.
    Members,
}

/// How many walks go on side by side, hiding one another's waits for memory.
pub(super) const LANES: usize = 8;

/// Trees that a row walks at once.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) roots: [u32; LANES],
    /// How many of them are trees; the rest repeat the last.
    pub(super) count: usize,
    /// The longest way down.
    pub(super) depth: u32,
}

#[derive(Debug)]
pub(super) struct Forest<T> {
    pub(super) nodes: Box<[Node<T>]>,
    /// The first node of each tree, and its longest way down.
    pub(super) roots: Box<[(u32, u32)]>,
    pub(super) groups: Box<[Group]>,
    pub(super) rule: Rule,
    /// Some node lets missing values pass.
    pub(super) missing: bool,
    pub(super) sets: Box<[Box<[T]>]>,
    pub(super) leaves: Leaves<T>,
    pub(super) targets: usize,
    pub(super) width: usize,
}

/// The votes at a node.
#[derive(Debug)]
pub(super) enum Leaves<T> {
    /// There is one target, and every leaf has one vote.
    One(Box<[T]>),
    /// Every leaf has one vote.
    Each(Box<[(u32, T)]>),
    /// Every leaf has one vote for each target, in order: these lie from that place.
    All { places: Box<[u32]>, weights: Box<[T]> },
    /// Any.
    Any { spans: Box<[(u32, u32)]>, votes: Box<[(u32, T)]> },
}

impl<T: Float> Forest<T> {
    pub(super) fn new(table: &Table) -> Forest<T> {
        let mut layout = Layout::default();
        let roots: Box<[(u32, u32)]> =
            table.roots.iter().map(|root| layout.tree(table, *root)).collect();
        let groups = roots
            .chunks(LANES)
            .map(|trees| {
                let last = trees.last().copied().unwrap_or_default().0;
                let mut group = Group {
                    roots: [last; LANES],
                    count: trees.len(),
                    depth: trees.iter().map(|(_, depth)| *depth).max().unwrap_or_default(),
                };
                for (place, (root, _)) in group.roots.iter_mut().zip(trees) {
                    *place = *root;
                }
                group
            })
            .collect();
        let splits =
            || layout.nodes.iter().filter(|node| node.leaf.is_none()).map(|n| n.node.feature);
        let marks = Marks::EQUAL | Marks::SMALLER | Marks::MEMBER;
        let rule = if splits().any(|feature| feature & Marks::MEMBER != 0) {
            Rule::Members
        } else if splits().all(|feature| feature & marks == Marks::SMALLER | Marks::EQUAL) {
            Rule::AtMost
        } else if splits().all(|feature| feature & marks == Marks::SMALLER) {
            Rule::Below
        } else {
            Rule::Marked
        };
        let missing = splits().any(|feature| feature & Marks::MISSING != 0);
        let leaves = Leaves::new(table, &layout.nodes);
        Forest {
            nodes: layout.nodes.iter().map(|laid| laid.node).collect(),
            roots,
            groups,
            rule,
            missing,
            sets: table
                .sets
                .iter()
                .map(|set| set.iter().map(|member| T::exactly(*member)).collect())
                .collect(),
            leaves,
            targets: table.targets,
            width: table.width(),
        }
    }
}

struct Laid<T> {
    node: Node<T>,
    leaf: Option<usize>,
}

struct Layout<T> {
    nodes: Vec<Laid<T>>,
}

impl<T> Default for Layout<T> {
    fn default() -> Layout<T> {
        Layout { nodes: Vec::new() }
    }
}

impl<T: Float> Layout<T> {
    /// Lays a tree out level by level, and says where it starts and how deep it is.
    fn tree(&mut self, table: &Table, root: Child) -> (u32, u32) {
        let start = self.reserve();
        let mut deepest = 0;
        let mut next = VecDeque::from([(root, start, 0_u32)]);
        while let Some((child, place, depth)) = next.pop_front() {
            deepest = deepest.max(depth);
            let split = match child {
                Child::Split(split) => table.splits.get(split),
                Child::Leaf(_) => None,
            };
            let laid = match (split, child) {
                (Some(split), _) => {
                    let (node, if_false, if_true) = question(split);
                    let (first, second) = (self.reserve(), self.reserve());
                    next.push_back((if_false, first, depth.saturating_add(1)));
                    next.push_back((if_true, second, depth.saturating_add(1)));
                    Laid { node: Node { next: first, ..node }, leaf: None }
                }
                (None, Child::Leaf(leaf) | Child::Split(leaf)) => {
                    // Nothing passes NaN: the walk stays.
                    let node = Node { threshold: T::NAN, feature: 0, next: place };
                    Laid { node, leaf: Some(leaf) }
                }
            };
            if let Some(found) = self.nodes.get_mut(place as usize) {
                *found = laid;
            }
        }
        (start, deepest)
    }

    fn reserve(&mut self) -> u32 {
        // The table holds fewer splits than a quarter of what fits.
        let place = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let node = Node { threshold: T::NAN, feature: 0, next: place };
        self.nodes.push(Laid { node, leaf: None });
        place
    }
}

/// A split as a question that only asks for smaller, equal or member: the others are the same
/// with the branches changed over. A missing value, which answers every question with no (and
/// `not equal` with yes), still goes where it went.
fn question<T: Float>(split: &Split) -> (Node<T>, Child, Child) {
    let threshold = split.threshold;
    let (marks, threshold, turned, missing) = match split.test {
        Test::AtMost => {
            (Marks::SMALLER | Marks::EQUAL, T::floor(threshold), false, split.missing_is_true)
        }
        Test::Below => (Marks::SMALLER, T::ceil(threshold), false, split.missing_is_true),
        Test::Equal => (Marks::EQUAL, T::exactly(threshold), false, split.missing_is_true),
        Test::Above => {
            (Marks::SMALLER | Marks::EQUAL, T::floor(threshold), true, !split.missing_is_true)
        }
        Test::AtLeast => (Marks::SMALLER, T::ceil(threshold), true, !split.missing_is_true),
        Test::NotEqual => (Marks::EQUAL, T::exactly(threshold), true, false),
        Test::Member(set) => (Marks::MEMBER, T::from_count(set), false, split.missing_is_true),
    };
    let missing = if missing { Marks::MISSING } else { 0 };
    let feature = u32::try_from(split.feature).unwrap_or(Marks::FEATURE) & Marks::FEATURE;
    let node = Node { threshold, feature: feature | marks | missing, next: 0 };
    match turned {
        false => (node, split.if_false, split.if_true),
        true => (node, split.if_true, split.if_false),
    }
}

impl<T: Float> Leaves<T> {
    fn new(table: &Table, nodes: &[Laid<T>]) -> Leaves<T> {
        // Plus zero: no weight is what sums start from.
        let weight = |weight: f64| T::near(weight) + T::ZERO;
        let target = |target: usize| u32::try_from(target).unwrap_or(u32::MAX);
        let votes = |laid: &Laid<T>| laid.leaf.map(|leaf| table.votes_of(leaf));
        if nodes.iter().filter_map(votes).all(|votes| votes.len() == 1) {
            let first = nodes.iter().map(|laid| {
                votes(laid).and_then(|votes| votes.first().copied()).unwrap_or_default()
            });
            return match table.targets {
                1 => Leaves::One(first.map(|(_, value)| weight(value)).collect()),
                _ => Leaves::Each(first.map(|(of, value)| (target(of), weight(value))).collect()),
            };
        }
        let ordered = |votes: &[(usize, f64)]| {
            votes.len() == table.targets
                && votes.iter().enumerate().all(|(place, (target, _))| place == *target)
        };
        let span = |laid: &Laid<T>| {
            let span =
                laid.leaf.and_then(|leaf| table.leaves.get(leaf)).copied().unwrap_or_default();
            (target(span.0), target(span.1))
        };
        if nodes.iter().filter_map(votes).all(ordered) {
            return Leaves::All {
                places: nodes.iter().map(|laid| span(laid).0).collect(),
                weights: table.votes.iter().map(|(_, value)| weight(*value)).collect(),
            };
        }
        Leaves::Any {
            spans: nodes.iter().map(span).collect(),
            votes: table.votes.iter().map(|(of, value)| (target(*of), weight(*value))).collect(),
        }
    }
}
