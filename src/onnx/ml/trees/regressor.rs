//! `TreeEnsembleRegressor`, and `TreeEnsemble`, which differs in how the trees are written.

use std::sync::Arc;

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, IntoTValue, TValue, TVec, Tensor, ToDim, TractResult, bail, ensure, tvec,
    },
};

use super::{
    super::{
        NodeError,
        attributes::Attributes,
        operator::{Fact, FromNode, Operator, input, numbers},
        post_transform::PostTransform,
        rows,
    },
    ensemble,
    float::Float,
    forest::Forest,
    nodes::{self, Votes},
    scores::Aggregate,
    table::TreeTable,
};

/// What both say: trees, and what becomes of the votes.
#[derive(Clone, Debug)]
struct Parsed {
    table: Arc<TreeTable>,
    aggregate: Aggregate,
    base_values: Box<[f64]>,
    post_transform: PostTransform,
    /// The output has the type of the input; 32-bit floats if not.
    keeps_type: bool,
}

fn targets(attributes: &Attributes<'_>) -> Result<usize, NodeError> {
    let targets = attributes.int("n_targets", 1)?;
    usize::try_from(targets).map_err(|_| NodeError::damaged(format!("found {targets} targets")))
}

impl Parsed {
    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = numbers(inputs)?;
        let rows = fact.rows_of_at_least(self.table.width())?;
        let dtype = if self.keeps_type { fact.dtype } else { DatumType::F32 };
        Ok(tvec!(Fact::new(dtype, [rows, self.table.targets.to_dim()])))
    }

    fn specialized(
        &self,
        name: &'static str,
        inputs: &[DatumType],
    ) -> TractResult<Option<Arc<dyn Operator>>> {
        let parsed = self.clone();
        Ok(Some(match (input(inputs, 0)?, self.keeps_type) {
            (DatumType::F64, _) => Arc::new(Regressor::<f64>::new(name, parsed)),
            (DatumType::F32, _) | (_, false) => Arc::new(Regressor::<f32>::new(name, parsed)),
            (other, true) => bail!("found {other:?}, expected 32-bit or 64-bit floats"),
        }))
    }
}

macro_rules! parsed_operator {
    ($type:ident, $name:literal) => {
        #[derive(Debug)]
        pub(in super::super) struct $type(Parsed);

        impl Operator for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
                self.0.outputs(inputs)
            }

            fn specialized(&self, inputs: &[DatumType]) -> TractResult<Option<Arc<dyn Operator>>> {
                self.0.specialized($name, inputs)
            }

            fn run(&self, _: &[TValue]) -> TractResult<TVec<TValue>> {
                bail!("the trees are not laid out")
            }
        }
    };
}
parsed_operator!(TreeEnsembleRegressor, "TreeEnsembleRegressor");
parsed_operator!(TreeEnsemble, "TreeEnsemble");

impl FromNode for TreeEnsembleRegressor {
    fn from_node(node: &NodeProto) -> Result<TreeEnsembleRegressor, NodeError> {
        let attributes = Attributes::of(node);
        let names = Votes {
            trees: "target_treeids",
            nodes: "target_nodeids",
            targets: "target_ids",
            weights: "target_weights",
        };
        let table = nodes::read(&attributes, &names, targets(&attributes)?)?;
        let base_values = attributes.numbers("base_values")?;
        if !base_values.is_empty() && base_values.len() != table.targets {
            return Err(NodeError::damaged(format!(
                "found {} base values for {} targets",
                base_values.len(),
                table.targets
            )));
        }
        Ok(TreeEnsembleRegressor(Parsed {
            table: Arc::new(table),
            aggregate: Aggregate::read(&attributes)?,
            base_values: base_values.into(),
            post_transform: PostTransform::read(&attributes)?,
            keeps_type: false,
        }))
    }
}

