//! Operators that work on one element at a time, or on the elements at the same index of several
//! tensors.

use std::borrow::Cow;

use super::{
    Data, Dtype, Tensor,
    call::Call,
    indexing,
    value::{
        self, OperatorError, Outcome, ensure, floats, from_floats, from_wide, is_float, one, wide,
    },
};

/// A function of floats.
pub(super) fn unary(call: &Call<'_>, apply: impl Fn(f64) -> f64) -> Outcome {
    let x = call.tensor(0)?;
    ensure!(is_float(x.dtype()), "found {}, expected floats", x.dtype());
    let values = floats(x)?.into_iter().map(apply).collect();
    one(value::tensor(x.shape(), from_floats(x.dtype(), values))?)
}

/// A function that is defined for floats and for integers.
pub(super) fn signed(
    call: &Call<'_>,
    of_floats: fn(f64) -> f64,
    of_integers: fn(i128) -> i128,
) -> Outcome {
    let x = call.tensor(0)?;
    if is_float(x.dtype()) {
        return unary(call, of_floats);
    }
    let values = wide(x)?.into_iter().map(of_integers).collect();
    one(value::tensor(x.shape(), from_wide(x.dtype(), values))?)
}

/// A predicate of each float.
pub(super) fn asks(call: &Call<'_>, ask: impl Fn(f64) -> bool) -> Outcome {
    let x = call.tensor(0)?;
    let values: Vec<bool> = floats(x)?.into_iter().map(ask).collect();
    one(value::tensor(x.shape(), values.into())?)
}

/// The pairs of the inputs' elements, broadcast to one shape.
pub(super) fn paired<T: Copy>(
    call: &Call<'_>,
    (a, a_shape): (&[T], &[usize]),
    (b, b_shape): (&[T], &[usize]),
) -> Result<(Vec<(T, T)>, Vec<usize>), OperatorError> {
    let b_shape = &*aligned(call, a_shape, b_shape)?;
    let shape = indexing::broadcast(call, &[a_shape, b_shape])?;
    let left = indexing::broadcast_offsets(a_shape, &shape);
    let right = indexing::broadcast_offsets(b_shape, &shape);
    Ok((left.into_iter().zip(right).map(|(l, r)| (a[l], b[r])).collect(), shape))
}

/// The second input's shape, extended so that its last axis aligns with the last axis of the first
/// input. Before version 7 of the operators, an attribute gave the axis with which its first axis
/// is aligned, and the slopes of `PRelu` were aligned with the channels.
fn aligned<'s>(
    call: &Call<'_>,
    a_shape: &[usize],
    b_shape: &'s [usize],
) -> Result<Cow<'s, [usize]>, OperatorError> {
    let axis = match (call.attribute("axis"), &*call.node.op_type) {
        _ if call.opset() >= 7 || b_shape.iter().product::<usize>() == 1 => {
            return Ok(b_shape.into());
        }
        (Some(axis), _) => indexing::axis(axis.i, a_shape.len())?,
        (None, "PRelu") if b_shape.len() == 1 && a_shape.len() > 1 => 1,
        (None, _) => return Ok(b_shape.into()),
    };
    let behind = a_shape.len().checked_sub(axis + b_shape.len());
    let behind = behind.ok_or_else(|| {
        OperatorError::new(format!("shape {b_shape:?} from axis {axis} of {a_shape:?} on"))
    })?;
    Ok([b_shape, &vec![1; behind]].concat().into())
}

