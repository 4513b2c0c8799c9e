//! `SVMClassifier`.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{TValue, TVec, TractResult},
};

use super::{
    super::{
        NodeError,
        attributes::Attributes,
        dot::dot,
        labels::Labels,
        linear::first_largest,
        operator::{Fact, FromNode, Operator, input, numbers},
        post_transform::{PostTransform, logistic},
        rows,
    },
    Kernel, Vectors,
    coupling::{Pairs, couple},
};

#[derive(Debug)]
pub(in super::super) struct SvmClassifier {
    labels: Labels,
    machine: Machine,
    post_transform: PostTransform,
}

#[derive(Debug)]
enum Machine {
    /// A weighted sum for each class.
    Linear { coefficients: Box<[f32]>, rho: f32, all_positive: bool },
    /// A machine for each pair of classes, which vote.
    Pairwise(Box<Pairwise>),
}

#[derive(Debug)]
struct Pairwise {
    vectors: Vectors,
    /// The first vector of each class, and the one after its last.
    spans: Box<[(usize, usize)]>,
    /// A row for each class but the last, a column for each vector.
    coefficients: Box<[f32]>,
    /// One for each pair.
    rho: Box<[f32]>,
    /// Slope and offset of the sigmoid that makes a probability of a score, one for each pair, or
    /// none.
    sigmoids: Box<[(f32, f32)]>,
}

/// More classes than this would mean more pairs than memory.
const MOST_CLASSES: usize = 1 << 12;

impl FromNode for SvmClassifier {
    fn from_node(node: &NodeProto) -> Result<SvmClassifier, NodeError> {
        let attributes = Attributes::of(node);
        let labels = Labels::read(&attributes, "classlabels_ints", "classlabels_strings")?;
        if labels.len() > MOST_CLASSES {
            return Err(NodeError::damaged(format!("found {} classes", labels.len())));
        }
        let machine = match attributes.ints("vectors_per_class")? {
            [] => linear(&attributes, &labels)?,
            counts => Machine::Pairwise(Box::new(Pairwise::read(&attributes, &labels, counts)?)),
        };
        let post_transform = PostTransform::read(&attributes)?;
        if let (Machine::Pairwise(machine), 2) = (&machine, labels.len())
            && machine.sigmoids.is_empty()
        {
            post_transform.check_between_two()?;
        }
        Ok(SvmClassifier { labels, machine, post_transform })
    }
}

fn linear(attributes: &Attributes<'_>, labels: &Labels) -> Result<Machine, NodeError> {
    let coefficients = attributes.floats("coefficients")?;
    if coefficients.is_empty() || !coefficients.len().is_multiple_of(labels.len().max(1)) {
        return Err(NodeError::damaged(format!(
            "found {} coefficients for {} classes",
            coefficients.len(),
            labels.len()
        )));
    }
    let Some(rho) = attributes.floats("rho")?.first() else {
        return Err(NodeError::damaged("expected a `rho`"));
    };
    Ok(Machine::Linear {
        coefficients: coefficients.into(),
        rho: *rho,
        all_positive: coefficients.iter().all(|coefficient| *coefficient >= 0.0),
    })
}

impl Pairwise {
    fn read(
        attributes: &Attributes<'_>,
        labels: &Labels,
        counts: &[i64],
    ) -> Result<Pairwise, NodeError> {
        let classes = labels.len();
        if classes < 2 {
            return Err(NodeError::damaged(format!(
                "found {classes} classes, expected at least 2"
            )));
        }
        if counts.len() != classes {
            return Err(NodeError::damaged(
                "its `vectors_per_class` are not as many as its classes",
            ));
        }
        let mut total = 0_usize;
        let mut spans = Vec::with_capacity(classes);
        for count in counts {
            let start = total;
            let end = usize::try_from(*count).ok().and_then(|count| start.checked_add(count));
            total =
                end.ok_or_else(|| NodeError::damaged("found a bad number of vectors for a class"))?;
            spans.push((start, total));
        }
        let kernel = Kernel::read(attributes)?;
        let vectors = Vectors::new(kernel, attributes.floats("support_vectors")?, total)?;
        let pairs = classes.saturating_mul(classes.saturating_sub(1)) / 2;
        let coefficients = attributes.floats("coefficients")?;
        if Some(coefficients.len()) != total.checked_mul(classes.saturating_sub(1)) {
            return Err(NodeError::damaged(format!(
                "found {} coefficients for {classes} classes and {total} vectors",
                coefficients.len()
            )));
        }
        let rho = attributes.floats("rho")?;
        let (slopes, offsets) = (attributes.floats("prob_a")?, attributes.floats("prob_b")?);
        let sized = |count: usize| count == pairs;
        if !sized(rho.len())
            || slopes.len() != offsets.len()
            || !(slopes.is_empty() || sized(slopes.len()))
        {
            return Err(NodeError::damaged(format!(
                "its `rho`, `prob_a` and `prob_b` are not as many as its {pairs} pairs of classes"
            )));
        }
        Ok(Pairwise {
            vectors,
            spans: spans.into(),
            coefficients: coefficients.into(),
            rho: rho.into(),
            sigmoids: slopes.iter().copied().zip(offsets.iter().copied()).collect(),
        })
    }

