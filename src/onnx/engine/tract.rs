//! tract behind our own types. Only this module and the operators in `ml` name types of tract, which
//! move between its patch releases.

mod document;
mod functions;
mod limits;
mod rewrite;
mod sizes;

use tract_onnx::tract_hir::internal::{
    Arc, DatumType, DimFact, HashMap, InferenceFact, InferenceModel, InferenceModelExt,
    IntoRunnable, IntoTValue, OutletId, ShapeFactoid, Symbol, TDim, TValue, TVec,
    Tensor as EngineTensor, ToDim, TractResult, TypedRunnableModel, format_err, tvec,
};

pub(super) use self::{rewrite::keep_nan, sizes::fix};
use super::{Document, ExternalData, Graph, ParsedFile, Rows, external, guarded};
use crate::{
    model::{Label, ModelError},
    onnx::{AxisSize, EngineError, LoadError, TensorInfo, ml},
    tensor::{Data, F16, Tensor},
};

/// A parsed ONNX file.
pub(super) type Proto = tract_onnx::pb::ModelProto;

/// A graph that is prepared to run.
pub(in crate::onnx) struct Plan {
    runnable: Arc<TypedRunnableModel>,
}

impl Plan {
    /// Prepares the graph for these outputs, in this order; see
    /// [`Plan::build`](super::Plan::build).
    pub(super) fn build(
        proto: &Proto,
        inputs: &[TensorInfo],
        rows: Rows,
        features: Option<usize>,
        outputs: &[&str],
    ) -> Result<Plan, LoadError> {
        guarded("preparing the graph", || {
            let parsed = ml::registered().parse(proto, None)?;
            if let Some(name) = parsed.unresolved_inputs.first() {
                return Err(format_err!("nothing makes `{name}`"));
            }
            let mut graph = parsed.model;
            let mut outlets: Vec<OutletId> = Vec::with_capacity(outputs.len());
            for name in outputs {
                let outlet = parsed.outlets_by_name.get(*name);
                outlets.push(*outlet.ok_or_else(|| format_err!("there is no output `{name}`"))?);
            }
            graph.select_output_outlets(&outlets)?;
            settle_inputs(&mut graph, inputs, rows, features)?;
            let typed = graph.into_typed()?;
            limits::check_facts(&typed)?;
            Ok(Plan { runnable: typed.into_optimized()?.into_runnable()? })
        })
    }

    #[cfg(test)]
    pub(super) fn weak(&self) -> std::sync::Weak<TypedRunnableModel> {
        Arc::downgrade(&self.runnable)
    }

    /// Runs the plan on one input of this shape.
    pub(super) fn run_rows(&self, shape: &[usize], rows: &[f32]) -> Result<Outputs, ModelError> {
        let input = EngineTensor::from_shape(shape, rows).map_err(failed)?;
        self.runnable.run(tvec!(input.into_tvalue())).map(Outputs).map_err(failed)
    }

    /// Runs the plan on one tensor for each input, in order.
    pub(super) fn run<'a>(
        &self,
        inputs: impl Iterator<Item = &'a Tensor>,
    ) -> Result<Outputs, ModelError> {
        let inputs: TVec<TValue> = inputs
            .map(|tensor| to_engine(tensor).map(IntoTValue::into_tvalue))
            .collect::<TractResult<_>>()
            .map_err(failed)?;
        self.runnable.run(inputs).map(Outputs).map_err(failed)
    }
}

