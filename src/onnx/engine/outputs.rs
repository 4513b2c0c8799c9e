//! The outputs of one run, whichever engine computed them.

#[cfg(feature = "onnx")]
use super::tract;
#[cfg(feature = "onnx")]
use crate::onnx::ml::Direct;
use crate::tensor::Data;
use crate::{
    model::{Label, ModelError},
    tensor::Tensor,
};

/// The outputs of one run, in the order in which the plan was asked for them.
pub(in crate::onnx) enum Outputs {
    #[cfg(feature = "onnx")]
    Direct(DirectOutputs),
    #[cfg(feature = "onnx")]
    Tract(tract::Outputs),
    /// An error is the name of an element type that [`Tensor`] lacks.
    Owned(Vec<Result<Tensor, String>>),
}

impl Outputs {
    /// The shape of an output.
    pub(in crate::onnx) fn shape(&self, output: usize) -> &[usize] {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.shape(output),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.shape(output),
            Outputs::Owned(tensors) => tensor(tensors, output).map_or(&[], Tensor::shape),
        }
    }

    /// The elements of an output, if they are 32-bit floats.
    pub(in crate::onnx) fn f32s(&self, output: usize) -> Option<&[f32]> {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.f32s(output),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.f32s(output),
            Outputs::Owned(tensors) => tensor(tensors, output)?.as_f32(),
        }
    }

    /// The label at index `place` of an output that holds `count` integers or strings.
    pub(in crate::onnx) fn label(
        &self,
        output: usize,
        count: usize,
        place: usize,
    ) -> Option<Label> {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.label(output, count, place),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.label(output, count, place),
            Outputs::Owned(tensors) => {
                let data = tensor(tensors, output)?.data();
                if data.len() != count {
                    return None;
                }
                Some(match data {
                    Data::I64(values) => Label::Int(*values.get(place)?),
                    Data::I32(values) => Label::Int((*values.get(place)?).into()),
                    Data::Text(values) => Label::Text(values.get(place)?.clone()),
                    _ => return None,
                })
            }
        }
    }

    /// The number of elements of an output.
    pub(in crate::onnx) fn len(&self, output: usize) -> usize {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(outputs) => outputs.shape(output).iter().product(),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.len(output),
            Outputs::Owned(tensors) => {
                tensor(tensors, output).map_or(0, |tensor| tensor.data().len())
            }
        }
    }

    /// The element type of an output, as the engine names it.
    pub(in crate::onnx) fn type_name(&self, output: usize) -> String {
        match self {
            #[cfg(feature = "onnx")]
            Outputs::Direct(_) => "f32 or a label".to_owned(),
            #[cfg(feature = "onnx")]
            Outputs::Tract(outputs) => outputs.type_name(output),
            Outputs::Owned(tensors) => match tensors.get(output) {
                Some(Ok(tensor)) => tensor.dtype().to_string(),
                Some(Err(name)) => name.clone(),
                None => "nothing".to_owned(),
            },
        }
    }

    /// The first `count` outputs as tensors.
    pub(in crate::onnx) fn into_tensors(
        self,
        count: usize,
    ) -> impl Iterator<Item = Result<Tensor, ModelError>> {
        let mut place = 0;
        std::iter::from_fn(move || {
            let output = place;
            place += 1;
            (output < count).then(|| {
                let found = match &self {
                    #[cfg(feature = "onnx")]
                    Outputs::Direct(_) => None,
                    #[cfg(feature = "onnx")]
                    Outputs::Tract(outputs) => outputs.tensor(output),
                    Outputs::Owned(tensors) => tensor(tensors, output).cloned(),
                };
                found.ok_or_else(|| {
                    let found = self.type_name(output);
                    ModelError::new(format!("output {output} has the element type {found}"))
                })
            })
        })
    }
}

/// The labels and probabilities of some rows.
#[cfg(feature = "onnx")]
pub(in crate::onnx) struct DirectOutputs {
    labels: Vec<Label>,
    probabilities: Vec<f32>,
    labels_shape: [usize; 1],
    shape: [usize; 2],
    labelled: bool,
}

#[cfg(feature = "onnx")]
impl DirectOutputs {
    pub(super) fn new(
        direct: &Direct,
        (labels, probabilities): (Vec<Label>, Vec<f32>),
    ) -> DirectOutputs {
        DirectOutputs {
            labels_shape: [labels.len()],
            shape: [labels.len(), direct.classes()],
            labelled: direct.is_labelled(),
            labels,
            probabilities,
        }
    }

    fn shape(&self, output: usize) -> &[usize] {
        match (output, self.labelled) {
            (0, true) => &self.labels_shape,
            (1, true) | (0, false) => &self.shape,
            _ => &[],
        }
    }

    fn f32s(&self, output: usize) -> Option<&[f32]> {
        (output == usize::from(self.labelled)).then_some(&*self.probabilities)
    }

    fn label(&self, output: usize, count: usize, place: usize) -> Option<Label> {
        let labels = output == 0 && self.labelled && count == self.labels.len();
        self.labels.get(place).filter(|_| labels).cloned()
    }
}

fn tensor(tensors: &[Result<Tensor, String>], output: usize) -> Option<&Tensor> {
    tensors.get(output)?.as_ref().ok()
}
