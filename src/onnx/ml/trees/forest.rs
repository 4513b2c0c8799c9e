//! Trees laid out to be walked fast.
//!
//! Shallow trees are completed to the same depth: where a step leads is computed, nothing but the
//! question is read. Of other forests all nodes lie in one list, the two children of a split side
//! by side, so that a step is one comparison and one addition without a branch; a leaf leads to
//! itself, so that walks of different lengths can go on together.

use std::collections::VecDeque;

use super::{
    float::Float,
    table::{Child, MOST_FEATURES, Split, Test, TreeTable},
};

/// What a node asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<T> {
    pub(super) threshold: T,
    /// The feature, and [`Marks`].
    pub(super) feature: u32,
}

impl<T: Float> Question<T> {
    /// Nothing passes NaN.
    const NONE: Question<T> = Question { threshold: T::NAN, feature: 0 };
}

/// One step of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<T> {
    pub(super) question: Question<T>,
    /// Where a false answer leads; a true one leads to the next after.
    pub(super) next: u32,
}

/// Bits beside the number of a node's feature: which values pass the node.
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

/// What the splits of all trees compare: the fewer kinds there are, the faster a walk is.
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

/// Where the nodes lie.
#[derive(Debug)]
pub(super) enum Layout<T> {
    /// Trees of this depth, one after the other: of each, its questions from the second place on,
    /// level by level. The first place is empty, so that the children of a node are at twice its
    /// place.
    Complete {
        depth: u32,
        questions: Box<[Question<T>]>,
    },
    Linked(Linked<T>),
}

/// Nodes that say where they lead.
#[derive(Debug)]
pub(super) struct Linked<T> {
    pub(super) nodes: Box<[Node<T>]>,
    /// The first node of each tree, and its longest way down.
    pub(super) roots: Box<[(u32, u32)]>,
    pub(super) groups: Box<[Group]>,
}

#[derive(Debug)]
pub(super) struct Forest<T> {
    pub(super) layout: Layout<T>,
    pub(super) trees: usize,
    pub(super) rule: Rule,
    /// Some node lets missing values pass.
    pub(super) missing: bool,
    pub(super) sets: Box<[Box<[T]>]>,
    pub(super) leaves: Leaves<T>,
    pub(super) targets: usize,
    pub(super) width: usize,
}

/// The votes of the leaves.
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

/// Trees are completed to this depth at most.
const DEEPEST: u32 = 8;

