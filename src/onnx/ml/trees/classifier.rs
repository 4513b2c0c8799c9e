//! `TreeEnsembleClassifier`.

use std::{any::Any, sync::Arc};

use smallvec::SmallVec;
use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, TValue, TVec, TractResult, bail, ensure},
};

use super::{
    super::{
        NodeError,
        attributes::Attributes,
        labels::Labels,
        operator::{Fact, FromNode, Operator, RowClassifier, input, numbers},
        post_transform::{PostTransform, logistic},
        rows,
    },
    float::Float,
    forest::Forest,
    nodes::{self, Votes},
    scores::Aggregate,
    table::TreeTable,
};

#[derive(Clone, Debug)]
pub(in super::super) struct TreeEnsembleClassifier {
    table: Arc<TreeTable>,
    labels: Labels,
    base_values: Box<[f64]>,
    post_transform: PostTransform,
    decision: Decision,
}

/// How the scores of a row decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// The class with the largest score.
    Largest,
    /// There are two classes and votes for one of them only: its score decides between them.
    Between { voted: usize, all_positive: bool },
}

impl FromNode for TreeEnsembleClassifier {
    fn from_node(node: &NodeProto) -> Result<TreeEnsembleClassifier, NodeError> {
        let attributes = Attributes::of(node);
        let labels = Labels::read(&attributes, "classlabels_int64s", "classlabels_strings")?;
        let names = Votes {
            trees: "class_treeids",
            nodes: "class_nodeids",
            targets: "class_ids",
            weights: "class_weights",
        };
        let table = nodes::read(&attributes, &names, labels.len())?;
        let base_values = attributes.numbers("base_values")?;
        let post_transform = PostTransform::read(&attributes)?;
        let decision = match table.votes.split_first() {
            Some(((voted, _), rest))
                if labels.len() == 2
                    && base_values.len() < 2
                    && rest.iter().all(|(target, _)| target == voted) =>
            {
                let all_positive = table.votes.iter().all(|(_, weight)| *weight >= 0.0);
                Decision::Between { voted: *voted, all_positive }
            }
            _ => Decision::Largest,
        };
        let for_first = matches!(decision, Decision::Between { voted: 0, .. });
        let fits = match base_values.len() {
            0 => true,
            // Not in the specification, but in what exporters of gradient boosting write: the base
            // value of the only score.
            1 if for_first => true,
            values => values == labels.len(),
        };
        if !fits {
            return Err(NodeError::damaged(format!(
                "found {} base values for {} classes",
                base_values.len(),
                labels.len()
            )));
        }
        if for_first {
            post_transform.check_between_two()?;
        }
        Ok(TreeEnsembleClassifier {
            table: Arc::new(table),
            labels,
            base_values: base_values.into(),
            post_transform,
            decision,
        })
    }
}

impl Operator for TreeEnsembleClassifier {
    fn name(&self) -> &'static str {
        "TreeEnsembleClassifier"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = numbers(inputs)?.rows_of_at_least(self.table.width())?;
        Ok(self.labels.outputs(rows, self.labels.len()))
    }

    fn specialized(&self, inputs: &[DatumType]) -> TractResult<Option<Arc<dyn Operator>>> {
        Ok(Some(match input(inputs, 0)? {
            DatumType::F64 => Arc::new(Classifier::<f64>::new(self.clone())),
            _ => Arc::new(Classifier::<f32>::new(self.clone())),
        }))
    }

    fn run(&self, _: &[TValue]) -> TractResult<TVec<TValue>> {
        bail!("the trees are not laid out")
    }
}

/// The classifier, laid out for one type of input.
#[derive(Debug)]
struct Classifier<T> {
    parsed: TreeEnsembleClassifier,
    forest: Forest<T>,
    base_values: Box<[T]>,
}

impl<T: Float> Classifier<T> {
    fn new(parsed: TreeEnsembleClassifier) -> Classifier<T> {
        let forest = Forest::new(&parsed.table);
        let base_values = parsed.base_values.iter().map(|value| T::near(*value)).collect();
        // The forest is all that runs.
        let table = Arc::new(TreeTable::default());
        Classifier { parsed: TreeEnsembleClassifier { table, ..parsed }, forest, base_values }
    }

