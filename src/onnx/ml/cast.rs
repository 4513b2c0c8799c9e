//! `Cast` to 64-bit integers. tract's goes through 32 bits on its way to the type it keeps
//! sizes in, and so gives other numbers for large ones: class labels, say, that are identifiers.

use tract_onnx::{
    model::ParsingContext,
    pb::{NodeProto, tensor_proto::DataType},
    tract_hir::internal::{
        DatumType, Expansion, InferenceOp, InferenceResult, OutletId, Solver, SpecialOps,
        StaticName, TVec, TensorProxy, TractResult, TypedModel, ensure, expand, format_err,
        tract_core::ops::cast::cast, tvec,
    },
};

use super::attributes::Attributes;

#[derive(Clone, Debug)]
struct ToIntegers;

pub(super) fn build(
    context: &ParsingContext<'_>,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    if Attributes::of(node).int("to", 0).is_ok_and(|to| to == DataType::Int64 as i64) {
        return Ok((expand(ToIntegers), Vec::new()));
    }
    let theirs = tract_onnx::onnx().op_register.0.get("Cast").copied();
    theirs.ok_or_else(|| format_err!("the engine has no Cast"))?(context, node)
}

/// Sizes stay sizes, which may be symbols.
fn given(from: DatumType) -> DatumType {
    if from == DatumType::TDim { from } else { DatumType::I64 }
}

impl Expansion for ToIntegers {
    fn name(&self) -> StaticName {
        "Cast".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        let ([input], [output]) = (inputs, outputs) else {
            ensure!(false, "found {} inputs and {} outputs", inputs.len(), outputs.len());
            return Ok(());
        };
        solver.equals(&input.shape, &output.shape)?;
        solver.given(&input.datum_type, move |solver, from| {
            solver.equals(&output.datum_type, given(from))
        })
    }

    fn wire(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        let input = *super::operator::input(inputs, 0)?;
        let from = model.outlet_fact(input)?.datum_type;
        if from == given(from) {
            return Ok(tvec!(input));
        }
        model.wire_node(prefix, cast(given(from)), &[input])
    }
}
