//! ONNX Runtime behind our own types: nothing outside this module names a type of `ort`.

mod file;
mod library;
mod pool;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use once_cell::sync::OnceCell;
use ort::{
    logging::LogLevel,
    session::{
        HasSelectedOutputs, OutputSelector, RunOptions, Session, SessionInputValue,
        builder::SessionBuilder,
    },
    value::{DynValue, TensorElementType, TensorRef, ValueType},
};

pub(super) use self::file::File;
pub use self::library::{Runtime, RuntimeError};
use self::pool::Pool;
use super::{Document, ExternalData, Graph, ParsedFile, external, guarded, proto};
use crate::{
    cpu_time,
    model::ModelError,
    onnx::{EngineError, LoadError, TensorInfo},
    shadow::is_shadow,
    tensor::{Data, F16, Tensor},
};

impl<R> From<ort::Error<R>> for EngineError {
    #[cold]
    fn from(error: ort::Error<R>) -> EngineError {
        EngineError::new(error.message())
    }
}

#[cold]
fn failed(error: ort::Error) -> ModelError {
    // Engines quote input values in their errors: an index out of range, for instance.
    ModelError::confidential(EngineError::from(error))
}

/// Parses and checks the bytes of a file; a panic while doing so comes back as an error.
pub(super) fn read(
    bytes: &[u8],
    external_data: &ExternalData<'_>,
    runtime: &Runtime,
) -> Result<Document, LoadError> {
    guarded("reading the file", || Ok::<_, EngineError>(file::read(bytes, external_data, runtime)))?
}

/// A graph that is prepared to run.
pub(in crate::onnx) struct Plan {
    workers: Pool<Worker>,
    /// A session for shadows only, created for the first of them: a live request would have to wait
    /// for one that a shadow holds.
    aside: OnceCell<Pool<Worker>>,
    maker: SessionFactory,
    inputs: Box<[Box<str>]>,
}

/// One session, which takes one call at a time.
struct Worker {
    session: Session,
    /// Which outputs are wanted.
    options: RunOptions<HasSelectedOutputs>,
}

/// Creates sessions of one file.
struct SessionFactory {
    bytes: Arc<Vec<u8>>,
    /// The files of external weights, by their `location` in the model.
    external_data: Arc<BTreeMap<Box<str>, Arc<[u8]>>>,
    runtime: Runtime,
    outputs: Box<[Box<str>]>,
}

impl SessionFactory {
    fn workers(&self, count: usize) -> Result<Pool<Worker>, EngineError> {
        let mut builder = builder(&self.runtime)?;
        for (name, bytes) in &*self.external_data {
            let bytes = Arc::clone(bytes);
            builder = builder.with_external_initializer_file_in_memory(&**name, bytes)?;
        }
        let mut workers = Vec::new();
        for _ in 0..count {
            let session = builder.commit_from_memory(&self.bytes)?;
            let wanted = OutputSelector::no_default();
            let wanted = self.outputs.iter().fold(wanted, |wanted, name| wanted.with(&**name));
            workers.push(Worker { session, options: RunOptions::new()?.with_outputs(wanted) });
        }
        Ok(Pool::new(workers))
    }
}

impl Plan {
    pub(super) fn build(
        file: &File,
        inputs: &[TensorInfo],
        outputs: &[&str],
    ) -> Result<Plan, LoadError> {
        guarded("preparing the graph", || {
            let maker = SessionFactory {
                bytes: Arc::clone(&file.bytes),
                external_data: Arc::clone(&file.external_data),
                runtime: file.runtime.clone(),
                outputs: outputs.iter().map(|name| Box::from(*name)).collect(),
            };
            let workers = maker.workers(file.runtime.session_count())?;
            let inputs = inputs.iter().map(|input| input.name.clone()).collect();
            Ok::<_, EngineError>(Plan { workers, aside: OnceCell::new(), maker, inputs })
        })
    }

    /// Runs the plan on one input of this shape.
    pub(super) fn run_rows(
        &self,
        shape: &[usize],
        rows: &[f32],
    ) -> Result<SessionOutputs, ModelError> {
        let input = TensorRef::from_array_view((shape, rows)).map_err(failed)?;
        self.run_values([input.into()].into_iter())
    }

    /// Runs the plan on one tensor for each input, in order.
    pub(super) fn run<'a>(
        &self,
        inputs: impl Iterator<Item = &'a Tensor>,
    ) -> Result<SessionOutputs, ModelError> {
        let inputs: Vec<SessionInputValue<'_>> =
            inputs.map(to_engine).collect::<Result<_, _>>().map_err(failed)?;
        self.run_values(inputs.into_iter())
    }

    fn run_values<'a>(
        &self,
        inputs: impl Iterator<Item = SessionInputValue<'a>>,
    ) -> Result<SessionOutputs, ModelError> {
        let inputs: Vec<(&str, SessionInputValue<'a>)> =
            self.inputs.iter().map(|name| &**name).zip(inputs).collect();
        let workers = match is_shadow() {
            true => {
                self.aside.get_or_try_init(|| self.maker.workers(1)).map_err(ModelError::new)?
            }
            false => &self.workers,
        };
        let mut taken = workers.take();
        let worker = taken.as_mut().and_then(pool::Borrowed::get);
        let Some(Worker { session, options }) = worker else {
            return Err(ModelError::new("there are no sessions"));
        };
        if self.maker.runtime.thread_count() != 1 {
            cpu_time::is_spent_elsewhere();
        }
        let run = || {
            let outputs = session.run_with_options(inputs, options).map_err(failed)?;
            outputs.iter().map(|(_, value)| from_engine(&value)).collect()
        };
        catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|payload| Err(ModelError::panicked(payload)))
    }
}

