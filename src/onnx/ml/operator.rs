//! The trait of the operators in `ml`, and their adapter to tract.

use std::{fmt, sync::Arc};

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, DatumTypeExt, DimLike, EvalContext, EvalOp, Expansion, InferenceOp,
        InferenceResult, Op, OutletId, Solver, SpecialOps, StaticName, TDim, TValue, TVec,
        TensorProxy, TractResult, TypedFact, TypedModel, TypedOp, bail, ensure, expand, format_err,
    },
};

use super::{NodeError, labels::Labels, rows};

/// The element type and shape of an input or output.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    pub(super) dtype: DatumType,
    pub(super) shape: TVec<TDim>,
}

impl Fact {
    pub(super) fn new(dtype: DatumType, shape: impl IntoIterator<Item = TDim>) -> Fact {
        Fact { dtype, shape: shape.into_iter().collect() }
    }

    /// The number of rows and of values in a row. One axis is one row.
    pub(super) fn rows(&self) -> TractResult<(TDim, TDim)> {
        match &self.shape[..] {
            [width] => Ok((1.into(), width.clone())),
            [rows, width] => Ok((rows.clone(), width.clone())),
            other => bail!("found an input of shape {other:?}, expected [rows, features]"),
        }
    }

    /// The number of rows, once it is sure that a row is as wide as this.
    pub(super) fn rows_of(&self, width: usize) -> TractResult<TDim> {
        let (rows, found) = self.rows()?;
        if let Ok(found) = found.to_usize() {
            ensure!(found == width, "found {found} features, expected {width}");
        }
        Ok(rows)
    }

    /// The number of rows, once it is sure that a row is at least as wide as this.
    pub(super) fn rows_of_at_least(&self, width: usize) -> TractResult<TDim> {
        let (rows, found) = self.rows()?;
        if let Ok(found) = found.to_usize() {
            ensure!(found >= width, "found {found} features, expected at least {width}");
        }
        Ok(rows)
    }
}

/// An operator of this module, checked and ready to run.
pub(super) trait Operator: fmt::Debug + Send + Sync + 'static {
    /// Its name in the specification.
    fn name(&self) -> &'static str;

    /// The element types and shapes of its outputs, for inputs of these. 64-bit integers that the
    /// engine keeps in the type of its sizes are called [`DatumType::I64`] here.
    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>>;

    /// Runs it.
    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>>;

    /// This operator as a classifier of rows, if it is one: a classifier can run without the engine.
    fn as_classifier(&self) -> Option<&dyn RowClassifier> {
        None
    }

    /// This operator as a change of the values of rows, if it is one.
    fn as_change(&self) -> Option<&dyn RowChange> {
        None
    }

    /// A version of this operator for inputs of these types, if there is one.
    fn specialized(&self, _inputs: &[DatumType]) -> TractResult<Option<Arc<dyn Operator>>> {
        Ok(None)
    }
}

/// A classifier of rows of 32-bit floats.
pub(super) trait RowClassifier {
    /// The names of its classes.
    fn labels(&self) -> &Labels;

    /// Fills in, for each row of values, a score for each class and the place of its class. The
    /// rows are as wide as [`Operator::outputs`] agreed to.
    fn classify(&self, values: &[f32], width: usize, scores: &mut [f32], places: &mut [usize]);
}

/// A change of rows of 32-bit floats, which stay as wide as they were.
pub(super) trait RowChange {
    /// Changes rows as wide as [`Operator::outputs`] agreed to.
    fn change(&self, values: &mut [f32], width: usize);
}

/// Makes an operator from a node.
pub(super) trait FromNode: Operator + Sized {
    fn from_node(node: &NodeProto) -> Result<Self, NodeError>;
}

/// The engine's view of a node, before the types and shapes are known.
pub(super) fn wrap(operator: impl Operator, node: &NodeProto) -> Box<dyn InferenceOp> {
    let wanted = node.output.iter().map(|name| !name.is_empty()).collect();
    expand(Node { operator: Arc::new(operator), wanted })
}

