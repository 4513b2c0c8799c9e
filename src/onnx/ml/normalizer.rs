//! `Normalizer`: each row divided by its largest value or its length.

use smallvec::SmallVec;
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

/// By what a row is divided.
#[derive(Clone, Copy, Debug)]
pub(super) enum Normalizer {
    /// Its largest value.
    Max,
    /// The sum of its absolute values.
    L1,
    /// The root of the sum of its squares.
    L2,
}

impl FromNode for Normalizer {
    fn from_node(node: &NodeProto) -> Result<Normalizer, NodeError> {
        match Attributes::of(node).text("norm", "MAX")? {
            "MAX" => Ok(Normalizer::Max),
            "L1" => Ok(Normalizer::L1),
            "L2" => Ok(Normalizer::L2),
            other => Err(NodeError::damaged(format!("there is no norm `{other}`"))),
        }
    }
}

impl Normalizer {
    fn row(self, row: &[f32], out: &mut [f32]) {
        let divide = |out: &mut [f32], divisor: f32| {
            let divisor = if divisor == 0.0 { 1.0 } else { divisor };
            for (out, value) in out.iter_mut().zip(row) {
                *out = value / divisor;
            }
        };
        match self {
            Normalizer::Max => divide(out, row.iter().copied().fold(f32::MIN, f32::max)),
            Normalizer::L1 => divide(out, row.iter().map(|value| value.abs()).sum()),
            Normalizer::L2 => {
                let sum: f32 = row.iter().map(|value| value * value).sum();
                let sum = if sum == 0.0 { return out.copy_from_slice(row) } else { sum };
                for (out, value) in out.iter_mut().zip(row) {
                    // The quotient of the squares, not of the roots: what overflows, and to what,
                    // is then as in ONNX Runtime.
                    *out = (value * value / sum).sqrt().copysign(*value);
                }
            }
        }
    }
}

impl Operator for Normalizer {
    fn name(&self) -> &'static str {
        "Normalizer"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = numbers(inputs)?;
        fact.rows()?;
        Ok(tvec!(Fact { dtype: DatumType::F32, shape: fact.shape.clone() }))
    }

    fn as_change(&self) -> Option<&dyn RowChange> {
        Some(self)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let (_, width) = rows::shape(input)?;
        let values = rows::f32s(input)?;
        let normalized = rows::filled(input.shape(), |filled| {
            let width = width.max(1);
            for (out, row) in filled.chunks_exact_mut(width).zip(values.chunks_exact(width)) {
                self.row(row, out);
            }
            Ok(())
        })?;
        Ok(tvec!(normalized.into_tvalue()))
    }
}

impl RowChange for Normalizer {
    fn change(&self, values: &mut [f32], width: usize) {
        for row in values.chunks_exact_mut(width.max(1)) {
            let before: SmallVec<[f32; 16]> = SmallVec::from_slice(row);
            self.row(&before, row);
        }
    }
}