    fn fill(&self, values: &[T], width: usize, scores: &mut [f32], places: &mut [usize]) {
        let out = (scores, self.parsed.labels.len());
        self.forest.fill(values, width, Aggregate::Sum, out, places, |scores, out| {
            self.finish(scores, out)
        });
    }

    /// Writes the probabilities of a row, and says which class it is.
    fn finish(&self, scores: &mut [T], out: &mut [f32]) -> usize {
        match (self.parsed.decision, &mut *scores, &mut *out) {
            (Decision::Between { voted, all_positive }, [first, second], [no, yes]) => {
                if voted == 0 {
                    let base = self.base_values.first().copied().unwrap_or(T::ZERO);
                    self.between(*first + base, all_positive, no, yes)
                } else {
                    // There is no base value.
                    let label = self.passes(second.narrow(), all_positive);
                    (*no, *yes) = (0.0, second.narrow());
                    self.parsed.post_transform.apply(out);
                    label
                }
            }
            _ => self.largest(scores, out),
        }
    }

    fn passes(&self, score: f32, all_positive: bool) -> usize {
        // Weights that are all positive are probabilities, others are for and against; and what a
        // logistic makes of zero is a half.
        let logistic = self.parsed.post_transform == PostTransform::Logistic;
        usize::from(score > if all_positive && !logistic { 0.5 } else { 0.0 })
    }

    /// One score between two classes, positive for the second.
    fn between(&self, score: T, all_positive: bool, no: &mut f32, yes: &mut f32) -> usize {
        let score = score.narrow();
        (*no, *yes) = match self.parsed.post_transform {
            PostTransform::Logistic => (logistic(-score), logistic(score)),
            _ if all_positive => (1.0 - score, score),
            _ => (-score, score),
        };
        self.passes(score, all_positive)
    }

    /// A score for each class.
    fn largest(&self, scores: &mut [T], out: &mut [f32]) -> usize {
        let mut best: Option<(usize, T)> = None;
        for (place, score) in scores.iter_mut().enumerate() {
            let voted = !score.is_nothing();
            let base = self.base_values.get(place).copied();
            *score = *score + base.unwrap_or(T::ZERO);
            // A class without a vote is no candidate, unless it starts with a value.
            if (voted || base.is_some()) && best.is_none_or(|(_, largest)| *score > largest) {
                best = Some((place, *score));
            }
        }
        for (out, score) in out.iter_mut().zip(scores) {
            *out = score.narrow();
        }
        // One score is not between classes: only its scale is changed.
        if out.len() > 1 || self.parsed.post_transform == PostTransform::Probit {
            self.parsed.post_transform.apply(out);
        }
        best.map_or(0, |(place, _)| place)
    }
}

impl<T: Float> Operator for Classifier<T> {
    fn name(&self) -> &'static str {
        "TreeEnsembleClassifier"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        input(inputs, 0)?.rows_of_at_least(self.forest.width)?;
        self.parsed.outputs(inputs)
    }

    fn as_classifier(&self) -> Option<&dyn RowClassifier> {
        let classifier: &dyn Any = self;
        classifier.downcast_ref::<Classifier<f32>>().map(|classifier| classifier as _)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let (count, width) = rows::shape(input)?;
        let needed = self.forest.width;
        ensure!(width >= needed, "found {width} features, expected at least {needed}");
        let values = T::elements(input)?;
        let classes = self.parsed.labels.len();
        let mut places: SmallVec<[usize; 16]> = SmallVec::new();
        places.resize(count, 0);
        let scores = rows::filled(&[count, classes], |filled| {
            self.fill(&values, width, filled, &mut places);
            Ok(())
        })?;
        self.parsed.labels.with_scores(&places, scores)
    }
}

impl RowClassifier for Classifier<f32> {
    fn labels(&self) -> &Labels {
        &self.parsed.labels
    }

    fn classify(&self, values: &[f32], width: usize, scores: &mut [f32], places: &mut [usize]) {
        self.fill(values, width, scores, places);
    }
}