pub(super) fn arithmetic(
    call: &Call<'_>,
    a: &Tensor,
    b: &Tensor,
    of_floats: impl Fn(f64, f64) -> f64,
    of_integers: impl Fn(i128, i128) -> Result<i128, OperatorError>,
) -> Result<Tensor, OperatorError> {
    ensure!(a.dtype() == b.dtype(), "found {} and {}", a.dtype(), b.dtype());
    if is_float(a.dtype()) {
        let (x, y) = (floats(a)?, floats(b)?);
        let (pairs, shape) = paired(call, (&x, a.shape()), (&y, b.shape()))?;
        let values = pairs.into_iter().map(|(x, y)| of_floats(x, y)).collect();
        return value::tensor(&shape, from_floats(a.dtype(), values));
    }
    let (x, y) = (wide(a)?, wide(b)?);
    let (pairs, shape) = paired(call, (&x, a.shape()), (&y, b.shape()))?;
    let values = pairs.into_iter().map(|(x, y)| of_integers(x, y)).collect::<Result<_, _>>()?;
    value::tensor(&shape, from_wide(a.dtype(), values))
}

pub(super) fn binary(
    call: &Call<'_>,
    of_floats: fn(f64, f64) -> f64,
    of_integers: fn(i128, i128) -> i128,
) -> Outcome {
    let integers = |x, y| Ok(of_integers(x, y));
    one(arithmetic(call, call.tensor(0)?, call.tensor(1)?, of_floats, integers)?)
}

/// A bitwise function of integers.
pub(super) fn of_bits(call: &Call<'_>, apply: fn(i128, i128) -> i128) -> Outcome {
    ensure_integers(call.tensor(0)?)?;
    binary(call, |x, _| x, apply)
}

fn ensure_integers(x: &Tensor) -> Result<(), OperatorError> {
    ensure!(!is_float(x.dtype()), "found {}, expected integers", x.dtype());
    Ok(())
}

pub(super) fn divide(call: &Call<'_>) -> Outcome {
    let integers = |x: i128, y: i128| {
        x.checked_div(y).ok_or_else(|| OperatorError::new("an integer is divided by 0"))
    };
    one(arithmetic(call, call.tensor(0)?, call.tensor(1)?, |x, y| x / y, integers)?)
}

pub(super) fn modulo(call: &Call<'_>) -> Outcome {
    // For floats only `fmod` of C is defined, whose result has the sign of the dividend.
    let like_c = call.flag("fmod");
    if !like_c {
        ensure_integers(call.tensor(0)?)?;
    }
    let of_integers = |x: i128, y: i128| {
        ensure!(y != 0, "an integer is divided by 0");
        let rest = x % y;
        Ok(if like_c || rest == 0 || (rest < 0) == (y < 0) { rest } else { rest + y })
    };
    one(arithmetic(call, call.tensor(0)?, call.tensor(1)?, |x, y| x % y, of_integers)?)
}

/// `Pow`: the result has the type of the base, whatever the type of the exponent.
pub(super) fn power(call: &Call<'_>) -> Outcome {
    let (base, exponent) = (call.tensor(0)?, call.tensor(1)?);
    if !is_float(base.dtype()) && !is_float(exponent.dtype()) {
        let (x, y) = (wide(base)?, wide(exponent)?);
        let (pairs, shape) = paired(call, (&x, base.shape()), (&y, exponent.shape()))?;
        let values = pairs.into_iter().map(|(x, y)| match u32::try_from(y) {
            Ok(y) => x.wrapping_pow(y),
            Err(_) => (x as f64).powf(y as f64) as i128,
        });
        return one(value::tensor(&shape, from_wide(base.dtype(), values.collect()))?);
    }
    let (x, y) = (floats(base)?, floats(exponent)?);
    let (pairs, shape) = paired(call, (&x, base.shape()), (&y, exponent.shape()))?;
    let values = pairs.into_iter().map(|(x, y)| x.powf(y)).collect();
    one(value::tensor(&shape, from_floats(base.dtype(), values))?)
}

/// `Max`, `Min`, `Sum` and `Mean`, of any number of inputs.
pub(super) fn folded(
    call: &Call<'_>,
    of_floats: fn(f64, f64) -> f64,
    of_integers: fn(i128, i128) -> i128,
) -> Result<Tensor, OperatorError> {
    let tensors = call.tensors()?;
    let Some((first, rest)) = tensors.split_first() else {
        return Err(OperatorError::new("there are no inputs"));
    };
    rest.iter().try_fold((*first).clone(), |all, next| {
        arithmetic(call, &all, next, of_floats, |x, y| Ok(of_integers(x, y)))
    })
}

