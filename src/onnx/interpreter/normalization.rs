//! Normalisation over channels, groups or trailing axes.

use super::{
    Tensor,
    call::Call,
    indexing::{self, Lanes, broadcast_offsets},
    value::{self, OperatorError, Outcome, all, ensure, floats, from_floats, one},
};

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}

fn channels(x: &Tensor) -> Result<Lanes, OperatorError> {
    ensure!(x.shape().len() >= 2, "shape {:?} has no channels", x.shape());
    Ok(Lanes::of(x.shape(), 1))
}

/// An input with one number per channel or group.
fn per_channel(call: &Call<'_>, input: usize, count: usize) -> Result<Vec<f64>, OperatorError> {
    let values = floats(call.tensor(input)?)?;
    ensure!(values.len() == count, "input {input}: {} values for {count}", values.len());
    Ok(values)
}

pub(super) fn batch(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let lanes = channels(x)?;
    let parameter = |input| per_channel(call, input, lanes.size);
    let (scale, bias) = (parameter(1)?, parameter(2)?);
    let (mut mean, mut variance) = (parameter(3)?, parameter(4)?);
    // Before version 14, additional outputs marked a node as being in training mode.
    let asked = call.node.output.iter().skip(1).any(|name| !name.is_empty());
    ensure!(!asked || call.flag("training_mode"), "training of version {}", call.opset());
    let mut values = floats(x)?;
    let channel = |offset: usize| offset / lanes.inner.max(1) % lanes.size;
    let mut more = Vec::new();
    if call.flag("training_mode") {
        let momentum = call.float("momentum", f64::from(0.9_f32));
        let (old_mean, old_variance) = (mean.clone(), variance.clone());
        let mut own: Vec<Vec<f64>> = vec![Vec::new(); lanes.size];
        for (offset, value) in values.iter().enumerate() {
            own[channel(offset)].push(*value);
        }
        (mean, variance) = own.iter().map(|values| moments(values)).unzip();
        let running = |old: &[f64], new: &[f64]| -> Vec<f64> {
            old.iter().zip(new).map(|(o, n)| o * momentum + n * (1.0 - momentum)).collect()
        };
        for (input, (old, new)) in [(3, (&old_mean, &mean)), (4, (&old_variance, &variance))] {
            let like = call.tensor(input)?;
            more.push(value::tensor(like.shape(), from_floats(like.dtype(), running(old, new)))?);
        }
    }
    let epsilon = call.float("epsilon", f64::from(1e-5_f32));
    for (offset, value) in values.iter_mut().enumerate() {
        let at = channel(offset);
        *value = (*value - mean[at]) / (variance[at] + epsilon).sqrt() * scale[at] + bias[at];
    }
    let y = value::tensor(x.shape(), from_floats(x.dtype(), values))?;
    all(std::iter::once(y).chain(more))
}

/// Normalises each group of channels of each sample; `factor` returns the scale and bias of a
/// channel.
fn grouped(call: &Call<'_>, groups: usize, factor: impl Fn(usize) -> (f64, f64)) -> Outcome {
    let x = call.tensor(0)?;
    let lanes = channels(x)?;
    ensure!(groups > 0 && lanes.size % groups == 0, "{groups} groups of {} channels", lanes.size);
    let epsilon = call.float("epsilon", f64::from(1e-5_f32));
    let each = lanes.size / groups * lanes.inner;
    let mut values = floats(x)?;
    for group in values.chunks_mut(each.max(1)) {
        let (mean, variance) = moments(group);
        let deviation = (variance + epsilon).sqrt();
        group.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
    }
    for (offset, value) in values.iter_mut().enumerate() {
        let (scale, bias) = factor(offset / lanes.inner.max(1) % lanes.size);
        *value = *value * scale + bias;
    }
    one(value::tensor(x.shape(), from_floats(x.dtype(), values))?)
}

pub(super) fn instance(call: &Call<'_>) -> Outcome {
    let count = channels(call.tensor(0)?)?.size;
    let (scale, bias) = (per_channel(call, 1, count)?, per_channel(call, 2, count)?);
    grouped(call, count, |channel| (scale[channel], bias[channel]))
}

/// `GroupNormalization`, with one scale per group before version 21 and one per channel since.
pub(super) fn group(call: &Call<'_>) -> Outcome {
    let groups = usize::try_from(call.int("num_groups", 0)).unwrap_or(0);
    let count = channels(call.tensor(0)?)?.size;
    let by_group = call.opset() < 21;
    let factors = if by_group { groups } else { count };
    let (scale, bias) = (per_channel(call, 1, factors)?, per_channel(call, 2, factors)?);
    grouped(call, groups, |channel| {
        let at = if by_group { channel * groups / count } else { channel };
        (scale[at], bias[at])
    })
}

