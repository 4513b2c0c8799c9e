//! Reductions, cumulative operators and softmax along axes.

use super::{
    Dtype, Tensor,
    call::Call,
    elementwise::{larger, smaller},
    indexing::{self, Lanes},
    value::{
        self, OperatorError, Outcome, ensure, floats, from_floats, from_wide, is_float, one, wide,
    },
};

/// The functions of a reduction for floats and, where it is exact for them, for integers.
pub(super) struct Reduction {
    pub(super) of_floats: fn(&[f64]) -> f64,
    pub(super) of_integers: Option<fn(&[i128]) -> i128>,
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The logarithm of the sum of exponentials, computed without overflow.
pub(super) fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, larger);
    if most.is_infinite() {
        return most;
    }
    most + values.iter().map(|value| (value - most).exp()).sum::<f64>().ln()
}

/// The reduction of this name.
pub(super) fn named(name: &str) -> Option<Reduction> {
    let floats_only = |of_floats| Reduction { of_floats, of_integers: None };
    Some(match name {
        "ReduceSum" => {
            Reduction { of_floats: |v| v.iter().sum(), of_integers: Some(|v| v.iter().sum()) }
        }
        "ReduceMean" => floats_only(|v| v.iter().sum::<f64>() / v.len() as f64),
        "ReduceProd" => Reduction {
            of_floats: |v| v.iter().product(),
            of_integers: Some(|v| v.iter().fold(1, |all: i128, value| all.wrapping_mul(*value))),
        },
        "ReduceMax" => Reduction {
            of_floats: |v| v.iter().copied().fold(f64::NEG_INFINITY, larger),
            of_integers: Some(|v| v.iter().copied().max().unwrap_or(i128::MIN)),
        },
        "ReduceMin" => Reduction {
            of_floats: |v| v.iter().copied().fold(f64::INFINITY, smaller),
            of_integers: Some(|v| v.iter().copied().min().unwrap_or(i128::MAX)),
        },
        "ReduceL1" => Reduction {
            of_floats: |v| v.iter().map(|value| value.abs()).sum(),
            of_integers: Some(|v| v.iter().map(|value| value.abs()).sum()),
        },
        "ReduceL2" => floats_only(norm),
        "ReduceSumSquare" => Reduction {
            of_floats: |v| v.iter().map(|value| value * value).sum(),
            of_integers: Some(|v| v.iter().map(|value| value * value).sum()),
        },
        "ReduceLogSum" => floats_only(|v| v.iter().sum::<f64>().ln()),
        "ReduceLogSumExp" => floats_only(log_sum_exp),
        _ => return None,
    })
}