pub(super) fn mean(call: &Call<'_>) -> Outcome {
    let sum = folded(call, |x, y| x + y, |x, y| x + y)?;
    let count = call.inputs.len() as f64;
    let values = floats(&sum)?.into_iter().map(|value| value / count).collect();
    one(value::tensor(sum.shape(), from_floats(sum.dtype(), values))?)
}

/// The larger of two numbers; unlike [`f64::max`], NaN if either is NaN.
pub(super) fn larger(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { x.max(y) }
}

/// The smaller of two numbers; unlike [`f64::min`], NaN if either is NaN.
pub(super) fn smaller(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() { f64::NAN } else { x.min(y) }
}

pub(super) fn compared(
    call: &Call<'_>,
    of_floats: fn(&f64, &f64) -> bool,
    of_integers: fn(&i128, &i128) -> bool,
) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    ensure!(a.dtype() == b.dtype(), "found {} and {}", a.dtype(), b.dtype());
    let (values, shape): (Vec<bool>, _) = if is_float(a.dtype()) {
        let (x, y) = (floats(a)?, floats(b)?);
        let (pairs, shape) = paired(call, (&x, a.shape()), (&y, b.shape()))?;
        (pairs.iter().map(|(x, y)| of_floats(x, y)).collect(), shape)
    } else {
        let (x, y) = (wide(a)?, wide(b)?);
        let (pairs, shape) = paired(call, (&x, a.shape()), (&y, b.shape()))?;
        (pairs.iter().map(|(x, y)| of_integers(x, y)).collect(), shape)
    };
    one(value::tensor(&shape, values.into())?)
}

pub(super) fn equal(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    if let (Data::Text(x), Data::Text(y)) = (a.data(), b.data()) {
        let shape = indexing::broadcast(call, &[a.shape(), b.shape()])?;
        let left = indexing::broadcast_offsets(a.shape(), &shape);
        let right = indexing::broadcast_offsets(b.shape(), &shape);
        let values: Vec<bool> = left.into_iter().zip(right).map(|(l, r)| x[l] == y[r]).collect();
        return one(value::tensor(&shape, values.into())?);
    }
    compared(call, f64::eq, i128::eq)
}

pub(super) fn logical(call: &Call<'_>, apply: fn(bool, bool) -> bool) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (x, y) = (value::bools(a)?, value::bools(b)?);
    let (pairs, shape) = paired(call, (x, a.shape()), (y, b.shape()))?;
    let values: Vec<bool> = pairs.into_iter().map(|(x, y)| apply(x, y)).collect();
    one(value::tensor(&shape, values.into())?)
}

pub(super) fn not(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let values: Vec<bool> = value::bools(x)?.iter().map(|value| !value).collect();
    one(value::tensor(x.shape(), values.into())?)
}

fn bits(dtype: Dtype) -> i128 {
    match dtype {
        Dtype::I8 | Dtype::U8 => 8,
        Dtype::I16 | Dtype::U16 => 16,
        Dtype::I32 | Dtype::U32 => 32,
        _ => 64,
    }
}

/// `BitShift`. A shift by the type's width or more leaves only zeros or, to the right, only copies
/// of the sign bit. A negative distance counts as one beyond the width.
pub(super) fn shift(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    ensure_integers(a)?;
    let width = bits(a.dtype());
    let left = match &*call.text("direction", "") {
        "LEFT" => true,
        "RIGHT" => false,
        other => return Err(OperatorError::new(format!("direction `{other}`"))),
    };
    let integers = |x: i128, by: i128| {
        let beyond = !(0..width).contains(&by);
        Ok(match (left, beyond) {
            (true, true) => 0,
            (true, false) => x << by,
            (false, true) => x.signum().min(0),
            (false, false) => x >> by,
        })
    };
    one(arithmetic(call, a, b, |x, _| x, integers)?)
}