/// `LayerNormalization` and `RMSNormalization`, over `axis` and all following axes.
pub(super) fn layer(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axis = indexing::axis(call.int("axis", -1), x.shape().len())?;
    let root_only = call.node.op_type == "RMSNormalization";
    let epsilon = call.float("epsilon", f64::from(1e-5_f32));
    let each: usize = x.shape().iter().skip(axis).product();
    let mut values = floats(x)?;
    let (mut means, mut inverses) = (Vec::new(), Vec::new());
    for row in values.chunks_mut(each.max(1)) {
        let (mean, variance) = if root_only {
            (0.0, row.iter().map(|value| value * value).sum::<f64>() / row.len() as f64)
        } else {
            moments(row)
        };
        let inverse = 1.0 / (variance + epsilon).sqrt();
        row.iter_mut().for_each(|value| *value = (*value - mean) * inverse);
        means.push(mean);
        inverses.push(inverse);
    }
    for (input, apply) in [(1, (|x, s| x * s) as fn(f64, f64) -> f64), (2, |x, b| x + b)] {
        if let Some(factor) = call.maybe(input)? {
            let fits = indexing::broadcast(call, &[factor.shape(), x.shape()])? == x.shape();
            ensure!(fits, "shape {:?} of input {input}", factor.shape());
            let factors = floats(factor)?;
            for (value, at) in values.iter_mut().zip(broadcast_offsets(factor.shape(), x.shape())) {
                *value = apply(*value, factors[at]);
            }
        }
    }
    let y = value::tensor(x.shape(), from_floats(x.dtype(), values))?;
    let mut shape = x.shape().to_vec();
    shape.iter_mut().skip(axis).for_each(|size| *size = 1);
    let dtype = if x.dtype() == super::Dtype::F64 { x.dtype() } else { super::Dtype::F32 };
    let extra = |values| value::tensor(&shape, from_floats(dtype, values));
    all([y, extra(means)?, extra(inverses)?])
}

/// `LRN`: divides each element by a power of the sum of squares at the same position in
/// neighbouring channels.
pub(super) fn local_response(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let lanes = channels(x)?;
    let size = usize::try_from(call.int("size", 1)).unwrap_or(1).max(1);
    let (alpha, beta) = (call.float("alpha", f64::from(1e-4_f32)), call.float("beta", 0.75));
    let bias = call.float("bias", 1.0);
    call.spend(&[lanes.outer, lanes.size, lanes.inner, size.min(lanes.size)])?;
    let values = floats(x)?;
    let mut made = values.clone();
    for lane in lanes.lanes() {
        for (at, offset) in lane.iter().enumerate() {
            let from = at.saturating_sub((size - 1) / 2);
            let to = (at + size.div_ceil(2) - 1 + usize::from(size % 2 == 0)).min(lane.len() - 1);
            let sum: f64 = lane[from..=to].iter().map(|offset| values[*offset].powi(2)).sum();
            made[*offset] = values[*offset] / (bias + alpha / size as f64 * sum).powf(beta);
        }
    }
    one(value::tensor(x.shape(), from_floats(x.dtype(), made))?)
}

pub(super) fn mean_variance(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axes = match call.ints("axes") {
        Some(axes) => indexing::distinct_axes(axes, x.shape().len())?,
        None => indexing::axes(&[0, 2, 3], x.shape().len())?,
    };
    let mut rest: Vec<usize> = (0..x.shape().len()).filter(|axis| !axes.contains(axis)).collect();
    let kept: usize = rest.iter().map(|axis| x.shape()[*axis]).product();
    rest.extend(&axes);
    let moved = indexing::transposed(x, &rest)?;
    let mut values = floats(&moved)?;
    let each = values.len() / kept.max(1);
    for group in values.chunks_mut(each.max(1)) {
        let (mean, variance) = moments(group);
        let deviation = variance.sqrt() + 1e-9;
        group.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
    }
    let moved = value::tensor(moved.shape(), from_floats(x.dtype(), values))?;
    let mut back = vec![0; rest.len()];
    rest.iter().enumerate().for_each(|(to, from)| back[*from] = to);
    one(indexing::transposed(&moved, &back)?)
}
