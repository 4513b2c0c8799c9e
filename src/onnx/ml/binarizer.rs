//! `Binarizer`: 1 above a threshold, else 0.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, TractResult, bail, ensure, tvec},
};

use super::{
    NodeError,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, input},
    rows,
};

#[derive(Debug)]
pub(super) struct Binarizer {
    threshold: f32,
}

impl FromNode for Binarizer {
    fn from_node(node: &NodeProto) -> Result<Binarizer, NodeError> {
        Ok(Binarizer { threshold: Attributes::of(node).float("threshold", 0.0)? })
    }
}

fn takes(dtype: DatumType) -> bool {
    matches!(dtype, DatumType::F32 | DatumType::F64 | DatumType::I64 | DatumType::I32)
}

impl Operator for Binarizer {
    fn name(&self) -> &'static str {
        "Binarizer"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        ensure!(takes(fact.dtype), "found {:?}, expected numbers", fact.dtype);
        Ok(tvec!(fact.clone()))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let mut tensor = rows::copied(input)?;
        let threshold = f64::from(self.threshold);
        let dtype = tensor.datum_type();
        let mut view = tensor.try_as_plain_ram_mut()?;
        match dtype {
            DatumType::F32 => view
                .as_slice_mut::<f32>()?
                .iter_mut()
                .for_each(|value| *value = f32::from(u8::from(*value > self.threshold))),
            DatumType::F64 => view
                .as_slice_mut::<f64>()?
                .iter_mut()
                .for_each(|value| *value = f64::from(u8::from(*value > threshold))),
            // Rounding a large integer to a float does not move it past another float.
            #[allow(clippy::cast_precision_loss)]
            DatumType::I64 => view
                .as_slice_mut::<i64>()?
                .iter_mut()
                .for_each(|value| *value = i64::from(*value as f64 > threshold)),
            DatumType::I32 => view
                .as_slice_mut::<i32>()?
                .iter_mut()
                .for_each(|value| *value = i32::from(f64::from(*value) > threshold)),
            other => bail!("found {other:?}, expected numbers"),
        }
        Ok(tvec!(tensor.into_tvalue()))
    }
}
