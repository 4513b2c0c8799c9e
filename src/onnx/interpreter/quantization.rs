//! Quantised numbers: `x = (q - zero point) * scale`. Ties are rounded to even.

use super::{
    Dtype, Tensor,
    call::Call,
    convolution::convolved,
    indexing::{self, broadcast_offsets},
    matrix::product,
    reduction,
    value::{
        self, OperatorError, Outcome, all, ensure, floats, from_floats, from_wide, is_float, one,
    },
};

/// The smallest and the largest number of a quantised type.
fn range(dtype: Dtype) -> Result<(f64, f64), OperatorError> {
    Ok(match dtype {
        Dtype::I8 => (-128.0, 127.0),
        Dtype::U8 => (0.0, 255.0),
        Dtype::I16 => (-32_768.0, 32_767.0),
        Dtype::U16 => (0.0, 65_535.0),
        Dtype::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        other => return Err(OperatorError::new(format!("nothing is quantised to {other}"))),
    })
}

fn saturated(value: f64, zero: f64, dtype: Dtype) -> Result<i128, OperatorError> {
    let (low, high) = range(dtype)?;
    let value = value.round_ties_even() + zero;
    Ok(if value.is_nan() { zero as i128 } else { value.clamp(low, high) as i128 })
}

/// For each element of a tensor of shape `x`, the offset of its scale. There is one scale for the
/// whole tensor, for each index of an axis, or for each block along an axis.
fn scale_offsets(
    call: &Call<'_>,
    x: &[usize],
    scale: &[usize],
) -> Result<Vec<usize>, OperatorError> {
    let block = call.int("block_size", 0);
    let block = usize::try_from(block).map_err(|_| OperatorError::new("blocks below 0"))?;
    if scale.iter().product::<usize>() == 1 && block == 0 {
        return Ok(vec![0; x.iter().product()]);
    }
    let axis = indexing::axis(call.int("axis", 1), x.len())?;
    if block > 0 {
        let mut blocks = x.to_vec();
        blocks[axis] = x[axis].div_ceil(block);
        ensure!(scale == blocks, "scales of shape {scale:?} for blocks of {x:?}");
        let own = indexing::strides(scale);
        let at = indexing::coordinates(x).map(|mut at| {
            at[axis] /= block;
            indexing::ravel(&at, &own)
        });
        return Ok(at.collect());
    }
    ensure!(scale == [x[axis]], "scales of shape {scale:?} for axis {axis} of {x:?}");
    let inner: usize = x.iter().skip(axis + 1).product();
    Ok((0..x.iter().product()).map(|offset: usize| offset / inner.max(1) % x[axis]).collect())
}

pub(super) fn quantize(call: &Call<'_>) -> Outcome {
    let (x, scale) = (call.tensor(0)?, call.tensor(1)?);
    let zero = call.maybe(2)?;
    let dtype = match (zero, call.int("output_dtype", 0)) {
        (Some(zero), _) => zero.dtype(),
        (None, 0) => Dtype::U8,
        (None, number) => value::numeric(number)?,
    };
    let (values, scales) = (floats(x)?, floats(scale)?);
    let zeros = zero_points(zero, scales.len())?;
    // The quotient is rounded to the type of the scale, usually a 32-bit float.
    let single = scale.dtype() == Dtype::F32;
    let made = values.iter().zip(scale_offsets(call, x.shape(), scale.shape())?);
    let made = made.map(|(value, at)| {
        let quotient = value / scales[at];
        let quotient = if single { f64::from(quotient as f32) } else { quotient };
        saturated(quotient, zeros[at], dtype)
    });
    one(value::tensor(x.shape(), from_wide(dtype, made.collect::<Result<_, _>>()?))?)
}

/// The zero point for each scale, which is 0 by default.
fn zero_points(zero: Option<&Tensor>, scales: usize) -> Result<Vec<f64>, OperatorError> {
    let Some(zero) = zero else { return Ok(vec![0.0; scales]) };
    let zeros = floats(zero)?;
    ensure!(zeros.len() == scales, "{} zero points for {scales} scales", zeros.len());
    Ok(zeros)
}

pub(super) fn dequantize(call: &Call<'_>) -> Outcome {
    let (x, scale) = (call.tensor(0)?, call.tensor(1)?);
    ensure!(!is_float(x.dtype()), "found {}, expected integers", x.dtype());
    let (values, scales) = (floats(x)?, floats(scale)?);
    let zeros = zero_points(call.maybe(2)?, scales.len())?;
    let made = values.iter().zip(scale_offsets(call, x.shape(), scale.shape())?);
    let made = made.map(|(value, at)| (value - zeros[at]) * scales[at]);
    let dtype = match call.int("output_dtype", 0) {
        0 => scale.dtype(),
        number => value::numeric(number)?,
    };
    one(value::tensor(x.shape(), from_floats(dtype, made.collect()))?)
}

