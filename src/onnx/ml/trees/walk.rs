//! Walking down trees.

use super::{
    float::Float,
    forest::{Forest, Group, LANES, Layout, Linked, Marks, Node, Question, Rule},
};

/// Whether a value passes a node.
trait Passes<T>: Copy {
    fn passes(self, question: Question<T>, value: T) -> bool;
}

#[derive(Clone, Copy)]
struct AtMost;

impl<T: Float> Passes<T> for AtMost {
    #[inline(always)]
    fn passes(self, question: Question<T>, value: T) -> bool {
        value <= question.threshold
    }
}

#[derive(Clone, Copy)]
struct Below;

impl<T: Float> Passes<T> for Below {
    #[inline(always)]
    fn passes(self, question: Question<T>, value: T) -> bool {
        value < question.threshold
    }
}

#[derive(Clone, Copy)]
struct Marked;

impl<T: Float> Passes<T> for Marked {
    #[inline(always)]
    fn passes(self, question: Question<T>, value: T) -> bool {
        let smaller = (value < question.threshold) & (question.feature & Marks::SMALLER != 0);
        let equal = (value == question.threshold) & (question.feature & Marks::EQUAL != 0);
        smaller | equal
    }
}

#[derive(Clone, Copy)]
struct SetMember<'a, T>(&'a [Box<[T]>]);

impl<T: Float> Passes<T> for SetMember<'_, T> {
    fn passes(self, question: Question<T>, value: T) -> bool {
        if question.feature & Marks::MEMBER == 0 {
            return Marked.passes(question, value);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let set = self.0.get(question.threshold.widen() as usize);
        set.is_some_and(|set| set.contains(&value))
    }
}

/// The same, and missing values pass where they are marked to.
#[derive(Clone, Copy)]
struct OrMissing<P>(P);

impl<T: Float, P: Passes<T>> Passes<T> for OrMissing<P> {
    #[inline(always)]
    fn passes(self, question: Question<T>, value: T) -> bool {
        self.0.passes(question, value) | (value.is_nan() & (question.feature & Marks::MISSING != 0))
    }
}

/// The values of a row.
pub(super) trait Row<T>: Copy {
    fn value(self, feature: u32) -> T;
}

/// As many values as a narrow row has room for.
pub(super) const NARROW: usize = 64;

/// A row with room to spare: no number of a feature is past its end, and nothing asks.
impl<T: Float> Row<T> for &[T; NARROW] {
    #[inline(always)]
    fn value(self, feature: u32) -> T {
        self.get(feature as usize % NARROW).copied().unwrap_or(T::NAN)
    }
}

impl<T: Float> Row<T> for &[T] {
    #[inline(always)]
    fn value(self, feature: u32) -> T {
        // A row is as wide as the trees ask for.
        self.get((feature & Marks::FEATURE) as usize).copied().unwrap_or(T::NAN)
    }
}

/// What is done with the leaves that walks visitor at.
pub(super) trait LeafVisitor {
    /// The walks of a row down some trees, in order.
    fn row(&mut self, leaves: &[u32]);
    /// The walks of rows, from the first of them on, down one tree.
    fn tree(&mut self, first: usize, leaves: &[u32; LANES]);
}

impl<T: Float> Forest<T> {
    /// Walks one row down all trees, in their order.
    pub(super) fn walk_row(&self, row: impl Row<T>, visitor: &mut impl LeafVisitor) {
        self.with_rule(RowWalk { row, visitor });
    }

    /// Walks rows, together, down all trees, in their order.
    pub(super) fn walk_rows<R: Row<T>>(&self, rows: &[[R; LANES]], visitor: &mut impl LeafVisitor) {
        self.with_rule(RowsWalk { rows, visitor });
    }

    #[inline(always)]
    fn with_rule(&self, walk: impl Walk<T>) {
        match (self.rule, self.missing) {
            (Rule::AtMost, false) => self.with_layout(AtMost, walk),
            (Rule::AtMost, true) => self.with_layout(OrMissing(AtMost), walk),
            (Rule::Below, false) => self.with_layout(Below, walk),
            (Rule::Below, true) => self.with_layout(OrMissing(Below), walk),
            (Rule::Marked, _) => self.with_layout(OrMissing(Marked), walk),
            (Rule::Members, _) => self.with_layout(OrMissing(SetMember(&self.sets)), walk),
        }
    }

