//! The votes of leaves, counted.

use smallvec::SmallVec;

use super::{
    super::{Flaw, attributes::Attributes},
    float::Float,
    forest::{Forest, LANES, Leaves},
    walk::Arrive,
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
    pub(super) fn read(attributes: &Attributes<'_>) -> Result<Aggregate, Flaw> {
        match attributes.text("aggregate_function", "SUM")? {
            "AVERAGE" => Ok(Aggregate::Average),
            "SUM" => Ok(Aggregate::Sum),
            "MIN" => Ok(Aggregate::Min),
            "MAX" => Ok(Aggregate::Max),
            other => Err(Flaw::damaged(format!("there is no aggregate function `{other}`"))),
        }
    }

    /// The number that `TreeEnsemble` gives it.
    pub(super) fn from_number(number: i64) -> Result<Aggregate, Flaw> {
        match number {
            0 => Ok(Aggregate::Average),
            1 => Ok(Aggregate::Sum),
            2 => Ok(Aggregate::Min),
            3 => Ok(Aggregate::Max),
            other => Err(Flaw::damaged(format!("there is no aggregate function {other}"))),
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

/// How many scores are kept on the stack: those of a block of rows.
const KEPT: usize = 256;

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
        let rows = (KEPT / self.targets.max(1)).clamp(LANES, BLOCK);
        let rows = rows - rows % LANES;
        let mut scores: SmallVec<[T; KEPT]> = SmallVec::new();
        for (block, values) in values.chunks(width.saturating_mul(rows)).enumerate() {
            let count = values.len() / width;
            scores.clear();
            scores.resize(count.saturating_mul(self.targets), aggregate.start());
            let alone = if count < LANES { 0 } else { count - count % LANES };
            let (together, rest) = values.split_at_checked(alone * width).unwrap_or((&[], values));
            self.walk_block(together, rest, width, alone, aggregate, &mut scores);
            for (row, scores) in scores.chunks_exact_mut(self.targets.max(1)).enumerate() {
                finish(block * rows + row, scores);
            }
        }
    }

    fn walk_block(
        &self,
        together: &[T],
        rest: &[T],
        width: usize,
        alone: usize,
        aggregate: Aggregate,
        scores: &mut [T],
    ) {
        let targets = self.targets;
        // Each kind of leaf gets loops of its own, without a question inside.
        macro_rules! walk {
            ($count:expr) => {{
                let mut counter = Counter { targets, scores: &mut *scores, row: 0, count: $count };
                if alone > 0 {
                    self.walk_rows(together, width, &mut counter);
                }
                for (place, row) in rest.chunks_exact(width).enumerate() {
                    counter.row = alone + place;
                    self.walk_row(row, &mut counter);
                }
            }};
        }
        match (&self.leaves, aggregate) {
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
                for (target, weight) in votes.get(start as usize..end as usize).unwrap_or_default()
                {
                    if let Some(score) = scores.get_mut(*target as usize) {
                        aggregate.count(score, *weight);
                    }
                }
            }),
        }
    }
}

struct Counter<'a, T, C> {
    targets: usize,
    scores: &'a mut [T],
    row: usize,
    count: C,
}

impl<T: Float, C: Fn(&mut [T], u32)> Arrive<T> for Counter<'_, T, C> {
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
            if threads > 1
                && rows >= 2 * BLOCK
                && rows.saturating_mul(self.roots.len()) >= WORTH_SHARING
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