pub(super) fn dynamic(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let values = floats(x)?;
    let low = values.iter().copied().fold(0.0, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    let scale = f64::from((high as f32 - low as f32) / 255.0);
    let zero = if scale == 0.0 { 0.0 } else { (-low / scale).round_ties_even().clamp(0.0, 255.0) };
    let made = values.iter().map(|value| {
        let quotient = if scale == 0.0 { 0.0 } else { f64::from((value / scale) as f32) };
        saturated(quotient, zero, Dtype::U8)
    });
    let y = value::tensor(x.shape(), from_wide(Dtype::U8, made.collect::<Result<_, _>>()?))?;
    all([
        y,
        value::tensor(&[], from_floats(Dtype::F32, vec![scale]))?,
        value::tensor(&[], from_floats(Dtype::U8, vec![zero]))?,
    ])
}

/// The elements of `x` minus their zero points, of which there is one for all, one for each index
/// of `axis`, or a tensor of them that broadcasts to `x`.
fn shifted(x: &Tensor, zero: Option<&Tensor>, axis: usize) -> Result<Vec<f64>, OperatorError> {
    let mut values = floats(x)?;
    let Some(zero) = zero else { return Ok(values) };
    let zeros = floats(zero)?;
    for (value, at) in values.iter_mut().zip(factor_offsets(x.shape(), zero.shape(), axis)?) {
        *value -= zeros[at];
    }
    Ok(values)
}

fn factor_offsets(x: &[usize], factor: &[usize], axis: usize) -> Result<Vec<usize>, OperatorError> {
    let count: usize = factor.iter().product();
    if count == 1 {
        return Ok(vec![0; x.iter().product()]);
    }
    if factor.len() == x.len() {
        let fits = factor.iter().zip(x).all(|(own, size)| *own == 1 || own == size);
        ensure!(fits, "{factor:?} for {x:?}");
        return Ok(broadcast_offsets(factor, x));
    }
    ensure!(factor.len() == 1 && x.get(axis) == Some(&count), "{factor:?} for {x:?}");
    let mut shape = vec![1; x.len()];
    shape[axis] = count;
    Ok(broadcast_offsets(&shape, x))
}

pub(super) fn matmul_integer(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let x = shifted(a, call.maybe(2)?, a.shape().len().saturating_sub(2))?;
    let y = shifted(b, call.maybe(3)?, b.shape().len().saturating_sub(1))?;
    let (values, shape) = product(call, (&x, a.shape()), (&y, b.shape()))?;
    one(value::tensor(&shape, from_floats(Dtype::I32, values))?)
}

pub(super) fn conv_integer(call: &Call<'_>) -> Outcome {
    let (x, w) = (call.tensor(0)?, call.tensor(1)?);
    let values = shifted(x, call.maybe(2)?, 1)?;
    let kernel = shifted(w, call.maybe(3)?, 0)?;
    let (y, shape) = convolved(call, (&values, x.shape()), (&kernel, w.shape()), None)?;
    one(value::tensor(&shape, from_floats(Dtype::I32, y))?)
}

/// The factor of each element of a tensor of this shape, from one factor for all or one for each
/// index of `axis`.
fn factors(tensor: &Tensor, shape: &[usize], axis: usize) -> Result<Vec<f64>, OperatorError> {
    let values = floats(tensor)?;
    Ok(factor_offsets(shape, tensor.shape(), axis)?.into_iter().map(|at| values[at]).collect())
}

fn requantized(
    (values, shape): (Vec<f64>, &[usize]),
    scales: impl Iterator<Item = f64>,
    zero: &Tensor,
    zeros: &[f64],
) -> Outcome {
    let made =
        values.into_iter().zip(scales).zip(zeros).map(|((value, scale), zero_point)| {
            saturated(value * scale, *zero_point, zero.dtype())
        });
    one(value::tensor(shape, from_wide(zero.dtype(), made.collect::<Result<_, _>>()?))?)
}

pub(super) fn qlinear_matmul(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(3)?);
    let x = shifted(a, call.maybe(2)?, a.shape().len().saturating_sub(2))?;
    let y = shifted(b, call.maybe(5)?, b.shape().len().saturating_sub(1))?;
    let (values, shape) = product(call, (&x, a.shape()), (&y, b.shape()))?;
    let rank = shape.len();
    let a_scale = factors(call.tensor(1)?, &shape, rank.saturating_sub(2))?;
    let b_scale = factors(call.tensor(4)?, &shape, rank.saturating_sub(1))?;
    let y_scale = factors(call.tensor(6)?, &shape, rank.saturating_sub(2))?;
    let zero = call.tensor(7)?;
    let zeros = factors(zero, &shape, rank.saturating_sub(2))?;
    let scales = a_scale.iter().zip(&b_scale).zip(&y_scale).map(|((a, b), y)| a * b / y);
    requantized((values, &shape), scales, zero, &zeros)
}