/// Gives every axis that the file leaves open a size or a symbol.
fn settle_inputs(
    graph: &mut InferenceModel,
    inputs: &[TensorInfo],
    rows: Rows,
    features: Option<usize>,
) -> TractResult<()> {
    let mut batch: Option<TDim> = None;
    let sources: Vec<OutletId> = graph.input_outlets()?.to_vec();
    for (index, source) in sources.into_iter().enumerate() {
        let name = graph.node(source.node).name.clone();
        let Some(described) = inputs.iter().find(|input| *input.name == *name) else {
            continue;
        };
        let fact = graph.outlet_fact(source)?.clone();
        let Some(axes) = &described.shape else { continue };
        let mut sizes: TVec<DimFact> = fact.shape.dims().cloned().collect();
        for (axis, (size, stated)) in sizes.iter_mut().zip(axes).enumerate() {
            let wanted = match (axis, stated, rows) {
                (_, AxisSize::Fixed(_), _) => continue,
                (0, _, Rows::Exactly(count)) => count.to_dim(),
                (0, _, Rows::Any) => match (&batch, known(size)) {
                    (_, Some(size)) => size,
                    (Some(batch), None) => batch.clone(),
                    (None, None) => graph.symbols.new_with_prefix("rows").to_dim(),
                },
                (1, _, _) if features.is_some() => features.unwrap_or_default().to_dim(),
                _ => match known(size) {
                    Some(size) => size,
                    None => graph.symbols.new_with_prefix("size").to_dim(),
                },
            };
            // The facts of inner tensors may contain the symbol too: unless it is replaced there as
            // well, they contradict this input's.
            if let Some(TDim::Sym(symbol)) = known(size)
                && TDim::Sym(symbol.clone()) != wanted
            {
                let substitution: HashMap<Symbol, TDim> =
                    [(symbol, wanted.clone())].into_iter().collect();
                graph.set_symbols(&substitution)?;
            }
            if axis == 0 {
                batch.get_or_insert_with(|| wanted.clone());
            }
            *size = DimFact::from(wanted);
        }
        let mut settled = InferenceFact::new().with_shape(ShapeFactoid::closed(sizes));
        settled.datum_type = fact.datum_type;
        graph.set_input_fact(index, settled)?;
    }
    Ok(())
}

fn known(size: &DimFact) -> Option<TDim> {
    use tract_onnx::tract_hir::internal::Factoid;
    size.concretize()
}

/// The outputs of one run, in the order in which the plan was asked for them.
pub(in crate::onnx) struct Outputs(TVec<TValue>);

impl Outputs {
    fn get(&self, output: usize) -> Option<&EngineTensor> {
        self.0.get(output).map(|value| &**value)
    }

    /// The shape of an output.
    pub(super) fn shape(&self, output: usize) -> &[usize] {
        self.get(output).map_or(&[], EngineTensor::shape)
    }

    /// The elements of an output, if they are 32-bit floats.
    pub(super) fn f32s(&self, output: usize) -> Option<&[f32]> {
        self.get(output)?.as_plain_ram()?.as_slice().ok()
    }

    /// The label at index `place` of an output that holds `count` integers or strings.
    pub(super) fn label(&self, output: usize, count: usize, place: usize) -> Option<Label> {
        let tensor = self.get(output).filter(|tensor| tensor.len() == count)?;
        let view = tensor.as_plain_ram()?;
        Some(match tensor.datum_type() {
            DatumType::I64 => Label::Int(*view.as_slice::<i64>().ok()?.get(place)?),
            // tract keeps 64-bit integers that were computed from shapes in its type for sizes.
            DatumType::TDim => Label::Int(view.as_slice::<TDim>().ok()?.get(place)?.to_i64().ok()?),
            DatumType::I32 => Label::Int((*view.as_slice::<i32>().ok()?.get(place)?).into()),
            DatumType::String => {
                Label::Text(view.as_slice::<String>().ok()?.get(place)?.as_str().into())
            }
            _ => return None,
        })
    }

    /// The number of elements of an output.
    pub(super) fn len(&self, output: usize) -> usize {
        self.get(output).map_or(0, EngineTensor::len)
    }

    /// The element type of an output, as tract names it.
    pub(super) fn type_name(&self, output: usize) -> String {
        self.get(output).map_or_else(|| "nothing".to_owned(), |t| format!("{:?}", t.datum_type()))
    }

    /// An output as a [`Tensor`].
    pub(super) fn tensor(&self, output: usize) -> Option<Tensor> {
        self.get(output).and_then(from_engine)
    }
}

