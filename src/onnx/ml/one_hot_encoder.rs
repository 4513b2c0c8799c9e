//! `OneHotEncoder`: for each category 1 if the input is it, else 0.

use std::collections::HashMap;

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, IntoTValue, TValue, TVec, ToDim, TractResult, bail, ensure, tvec,
    },
};

use super::{
    NodeError,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, input},
    rows,
};

#[derive(Debug)]
pub(super) struct OneHotEncoder {
    categories: Categories,
    /// Whether an unknown category is all zeros; an error if not.
    zeros: bool,
}

/// The place of each category.
#[derive(Debug)]
enum Categories {
    Numbers(HashMap<i64, usize>, usize),
    Texts(HashMap<Box<str>, usize>, usize),
}

impl FromNode for OneHotEncoder {
    fn from_node(node: &NodeProto) -> Result<OneHotEncoder, NodeError> {
        let attributes = Attributes::of(node);
        let (ints, texts) = (attributes.ints("cats_int64s")?, attributes.texts("cats_strings")?);
        let categories = match (ints.len(), texts.len()) {
            (count, 0) if count > 0 => {
                Categories::Numbers(ints.iter().copied().zip(0..).collect(), count)
            }
            (0, count) if count > 0 => {
                Categories::Texts(texts.into_iter().map(Box::from).zip(0..).collect(), count)
            }
            _ => {
                return Err(NodeError::damaged(
                    "found none or both of `cats_int64s`, `cats_strings`",
                ));
            }
        };
        Ok(OneHotEncoder { categories, zeros: attributes.int("zeros", 1)? != 0 })
    }
}

impl OneHotEncoder {
    fn width(&self) -> usize {
        match &self.categories {
            Categories::Numbers(_, count) | Categories::Texts(_, count) => *count,
        }
    }

    fn mark(
        &self,
        filled: &mut [f32],
        places: impl Iterator<Item = Option<usize>>,
    ) -> TractResult<()> {
        for (row, place) in filled.chunks_exact_mut(self.width()).zip(places) {
            match place.and_then(|place| row.get_mut(place)) {
                Some(one) => *one = 1.0,
                None => ensure!(self.zeros, "an input is none of the categories"),
            }
        }
        Ok(())
    }
}

/// A number without its fraction; none for NaN and the infinities.
fn truncated(value: f64) -> Option<i64> {
    // What is beyond an integer's range becomes its end.
    #[allow(clippy::cast_possible_truncation)]
    value.is_finite().then_some(value as i64)
}

impl Operator for OneHotEncoder {
    fn name(&self) -> &'static str {
        "OneHotEncoder"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        let fits = match &self.categories {
            Categories::Numbers(..) => rows::is_number(fact.dtype),
            Categories::Texts(..) => fact.dtype == DatumType::String,
        };
        ensure!(fits, "found {:?}, expected the type of the categories", fact.dtype);
        let shape = fact.shape.iter().cloned().chain([self.width().to_dim()]);
        Ok(tvec!(Fact::new(DatumType::F32, shape)))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let shape: TVec<usize> = input.shape().iter().copied().chain([self.width()]).collect();
        let encoded =
            rows::filled(&shape, |filled| match (&self.categories, input.datum_type()) {
                (Categories::Texts(places, _), DatumType::String) => {
                    let texts = rows::texts(input)?;
                    self.mark(filled, texts.iter().map(|text| places.get(text.as_str()).copied()))
                }
                (Categories::Texts(..), other) => bail!("found {other:?}, expected texts"),
                (Categories::Numbers(places, _), dtype) if dtype.is_float() => {
                    let values = rows::f64s(input)?;
                    let find =
                        |value: &f64| truncated(*value).and_then(|key| places.get(&key).copied());
                    self.mark(filled, values.iter().map(find))
                }
                (Categories::Numbers(places, _), _) => {
                    let values = rows::i64s(input)?;
                    self.mark(filled, values.iter().map(|value| places.get(value).copied()))
                }
            })?;
        Ok(tvec!(encoded.into_tvalue()))
    }
}
