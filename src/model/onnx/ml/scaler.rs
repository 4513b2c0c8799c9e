//! `Scaler`: `(x - offset) * scale`.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, TractResult, ensure, tvec},
};

use super::{
    Flaw,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, input},
    rows,
};

/// One offset and scale for all features, or one for each.
#[derive(Debug)]
pub(super) struct Scaler {
    offset_and_scale: Box<[(f32, f32)]>,
}

impl FromNode for Scaler {
    fn from_node(node: &NodeProto) -> Result<Scaler, Flaw> {
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
            _ => return Err(Flaw::damaged("its `offset` and `scale` differ in length")),
        };
        Ok(Scaler { offset_and_scale: pairs })
    }
}

impl Operator for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        ensure!(rows::is_number(fact.dtype), "found {:?}, expected numbers", fact.dtype);
        if self.offset_and_scale.len() != 1 {
            fact.rows_of(self.offset_and_scale.len())?;
        }
        Ok(tvec!(Fact { dtype: DatumType::F32, shape: fact.shape.clone() }))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let pairs = &self.offset_and_scale;
        let scaled = match &pairs[..] {
            [(offset, scale)] => rows::filled(input.shape(), |filled| {
                if input.datum_type() == DatumType::F64 {
                    for (out, value) in filled.iter_mut().zip(&*rows::f64s(input)?) {
                        *out = narrow((value - f64::from(*offset)) * f64::from(*scale));
                    }
                } else {
                    for (out, value) in filled.iter_mut().zip(&*rows::f32s(input)?) {
                        *out = (value - offset) * scale;
                    }
                }
                Ok(())
            })?,
            pairs => {
                let (_, width) = rows::shape(input)?;
                ensure!(width == pairs.len(), "found {width} features, expected {}", pairs.len());
                rows::filled(input.shape(), |filled| {
                    let out = filled.chunks_exact_mut(width);
                    if input.datum_type() == DatumType::F64 {
                        for (out, row) in out.zip(rows::f64s(input)?.chunks_exact(width)) {
                            for ((out, value), (offset, scale)) in
                                out.iter_mut().zip(row).zip(pairs)
                            {
                                *out = narrow((value - f64::from(*offset)) * f64::from(*scale));
                            }
                        }
                    } else {
                        for (out, row) in out.zip(rows::f32s(input)?.chunks_exact(width)) {
                            for ((out, value), (offset, scale)) in
                                out.iter_mut().zip(row).zip(pairs)
                            {
                                *out = (value - offset) * scale;
                            }
                        }
                    }
                    Ok(())
                })?
            }
        };
        Ok(tvec!(scaled.into_tvalue()))
    }
}

/// The output is of 32-bit floats whatever the input is.
#[allow(clippy::cast_possible_truncation)]
fn narrow(value: f64) -> f32 {
    value as f32
}
