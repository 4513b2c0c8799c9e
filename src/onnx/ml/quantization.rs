//! `QuantizeLinear` and `DequantizeLinear`, in place of tract's, with which every graph
//! that was quantised beforehand answered far from what ONNX Runtime answers.
//!
//! They are no operators of ONNX-ML, but run in the same way. Blocks and types of more bits than 8 are
//! left to the interpreter.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, IntoTValue, TValue, TVec, Tensor, TractResult, bail, ensure, tvec,
    },
};

use super::{
    NodeError,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, input},
    rows::f32s,
};

/// A scale and a zero point for all elements, or for each index of an axis.
struct Steps {
    scales: Vec<f32>,
    zeros: Vec<f32>,
    /// How many elements in a row have the same index.
    inner: usize,
}

impl Steps {
    fn of(inputs: &[TValue], axis: i64) -> TractResult<Steps> {
        let shape = input(inputs, 0)?.shape();
        let scales = f32s(input(inputs, 1)?)?.into_owned();
        let zeros = match inputs.get(2) {
            Some(zeros) => f32s(zeros)?.into_owned(),
            None => vec![0.0; scales.len()],
        };
        ensure!(zeros.len() == scales.len(), "{} zero points", zeros.len());
        if scales.len() == 1 {
            return Ok(Steps { scales, zeros, inner: usize::MAX });
        }
        let from_start = if axis < 0 { axis + shape.len() as i64 } else { axis };
        let at =
            usize::try_from(from_start).ok().filter(|at| shape.get(*at) == Some(&scales.len()));
        let Some(at) = at else { bail!("{} scales for axis {axis} of {shape:?}", scales.len()) };
        let inner = shape.iter().skip(at).skip(1).product();
        Ok(Steps { scales, zeros, inner })
    }

    /// The scale and zero point of each element, in order.
    fn each(&self) -> impl Iterator<Item = (f32, f32)> {
        let pairs = self.scales.iter().copied().zip(self.zeros.iter().copied());
        pairs.flat_map(|pair| std::iter::repeat_n(pair, self.inner.max(1))).cycle()
    }
}

#[derive(Debug)]
pub(super) struct Quantize {
    axis: i64,
}

impl FromNode for Quantize {
    fn from_node(node: &NodeProto) -> Result<Quantize, NodeError> {
        Ok(Quantize { axis: Attributes::of(node).int("axis", 1)? })
    }
}

impl Operator for Quantize {
    fn name(&self) -> &'static str {
        "QuantizeLinear"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let from = input(inputs, 0)?;
        ensure!(from.dtype == DatumType::F32, "found {:?}, expected f32", from.dtype);
        let to = inputs.get(2).map_or(DatumType::U8, |zeros| zeros.dtype);
        ensure!(matches!(to, DatumType::U8 | DatumType::I8), "found {to:?}, expected 8 bits");
        Ok(tvec!(Fact::new(to, from.shape.iter().cloned())))
    }

    // Between the ends of the type, and whole.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let from = input(inputs, 0)?;
        let steps = Steps::of(inputs, self.axis)?;
        let values = f32s(from)?;
        let whole = values.iter().zip(steps.each()).map(|(value, (scale, zero))| {
            let whole = (value / scale).round_ties_even() + zero;
            if whole.is_nan() { zero } else { whole }
        });
        let signed = inputs.get(2).is_some_and(|zeros| zeros.datum_type() == DatumType::I8);
        let made = if signed {
            let values: Vec<i8> = whole.map(|value| value.clamp(-128.0, 127.0) as i8).collect();
            Tensor::from_shape(from.shape(), &values)?
        } else {
            let values: Vec<u8> = whole.map(|value| value.clamp(0.0, 255.0) as u8).collect();
            Tensor::from_shape(from.shape(), &values)?
        };
        Ok(tvec!(made.into_tvalue()))
    }
}

#[derive(Debug)]
pub(super) struct Dequantize {
    axis: i64,
}

impl FromNode for Dequantize {
    fn from_node(node: &NodeProto) -> Result<Dequantize, NodeError> {
        Ok(Dequantize { axis: Attributes::of(node).int("axis", 1)? })
    }
}

impl Operator for Dequantize {
    fn name(&self) -> &'static str {
        "DequantizeLinear"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let from = input(inputs, 0)?;
        let whole = matches!(from.dtype, DatumType::U8 | DatumType::I8 | DatumType::I32);
        ensure!(whole, "found {:?}, expected 8 or 32 bits", from.dtype);
        let to = input(inputs, 1)?.dtype;
        ensure!(to == DatumType::F32, "found scales of {to:?}, expected f32");
        Ok(tvec!(Fact::new(to, from.shape.iter().cloned())))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let from = input(inputs, 0)?;
        let steps = Steps::of(inputs, self.axis)?;
        // 32 bits are more than a 32-bit float has exactly; their zero point is 0.
        let made: Vec<f32> = if from.datum_type() == DatumType::I32 {
            let view = from.try_as_plain_ram()?;
            let values = view.as_slice::<i32>()?.iter().zip(steps.each());
            values.map(|(value, (scale, zero))| (*value as f32 - zero) * scale).collect()
        } else {
            let values = f32s(from)?;
            let values = values.iter().zip(steps.each());
            values.map(|(value, (scale, zero))| (value - zero) * scale).collect()
        };
        Ok(tvec!(Tensor::from_shape(from.shape(), &made)?.into_tvalue()))
    }
}