    #[inline(always)]
    fn with_layout(&self, passes: impl Passes<T>, walk: impl Walk<T>) {
        match &self.layout {
            Layout::Linked(linked) => walk.linked(passes, linked),
            Layout::Complete { depth, questions } => match depth {
                0 | 1 => walk.complete::<2>(passes, questions.as_chunks().0),
                2 => walk.complete::<4>(passes, questions.as_chunks().0),
                3 => walk.complete::<8>(passes, questions.as_chunks().0),
                4 => walk.complete::<16>(passes, questions.as_chunks().0),
                5 => walk.complete::<32>(passes, questions.as_chunks().0),
                6 => walk.complete::<64>(passes, questions.as_chunks().0),
                7 => walk.complete::<128>(passes, questions.as_chunks().0),
                _ => walk.complete::<256>(passes, questions.as_chunks().0),
            },
        }
    }
}

/// A walk down trees of either layout.
trait Walk<T> {
    fn linked(self, passes: impl Passes<T>, trees: &Linked<T>);
    fn complete<const N: usize>(self, passes: impl Passes<T>, trees: &[[Question<T>; N]]);
}

/// Walks side by side down complete trees: where they visitor, counted from the first leaf.
#[inline(always)]
fn descend<T: Float, R: Row<T>, const N: usize, const L: usize>(
    passes: impl Passes<T>,
    trees: [&[Question<T>; N]; L],
    rows: [R; L],
) -> [u32; L] {
    let mut at = [1_u32; L];
    for _ in 0..N.ilog2() {
        for ((at, tree), row) in at.iter_mut().zip(trees).zip(rows) {
            // Never past the end: there are as many levels as halvings.
            let Some(question) = tree.get(*at as usize % N) else { continue };
            *at = 2 * *at + u32::from(passes.passes(*question, row.value(question.feature)));
        }
    }
    at.map(|at| at % N as u32)
}

/// A walk this long or shorter goes on without asking whether all have arrived.
const SHORT: u32 = 8;

/// How many steps longer walks take before they ask.
const STRIDE: u32 = 4;

#[inline(always)]
fn step<T: Float>(nodes: &[Node<T>], passes: impl Passes<T>, row: impl Row<T>, at: u32) -> u32 {
    // Every place that a node names exists.
    let Some(node) = nodes.get(at as usize) else { return at };
    let value = row.value(node.question.feature);
    node.next + u32::from(passes.passes(node.question, value))
}

/// Walks side by side down linked trees.
#[inline(always)]
fn follow<T: Float, R: Row<T>>(
    nodes: &[Node<T>],
    passes: impl Passes<T>,
    rows: [R; LANES],
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

struct RowWalk<'a, R, A> {
    row: R,
    visitor: &'a mut A,
}

impl<T: Float, R: Row<T>, A: LeafVisitor> Walk<T> for RowWalk<'_, R, A> {
    #[inline(always)]
    fn linked(self, passes: impl Passes<T>, trees: &Linked<T>) {
        for Group { roots, count, depth } in &trees.groups {
            let leaves = follow(&trees.nodes, passes, [self.row; LANES], *roots, *depth);
            self.visitor.row(leaves.get(..*count).unwrap_or(&leaves));
        }
    }

    #[inline(always)]
    fn complete<const N: usize>(self, passes: impl Passes<T>, trees: &[[Question<T>; N]]) {
        let (groups, rest) = trees.as_chunks::<LANES>();
        let mut first = 0;
        for group in groups {
            let mut leaves = descend(passes, group.each_ref(), [self.row; LANES]);
            for leaf in &mut leaves {
                *leaf += first;
                first += N as u32;
            }
            self.visitor.row(&leaves);
        }
        for tree in rest {
            let [leaf] = descend(passes, [tree], [self.row]);
            self.visitor.row(&[leaf + first]);
            first += N as u32;
        }
    }
}

struct RowsWalk<'a, R, A> {
    rows: &'a [[R; LANES]],
    visitor: &'a mut A,
}

impl<T: Float, R: Row<T>, A: LeafVisitor> Walk<T> for RowsWalk<'_, R, A> {
    #[inline(always)]
    fn linked(self, passes: impl Passes<T>, trees: &Linked<T>) {
        for (root, depth) in &trees.roots {
            for (place, rows) in self.rows.iter().enumerate() {
                let leaves = follow(&trees.nodes, passes, *rows, [*root; LANES], *depth);
                self.visitor.tree(place * LANES, &leaves);
            }
        }
    }

    #[inline(always)]
    fn complete<const N: usize>(self, passes: impl Passes<T>, trees: &[[Question<T>; N]]) {
        for (tree, first) in trees.iter().zip((0_u32..).step_by(N)) {
            for (place, rows) in self.rows.iter().enumerate() {
                let leaves = descend(passes, [tree; LANES], *rows);
                self.visitor.tree(place * LANES, &leaves.map(|leaf| leaf + first));
            }
        }
    }
}
