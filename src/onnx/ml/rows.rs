//! An input as rows of numbers.

use std::borrow::Cow;

use tract_onnx::tract_hir::internal::{DatumType, TVec, Tensor, TractResult, bail, ensure, tvec};

/// The elements of a tensor of numbers as 32-bit floats: as they are, if they are that.
pub(super) fn f32s(tensor: &Tensor) -> TractResult<Cow<'_, [f32]>> {
    if tensor.datum_type() == DatumType::F32 {
        return Ok(Cow::Borrowed(tensor.try_as_plain_ram()?.as_slice()?));
    }
    let cast = numbers(tensor)?.cast_to::<f32>()?.into_owned();
    Ok(Cow::Owned(cast.try_as_plain_ram()?.as_slice::<f32>()?.to_vec()))
}

/// The elements of a tensor of numbers as 64-bit floats: as they are, if they are that.
pub(super) fn f64s(tensor: &Tensor) -> TractResult<Cow<'_, [f64]>> {
    if tensor.datum_type() == DatumType::F64 {
        return Ok(Cow::Borrowed(tensor.try_as_plain_ram()?.as_slice()?));
    }
    let cast = numbers(tensor)?.cast_to::<f64>()?.into_owned();
    Ok(Cow::Owned(cast.try_as_plain_ram()?.as_slice::<f64>()?.to_vec()))
}

/// The elements of a tensor of integers (in whatever type the engine keeps them).
pub(super) fn i64s(tensor: &Tensor) -> TractResult<Cow<'_, [i64]>> {
    if tensor.datum_type() == DatumType::I64 {
        return Ok(Cow::Borrowed(tensor.try_as_plain_ram()?.as_slice()?));
    }
    let cast = numbers(tensor)?.cast_to::<i64>()?.into_owned();
    Ok(Cow::Owned(cast.try_as_plain_ram()?.as_slice::<i64>()?.to_vec()))
}

/// The elements of a tensor of texts.
pub(super) fn texts(tensor: &Tensor) -> TractResult<&[String]> {
    tensor.try_as_plain_ram()?.as_slice()
}

fn numbers(tensor: &Tensor) -> TractResult<&Tensor> {
    ensure!(is_number(tensor.datum_type()), "found {:?}, expected numbers", tensor.datum_type());
    Ok(tensor)
}

pub(super) fn is_number(dtype: DatumType) -> bool {
    dtype.is_integer() || dtype.is_float() || matches!(dtype, DatumType::TDim | DatumType::Bool)
}

/// The number of rows and of values in a row. One axis is one row.
pub(super) fn shape(tensor: &Tensor) -> TractResult<(usize, usize)> {
    match tensor.shape() {
        [width] => Ok((1, *width)),
        [rows, width] => Ok((*rows, *width)),
        other => bail!("found an input of shape {other:?}, expected [rows, features]"),
    }
}

/// The number of rows, once it is sure that a row is as wide as this.
pub(super) fn count(tensor: &Tensor, width: usize) -> TractResult<usize> {
    let (count, found) = shape(tensor)?;
    ensure!(found == width, "found {found} features, expected {width}");
    Ok(count)
}

/// A copy of a tensor, with integers as such where the engine keeps them in the type of its sizes.
pub(super) fn copied(tensor: &Tensor) -> TractResult<Tensor> {
    match tensor.datum_type() {
        DatumType::TDim => Ok(tensor.cast_to::<i64>()?.into_owned()),
        _ => Ok(Tensor::deep_clone(tensor)),
    }
}

/// A tensor of 32-bit floats, filled in place.
pub(super) fn filled(
    shape: &[usize],
    fill: impl FnOnce(&mut [f32]) -> TractResult<()>,
) -> TractResult<Tensor> {
    let mut tensor = Tensor::zero::<f32>(shape)?;
    fill(tensor.try_as_plain_ram_mut()?.as_slice_mut()?)?;
    Ok(tensor)
}

/// A tensor of texts.
pub(super) fn text_tensor(shape: &[usize], texts: Vec<String>) -> TractResult<Tensor> {
    use tract_onnx::{prelude::tract_ndarray::ArrayD, tract_hir::internal::IntoTensor};
    Ok(ArrayD::from_shape_vec(shape, texts)?.into_tensor())
}

/// The shape of a row of classes or targets for each of `rows`.
pub(super) fn matrix(rows: usize, width: usize) -> TVec<usize> {
    tvec!(rows, width)
}