impl FromNode for TreeEnsemble {
    fn from_node(node: &NodeProto) -> Result<TreeEnsemble, NodeError> {
        let attributes = Attributes::of(node);
        let table = ensemble::read(&attributes, targets(&attributes)?)?;
        Ok(TreeEnsemble(Parsed {
            table: Arc::new(table),
            aggregate: Aggregate::from_number(attributes.int("aggregate_function", 1)?)?,
            base_values: Box::default(),
            post_transform: PostTransform::from_number(attributes.int("post_transform", 0)?)?,
            keeps_type: true,
        }))
    }
}

/// Either, laid out for one type of input.
#[derive(Debug)]
struct Regressor<T> {
    name: &'static str,
    parsed: Parsed,
    forest: Forest<T>,
    base_values: Box<[T]>,
    /// By what a score is divided.
    divisor: T,
}

impl<T: Float> Regressor<T> {
    fn new(name: &'static str, parsed: Parsed) -> Regressor<T> {
        let forest = Forest::new(&parsed.table);
        let divisor = match parsed.aggregate {
            Aggregate::Average => T::from_count(forest.trees),
            _ => T::from_count(1),
        };
        let base_values = parsed.base_values.iter().map(|value| T::near(*value)).collect();
        // The forest is all that runs.
        let table = Arc::new(TreeTable { targets: parsed.table.targets, ..TreeTable::default() });
        Regressor { name, forest, base_values, divisor, parsed: Parsed { table, ..parsed } }
    }

    /// The scores of a row, before the last transform.
    fn finish(&self, scores: &mut [T]) {
        for (place, score) in scores.iter_mut().enumerate() {
            // A target without a vote is zero (as is a sum of nothing), however it is counted.
            let counted = if score.is_nan() && !self.sums() { T::ZERO } else { *score };
            let base = self.base_values.get(place).copied().unwrap_or(T::ZERO);
            *score = counted / self.divisor + base;
        }
    }

    fn sums(&self) -> bool {
        matches!(self.parsed.aggregate, Aggregate::Sum | Aggregate::Average)
    }
}

impl<T: Float> Operator for Regressor<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        input(inputs, 0)?.rows_of_at_least(self.forest.width)?;
        self.parsed.outputs(inputs)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let (count, width) = rows::shape(input)?;
        let needed = self.forest.width;
        ensure!(width >= needed, "found {width} features, expected at least {needed}");
        let values = T::elements(input)?;
        let targets = self.forest.targets;
        let (aggregate, transform) = (self.parsed.aggregate, self.parsed.post_transform);
        let mut marks = vec![(); count];
        let keeps = self.parsed.keeps_type && input.datum_type() == DatumType::F64;
        let given = if keeps {
            let mut tensor = Tensor::zero::<f64>(&[count, targets])?;
            let mut view = tensor.try_as_plain_ram_mut()?;
            let out = (view.as_slice_mut::<f64>()?, targets);
            self.forest.fill(&values, width, aggregate, out, &mut marks, |scores, out| {
                self.finish(scores);
                if transform == PostTransform::None {
                    for (out, score) in out.iter_mut().zip(scores) {
                        *out = score.widen();
                    }
                } else {
                    let mut narrow: smallvec::SmallVec<[f32; 8]> =
                        scores.iter().map(|score| score.narrow()).collect();
                    transform.apply(&mut narrow);
                    for (out, score) in out.iter_mut().zip(narrow) {
                        *out = f64::from(score);
                    }
                }
            });
            tensor
        } else {
            rows::filled(&[count, targets], |filled| {
                let out = (filled, targets);
                self.forest.fill(&values, width, aggregate, out, &mut marks, |scores, out| {
                    self.finish(scores);
                    for (out, score) in out.iter_mut().zip(scores) {
                        *out = score.narrow();
                    }
                    transform.apply(out);
                });
                Ok(())
            })?
        };
        Ok(tvec!(given.into_tvalue()))
    }
}
