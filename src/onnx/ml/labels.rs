//! The names of the classes.

use tract_onnx::tract_hir::internal::{
    DatumType, IntoTValue, TDim, TValue, TVec, Tensor, ToDim, TractResult, format_err, tvec,
};

use super::{NodeError, attributes::Attributes, operator::Fact, rows};

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

    /// What a classifier gives: a label and so many scores for each of these rows.
    pub(super) fn outputs(&self, rows: TDim, scores: usize) -> TVec<Fact> {
        let dtype = match self {
            Labels::Numbers(_) => DatumType::I64,
            Labels::Texts(_) => DatumType::String,
        };
        tvec!(Fact::new(dtype, [rows.clone()]), Fact::new(DatumType::F32, [rows, scores.to_dim()]),)
    }

    /// The outputs of a classifier, from the place of each row's class and from the scores.
    pub(super) fn with_scores(
        &self,
        places: &[usize],
        scores: Tensor,
    ) -> TractResult<TVec<TValue>> {
        let none = || format_err!("a row has a class that does not exist");
        let labels = match self {
            Labels::Numbers(numbers) => {
                let mut tensor = Tensor::zero::<i64>(&[places.len()])?;
                let mut view = tensor.try_as_plain_ram_mut()?;
                for (label, place) in view.as_slice_mut::<i64>()?.iter_mut().zip(places) {
                    *label = *numbers.get(*place).ok_or_else(none)?;
                }
                tensor
            }
            Labels::Texts(texts) => {
                let labels = places
                    .iter()
                    .map(|place| texts.get(*place).cloned().ok_or_else(none))
                    .collect::<TractResult<Vec<String>>>()?;
                rows::text_tensor(&[places.len()], labels)?
            }
        };
        Ok(tvec!(labels.into_tvalue(), scores.into_tvalue()))
    }
}