    /// The score of each pair of classes, positive for the first; and the votes.
    fn score(&self, kernels: &[f32], scores: &mut [f32], votes: &mut [u32]) {
        let classes = self.spans.len();
        let row = |class: usize| {
            let start = class.saturating_mul(self.vectors.count);
            self.coefficients.get(start..start.saturating_add(self.vectors.count))
        };
        let part = |row: Option<&[f32]>, (start, end): (usize, usize)| -> f64 {
            let coefficients = row.and_then(|row| row.get(start..end)).unwrap_or_default();
            let kernels = kernels.get(start..end).unwrap_or_default();
            coefficients.iter().zip(kernels).map(|(a, b)| f64::from(a * b)).sum()
        };
        votes.fill(0);
        let pairs =
            (0..classes).flat_map(|first| (first + 1..classes).map(move |second| (first, second)));
        for (((first, second), score), rho) in pairs.zip(scores).zip(&self.rho) {
            let (Some(firsts), Some(seconds)) = (self.spans.get(first), self.spans.get(second))
            else {
                continue;
            };
            let sum = part(row(second - 1), *firsts) + part(row(first), *seconds) + f64::from(*rho);
            #[allow(clippy::cast_possible_truncation)]
            let narrow = sum as f32;
            *score = narrow;
            if let Some(votes) = votes.get_mut(if sum > 0.0 { first } else { second }) {
                *votes = votes.saturating_add(1);
            }
        }
    }

    fn probabilities(&self, scores: &[f32], probabilities: &mut [f32]) {
        let classes = self.spans.len();
        let mut pairs = Pairs::new(classes);
        let places =
            (0..classes).flat_map(|first| (first + 1..classes).map(move |second| (first, second)));
        for (((first, second), score), (slope, offset)) in places.zip(scores).zip(&self.sigmoids) {
            // Platt's sigmoid, kept from 0 and 1 as libsvm keeps it.
            let probability = (1.0 - logistic(score * slope + offset)).clamp(1e-7, 1.0 - 1e-7);
            pairs.set(first, second, probability);
            pairs.set(second, first, 1.0 - probability);
        }
        couple(&pairs, probabilities);
    }
}

impl SvmClassifier {
    fn width(&self) -> usize {
        match &self.machine {
            Machine::Linear { coefficients, .. } => coefficients.len() / self.labels.len().max(1),
            Machine::Pairwise(machine) => machine.vectors.width(),
        }
    }

    /// The number of scores a row: one for each class where there are probabilities, else one for
    /// each pair (and two for the only pair of two classes).
    fn scores(&self) -> usize {
        match &self.machine {
            Machine::Pairwise(machine) if machine.sigmoids.is_empty() => match self.labels.len() {
                2 => 2,
                classes => classes * (classes - 1) / 2,
            },
            _ => self.labels.len(),
        }
    }

    fn linear_label(&self, scores: &[f32], all_positive: bool) -> usize {
        let place = first_largest(scores);
        let largest = scores.get(place).copied().unwrap_or_default();
        // As ONNX Runtime has it; exporters write machines of this kind for more classes only.
        match self.labels.len() {
            2 if all_positive && largest >= 0.5 => 1,
            2 if !all_positive && largest > 0.0 => 1,
            _ => place,
        }
    }
}

impl Operator for SvmClassifier {
    fn name(&self) -> &'static str {
        "SVMClassifier"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = numbers(inputs)?.rows_of(self.width())?;
        Ok(self.labels.outputs(rows, self.scores()))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let count = rows::count(input, self.width())?;
        let values = rows::f32s(input)?;
        let width = self.width().max(1);
        let mut places = vec![0; count];
        let scores = rows::filled(&rows::matrix(count, self.scores()), |filled| {
            let out = filled.chunks_exact_mut(self.scores());
            let rows = values.chunks_exact(width).zip(out).zip(&mut places);
            match &self.machine {
                Machine::Linear { coefficients, rho, all_positive } => {
                    for ((row, scores), place) in rows {
                        for (score, weights) in
                            scores.iter_mut().zip(coefficients.chunks_exact(width))
                        {
                            *score = dot(row, weights) + rho;
                        }
                        *place = self.linear_label(scores, *all_positive);
                        self.post_transform.apply(scores);
                    }
                }
                Machine::Pairwise(machine) => {
                    let mut kernels = vec![0.0; machine.vectors.count];
                    let mut pairs = vec![0.0; machine.rho.len()];
                    let mut votes = vec![0; self.labels.len()];
                    for ((row, scores), place) in rows {
                        machine.vectors.kernels(row, &mut kernels);
                        machine.score(&kernels, &mut pairs, &mut votes);
                        let most = votes.iter().copied().max().unwrap_or_default();
                        *place = votes.iter().position(|votes| *votes == most).unwrap_or_default();
                        self.finish(machine, &pairs, scores);
                    }
                }
            }
            Ok(())
        })?;
        self.labels.with_scores(&places, scores)
    }
}

impl SvmClassifier {
    /// Fills in the scores of a row, from those of the pairs.
    fn finish(&self, machine: &Pairwise, pairs: &[f32], scores: &mut [f32]) {
        if !machine.sigmoids.is_empty() {
            machine.probabilities(pairs, scores);
        } else if let (2, [first, second]) = (self.labels.len(), &mut *scores) {
            let score = pairs.first().copied().unwrap_or_default();
            (*first, *second) = match self.post_transform {
                PostTransform::None => (-score, score),
                PostTransform::Logistic => (logistic(-score), logistic(score)),
                _ => (1.0 - score, score),
            };
            return;
        } else {
            scores.copy_from_slice(pairs);
        }
        self.post_transform.apply(scores);
    }
}