/// The smallest and the largest value of an integer type.
fn ends(dtype: Dtype) -> (i128, i128) {
    match dtype {
        Dtype::Bool => (0, 1),
        Dtype::U8 => (0, u8::MAX.into()),
        Dtype::U16 => (0, u16::MAX.into()),
        Dtype::U32 => (0, u32::MAX.into()),
        Dtype::U64 => (0, u64::MAX.into()),
        Dtype::I8 => (i8::MIN.into(), i8::MAX.into()),
        Dtype::I16 => (i16::MIN.into(), i16::MAX.into()),
        Dtype::I32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// The groups of places that are reduced to one, and the shape with and without the axes.
fn groups(shape: &[usize], axes: &[usize]) -> (Vec<Vec<usize>>, Vec<usize>, Vec<usize>) {
    let own = indexing::strides(shape);
    let (mut kept, mut kept_steps, mut gone, mut gone_steps) = (vec![], vec![], vec![], vec![]);
    let mut with = shape.to_vec();
    for (axis, (size, stride)) in shape.iter().zip(own).enumerate() {
        if axes.contains(&axis) {
            gone.push(*size);
            gone_steps.push(stride);
            with[axis] = 1;
        } else {
            kept.push(*size);
            kept_steps.push(stride);
        }
    }
    let inner = indexing::walk(&gone, &gone_steps, 0);
    let starts = indexing::walk(&kept, &kept_steps, 0);
    let groups = starts.iter().map(|start| inner.iter().map(|at| start + at).collect()).collect();
    (groups, with, kept)
}

pub(super) fn reduce(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let Some(reduction) = named(&call.node.op_type) else {
        return Err(OperatorError::new("it is no reduction"));
    };
    let rank = x.shape().len();
    let list = call.ints_or("axes", 1)?.unwrap_or_default();
    if list.is_empty() && call.flag("noop_with_empty_axes") {
        // No axis is reduced, but the function of each element still applies.
        let each = |values: Vec<f64>| values.iter().map(|v| (reduction.of_floats)(&[*v])).collect();
        return one(value::tensor(x.shape(), from_floats(x.dtype(), each(floats(x)?)))?);
    }
    let axes = if list.is_empty() { (0..rank).collect() } else { indexing::axes(&list, rank)? };
    let (groups, with, without) = groups(x.shape(), &axes);
    let shape = if call.int("keepdims", 1) != 0 { with } else { without };
    let data = match reduction.of_integers {
        Some(of_integers) if !is_float(x.dtype()) => {
            let values = wide(x)?;
            let group = |places: &Vec<usize>| -> Vec<i128> {
                places.iter().map(|place| values[*place]).collect()
            };
            let (low, high) = ends(x.dtype());
            let made = groups.iter().map(|places| of_integers(&group(places)).clamp(low, high));
            // The maximum and minimum of no elements are the ends of the type; sums wrap by themselves.
            let bounded = matches!(&*call.node.op_type, "ReduceMax" | "ReduceMin");
            let made: Vec<i128> = if bounded {
                made.collect()
            } else {
                groups.iter().map(|places| of_integers(&group(places))).collect()
            };
            from_wide(x.dtype(), made)
        }
        _ => {
            let values = floats(x)?;
            let group = |places: &Vec<usize>| -> Vec<f64> {
                places.iter().map(|place| values[*place]).collect()
            };
            let made = groups.iter().map(|places| (reduction.of_floats)(&group(places)));
            from_floats(x.dtype(), made.collect())
        }
    };
    one(value::tensor(&shape, data)?)
}

/// `ArgMax` and `ArgMin`.
pub(super) fn arg(call: &Call<'_>, better: fn(f64, f64) -> bool) -> Outcome {
    let x = call.tensor(0)?;
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let last = call.flag("select_last_index");
    let values = floats(x)?;
    let found: Vec<i64> = Lanes::of(x.shape(), axis)
        .lanes()
        .map(|lane| {
            let mut best = 0;
            for at in 1..lane.len() {
                let (new, old) = (values[lane[at]], values[lane[best]]);
                let first_nan = new.is_nan() && !old.is_nan();
                if better(new, old) || first_nan || (last && new == old) {
                    best = at;
                }
            }
            best as i64
        })
        .collect();
    let mut shape = x.shape().to_vec();
    match shape.get_mut(axis) {
        Some(size) if call.int("keepdims", 1) != 0 => *size = 1,
        Some(_) => drop(shape.remove(axis)),
        None => {}
    }
    one(value::tensor(&shape, found.into())?)
}

/// Replaces each lane by a function of it.
pub(super) fn along(
    x: &Tensor,
    axis: i64,
    make: impl Fn(&mut [f64]),
) -> Result<Tensor, OperatorError> {
    let axis = indexing::axis(axis, x.shape().len())?;
    let mut values = floats(x)?;
    for lane in Lanes::of(x.shape(), axis).lanes() {
        let mut of_lane: Vec<f64> = lane.iter().map(|place| values[*place]).collect();
        make(&mut of_lane);
        for (place, value) in lane.into_iter().zip(of_lane) {
            values[place] = value;
        }
    }
    value::tensor(x.shape(), from_floats(x.dtype(), values))
}

pub(super) fn softmax_of(lane: &mut [f64]) {
    let log = log_sum_exp(lane);
    lane.iter_mut().for_each(|value| *value = (*value - log).exp());
}

fn log_softmax_of(lane: &mut [f64]) {
    let log = log_sum_exp(lane);
    lane.iter_mut().for_each(|value| *value -= log);
}

fn hardmax_of(lane: &mut [f64]) {
    let mut best = 0;
    for at in 1..lane.len() {
        if lane[at] > lane[best] {
            best = at;
        }
    }
    lane.iter_mut().enumerate().for_each(|(at, value)| *value = f64::from(u8::from(at == best)));
}

/// `Softmax`, `LogSoftmax` and `Hardmax`. Before version 13 they are over `axis` and all behind it.
pub(super) fn softmax(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let make: fn(&mut [f64]) = match &*call.node.op_type {
        "Softmax" => softmax_of,
        "LogSoftmax" => log_softmax_of,
        _ => hardmax_of,
    };
    if call.opset() >= 13 {
        return one(along(x, call.int("axis", -1), make)?);
    }
    let axis = indexing::axis(call.int("axis", 1), x.shape().len())?;
    let (outer, inner) = x.shape().split_at(axis);
    let flat = [outer.iter().product(), inner.iter().product()];
    let flat = along(&value::tensor(&flat, x.data().clone())?, 1, make)?;
    one(value::tensor(x.shape(), flat.into_data())?)
}

/// `CumSum` and `CumProd`.
pub(super) fn cumulative(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let product = call.node.op_type == "CumProd";
    let axis = call.indices(1)?.and_then(|list| list.first().copied()).unwrap_or(0);
    let axis = indexing::axis(axis, x.shape().len())?;
    let (exclusive, reverse) = (call.flag("exclusive"), call.flag("reverse"));
    let lanes = Lanes::of(x.shape(), axis).lanes().map(|mut lane| {
        if reverse {
            lane.reverse();
        }
        lane
    });
    macro_rules! running {
        ($values:expr, $zero:expr, $one:expr) => {{
            let mut values = $values;
            for lane in lanes {
                let mut so_far = if product { $one } else { $zero };
                for place in lane {
                    let own = values[place];
                    let next = if product { so_far * own } else { so_far + own };
                    values[place] = if exclusive { so_far } else { next };
                    so_far = next;
                }
            }
            values
        }};
    }
    let data = if is_float(x.dtype()) {
        from_floats(x.dtype(), running!(floats(x)?, 0.0, 1.0))
    } else {
        from_wide(x.dtype(), running!(wide(x)?, 0, 1))
    };
    one(value::tensor(x.shape(), data)?)
}

/// `LpNormalization`: divides by the norm along an axis.
pub(super) fn lp_normalization(call: &Call<'_>) -> Outcome {
    let power = call.int("p", 2);
    ensure!(power == 1 || power == 2, "p of {power}");
    let make = |lane: &mut [f64]| {
        let norm = match power {
            1 => lane.iter().map(|value| value.abs()).sum(),
            _ => norm(lane),
        };
        if norm != 0.0 {
            lane.iter_mut().for_each(|value| *value /= norm);
        }
    };
    one(along(call.tensor(0)?, call.int("axis", -1), make)?)
}
