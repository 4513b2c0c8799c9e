//! `ArrayFeatureExtractor`: columns by number.

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, IntoTValue, TDim, TValue, TVec, Tensor, TractResult, bail, ensure, format_err,
        tvec,
    },
};

use super::{
    NodeError,
    operator::{Fact, FromNode, Operator, input},
    rows,
};

#[derive(Debug)]
pub(super) struct ArrayFeatureExtractor;

impl FromNode for ArrayFeatureExtractor {
    fn from_node(_: &NodeProto) -> Result<ArrayFeatureExtractor, NodeError> {
        Ok(ArrayFeatureExtractor)
    }
}

/// The shape of the output: the last axis is replaced; a lone axis is one row.
fn shape<D: Clone + From<usize>>(values: &[D], count: D) -> TractResult<TVec<D>> {
    match values {
        [] => bail!("found a single value, expected an axis"),
        [_] => Ok(tvec!(D::from(1), count)),
        [front @ .., _] => Ok(front.iter().cloned().chain([count]).collect()),
    }
}

fn extract<T: Clone>(values: &[T], width: usize, columns: &[usize]) -> TractResult<Vec<T>> {
    let mut extracted = Vec::with_capacity(values.len() / width.max(1) * columns.len());
    for row in values.chunks_exact(width.max(1)) {
        for column in columns {
            let value =
                row.get(*column).ok_or_else(|| format_err!("there is no column {column}"))?;
            extracted.push(value.clone());
        }
    }
    Ok(extracted)
}

impl Operator for ArrayFeatureExtractor {
    fn name(&self) -> &'static str {
        "ArrayFeatureExtractor"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (values, columns) = (input(inputs, 0)?, input(inputs, 1)?);
        let integers = matches!(columns.dtype, DatumType::I64 | DatumType::I32);
        ensure!(integers, "found columns of {:?}, expected integers", columns.dtype);
        let count: TDim = columns.shape.iter().product();
        Ok(tvec!(Fact { dtype: values.dtype, shape: shape(&values.shape, count)? }))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let (values, columns) = (input(inputs, 0)?, input(inputs, 1)?);
        let columns: Vec<usize> = rows::i64s(columns)?
            .iter()
            .map(|column| usize::try_from(*column))
            .collect::<Result<_, _>>()
            .map_err(|_| format_err!("a column has a negative number"))?;
        let width = values.shape().last().copied().unwrap_or_default();
        let shape = shape(values.shape(), columns.len())?;
        macro_rules! extract {
            ($type:ty) => {{
                let view = values.try_as_plain_ram()?;
                Tensor::from_shape(&shape, &extract(view.as_slice::<$type>()?, width, &columns)?)?
            }};
        }
        let extracted = match values.datum_type() {
            DatumType::F32 => extract!(f32),
            DatumType::F64 => extract!(f64),
            DatumType::I64 => extract!(i64),
            DatumType::I32 => extract!(i32),
            DatumType::Bool => extract!(bool),
            DatumType::TDim => {
                Tensor::from_shape(&shape, &extract(&rows::i64s(values)?, width, &columns)?)?
            }
            DatumType::String => {
                rows::text_tensor(&shape, extract(rows::texts(values)?, width, &columns)?)?
            }
            other => bail!("found values of {other:?}, expected numbers or texts"),
        };
        Ok(tvec!(extracted.into_tvalue()))
    }
}
