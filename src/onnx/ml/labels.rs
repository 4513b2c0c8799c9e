//! The names of the classes.

use tract_onnx::tract_hir::internal::{DatumType, Tensor, TractResult, format_err};

use super::{NodeError, attributes::Attributes, rows};

/// The classes of a classifier, in order.
#[derive(Clone, Debug)]
pub(super) enum Labels {
    Numbers(Box<[i64]>),
    Texts(Box<[String]>),
}

impl Labels {
    /// One and only one of the two attributes holds them.
    pub(super) fn read(
        attributes: &Attributes<'_>,
        numbers: &str,
        texts: &str,
    ) -> Result<Labels, NodeError> {
        let (ints, strings) = (attributes.ints(numbers)?, attributes.texts(texts)?);
        match (ints.is_empty(), strings.is_empty()) {
            (false, true) => Ok(Labels::Numbers(ints.into())),
            (true, false) => Ok(Labels::Texts(strings.into_iter().map(str::to_owned).collect())),
            _ => {
                Err(NodeError::damaged(format!("found none or both of `{numbers}` and `{texts}`")))
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Labels::Numbers(numbers) => numbers.len(),
            Labels::Texts(texts) => texts.len(),
        }
    }

    pub(super) fn dtype(&self) -> DatumType {
        match self {
            Labels::Numbers(_) => DatumType::I64,
            Labels::Texts(_) => DatumType::String,
        }
    }

    /// One label a row; `place(row)` says which.
    pub(super) fn tensor(
        &self,
        count: usize,
        place: impl Fn(usize) -> usize,
    ) -> TractResult<Tensor> {
        let none = || format_err!("a row has a class that does not exist");
        match self {
            Labels::Numbers(numbers) => {
                let mut tensor = Tensor::zero::<i64>(&[count])?;
                let places = tensor.try_as_plain_ram_mut()?;
                for (row, label) in { places }.as_slice_mut::<i64>()?.iter_mut().enumerate() {
                    *label = *numbers.get(place(row)).ok_or_else(none)?;
                }
                Ok(tensor)
            }
            Labels::Texts(texts) => {
                let labels = (0..count)
                    .map(|row| texts.get(place(row)).cloned().ok_or_else(none))
                    .collect::<TractResult<Vec<String>>>()?;
                rows::text_tensor(&[count], labels)
            }
        }
    }
}