impl<T: Float> Forest<T> {
    pub(super) fn new(table: &TreeTable) -> Forest<T> {
        let mut layout_builder = LayoutBuilder { nodes: Vec::new() };
        let roots: Box<[(u32, u32)]> =
            table.roots.iter().map(|root| layout_builder.tree(table, *root)).collect();
        let nodes = layout_builder.nodes;
        let splits =
            || nodes.iter().filter(|placed| placed.leaf.is_none()).map(|n| n.node.question.feature);
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
        let depth = roots.iter().map(|(_, depth)| *depth).max().unwrap_or_default().max(1);
        // Completed trees take less room a node, so that twice as many nodes are no loss.
        let completed = roots.len().checked_shl(depth).filter(|_| depth <= DEEPEST);
        let (layout, leaves) = match completed {
            Some(completed) if completed / 2 <= nodes.len() => {
                let (questions, at) = complete(&nodes, &roots, depth);
                (Layout::Complete { depth, questions }, Leaves::new(table, &at))
            }
            _ => {
                let at: Vec<Option<usize>> = nodes.iter().map(|placed| placed.leaf).collect();
                let nodes = nodes.iter().map(|placed| placed.node).collect();
                let groups = roots.chunks(LANES).map(Group::new).collect();
                let leaves = Leaves::new(table, &at);
                (Layout::Linked(Linked { nodes, roots, groups }), leaves)
            }
        };
        Forest {
            layout,
            trees: table.roots.len(),
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

impl Group {
    fn new(trees: &[(u32, u32)]) -> Group {
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
    }
}

/// The questions of trees completed to this depth, and the leaf at each place below them. What is
/// below a leaf asks nothing and leads to that leaf.
fn complete<T: Float>(
    nodes: &[PlacedNode<T>],
    roots: &[(u32, u32)],
    depth: u32,
) -> (Box<[Question<T>]>, Vec<Option<usize>>) {
    let size = 1_usize << depth;
    let mut questions = Vec::with_capacity(roots.len().saturating_mul(size));
    let mut leaves = Vec::with_capacity(roots.len().saturating_mul(size));
    for (root, _) in roots {
        questions.push(Question::NONE);
        let mut level = vec![*root];
        for _ in 0..depth {
            let mut below = Vec::with_capacity(level.len().saturating_mul(2));
            for place in level {
                let placed = nodes.get(place as usize);
                questions.push(placed.map_or(Question::NONE, |placed| placed.node.question));
                let next = placed.map_or(place, |placed| placed.node.next);
                // A leaf leads to itself, whatever the answer.
                let leaf = placed.is_none_or(|placed| placed.leaf.is_some());
                below.extend([next, if leaf { next } else { next.saturating_add(1) }]);
            }
            level = below;
        }
        leaves.extend(
            level.iter().map(|place| nodes.get(*place as usize).and_then(|placed| placed.leaf)),
        );
    }
    (questions.into(), leaves)
}

struct PlacedNode<T> {
    node: Node<T>,
    leaf: Option<usize>,
}

struct LayoutBuilder<T> {
    nodes: Vec<PlacedNode<T>>,
}

impl<T: Float> LayoutBuilder<T> {
    /// Lays a tree out level by level, and says where it starts and how deep it is.
    fn tree(&mut self, table: &TreeTable, root: Child) -> (u32, u32) {
        let start = self.reserve();
        let mut deepest = 0;
        let mut next = VecDeque::from([(root, start, 0_u32)]);
        while let Some((child, place, depth)) = next.pop_front() {
            deepest = deepest.max(depth);
            let split = match child {
                Child::Split(split) => table.splits.get(split),
                Child::Leaf(_) => None,
            };
            let placed = match (split, child) {
                (Some(split), _) => {
                    let (question, if_false, if_true) = question(split);
                    let (first, second) = (self.reserve(), self.reserve());
                    next.push_back((if_false, first, depth.saturating_add(1)));
                    next.push_back((if_true, second, depth.saturating_add(1)));
                    PlacedNode { node: Node { question, next: first }, leaf: None }
                }
                (None, Child::Leaf(leaf) | Child::Split(leaf)) => {
                    let node = Node { question: Question::NONE, next: place };
                    PlacedNode { node, leaf: Some(leaf) }
                }
            };
            if let Some(found) = self.nodes.get_mut(place as usize) {
                *found = placed;
            }
        }
        (start, deepest)
    }

    fn reserve(&mut self) -> u32 {
        // The table holds fewer splits than a quarter of what fits.
        let place = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let node = Node { question: Question::NONE, next: place };
        self.nodes.push(PlacedNode { node, leaf: None });
        place
    }
}

/// A split as a question that only asks for smaller, equal or member: the others are the same
/// with the branches changed over. A missing value, which answers every question with no (and
/// `not equal` with yes), still goes where it went.
fn question<T: Float>(split: &Split) -> (Question<T>, Child, Child) {
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
    let question = Question { threshold, feature: feature | marks | missing };
    match turned {
        false => (question, split.if_false, split.if_true),
        true => (question, split.if_true, split.if_false),
    }
}

impl<T: Float> Leaves<T> {
    /// The votes at each place where there is a leaf.
    fn new(table: &TreeTable, places: &[Option<usize>]) -> Leaves<T> {
        // Plus zero: no weight is what sums start from.
        let weight = |weight: f64| T::near(weight) + T::ZERO;
        let target = |target: usize| u32::try_from(target).unwrap_or(u32::MAX);
        let votes = |leaf: &Option<usize>| leaf.map(|leaf| table.votes_of(leaf));
        if places.iter().filter_map(votes).all(|votes| votes.len() == 1) {
            let first = places.iter().map(|placed| {
                votes(placed).and_then(|votes| votes.first().copied()).unwrap_or_default()
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
        let span = |leaf: &Option<usize>| {
            let span = leaf.and_then(|leaf| table.leaves.get(leaf)).copied().unwrap_or_default();
            (target(span.0), target(span.1))
        };
        if places.iter().filter_map(votes).all(ordered) {
            return Leaves::All {
                places: places.iter().map(|leaf| span(leaf).0).collect(),
                weights: table.votes.iter().map(|(_, value)| weight(*value)).collect(),
            };
        }
        Leaves::Any {
            spans: places.iter().map(span).collect(),
            votes: table.votes.iter().map(|(of, value)| (target(*of), weight(*value))).collect(),
        }
    }
}
