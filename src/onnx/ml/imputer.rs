//! `Imputer`: one value, which stands for a missing one, replaced by others.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, TractResult, bail, ensure, tvec},
};

use super::{
    NodeError,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, RowChange, input},
    rows,
};

/// What is replaced, and by what: one value for all features, or one for each.
#[derive(Debug)]
pub(super) enum Imputer {
    Floats { replaced: f32, by: Box<[f32]> },
    Ints { replaced: i64, by: Box<[i64]> },
}

impl FromNode for Imputer {
    fn from_node(node: &NodeProto) -> Result<Imputer, NodeError> {
        let attributes = Attributes::of(node);
        let floats = attributes.floats("imputed_value_floats")?;
        let ints = attributes.ints("imputed_value_int64s")?;
        match (floats, ints) {
            (floats, []) if !floats.is_empty() => Ok(Imputer::Floats {
                replaced: attributes.float("replaced_value_float", 0.0)?,
                by: floats.into(),
            }),
            ([], ints) if !ints.is_empty() => Ok(Imputer::Ints {
                replaced: attributes.int("replaced_value_int64", 0)?,
                by: ints.into(),
            }),
            _ => Err(NodeError::damaged(
                "found none or both of `imputed_value_floats` and `imputed_value_int64s`",
            )),
        }
    }
}

impl Imputer {
    fn values(&self) -> usize {
        match self {
            Imputer::Floats { by, .. } => by.len(),
            Imputer::Ints { by, .. } => by.len(),
        }
    }

    fn takes(&self, dtype: DatumType) -> bool {
        match self {
            Imputer::Floats { .. } => dtype.is_float(),
            Imputer::Ints { .. } => matches!(dtype, DatumType::I64 | DatumType::I32),
        }
    }
}

/// Replaces the elements that `is_replaced`, in rows as wide as `by` (or by its only value).
fn impute<T: Copy>(values: &mut [T], by: &[T], is_replaced: impl Fn(T) -> bool) {
    for row in values.chunks_mut(by.len().max(1)) {
        for (value, by) in row.iter_mut().zip(by) {
            if is_replaced(*value) {
                *value = *by;
            }
        }
    }
}

impl Operator for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        ensure!(self.takes(fact.dtype), "found {:?}, expected the type imputed", fact.dtype);
        if self.values() != 1 {
            fact.rows_of(self.values())?;
        }
        Ok(tvec!(fact.clone()))
    }

    fn as_change(&self) -> Option<&dyn RowChange> {
        matches!(self, Imputer::Floats { .. }).then_some(self as _)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        if self.values() != 1 {
            rows::count(input, self.values())?;
        }
        let mut tensor = rows::copied(input)?;
        let dtype = tensor.datum_type();
        let mut view = tensor.try_as_plain_ram_mut()?;
        match (self, dtype) {
            (Imputer::Floats { .. }, DatumType::F32) => {
                self.change(view.as_slice_mut::<f32>()?, self.values());
            }
            (Imputer::Floats { replaced, by }, DatumType::F64) => {
                let (nan, replaced) = (replaced.is_nan(), f64::from(*replaced));
                let by: Vec<f64> = by.iter().copied().map(f64::from).collect();
                impute(view.as_slice_mut::<f64>()?, &by, |value| {
                    value == replaced || (nan && value.is_nan())
                });
            }
            (Imputer::Ints { replaced, by }, DatumType::I64) => {
                impute(view.as_slice_mut::<i64>()?, by, |value| value == *replaced);
            }
            (Imputer::Ints { replaced, by }, DatumType::I32) => {
                let by: Vec<i32> =
                    by.iter().map(|by| i32::try_from(*by)).collect::<Result<_, _>>()?;
                impute(view.as_slice_mut::<i32>()?, &by, |value| i64::from(value) == *replaced);
            }
            (_, other) => bail!("found {other:?}, expected the type imputed"),
        }
        Ok(tvec!(tensor.into_tvalue()))
    }
}

impl RowChange for Imputer {
    fn change(&self, values: &mut [f32], _: usize) {
        if let Imputer::Floats { replaced, by } = self {
            let nan = replaced.is_nan();
            impute(values, by, |value| value == *replaced || (nan && value.is_nan()));
        }
    }
}
