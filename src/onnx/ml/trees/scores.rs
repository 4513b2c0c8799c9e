//! The votes of leaves, counted.

use smallvec::SmallVec;

use super::{
    super::{NodeError, attributes::Attributes},
    float::Float,
    forest::{Forest, LANES, Leaves},
    walk::{LeafVisitor, NARROW, Row},
};

/// `aggregate_function`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Average,
    Sum,
    Min,
    Max,
}

impl Aggregate {
    pub(super) fn read(attributes: &Attributes<'_>) -> Result<Aggregate, NodeError> {
        match attributes.text("aggregate_function", "SUM")? {
            "AVERAGE" => Ok(Aggregate::Average),
            "SUM" => Ok(Aggregate::Sum),
            "MIN" => Ok(Aggregate::Min),
            "MAX" => Ok(Aggregate::Max),
            other => Err(NodeError::damaged(format!("there is no aggregate function `{other}`"))),
        }
    }

    /// The number that `TreeEnsemble` gives it.
    pub(super) fn from_number(number: i64) -> Result<Aggregate, NodeError> {
        match number {
            0 => Ok(Aggregate::Average),
            1 => Ok(Aggregate::Sum),
            2 => Ok(Aggregate::Min),
            3 => Ok(Aggregate::Max),
            other => Err(NodeError::damaged(format!("there is no aggregate function {other}"))),
        }
    }

    /// What a score is before any vote.
    fn start<T: Float>(self) -> T {
        match self {
            Aggregate::Sum | Aggregate::Average => T::NOTHING,
            Aggregate::Min | Aggregate::Max => T::NAN,
        }
    }

    #[inline(always)]
    fn count<T: Float>(self, score: &mut T, weight: T) {
        match self {
            Aggregate::Sum | Aggregate::Average => *score = *score + weight,
            Aggregate::Min if score.is_nan() || weight < *score => *score = weight,
            Aggregate::Max if score.is_nan() || weight > *score => *score = weight,
            Aggregate::Min | Aggregate::Max => {}
        }
    }
}

/// How many scores there is room for on the stack: those of a block of rows.
const ON_STACK: usize = 256;

/// The most rows of a block: while they walk down a tree, the tree stays in the nearest memory.
const BLOCK: usize = 64;

impl<T: Float> Forest<T> {
    /// Counts the votes for each row of values and hands the scores over, row by row, with the
    /// number of the row. A row's votes are counted in the order of the trees, whatever comes
    /// with it.
    pub(super) fn score(
        &self,
        values: &[T],
        width: usize,
        aggregate: Aggregate,
        mut finish: impl FnMut(usize, &mut [T]),
    ) {
        let width = width.max(1);
        let rows = (ON_STACK / self.targets.max(1)).clamp(LANES, BLOCK);
        let rows = rows - rows % LANES;
        let mut scores: SmallVec<[T; ON_STACK]> = SmallVec::new();
        // The rows that walk together; one alone is padded on the stack.
        let mut padded: Vec<[T; NARROW]> = Vec::new();
        if width <= NARROW && values.len() / width >= LANES {
            padded.resize(rows, [T::NAN; NARROW]);
        }
        for (block, values) in values.chunks(width.saturating_mul(rows)).enumerate() {
            let count = values.len() / width;
            scores.clear();
            scores.resize(count.saturating_mul(self.targets), aggregate.start());
            let grouped = if count < LANES { 0 } else { count - count % LANES };
            let (together, rest) =
                values.split_at_checked(grouped * width).unwrap_or((&[], values));
            let mut counting = Counting { forest: self, aggregate, scores: &mut scores };
            if width <= NARROW {
                for (padded, row) in padded.iter_mut().zip(together.chunks_exact(width)) {
                    if let Some(place) = padded.get_mut(..width) {
                        place.copy_from_slice(row);
                    }
                }
                let padded = padded.get(..grouped).unwrap_or_default();
                counting.together(padded.as_chunks::<LANES>().0.iter().map(|rows| rows.each_ref()));
                for (place, row) in rest.chunks_exact(width).enumerate() {
                    let mut padded = [T::NAN; NARROW];
                    if let Some(place) = padded.get_mut(..width) {
                        place.copy_from_slice(row);
                    }
                    counting.alone(grouped + place, &padded);
                }
            } else {
                counting.together(together.chunks_exact(width * LANES).map(|chunk| {
                    let mut rows: [&[T]; LANES] = [&[]; LANES];
                    for (row, values) in rows.iter_mut().zip(chunk.chunks_exact(width)) {
                        *row = values;
                    }
                    rows
                }));
                for (place, row) in rest.chunks_exact(width).enumerate() {
                    counting.alone(grouped + place, row);
                }
            }
            for (row, scores) in scores.chunks_exact_mut(self.targets.max(1)).enumerate() {
                finish(block * rows + row, scores);
            }
        }
    }
}

/// The count of a block of rows.
struct Counting<'a, T> {
    forest: &'a Forest<T>,
    aggregate: Aggregate,
    scores: &'a mut [T],
}

