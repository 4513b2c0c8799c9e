//! [`Graph`]: named tensors to an inference server, named tensors back.

use std::{fmt, sync::Arc};

use super::{
    Error, Status, TensorInfo,
    checked::Checked,
    core::Core,
    rows,
    wire::{self, InferenceRequest},
};
use crate::{
    AsyncModel,
    model::{ModelError, PredictFuture},
    tensor::{Data, Tensor, Tensors},
};

/// A model with any inputs and outputs on an inference server: named [`Tensors`] in, named tensors
/// out.
///
/// It is made by [`Builder::connect_graph`](super::Builder::connect_graph), and otherwise behaves as a
/// [`Classifier`](super::Classifier) does.
///
/// ```no_run
/// use modelgate::{AsyncModel, remote, tensor::{Tensor, Tensors}};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let graph = remote::Classifier::builder("http://triton.internal:8000", "two_inputs")
///     .connect_graph()
///     .await?;
/// let inputs = Tensors::new()
///     .with("left", Tensor::new([1, 2], vec![1.0_f32, 2.0])?)
///     .with("right", Tensor::new([1, 2], vec![3.0_f32, 4.0])?);
/// let outputs = graph.predict(&inputs).await?;
/// println!("{:?}", outputs.get("sum").and_then(Tensor::as_f32));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Graph(Arc<Core>);

impl Graph {
    pub(super) fn of(core: Core) -> Graph {
        Graph(Arc::new(core))
    }
}

impl AsyncModel<Tensors, Tensors> for Graph {
    fn predict<'a>(&'a self, tensors: &'a Tensors) -> PredictFuture<'a, Tensors> {
        Box::pin(predict(&self.0, tensors))
    }

    fn is_loaded(&self) -> bool {
        self.0.is_ready()
    }

    fn load(&self) -> PredictFuture<'_, ()> {
        Box::pin(async { Ok(self.check().await?) })
    }
}

async fn predict(core: &Core, tensors: &Tensors) -> Result<Tensors, ModelError> {
    let ends = core.ends();
    let checked = core.checked()?;
    check(core, checked, tensors)?;
    let options = &core.shared.options;
    let inputs = tensors.iter().map(|(name, tensor)| (name.into(), tensor.clone())).collect();
    let question =
        InferenceRequest { inputs, outputs: options.outputs.clone().unwrap_or_default() };
    let mut reply = core.within(core.ask(checked, question, ends), ends).await?;
    rows::same_version(&options.version, &reply)?;
    for described in &checked.outputs {
        match reply.outputs.get(&described.name) {
            Some(tensor) => as_described(described, tensor)?,
            None if options.outputs.is_none() => {
                rows::output(&reply, &described.name)?;
            }
            None => {}
        }
    }
    match &options.outputs {
        None => Ok(reply.outputs),
        Some(names) => {
            let wanted =
                names.iter().map(|name| Ok((name.clone(), rows::output(&reply, name)?.clone())));
            reply.outputs = wanted.collect::<Result<Tensors, Error>>()?;
            Ok(reply.outputs)
        }
    }
}

fn fits(described: &[i64], shape: &[usize]) -> bool {
    described.len() == shape.len()
        && described
            .iter()
            .zip(shape)
            .all(|(described, size)| *described < 0 || usize::try_from(*described) == Ok(*size))
}

fn as_described(described: &TensorInfo, found: &Tensor) -> Result<(), Error> {
    let name = &described.name;
    let datatype = wire::datatype(found.dtype());
    if *described.datatype != *datatype {
        let field = format_args!("outputs.{name}: datatype");
        return Err(Error::mismatch(field, datatype, &described.datatype));
    }
    if !fits(&described.shape, found.shape()) {
        return Err(Error::mismatch(
            format_args!("outputs.{name}: shape"),
            format_args!("{:?}", found.shape()),
            format_args!("{:?}", described.shape),
        ));
    }
    Ok(())
}

fn check(core: &Core, checked: &Checked, tensors: &Tensors) -> Result<(), ModelError> {
    for described in &checked.inputs {
        let field = format_args!("inputs.{}", described.name);
        let Some(tensor) = tensors.get(&described.name) else {
            let expected = format_args!("a tensor {described}");
            return Err(ModelError::wrong_form(field, "nothing", expected));
        };
        let datatype = wire::datatype(tensor.dtype());
        if *described.datatype != *datatype {
            return Err(ModelError::wrong_form(field, datatype, &described.datatype));
        }
        if !fits(&described.shape, tensor.shape()) {
            return Err(ModelError::wrong_form(
                field,
                format_args!("shape {:?}", tensor.shape()),
                format_args!("shape {:?}", described.shape),
            ));
        }
    }
    for (name, tensor) in tensors.iter() {
        let field = format_args!("inputs.{name}");
        let known = |described: &TensorInfo| *described.name == *name;
        if !checked.inputs.is_empty() && !checked.inputs.iter().any(known) {
            let expected = "the names of the graph's inputs only";
            return Err(ModelError::unknown_name(field, expected));
        }
        let finite = match tensor.data() {
            Data::F32(values) => values.iter().all(|value| value.is_finite()),
            Data::F64(values) => values.iter().all(|value| value.is_finite()),
            Data::F16(values) => values.iter().all(|value| value.is_finite()),
            _ => true,
        };
        let shared = &core.shared;
        let allowed = shared.options.allow_non_finite && shared.takes_non_finite(checked);
        if !finite && !allowed {
            return Err(ModelError::wrong_form(field, "a NaN or infinity", "finite numbers"));
        }
    }
    Ok(())
}

described_by_server!(Graph);