pub(super) fn qlinear_conv(call: &Call<'_>) -> Outcome {
    let (x, w) = (call.tensor(0)?, call.tensor(3)?);
    let values = shifted(x, call.maybe(2)?, 1)?;
    let kernel = shifted(w, call.maybe(5)?, 0)?;
    let bias = call.maybe(8)?.map(floats).transpose()?;
    let (y, shape) = convolved(call, (&values, x.shape()), (&kernel, w.shape()), bias.as_deref())?;
    let x_scale = factors(call.tensor(1)?, &shape, 1)?;
    let w_scale = factors(call.tensor(4)?, &shape, 1)?;
    let y_scale = factors(call.tensor(6)?, &shape, 1)?;
    let zero = call.tensor(7)?;
    let zeros = factors(zero, &shape, 1)?;
    let scales = x_scale.iter().zip(&w_scale).zip(&y_scale).map(|((x, w), y)| x * w / y);
    requantized((y, &shape), scales, zero, &zeros)
}

/// `QLinearAdd` and `QLinearMul` of `com.microsoft`.
pub(super) fn qlinear_binary(call: &Call<'_>, apply: fn(f64, f64) -> f64) -> Outcome {
    let operand = |input| -> Result<(Vec<f64>, &[usize]), OperatorError> {
        let x = call.tensor(input)?;
        let scale = floats(call.tensor(input + 1)?)?.first().copied().unwrap_or(1.0);
        let mut values = shifted(x, call.maybe(input + 2)?, 0)?;
        values.iter_mut().for_each(|value| *value *= scale);
        Ok((values, x.shape()))
    };
    let ((x, x_shape), (y, y_shape)) = (operand(0)?, operand(3)?);
    let (pairs, shape) = super::elementwise::paired(call, (&x, x_shape), (&y, y_shape))?;
    let values: Vec<f64> = pairs.into_iter().map(|(x, y)| apply(x, y)).collect();
    quantized_to(call, 6, (values, &shape))
}

/// Quantises by the scale in the input at index `input` and the zero point in the next one.
fn quantized_to(call: &Call<'_>, input: usize, (values, shape): (Vec<f64>, &[usize])) -> Outcome {
    let scale = floats(call.tensor(input)?)?.first().copied().unwrap_or(1.0);
    let zero = call.maybe(input + 1)?;
    let dtype = zero.map_or(call.tensor(0)?.dtype(), Tensor::dtype);
    let zero =
        zero.map(floats).transpose()?.and_then(|zeros| zeros.first().copied()).unwrap_or(0.0);
    let made = values.iter().map(|value| saturated(value / scale, zero, dtype));
    one(value::tensor(shape, from_wide(dtype, made.collect::<Result<_, _>>()?))?)
}

/// `QLinearSigmoid` and `QLinearLeakyRelu` of `com.microsoft`.
pub(super) fn qlinear_unary(call: &Call<'_>, apply: impl Fn(f64) -> f64) -> Outcome {
    let x = call.tensor(0)?;
    let scale = floats(call.tensor(1)?)?.first().copied().unwrap_or(1.0);
    let values = shifted(x, call.maybe(2)?, 0)?;
    let values = values.into_iter().map(|value| apply(value * scale)).collect();
    quantized_to(call, 3, (values, x.shape()))
}

/// `QLinearSoftmax` of `com.microsoft`.
pub(super) fn qlinear_softmax(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let scale = floats(call.tensor(1)?)?.first().copied().unwrap_or(1.0);
    let values = shifted(x, call.maybe(2)?, 0)?;
    let values: Vec<f64> = values.into_iter().map(|value| value * scale).collect();
    let real = value::tensor(x.shape(), values.into())?;
    let (axis, softmax) = (call.int("axis", -1), reduction::softmax_of);
    // The attribute gives the version of the standard operator whose behaviour is meant.
    let made = if call.int("opset", 13) < 13 {
        reduction::along_all_behind(&real, axis, softmax)?
    } else {
        reduction::along(&real, axis, softmax)?
    };
    quantized_to(call, 3, (floats(&made)?, x.shape()))
}