/// An operator, and which of its outputs the node asks for.
#[derive(Clone, Debug)]
struct Node {
    operator: Arc<dyn Operator>,
    wanted: Arc<[bool]>,
}

// Two nodes are the same when they are one: the engine asks in order to merge equal ones.
impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        Arc::ptr_eq(&self.operator, &other.operator) && self.wanted == other.wanted
    }
}
impl Eq for Node {}

impl Node {
    fn keep<T>(&self, outputs: TVec<T>) -> TVec<T> {
        if outputs.len() == self.wanted.len() && self.wanted.iter().all(|wanted| *wanted) {
            return outputs;
        }
        outputs
            .into_iter()
            .zip(self.wanted.iter())
            .filter_map(|(output, wanted)| wanted.then_some(output))
            .collect()
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(self.keep(self.operator.outputs(inputs)?))
    }
}

/// The type as the file states it: the engine keeps 64-bit integers that may be sizes in a type of its
/// own.
fn stated(dtype: DatumType) -> DatumType {
    if dtype == DatumType::TDim { DatumType::I64 } else { dtype }
}

impl Expansion for Node {
    fn name(&self) -> StaticName {
        self.operator.name().into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.wanted.iter().filter(|wanted| **wanted).count())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        let shapes: Vec<_> = inputs.iter().map(|input| &input.shape).collect();
        solver.given_all(shapes, move |solver, shapes| {
            let dtypes: Vec<_> = inputs.iter().map(|input| &input.datum_type).collect();
            solver.given_all(dtypes, move |solver, dtypes: Vec<DatumType>| {
                let facts: Vec<Fact> = shapes
                    .iter()
                    .zip(dtypes)
                    .map(|(shape, dtype)| Fact::new(stated(dtype), shape.iter().cloned()))
                    .collect();
                let given = self.outputs(&facts)?;
                ensure!(given.len() == outputs.len(), "found {} outputs", outputs.len());
                for (output, fact) in outputs.iter().zip(given) {
                    solver.equals(&output.datum_type, fact.dtype)?;
                    solver.equals(&output.shape, fact.shape)?;
                }
                Ok(())
            })
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let dtypes: Vec<DatumType> = inputs
            .iter()
            .map(|input| Ok(stated(model.outlet_fact(*input)?.datum_type)))
            .collect::<TractResult<_>>()?;
        let operator = match self.operator.specialized(&dtypes)? {
            Some(operator) => operator,
            None => Arc::clone(&self.operator),
        };
        let node = Node { operator, wanted: Arc::clone(&self.wanted) };
        model.wire_node(prefix, node, inputs)
    }
}

impl Op for Node {
    fn name(&self) -> StaticName {
        self.operator.name().into()
    }

    fn as_typed(&self) -> Option<&dyn TypedOp> {
        Some(self)
    }
}

impl EvalOp for Node {
    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(self.keep(self.operator.run(&inputs)?))
    }

    fn eval_out_of_plan(&self, inputs: TVec<TValue>) -> TractResult<Option<TVec<TValue>>> {
        Ok(Some(self.keep(self.operator.run(&inputs)?)))
    }
}

impl TypedOp for Node {
    fn as_op(&self) -> &dyn Op {
        self
    }

    fn as_op_mut(&mut self) -> &mut dyn Op {
        self
    }

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let facts: Vec<Fact> = inputs
            .iter()
            .map(|fact| Fact::new(stated(fact.datum_type), fact.shape.iter().cloned()))
            .collect();
        let given = self.outputs(&facts)?;
        Ok(given.into_iter().map(|fact| fact.dtype.fact(fact.shape)).collect())
    }
}

/// The first input, which must be of numbers.
pub(super) fn numbers(inputs: &[Fact]) -> TractResult<&Fact> {
    let fact = input(inputs, 0)?;
    ensure!(rows::is_number(fact.dtype), "found {:?}, expected numbers", fact.dtype);
    Ok(fact)
}

/// The only input, or one at a place.
pub(super) fn input<T>(inputs: &[T], place: usize) -> TractResult<&T> {
    inputs.get(place).ok_or_else(|| format_err!("found {} inputs", inputs.len()))
}
