//! `Scaler`: `(x - offset) * scale`.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, TractResult, tvec},
};

use super::{
    NodeError,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, RowChange, input, numbers},
    rows,
};

/// One offset and scale for all features, or one for each.
#[derive(Debug)]
pub(super) struct Scaler {
    offset_and_scale: Box<[(f32, f32)]>,
}

impl FromNode for Scaler {
    fn from_node(node: &NodeProto) -> Result<Scaler, NodeError> {
        let attributes = Attributes::of(node);
        let (offset, scale) = (attributes.floats("offset")?, attributes.floats("scale")?);
        let pairs: Box<[(f32, f32)]> = match (offset, scale) {
            // Either may be left out, and then does nothing.
            ([], []) => [(0.0, 1.0)].into(),
            (offset, []) => offset.iter().map(|offset| (*offset, 1.0)).collect(),
            ([], scale) => scale.iter().map(|scale| (0.0, *scale)).collect(),
            (offset, scale) if offset.len() == scale.len() => {
                offset.iter().copied().zip(scale.iter().copied()).collect()
            }
            _ => return Err(NodeError::damaged("its `offset` and `scale` differ in length")),
        };
        Ok(Scaler { offset_and_scale: pairs })
    }
}

impl Operator for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = numbers(inputs)?;
        if self.offset_and_scale.len() != 1 {
            fact.rows_of(self.offset_and_scale.len())?;
        }
        Ok(tvec!(Fact { dtype: DatumType::F32, shape: fact.shape.clone() }))
    }

    fn as_change(&self) -> Option<&dyn RowChange> {
        Some(self)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let pairs = &self.offset_and_scale;
        let width = pairs.len();
        if width != 1 {
            rows::count(input, width)?;
        }
        let scaled = rows::filled(input.shape(), |filled| {
            if input.datum_type() == DatumType::F64 {
                let rows = rows::f64s(input)?;
                let rows = filled.chunks_exact_mut(width).zip(rows.chunks_exact(width));
                for (out, row) in rows {
                    for ((out, value), (offset, scale)) in out.iter_mut().zip(row).zip(pairs) {
                        *out = narrow((value - f64::from(*offset)) * f64::from(*scale));
                    }
                }
            } else {
                filled.copy_from_slice(&rows::f32s(input)?);
                self.change(filled, width);
            }
            Ok(())
        })?;
        Ok(tvec!(scaled.into_tvalue()))
    }
}

impl RowChange for Scaler {
    fn change(&self, values: &mut [f32], _: usize) {
        match &self.offset_and_scale[..] {
            [(offset, scale)] => {
                values.iter_mut().for_each(|value| *value = (*value - offset) * scale);
            }
            pairs => {
                for row in values.chunks_exact_mut(pairs.len().max(1)) {
                    for (value, (offset, scale)) in row.iter_mut().zip(pairs) {
                        *value = (*value - offset) * scale;
                    }
                }
            }
        }
    }
}

/// The output is of 32-bit floats whatever the input is.
#[allow(clippy::cast_possible_truncation)]
fn narrow(value: f64) -> f32 {
    value as f32
}