/// The outputs; an error is the name of an element type that [`Tensor`] lacks.
type SessionOutputs = Vec<Result<Tensor, String>>;

fn builder(runtime: &Runtime) -> Result<SessionBuilder, EngineError> {
    let builder = Session::builder(&runtime.library.environment)?
        .with_log_level(LogLevel::Warning)?
        .with_intra_threads(runtime.thread_count())?
        .with_inter_threads(1)?
        // Spinning while idle would take a core from other requests.
        .with_intra_op_spinning(false)?;
    Ok(builder)
}

fn to_engine(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape();
    Ok(match tensor.data() {
        Data::F32(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::F64(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::I64(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::I32(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::F16(values) => {
            let values: Vec<half::f16> =
                values.iter().map(|value| half::f16::from_bits(value.to_bits())).collect();
            ort::value::Tensor::from_array((shape, values))?.into()
        }
        Data::I16(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::I8(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::U64(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::U32(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::U16(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::U8(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::Bool(values) => TensorRef::from_array_view((shape, &**values))?.into(),
        Data::Text(values) => {
            let values: Vec<String> = values.iter().map(|text| text.to_string()).collect();
            ort::value::Tensor::from_string_array((shape, &*values))?.into()
        }
    })
}

fn from_engine(value: &DynValue) -> Result<Result<Tensor, String>, ModelError> {
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Ok(Err(value.dtype().to_string()));
    };
    let sizes: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
    macro_rules! elements {
        ($type:ty) => {
            value.try_extract_tensor::<$type>().map_err(failed)?.1.to_vec().into()
        };
    }
    let data: Data = match ty {
        TensorElementType::Float32 => elements!(f32),
        TensorElementType::Float64 => elements!(f64),
        TensorElementType::Int64 => elements!(i64),
        TensorElementType::Int32 => elements!(i32),
        TensorElementType::Float16 => {
            let values = value.try_extract_tensor::<half::f16>().map_err(failed)?.1;
            let values = values.iter().map(|value| F16::from_bits(value.to_bits()));
            values.collect::<Vec<_>>().into()
        }
        TensorElementType::Int16 => elements!(i16),
        TensorElementType::Int8 => elements!(i8),
        TensorElementType::Uint64 => elements!(u64),
        TensorElementType::Uint32 => elements!(u32),
        TensorElementType::Uint16 => elements!(u16),
        TensorElementType::Uint8 => elements!(u8),
        TensorElementType::Bool => elements!(bool),
        TensorElementType::String => {
            let texts = value.try_extract_strings().map_err(failed)?.1;
            texts.into_iter().map(String::into_boxed_str).collect::<Vec<_>>().into()
        }
        _ => return Ok(Err(ty.to_string())),
    };
    Tensor::new(sizes.unwrap_or_default(), data).map(Ok).map_err(ModelError::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shadow::ShadowScope;

    #[test]
    fn a_shadow_takes_no_session_of_live_requests() {
        // As in `tests/onnx_runtime`: where there is no library there is nothing to be tested.
        let runtime = match Runtime::load() {
            Ok(runtime) => runtime.sessions(1),
            Err(error) => return eprintln!("skipped: {error}"),
        };
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/digits_v2.onnx");
        let bytes = std::fs::read(path).unwrap();
        let external = ExternalData { folder: None, pins: &[], is_pinned: false, limit: u64::MAX };
        let document = read(&bytes, &external, &runtime).unwrap();
        let file = match &document.graph {
            Graph::Runtime(file) => file,
            #[cfg(feature = "onnx")]
            Graph::Tract(_) => panic!("another engine's"),
        };
        let names: Vec<&str> = document.outputs.iter().map(|output| &*output.name).collect();
        let plan = Arc::new(Plan::build(file, &document.inputs, &names).unwrap());
        // A live request has the only session there is.
        let _live = plan.workers.take();
        let (shadows, (done, answered)) = (Arc::clone(&plan), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            let _inside = ShadowScope::enter(None);
            done.send(shadows.run_rows(&[1, 64], &[0.5; 64]).map(|outputs| outputs.len()))
        });
        let answered = answered.recv_timeout(std::time::Duration::from_secs(60));
        assert_eq!(answered.expect("the shadow waits").unwrap(), names.len());
    }
}
