//! `FeatureVectorizer`: the features of several inputs, in one row.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, IntoTValue, TDim, TValue, TVec, ToDim, TractResult, ensure, tvec,
    },
};

use super::{
    NodeError,
    attributes::Attributes,
    operator::{Fact, FromNode, Operator, input},
    rows,
};

#[derive(Debug)]
pub(super) struct FeatureVectorizer {
    /// The width of each input, where the node states it.
    widths: Box<[usize]>,
}

impl FromNode for FeatureVectorizer {
    fn from_node(node: &NodeProto) -> Result<FeatureVectorizer, NodeError> {
        let widths = Attributes::of(node).ints("inputdimensions")?;
        if !widths.is_empty() && widths.len() != node.input.len() {
            return Err(NodeError::damaged("its `inputdimensions` are not as many as its inputs"));
        }
        let widths = widths.iter().map(|width| usize::try_from(*width)).collect::<Result<_, _>>();
        let widths =
            widths.map_err(|_| NodeError::damaged("one of its `inputdimensions` is negative"))?;
        Ok(FeatureVectorizer { widths })
    }
}

impl Operator for FeatureVectorizer {
    fn name(&self) -> &'static str {
        "FeatureVectorizer"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (rows, _) = input(inputs, 0)?.rows()?;
        let mut width: TDim = 0.into();
        for (place, fact) in inputs.iter().enumerate() {
            ensure!(rows::is_number(fact.dtype), "found {:?}, expected numbers", fact.dtype);
            if let Some(stated) = self.widths.get(place) {
                fact.rows_of(*stated)?;
                width += stated.to_dim();
            } else {
                width += fact.rows()?.1;
            }
        }
        Ok(tvec!(Fact::new(DatumType::F32, [rows, width])))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (count, _) = rows::shape(input(inputs, 0)?)?;
        let mut parts = Vec::with_capacity(inputs.len());
        let mut total = 0_usize;
        for input in inputs {
            let (rows, width) = rows::shape(input)?;
            ensure!(rows == count, "found {rows} rows and {count} rows side by side");
            parts.push((rows::f32s(input)?, width));
            total = total.saturating_add(width);
        }
        let vectorized = rows::filled(&rows::matrix(count, total), |filled| {
            for (row, mut out) in filled.chunks_exact_mut(total.max(1)).enumerate() {
                for (values, width) in &parts {
                    let Some((place, rest)) = out.split_at_mut_checked(*width) else { break };
                    let start = row.saturating_mul(*width);
                    if let Some(values) = values.get(start..start.saturating_add(*width)) {
                        place.copy_from_slice(values);
                    }
                    out = rest;
                }
            }
            Ok(())
        })?;
        Ok(tvec!(vectorized.into_tvalue()))
    }
}