pub(in crate::onnx) fn to_engine(tensor: &Tensor) -> TractResult<EngineTensor> {
    let shape = tensor.shape();
    match tensor.data() {
        Data::F32(values) => EngineTensor::from_shape(shape, values),
        Data::F64(values) => EngineTensor::from_shape(shape, values),
        Data::I64(values) => EngineTensor::from_shape(shape, values),
        Data::I32(values) => EngineTensor::from_shape(shape, values),
        Data::F16(values) => {
            let values: Vec<half::f16> =
                values.iter().map(|value| half::f16::from_bits(value.to_bits())).collect();
            EngineTensor::from_shape(shape, &values)
        }
        Data::I16(values) => EngineTensor::from_shape(shape, values),
        Data::I8(values) => EngineTensor::from_shape(shape, values),
        Data::U64(values) => EngineTensor::from_shape(shape, values),
        Data::U32(values) => EngineTensor::from_shape(shape, values),
        Data::U16(values) => EngineTensor::from_shape(shape, values),
        Data::U8(values) => EngineTensor::from_shape(shape, values),
        Data::Bool(values) => EngineTensor::from_shape(shape, values),
        Data::Text(values) => {
            let values: Vec<String> = values.iter().map(|text| text.to_string()).collect();
            tract_onnx::tract_hir::internal::tensor1(&values).into_shape(shape)
        }
    }
}

pub(in crate::onnx) fn from_engine(tensor: &EngineTensor) -> Option<Tensor> {
    let view = tensor.as_plain_ram()?;
    let data: Data = match tensor.datum_type() {
        DatumType::F32 => view.as_slice::<f32>().ok()?.to_vec().into(),
        DatumType::F64 => view.as_slice::<f64>().ok()?.to_vec().into(),
        DatumType::I64 => view.as_slice::<i64>().ok()?.to_vec().into(),
        DatumType::I32 => view.as_slice::<i32>().ok()?.to_vec().into(),
        DatumType::F16 => {
            let values = view.as_slice::<half::f16>().ok()?;
            values.iter().map(|value| F16::from_bits(value.to_bits())).collect::<Vec<_>>().into()
        }
        DatumType::I16 => view.as_slice::<i16>().ok()?.to_vec().into(),
        DatumType::I8 => view.as_slice::<i8>().ok()?.to_vec().into(),
        DatumType::U64 => view.as_slice::<u64>().ok()?.to_vec().into(),
        DatumType::U32 => view.as_slice::<u32>().ok()?.to_vec().into(),
        DatumType::U16 => view.as_slice::<u16>().ok()?.to_vec().into(),
        DatumType::U8 => view.as_slice::<u8>().ok()?.to_vec().into(),
        DatumType::Bool => view.as_slice::<bool>().ok()?.to_vec().into(),
        DatumType::String => {
            let texts = view.as_slice::<String>().ok()?;
            texts.iter().map(|text| text.as_str().into()).collect::<Vec<Box<str>>>().into()
        }
        DatumType::TDim => {
            // A size that the graph computed; by the ONNX specification it is a 64-bit integer.
            let sizes = tensor.cast_to::<i64>().ok()?;
            sizes.as_plain_ram()?.as_slice::<i64>().ok()?.to_vec().into()
        }
        _ => return None,
    };
    Tensor::new(tensor.shape(), data).ok()
}

#[cold]
fn failed(error: tract_onnx::prelude::TractError) -> ModelError {
    // Engines quote input values in their errors: an index out of range, for instance.
    ModelError::confidential(EngineError::from(error))
}

impl From<tract_onnx::prelude::TractError> for EngineError {
    #[cold]
    fn from(error: tract_onnx::prelude::TractError) -> EngineError {
        EngineError::new(&format!("{error:#}"))
    }
}

/// Parses and checks the bytes of a file; a panic while doing so comes back as an error.
pub(super) fn read(bytes: &[u8], external_data: &ExternalData<'_>) -> Result<Document, LoadError> {
    guarded("reading the file", || Ok::<_, EngineError>(document::read(bytes, external_data)))?
}