pub(super) fn bitwise_not(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let values = wide(x)?.into_iter().map(|value| !value).collect();
    one(value::tensor(x.shape(), from_wide(x.dtype(), values))?)
}

/// `Clip`, whose bounds were attributes before version 11.
pub(super) fn clip(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    if is_float(x.dtype()) {
        let bound = |name, input, default| -> Result<f64, OperatorError> {
            match call.maybe(input)? {
                Some(tensor) => Ok(floats(tensor)?.first().copied().unwrap_or(default)),
                None => Ok(call.float(name, default)),
            }
        };
        let low = bound("min", 1, f64::NEG_INFINITY)?;
        let high = bound("max", 2, f64::INFINITY)?;
        return unary(call, |value| smaller(larger(value, low), high));
    }
    let bound = |input| -> Result<Option<i128>, OperatorError> {
        Ok(call.maybe(input)?.map(wide).transpose()?.and_then(|values| values.first().copied()))
    };
    let (low, high) = (bound(1)?, bound(2)?);
    let values = wide(x)?.into_iter().map(|value| {
        let value = low.map_or(value, |low| value.max(low));
        high.map_or(value, |high| value.min(high))
    });
    one(value::tensor(x.shape(), from_wide(x.dtype(), values.collect()))?)
}

/// The logistic function.
pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + exp(x))`, in a form that does not overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `Gelu`: exact, or by the approximation with a hyperbolic tangent.
pub(super) fn gelu(call: &Call<'_>) -> Outcome {
    if call.text("approximate", "none") == "tanh" {
        let root = (2.0 / std::f64::consts::PI).sqrt();
        return unary(call, |x| 0.5 * x * (1.0 + (root * (x + 0.044_715 * x * x * x)).tanh()));
    }
    unary(call, |x| 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)))
}

pub(super) fn is_inf(call: &Call<'_>) -> Outcome {
    let negative = call.int("detect_negative", 1) != 0;
    let positive = call.int("detect_positive", 1) != 0;
    asks(call, |x| x.is_infinite() && if x < 0.0 { negative } else { positive })
}

pub(super) fn swish_gated(call: &Call<'_>) -> Outcome {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    ensure!(a.shape() == b.shape(), "shapes {:?} and {:?}", a.shape(), b.shape());
    let alpha = call.float("alpha", 1.0);
    let gate = |x: f64, y: f64| x * sigmoid(alpha * x) * y;
    one(arithmetic(call, a, b, gate, |_, _| {
        Err(OperatorError::new("found integers, expected floats"))
    })?)
}

/// `PRelu`: multiplies negative elements by a slope, which is broadcast to the input.
pub(super) fn parametric(call: &Call<'_>) -> Outcome {
    let slope = |x: f64, slope: f64| if x < 0.0 { x * slope } else { x };
    let (x, slopes) = (call.tensor(0)?, call.tensor(1)?);
    one(arithmetic(call, x, slopes, slope, |x, s| Ok(if x < 0 { x.wrapping_mul(s) } else { x }))?)
}

/// `Dropout`. In training mode it drops elements at random, which is supported only for a ratio of
/// 0, where none are dropped.
pub(super) fn dropout(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let training = match call.maybe(2)? {
        Some(flag) => value::bools(flag)?.first().copied().unwrap_or(false),
        None => false,
    };
    let ratio = match call.maybe(1)? {
        Some(ratio) => floats(ratio)?.first().copied().unwrap_or(0.5),
        None => 0.5,
    };
    ensure!(!training || ratio == 0.0, "dropping elements in training is not supported");
    let mask = value::tensor(x.shape(), vec![true; x.data().len()].into())?;
    value::all([x.clone(), mask])
}
