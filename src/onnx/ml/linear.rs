//! `LinearClassifier` and `LinearRegressor`: weighted sums of the features.

use std::borrow::Cow;

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, ToDim, TractResult, tvec},
};

use super::{
    NodeError,
    attributes::Attributes,
    dot::dot,
    labels::Labels,
    operator::{Fact, FromNode, Operator, RowClassifier, input, numbers},
    post_transform::{PostTransform, logistic},
    rows,
};

/// Weighted sums, as many as there are scores.
#[derive(Debug)]
struct Sums {
    /// The weights of the features for one score after another.
    weights: Box<[f32]>,
    /// One for each score, or none at all.
    intercepts: Box<[f32]>,
    scores: usize,
}

impl Sums {
    fn new(weights: &[f32], intercepts: &[f32], scores: usize) -> Result<Sums, NodeError> {
        if weights.is_empty() || scores == 0 || !weights.len().is_multiple_of(scores) {
            return Err(NodeError::damaged(format!(
                "found {} coefficients for {scores} scores",
                weights.len()
            )));
        }
        Ok(Sums { weights: weights.into(), intercepts: intercepts.into(), scores })
    }

    fn width(&self) -> usize {
        self.weights.len() / self.scores.max(1)
    }

    fn fill(&self, row: &[f32], scores: &mut [f32]) {
        let weights = self.weights.chunks_exact(self.width().max(1));
        for (place, (score, weights)) in scores.iter_mut().zip(weights).enumerate() {
            *score = dot(row, weights) + self.intercepts.get(place).copied().unwrap_or_default();
        }
    }

    fn rows<'a>(&self, input: &'a TValue) -> TractResult<(usize, Cow<'a, [f32]>)> {
        Ok((rows::count(input, self.width())?, rows::f32s(input)?))
    }
}

/// The first of the largest; a NaN is never larger.
pub(super) fn first_largest(scores: &[f32]) -> usize {
    let mut best = (0, scores.first().copied().unwrap_or_default());
    for (place, score) in scores.iter().enumerate().skip(1) {
        if *score > best.1 {
            best = (place, *score);
        }
    }
    best.0
}

#[derive(Debug)]
pub(super) struct LinearClassifier {
    sums: Sums,
    labels: Labels,
    post_transform: PostTransform,
}

impl FromNode for LinearClassifier {
    fn from_node(node: &NodeProto) -> Result<LinearClassifier, NodeError> {
        let attributes = Attributes::of(node);
        let labels = Labels::read(&attributes, "classlabels_ints", "classlabels_strings")?;
        let weights = attributes.floats("coefficients")?;
        let intercepts = attributes.floats("intercepts")?;
        // Without intercepts, two classes may have a score each or one between them;
        // `multi_class` tells.
        let scores = match (intercepts.len(), labels.len()) {
            (0, 2) if attributes.int("multi_class", 0)? == 0 => 1,
            (0, classes) => classes,
            (intercepts, _) => intercepts,
        };
        let fits = scores == labels.len() || (scores == 1 && labels.len() == 2);
        if !fits {
            return Err(NodeError::damaged(format!(
                "found {} classes for {scores} scores",
                labels.len()
            )));
        }
        let post_transform = PostTransform::read(&attributes)?;
        let sums = Sums::new(weights, intercepts, scores)?;
        let classifier = LinearClassifier { sums, labels, post_transform };
        if classifier.shares_a_score() {
            post_transform.check_between_two()?;
        }
        Ok(classifier)
    }
}

impl LinearClassifier {
    /// One score decides between two classes.
    fn shares_a_score(&self) -> bool {
        self.sums.scores == 1 && self.labels.len() == 2
    }
}

impl Operator for LinearClassifier {
    fn name(&self) -> &'static str {
        "LinearClassifier"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = numbers(inputs)?.rows_of(self.sums.width())?;
        Ok(self.labels.outputs(rows, self.labels.len()))
    }

    fn as_classifier(&self) -> Option<&dyn RowClassifier> {
        Some(self)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (count, values) = self.sums.rows(input(inputs, 0)?)?;
        let classes = self.labels.len();
        let mut places = vec![0; count];
        let scores = rows::filled(&rows::matrix(count, classes), |filled| {
            self.classify(&values, self.sums.width(), filled, &mut places);
            Ok(())
        })?;
        self.labels.with_scores(&places, scores)
    }
}

impl RowClassifier for LinearClassifier {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn classify(&self, values: &[f32], width: usize, scores: &mut [f32], places: &mut [usize]) {
        let rows = values.chunks_exact(width.max(1));
        let out = scores.chunks_exact_mut(self.labels.len().max(1));
        for ((row, scores), place) in rows.zip(out).zip(places) {
            if let (true, [no, yes]) = (self.shares_a_score(), &mut *scores) {
                self.sums.fill(row, std::slice::from_mut(yes));
                *place = usize::from(*yes > 0.0);
                if self.post_transform == PostTransform::Logistic {
                    (*no, *yes) = (logistic(-*yes), logistic(*yes));
                } else {
                    *no = 1.0 - *yes;
                }
            } else {
                self.sums.fill(row, scores);
                *place = first_largest(scores);
                self.post_transform.apply(scores);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct LinearRegressor {
    sums: Sums,
    post_transform: PostTransform,
}

impl FromNode for LinearRegressor {
    fn from_node(node: &NodeProto) -> Result<LinearRegressor, NodeError> {
        let attributes = Attributes::of(node);
        let targets = attributes.int("targets", 1)?;
        let targets = usize::try_from(targets)
            .map_err(|_| NodeError::damaged(format!("found {targets} targets")))?;
        let intercepts = attributes.floats("intercepts")?;
        if !intercepts.is_empty() && intercepts.len() != targets {
            return Err(NodeError::damaged(format!(
                "found {} intercepts for {targets} targets",
                intercepts.len()
            )));
        }
        let sums = Sums::new(attributes.floats("coefficients")?, intercepts, targets)?;
        Ok(LinearRegressor { sums, post_transform: PostTransform::read(&attributes)? })
    }
}

impl Operator for LinearRegressor {
    fn name(&self) -> &'static str {
        "LinearRegressor"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = numbers(inputs)?.rows_of(self.sums.width())?;
        Ok(tvec!(Fact::new(DatumType::F32, [rows, self.sums.scores.to_dim()])))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (count, values) = self.sums.rows(input(inputs, 0)?)?;
        let targets = self.sums.scores;
        let given = rows::filled(&rows::matrix(count, targets), |filled| {
            let rows = values.chunks_exact(self.sums.width().max(1));
            for (row, out) in rows.zip(filled.chunks_exact_mut(targets)) {
                self.sums.fill(row, out);
                self.post_transform.apply(out);
            }
            Ok(())
        })?;
        Ok(tvec!(given.into_tvalue()))
    }
}
