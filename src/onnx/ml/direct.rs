//! A classifier and the nodes that exporters put around it, run without tract, whose bookkeeping takes
//! longer than a small model does.

mod change;

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;
use tract_onnx::{
    pb::{GraphProto, NodeProto},
    tract_hir::internal::{DatumType, ToDim},
};

use self::change::{Arithmetic, Change};
use super::{
    attributes::Attributes,
    labels::Labels,
    operator::{Fact, Operator, RowClassifier},
    zip_map,
};
use crate::model::{Classification, Label, classification::argmax};

/// A graph of one classifier, with changes of its rows before and of its scores after.
#[derive(Debug)]
pub(in crate::onnx) struct Direct {
    before: Box<[Change]>,
    classifier: Arc<dyn Operator>,
    after: Box<[Change]>,
    labels: Labels,
    width: usize,
    /// Whether the label is the classifier's; if not, it is the index of the largest
    /// probability.
    labelled: bool,
}

/// Which node makes each value, and as which of its outputs.
struct Makers<'a>(HashMap<&'a str, (&'a NodeProto, usize)>);

impl<'a> Makers<'a> {
    fn of(graph: &'a GraphProto) -> Makers<'a> {
        let mut makers = HashMap::new();
        for node in &graph.node {
            for (place, output) in node.output.iter().enumerate() {
                makers.insert(output.as_str(), (node, place));
            }
        }
        Makers(makers)
    }

    /// The nodes that a value came through, last first, each of one input.
    fn back(&self, value: &'a str) -> impl Iterator<Item = (&'a NodeProto, usize)> {
        let mut value = value;
        // A graph may have a cycle.
        let mut left = self.0.len();
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let (node, place) = *self.0.get(value)?;
            value = node.input.first()?;
            Some((node, place))
        })
    }
}

/// The outputs that come from the classifier node.
struct Traced<'a> {
    node: &'a NodeProto,
    place: usize,
    through: Vec<&'a NodeProto>,
}

fn trace<'a>(makers: &Makers<'a>, value: &'a str) -> Option<Traced<'a>> {
    let mut through = Vec::new();
    for (node, place) in makers.back(value) {
        match &*node.op_type {
            "Identity" | "ZipMap" | "Normalizer" | "Cast" => through.push(node),
            "TreeEnsembleClassifier" | "LinearClassifier" => {
                return Some(Traced { node, place, through });
            }
            _ => return None,
        }
    }
    None
}

fn casts_to(node: &NodeProto, dtype: i64) -> bool {
    Attributes::of(node).int("to", 0).is_ok_and(|to| to == dtype)
}

const FLOAT: i64 = 1;
const INT64: i64 = 7;

impl Direct {
    /// Reads a graph of one input, rows of this many 32-bit floats, and these outputs; `None` if
    /// it is anything else than a classifier.
    pub(in crate::onnx) fn read(
        graph: &GraphProto,
        (input, width): (&str, usize),
        label: Option<&str>,
        probabilities: &str,
    ) -> Option<Direct> {
        let makers = Makers::of(graph);
        let scores = trace(&makers, probabilities)?;
        let fact = |width: usize| [Fact::new(DatumType::F32, [1.to_dim(), width.to_dim()])];
        let classifier = super::operator(scores.node, &fact(width))?;
        let labels = classifier.as_classifier()?.labels().clone();
        if scores.place != 1 {
            return None;
        }
        let mut after = Vec::new();
        for node in scores.through.iter().rev() {
            match &*node.op_type {
                "Identity" => {}
                "Cast" if casts_to(node, FLOAT) => {}
                "ZipMap" if zip_map::classes(node) == Some(labels.len()) => {}
                "Normalizer" => {
                    after.push(Change::of(super::operator(node, &fact(labels.len()))?)?);
                }
                _ => return None,
            }
        }
        if let Some(label) = label {
            let label = trace(&makers, label)?;
            let numbers = matches!(labels, Labels::Numbers(_));
            let whole = label.through.iter().all(|node| match &*node.op_type {
                "Identity" => true,
                "Cast" => numbers && casts_to(node, INT64),
                _ => false,
            });
            if !whole || label.place != 0 || !std::ptr::eq(label.node, scores.node) {
                return None;
            }
        }
        let mut before = Vec::new();
        let mut first = scores.node.input.first()?.as_str();
        for (node, place) in makers.back(first) {
            if place != 0 || first == input {
                return None;
            }
            match &*node.op_type {
                "Identity" => {}
                "Cast" if casts_to(node, FLOAT) => {}
                "Scaler" | "Imputer" | "Normalizer" => {
                    before.push(Change::of(super::operator(node, &fact(width))?)?);
                }
                _ => before.push(Change::Arithmetic(Arithmetic::read(node, graph, width)?)),
            }
            first = node.input.first()?;
        }
        if first != input {
            return None;
        }
        before.reverse();
        Some(Direct {
            before: before.into(),
            classifier,
            after: after.into(),
            labels,
            width,
            labelled: label.is_some(),
        })
    }

    /// The number of classes.
    pub(in crate::onnx) fn classes(&self) -> usize {
        self.labels.len()
    }

    /// Whether the label is an output.
    pub(in crate::onnx) fn is_labelled(&self) -> bool {
        self.labelled
    }

    /// Fills in the probabilities of each row and the place of its class.
    fn fill(&self, rows: &[f32], probabilities: &mut [f32], places: &mut [usize]) -> Option<()> {
        let classifier: &dyn RowClassifier = self.classifier.as_classifier()?;
        if self.before.is_empty() {
            classifier.classify(rows, self.width, probabilities, places);
        } else {
            let mut changed: SmallVec<[f32; 64]> = SmallVec::from_slice(rows);
            for change in &self.before {
                change.apply(&mut changed, self.width);
            }
            classifier.classify(&changed, self.width, probabilities, places);
        }
        for change in &self.after {
            change.apply(probabilities, self.labels.len());
        }
        if !self.labelled {
            let rows = probabilities.chunks_exact(self.labels.len().max(1));
            for (place, probabilities) in places.iter_mut().zip(rows) {
                *place = argmax(probabilities).unwrap_or(0);
            }
        }
        Some(())
    }

    /// The label for the place of a class.
    fn label(&self, place: usize) -> Option<Label> {
        Some(match &self.labels {
            _ if !self.labelled => Label::Int(i64::try_from(place).ok()?),
            Labels::Numbers(numbers) => Label::Int(*numbers.get(place)?),
            Labels::Texts(texts) => Label::Text(texts.get(place)?.as_str().into()),
        })
    }

    /// The answer for one row.
    pub(in crate::onnx) fn one(&self, row: &[f32]) -> Option<Classification> {
        let mut probabilities = vec![0.0; self.labels.len()];
        let mut place = [0];
        self.fill(row, &mut probabilities, &mut place)?;
        Some(Classification { label: self.label(place[0])?, probabilities })
    }

    /// The labels and the probabilities of many rows.
    pub(in crate::onnx) fn many(&self, rows: &[f32]) -> Option<(Vec<Label>, Vec<f32>)> {
        let count = rows.len() / self.width.max(1);
        let mut probabilities = vec![0.0; count.checked_mul(self.labels.len())?];
        let mut places = vec![0; count];
        self.fill(rows, &mut probabilities, &mut places)?;
        let labels = places.into_iter().map(|place| self.label(place)).collect::<Option<_>>()?;
        Some((labels, probabilities))
    }
}
