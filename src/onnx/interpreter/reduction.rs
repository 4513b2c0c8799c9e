//! Reductions, cumulative operators and softmax along axes.

use std::cmp::Ordering;

use super::{
    Tensor,
    call::Call,
    elementwise::{larger, smaller},
    indexing::{self, Lanes},
    selection::order,
    value::{
        self, OperatorError, Outcome, ensure, floats, from_floats, from_wide, is_float, one, wide,
    },
};

/// The functions that reduce floats and, for reductions that are exact on integers, integers.
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

/// The reduction operator of this name.
pub(super) fn named(name: &str) -> Option<Reduction> {
    let floats_only = |of_floats| Reduction { of_floats, of_integers: None };
    Some(match name {
        "ReduceSum" => {
            Reduction { of_floats: |v| v.iter().sum(), of_integers: Some(|v| v.iter().sum()) }
        }
        "ReduceMean" => Reduction {
            of_floats: |v| v.iter().sum::<f64>() / v.len() as f64,
            of_integers: Some(|v| v.iter().sum::<i128>() / (v.len() as i128).max(1)),
        },
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
            of_integers: Some(|v| {
                v.iter().fold(0, |sum: i128, x| sum.wrapping_add(x.wrapping_mul(*x)))
            }),
        },
        "ReduceLogSum" => floats_only(|v| v.iter().sum::<f64>().ln()),
        "ReduceLogSumExp" => floats_only(log_sum_exp),
        _ => return None,
    })
}

/// The offsets of the elements in each group that is reduced to one element; then the resulting
/// shape with the reduced axes kept at size 1, and without them.
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
    // If no axis is reduced, the function is still applied to each element by itself.
    let keeps_all = list.is_empty() && call.flag("noop_with_empty_axes");
    let axes = match &*list {
        [] if keeps_all => Vec::new(),
        [] => (0..rank).collect(),
        list => indexing::axes(list, rank)?,
    };
    let (groups, with, without) = groups(x.shape(), &axes);
    let shape = if call.int("keepdims", 1) != 0 { with } else { without };
    let data = match reduction.of_integers {
        Some(of_integers) if !is_float(x.dtype()) => {
            let values = wide(x)?;
            let made = groups.iter().map(|offsets| {
                of_integers(&offsets.iter().map(|offset| values[*offset]).collect::<Vec<_>>())
            });
            // The minimum and maximum of no elements are the type's limits; sums wrap.
            let (low, high) = value::ends(x.dtype());
            let is_end = matches!(&*call.node.op_type, "ReduceMax" | "ReduceMin");
            let made = made.map(|value| if is_end { value.clamp(low, high) } else { value });
            from_wide(x.dtype(), made.collect())
        }
        _ => {
            let values = floats(x)?;
            let made = groups.iter().map(|offsets| {
                let group: Vec<f64> = offsets.iter().map(|offset| values[*offset]).collect();
                (reduction.of_floats)(&group)
            });
            from_floats(x.dtype(), made.collect())
        }
    };
    one(value::tensor(&shape, data)?)
}

/// `ArgMax` and `ArgMin`: `better` is how an element compares to the best one before it if it is to
/// replace it. Like those of numpy, they return the first NaN, if there is one.
pub(super) fn arg(call: &Call<'_>, better: Ordering) -> Outcome {
    let x = call.tensor(0)?;
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let last = call.flag("select_last_index");
    let lanes = Lanes::of(x.shape(), axis);
    ensure!(lanes.size > 0, "axis {axis} has no element");
    let compare = order(x)?;
    let nan: Vec<bool> = if is_float(x.dtype()) {
        floats(x)?.into_iter().map(f64::is_nan).collect()
    } else {
        vec![false; x.data().len()]
    };
    let found: Vec<i64> = lanes
        .lanes()
        .map(|lane| {
            let mut best = 0;
            for at in 1..lane.len() {
                let (new, old) = (lane[at], lane[best]);
                let order = compare(new, old);
                let is_better = match (nan[new], nan[old]) {
                    (_, true) => false,
                    (true, false) => true,
                    _ => order == better || (last && order.is_eq()),
                };
                if is_better {
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

/// Replaces each lane by the result of a function of it.
pub(super) fn along(
    x: &Tensor,
    axis: i64,
    make: impl Fn(&mut [f64]),
) -> Result<Tensor, OperatorError> {
    let axis = indexing::axis(axis, x.shape().len())?;
    let mut values = floats(x)?;
    for lane in Lanes::of(x.shape(), axis).lanes() {
        let mut of_lane: Vec<f64> = lane.iter().map(|offset| values[*offset]).collect();
        make(&mut of_lane);
        for (offset, value) in lane.into_iter().zip(of_lane) {
            values[offset] = value;
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

/// `Softmax`, `LogSoftmax` and `Hardmax`. Before version 13 they apply to `axis` and all following
/// axes together.
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
    one(along_all_behind(x, call.int("axis", 1), make)?)
}

/// Replaces the elements along `axis` and all following axes, taken together as one lane, by the
/// result of a function of them.
pub(super) fn along_all_behind(
    x: &Tensor,
    axis: i64,
    make: impl Fn(&mut [f64]),
) -> Result<Tensor, OperatorError> {
    let axis = indexing::axis(axis, x.shape().len())?;
    let (outer, inner) = x.shape().split_at(axis);
    let flat = [outer.iter().product(), inner.iter().product()];
    let flat = along(&value::tensor(&flat, x.data().clone())?, 1, make)?;
    value::tensor(x.shape(), flat.into_data())
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
        ($values:expr, $first:expr, $next:expr) => {{
            let mut values = $values;
            for lane in lanes {
                let mut so_far = $first;
                for offset in lane {
                    let next = $next(so_far, values[offset]);
                    values[offset] = if exclusive { so_far } else { next };
                    so_far = next;
                }
            }
            values
        }};
    }
    let data = match (is_float(x.dtype()), product) {
        (true, false) => from_floats(x.dtype(), running!(floats(x)?, 0.0, |a, b| a + b)),
        (true, true) => from_floats(x.dtype(), running!(floats(x)?, 1.0, |a, b| a * b)),
        (false, false) => from_wide(x.dtype(), running!(wide(x)?, 0, i128::wrapping_add)),
        (false, true) => from_wide(x.dtype(), running!(wide(x)?, 1, i128::wrapping_mul)),
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