impl<T: Float> Counting<'_, T> {
    /// Rows from the first on.
    fn together<R: Row<T>>(&mut self, rows: impl Iterator<Item = [R; LANES]>) {
        let rows: SmallVec<[[R; LANES]; BLOCK / LANES]> = rows.collect();
        if !rows.is_empty() {
            self.count(0, RowBlock(&rows));
        }
    }

    /// The row at this place.
    fn alone(&mut self, place: usize, row: impl Row<T>) {
        self.count(place, SingleRow(row));
    }

    /// Each kind of leaf gets loops of its own, without a question inside.
    #[inline(always)]
    fn count(&mut self, row: usize, walkers: impl Lanes<T>) {
        let Counting { forest, aggregate, scores } = self;
        let (targets, aggregate) = (forest.targets, *aggregate);
        macro_rules! walk {
            ($count:expr) => {
                walkers.walk(forest, &mut Counter { targets, scores, row, count: $count })
            };
        }
        match (&forest.leaves, aggregate) {
            (Leaves::One(weights), Aggregate::Sum | Aggregate::Average) => {
                walk!(|scores: &mut [T], leaf: u32| {
                    if let (Some(score), Some(weight)) =
                        (scores.first_mut(), weights.get(leaf as usize))
                    {
                        *score = *score + *weight;
                    }
                });
            }
            (Leaves::One(weights), _) => walk!(|scores: &mut [T], leaf: u32| {
                if let (Some(score), Some(weight)) =
                    (scores.first_mut(), weights.get(leaf as usize))
                {
                    aggregate.count(score, *weight);
                }
            }),
            (Leaves::Each(votes), _) => walk!(|scores: &mut [T], leaf: u32| {
                if let Some((target, weight)) = votes.get(leaf as usize)
                    && let Some(score) = scores.get_mut(*target as usize)
                {
                    aggregate.count(score, *weight);
                }
            }),
            (Leaves::All { places, weights }, _) => walk!(|scores: &mut [T], leaf: u32| {
                let place = places.get(leaf as usize).copied().unwrap_or_default() as usize;
                if let Some(weights) = weights.get(place..place.saturating_add(targets)) {
                    for (score, weight) in scores.iter_mut().zip(weights) {
                        aggregate.count(score, *weight);
                    }
                }
            }),
            (Leaves::Any { spans, votes }, _) => walk!(|scores: &mut [T], leaf: u32| {
                let (start, end) = spans.get(leaf as usize).copied().unwrap_or_default();
                let votes = votes.get(start as usize..end as usize).unwrap_or_default();
                for (target, weight) in votes {
                    if let Some(score) = scores.get_mut(*target as usize) {
                        aggregate.count(score, *weight);
                    }
                }
            }),
        }
    }
}

/// One row, or several together.
trait Lanes<T> {
    fn walk(self, forest: &Forest<T>, visitor: &mut impl LeafVisitor);
}

struct SingleRow<R>(R);

impl<T: Float, R: Row<T>> Lanes<T> for SingleRow<R> {
    fn walk(self, forest: &Forest<T>, visitor: &mut impl LeafVisitor) {
        forest.walk_row(self.0, visitor);
    }
}

struct RowBlock<'a, R>(&'a [[R; LANES]]);

impl<T: Float, R: Row<T>> Lanes<T> for RowBlock<'_, R> {
    fn walk(self, forest: &Forest<T>, visitor: &mut impl LeafVisitor) {
        forest.walk_rows(self.0, visitor);
    }
}

struct Counter<'a, T, C> {
    targets: usize,
    scores: &'a mut [T],
    row: usize,
    count: C,
}

impl<T: Float, C: Fn(&mut [T], u32)> LeafVisitor for Counter<'_, T, C> {
    #[inline(always)]
    fn row(&mut self, leaves: &[u32]) {
        let start = self.row.saturating_mul(self.targets);
        if let Some(scores) = self.scores.get_mut(start..start.saturating_add(self.targets)) {
            for leaf in leaves {
                (self.count)(scores, *leaf);
            }
        }
    }

    #[inline(always)]
    fn tree(&mut self, first: usize, leaves: &[u32; LANES]) {
        let start = first.saturating_mul(self.targets);
        let scores = self.scores.get_mut(start..).unwrap_or_default();
        for (scores, leaf) in scores.chunks_exact_mut(self.targets.max(1)).zip(leaves) {
            (self.count)(scores, *leaf);
        }
    }
}

/// Rows and trees that are worth another thread, multiplied: some tens of microseconds.
#[cfg(feature = "rayon")]
const WORTH_SHARING: usize = 16_384;

impl<T: Float> Forest<T> {
    /// Fills in what is given for each row: `width` values in, `given` numbers out and one mark.
    /// Many rows are shared out among threads.
    pub(super) fn fill<O: Send, M: Send>(
        &self,
        values: &[T],
        width: usize,
        aggregate: Aggregate,
        (out, given): (&mut [O], usize),
        marks: &mut [M],
        finish: impl Fn(&mut [T], &mut [O]) -> M + Sync,
    ) {
        let fill = |values: &[T], out: &mut [O], marks: &mut [M]| {
            let mut each = out.chunks_exact_mut(given.max(1)).zip(marks);
            // Rows are handed over in order.
            self.score(values, width, aggregate, |_, scores| {
                if let Some((out, mark)) = each.next() {
                    *mark = finish(scores, out);
                }
            });
        };
        #[cfg(feature = "rayon")]
        {
            use rayon::prelude::*;
            let rows = marks.len();
            let threads = rayon::current_num_threads();
            if threads > 1 && rows >= 2 * BLOCK && rows.saturating_mul(self.trees) >= WORTH_SHARING
            {
                let share = rows.div_ceil(threads.saturating_mul(2)).next_multiple_of(BLOCK);
                values
                    .par_chunks(width.max(1).saturating_mul(share))
                    .zip(out.par_chunks_mut(given.max(1).saturating_mul(share)))
                    .zip(marks.par_chunks_mut(share))
                    .for_each(|((values, out), marks)| fill(values, out, marks));
                return;
            }
        }
        fill(values, out, marks);
    }
}
