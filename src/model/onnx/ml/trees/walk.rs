//! Walking down trees.

use super::{
    float::Float,
    forest::{Forest, Group, LANES, Marks, Node, Rule},
};

/// Whether a value passes a node.
trait Passes<T>: Copy {
    fn passes(self, node: &Node<T>, value: T) -> bool;
}

#[derive(Clone, Copy)]
struct AtMost;

impl<T: Float> Passes<T> for AtMost {
    #[inline(always)]
    fn passes(self, node: &Node<T>, value: T) -> bool {
        value <= node.threshold
    }
}

#[derive(Clone, Copy)]
struct Below;

impl<T: Float> Passes<T> for Below {
    #[inline(always)]
    fn passes(self, node: &Node<T>, value: T) -> bool {
        value < node.threshold
    }
}

#[derive(Clone, Copy)]
struct Marked;

impl<T: Float> Passes<T> for Marked {
    #[inline(always)]
    fn passes(self, node: &Node<T>, value: T) -> bool {
        let smaller = (value < node.threshold) & (node.feature & Marks::SMALLER != 0);
        let equal = (value == node.threshold) & (node.feature & Marks::EQUAL != 0);
        smaller | equal
    }
}

#[derive(Clone, Copy)]
struct Members<'a, T>(&'a [Box<[T]>]);

impl<T: Float> Passes<T> for Members<'_, T> {
    fn passes(self, node: &Node<T>, value: T) -> bool {
        if node.feature & Marks::MEMBER == 0 {
            return Marked.passes(node, value);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let set = self.0.get(node.threshold.widen() as usize);
        set.is_some_and(|set| set.contains(&value))
    }
}

/// The same, and missing values pass where they are marked to.
#[derive(Clone, Copy)]
struct OrMissing<P>(P);

impl<T: Float, P: Passes<T>> Passes<T> for OrMissing<P> {
    #[inline(always)]
    fn passes(self, node: &Node<T>, value: T) -> bool {
        self.0.passes(node, value) | (value.is_nan() & (node.feature & Marks::MISSING != 0))
    }
}

/// A walk this long or shorter goes on without asking whether all have arrived.
const SHORT: u32 = 8;

/// How many steps longer walks take before they ask.
const STRIDE: u32 = 4;

#[inline(always)]
fn step<T: Float>(nodes: &[Node<T>], passes: impl Passes<T>, row: &[T], at: u32) -> u32 {
    // Every place that a node names exists; a row that is too short has no value there.
    let Some(node) = nodes.get(at as usize) else { return at };
    let value = row.get((node.feature & Marks::FEATURE) as usize).copied().unwrap_or(T::NAN);
    node.next + u32::from(passes.passes(node, value))
}

#[inline(always)]
fn walk<T: Float>(
    nodes: &[Node<T>],
    passes: impl Passes<T>,
    rows: [&[T]; LANES],
    mut at: [u32; LANES],
    depth: u32,
) -> [u32; LANES] {
    let advance = |at: &mut [u32; LANES]| {
        for (at, row) in at.iter_mut().zip(rows) {
            *at = step(nodes, passes, row, *at);
        }
    };
    if depth <= SHORT {
        for _ in 0..depth {
            advance(&mut at);
        }
        return at;
    }
    let mut left = depth;
    while left > 0 {
        let before = at;
        for _ in 0..left.min(STRIDE) {
            advance(&mut at);
        }
        if before == at {
            break;
        }
        left = left.saturating_sub(STRIDE);
    }
    at
}

/// What is done with the leaves that walks arrive at.
pub(super) trait Arrive<T> {
    /// The walks of a row down a group of trees, in order.
    fn row(&mut self, leaves: &[u32]);
    /// The walks of rows, from the first of them on, down one tree.
    fn tree(&mut self, first: usize, leaves: &[u32; LANES]);
}

impl<T: Float> Forest<T> {
    /// Walks one row down all trees, in their order.
    pub(super) fn walk_row(&self, row: &[T], arrive: &mut impl Arrive<T>) {
        self.with_rule(RowWalk { forest: self, row, arrive });
    }

    /// Walks whole numbers of [`LANES`] rows down all trees, in their order. What is left over is
    /// not walked.
    pub(super) fn walk_rows(&self, rows: &[T], width: usize, arrive: &mut impl Arrive<T>) {
        self.with_rule(RowsWalk { forest: self, rows, width, arrive });
    }

    #[inline(always)]
    fn with_rule(&self, walk: impl Walk<T>) {
        match (self.rule, self.missing) {
            (Rule::AtMost, false) => walk.go(AtMost),
            (Rule::AtMost, true) => walk.go(OrMissing(AtMost)),
            (Rule::Below, false) => walk.go(Below),
            (Rule::Below, true) => walk.go(OrMissing(Below)),
            (Rule::Marked, _) => walk.go(OrMissing(Marked)),
            (Rule::Members, _) => walk.go(OrMissing(Members(&self.sets))),
        }
    }
}

trait Walk<T> {
    fn go(self, passes: impl Passes<T>);
}

struct RowWalk<'a, T, A> {
    forest: &'a Forest<T>,
    row: &'a [T],
    arrive: &'a mut A,
}

impl<T: Float, A: Arrive<T>> Walk<T> for RowWalk<'_, T, A> {
    #[inline(always)]
    fn go(self, passes: impl Passes<T>) {
        for Group { roots, count, depth } in &self.forest.groups {
            let leaves = walk(&self.forest.nodes, passes, [self.row; LANES], *roots, *depth);
            self.arrive.row(leaves.get(..*count).unwrap_or(&leaves));
        }
    }
}

struct RowsWalk<'a, T, A> {
    forest: &'a Forest<T>,
    rows: &'a [T],
    width: usize,
    arrive: &'a mut A,
}

impl<T: Float, A: Arrive<T>> Walk<T> for RowsWalk<'_, T, A> {
    #[inline(always)]
    fn go(self, passes: impl Passes<T>) {
        let width = self.width.max(1);
        for (root, depth) in &self.forest.roots {
            let together = self.rows.chunks_exact(width.saturating_mul(LANES));
            for (place, chunk) in together.enumerate() {
                let mut rows: [&[T]; LANES] = [&[]; LANES];
                for (row, values) in rows.iter_mut().zip(chunk.chunks_exact(width)) {
                    *row = values;
                }
                let leaves = walk(&self.forest.nodes, passes, rows, [*root; LANES], *depth);
                self.arrive.tree(place * LANES, &leaves);
            }
        }
    }
}
