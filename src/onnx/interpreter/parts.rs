//! Operators that concatenate, split, slice, repeat and pad tensors.

use super::{
    Data, Dtype, Tensor,
    call::Call,
    indexing::{self, Lanes, coordinates, strides},
    value::{self, OperatorError, Outcome, all, ensure, one, pick, pick_or},
};

pub(super) fn concat(call: &Call<'_>) -> Outcome {
    one(concatenated(&call.tensors()?, call.int("axis", 0))?)
}

pub(super) fn concatenated(tensors: &[&Tensor], axis: i64) -> Result<Tensor, OperatorError> {
    let Some(first) = tensors.first() else { return Err(OperatorError::new("nothing to join")) };
    let axis = indexing::axis(axis, first.shape().len())?;
    let mut shape = first.shape().to_vec();
    shape[axis] = 0;
    let mut parts = Vec::with_capacity(tensors.len());
    let mut start = 0;
    for tensor in tensors {
        let rank = tensor.shape().len();
        ensure!(rank == shape.len(), "found {rank} axes, expected {}", shape.len());
        let others = tensor.shape().iter().zip(&shape).enumerate();
        let fits = others.into_iter().all(|(at, (size, known))| at == axis || size == known);
        ensure!(fits, "shape {:?} beside {:?}", tensor.shape(), first.shape());
        let lanes = Lanes::of(tensor.shape(), axis);
        shape[axis] += lanes.size;
        parts.push((start, lanes.size * lanes.inner));
        start += tensor.data().len();
    }
    value::count(&shape)?;
    let data: Vec<&Data> = tensors.iter().map(|tensor| tensor.data()).collect();
    let outer = shape.iter().take(axis).product::<usize>();
    let mut offsets = Vec::with_capacity(start);
    for outer in 0..outer {
        for (start, run) in &parts {
            offsets.extend(start + outer * run..start + (outer + 1) * run);
        }
    }
    value::tensor(&shape, pick(&value::join(&data)?, &offsets)?)
}

/// The `size` elements along an axis from index `from` on.
pub(super) fn part(
    x: &Tensor,
    axis: usize,
    from: usize,
    size: usize,
) -> Result<Tensor, OperatorError> {
    let lanes = Lanes::of(x.shape(), axis);
    ensure!(from + size <= lanes.size, "elements {from} to {} of {}", from + size, lanes.size);
    let mut offsets = Vec::with_capacity(lanes.outer * size * lanes.inner);
    for outer in 0..lanes.outer {
        let start = (outer * lanes.size + from) * lanes.inner;
        offsets.extend(start..start + size * lanes.inner);
    }
    let mut shape = x.shape().to_vec();
    shape[axis] = size;
    value::tensor(&shape, pick(x.data(), &offsets)?)
}

/// The sizes of the parts into which an axis of this size is split: as given, or `count` equal
/// parts, of which the last may be smaller.
pub(super) fn part_sizes(
    size: usize,
    given: Option<Vec<i64>>,
    count: usize,
) -> Result<Vec<usize>, OperatorError> {
    match given {
        Some(sizes) => {
            let sizes: Option<Vec<usize>> =
                sizes.iter().map(|size| usize::try_from(*size).ok()).collect();
            let sum = |sizes: &Vec<usize>| {
                sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(*size))
            };
            let sizes = sizes.filter(|sizes| sum(sizes) == size);
            sizes.ok_or_else(|| OperatorError::new(format!("the parts do not add up to {size}")))
        }
        None => {
            value::count(&[count])?;
            let each = size.div_ceil(count.max(1));
            Ok((0..count).map(|at| size.saturating_sub(at * each).min(each)).collect())
        }
    }
}

pub(super) fn split(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let count = call.int("num_outputs", call.node.output.len() as i64);
    let given = call.ints_or("split", 1)?;
    let count = usize::try_from(count).unwrap_or(0);
    let size = x.shape()[axis];
    // The last part may be smaller only if the number of parts is given.
    let even = call.attribute("num_outputs").is_some() || count > 0 && size % count == 0;
    ensure!(given.is_some() || even, "{count} equal parts of {size}");
    let sizes = part_sizes(size, given, count)?;
    let mut start = 0;
    let parts = sizes.into_iter().map(|size| {
        let part = part(x, axis, start, size);
        start += size;
        part
    });
    all(parts.collect::<Result<Vec<_>, _>>()?)
}

pub(super) fn slice(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let rank = x.shape().len();
    let starts = call.ints_or("starts", 1)?.unwrap_or_default();
    let ends = call.ints_or("ends", 2)?.unwrap_or_default();
    let axes = match call.ints_or("axes", 3)? {
        Some(axes) => indexing::distinct_axes(&axes, rank)?,
        None => (0..starts.len()).collect(),
    };
    let steps = call.indices(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    ensure!(
        ends.len() == starts.len() && axes.len() == starts.len() && steps.len() == starts.len(),
        "starts, ends, axes and steps differ in number"
    );
    let mut lists: Vec<Vec<usize>> = x.shape().iter().map(|size| (0..*size).collect()).collect();
    for (((start, end), axis), step) in starts.iter().zip(&ends).zip(axes).zip(steps) {
        ensure!(axis < rank && step != 0, "axis {axis} of {rank}, step {step}");
        lists[axis] = sliced(x.shape()[axis], *start, *end, step);
    }
    one(picked(x, &lists)?)
}

/// The indices that a slice selects along an axis. The start is clamped to an existing element even
/// if the step is negative; numpy would then start before the first element and return an empty
/// slice.
fn sliced(size: usize, start: i64, end: i64, step: i64) -> Vec<usize> {
    let size = size as i64;
    let from_start = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (start, end) = (from_start(start), from_start(end));
    let mut list = Vec::new();
    if step > 0 {
        let (mut at, end) = (start.clamp(0, size), end.clamp(0, size));
        while at < end {
            list.push(at as usize);
            at = at.saturating_add(step);
        }
    } else if size > 0 {
        let (mut at, end) = (start.clamp(0, size - 1), end.clamp(-1, size - 1));
        while at > end {
            list.push(at as usize);
            at = at.saturating_add(step);
        }
    }
    list
}

/// The elements at these indices of each axis.
pub(super) fn picked(x: &Tensor, lists: &[Vec<usize>]) -> Result<Tensor, OperatorError> {
    let shape: Vec<usize> = lists.iter().map(Vec::len).collect();
    value::count(&shape)?;
    let own = strides(x.shape());
    let mut offsets = vec![0];
    for (list, stride) in lists.iter().zip(own) {
        let mut next = Vec::with_capacity(offsets.len() * list.len());
        for offset in &offsets {
            next.extend(list.iter().map(|at| offset + at * stride));
        }
        offsets = next;
    }
    value::tensor(&shape, pick(x.data(), &offsets)?)
}

pub(super) fn expand(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let wanted = call.indices(1)?.unwrap_or_default();
    let wanted = value::sizes(&wanted)?;
    let shape = indexing::broadcast(call, &[x.shape(), &wanted])?;
    value::count(&shape)?;
    one(value::tensor(&shape, pick(x.data(), &indexing::broadcast_offsets(x.shape(), &shape))?)?)
}

pub(super) fn tile(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let repeats = call.indices(1)?.unwrap_or_default();
    ensure!(repeats.len() == x.shape().len(), "{} repeats", repeats.len());
    let sizes = x.shape().iter().zip(&repeats);
    let sizes: Option<Vec<(usize, usize)>> =
        sizes.map(|(size, times)| Some((*size, usize::try_from(*times).ok()?))).collect();
    let sizes = sizes.ok_or_else(|| OperatorError::new("an axis is repeated less than 0 times"))?;
    let shape: Vec<usize> = sizes.iter().map(|(size, times)| size.saturating_mul(*times)).collect();
    value::count(&shape)?;
    let lists: Vec<Vec<usize>> = sizes
        .iter()
        .map(|(size, times)| (0..size * times).map(|at| at % size.max(&1)).collect())
        .collect();
    one(picked(x, &lists)?)
}

pub(super) fn pad(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let rank = x.shape().len();
    let pads = call.ints_or("pads", 1)?.unwrap_or_default();
    let axes = match call.indices(3)? {
        Some(axes) => indexing::distinct_axes(&axes, rank)?,
        None => (0..rank).collect(),
    };
    ensure!(pads.len() == axes.len() * 2, "{} pads for {} axes", pads.len(), axes.len());
    let mut around = vec![(0_i64, 0_i64); rank];
    for (index, axis) in axes.iter().enumerate() {
        around[*axis] = (pads[index], pads[index + axes.len()]);
    }
    let mode = call.text("mode", "constant");
    let sources = x.shape().iter().zip(&around).map(|(size, (before, after))| {
        let size = *size as i64;
        let whole = i128::from(size) + i128::from(*before) + i128::from(*after);
        ensure!(whole >= 0, "an axis of {size} is cropped by more than its size");
        let whole = value::count(&[usize::try_from(whole).unwrap_or(usize::MAX)])? as i64;
        let source = |at: i64| -> Result<Option<usize>, OperatorError> {
            let at = at.saturating_sub(*before);
            let inside = (0..size).contains(&at);
            let from = match &*mode {
                _ if inside => at,
                "constant" => return Ok(None),
                _ if size == 0 => return Err(OperatorError::new("an axis of 0 has no edge")),
                "edge" => at.clamp(0, size - 1),
                "wrap" => at.rem_euclid(size),
                "reflect" if size == 1 => 0,
                "reflect" => {
                    let turn = at.rem_euclid(2 * (size - 1));
                    turn.min(2 * (size - 1) - turn)
                }
                other => return Err(OperatorError::new(format!("mode `{other}`"))),
            };
            Ok(Some(from as usize))
        };
        (0..whole).map(source).collect::<Result<Vec<_>, _>>()
    });
    let sources: Vec<Vec<Option<usize>>> = sources.collect::<Result<_, _>>()?;
    let shape: Vec<usize> = sources.iter().map(Vec::len).collect();
    value::count(&shape)?;
    let own = strides(x.shape());
    let offsets: Vec<Option<usize>> = coordinates(&shape)
        .map(|at| {
            let steps = at.iter().zip(&sources).zip(&own);
            steps.map(|((at, list), stride)| Some(list[*at]? * stride)).sum()
        })
        .collect();
    let fill = match call.maybe(2)? {
        Some(fill) => fill.data().clone(),
        None if x.dtype() == Dtype::Text => value::zeros(Dtype::Text, 1),
        None => value::from_floats(x.dtype(), vec![call.float("value", 0.0)]),
    };
    one(value::tensor(&shape, pick_or(x.data(), &offsets, &fill)?)?)
}

/// `CenterCropPad`: crops or pads each axis equally at both ends.
pub(super) fn center_crop_pad(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let wanted = call.indices(1)?.unwrap_or_default();
    let axes = match call.ints("axes") {
        Some(axes) => indexing::distinct_axes(axes, x.shape().len())?,
        None => (0..wanted.len()).collect(),
    };
    ensure!(axes.len() == wanted.len(), "{} axes, {} sizes", axes.len(), wanted.len());
    let mut shape = x.shape().to_vec();
    for (axis, size) in axes.iter().zip(value::sizes(&wanted)?) {
        shape[*axis] = size;
    }
    value::count(&shape)?;
    let own = strides(x.shape());
    let offsets: Vec<Option<usize>> = coordinates(&shape)
        .map(|at| {
            let each = at.iter().zip(x.shape()).zip(&shape).zip(&own);
            each.map(|(((at, old), new), stride)| {
                let from = if old >= new {
                    at + (old - new) / 2
                } else {
                    at.checked_sub((new - old) / 2)?
                };
                (from < *old).then_some(from * stride)
            })
            .sum()
        })
        .collect();
    let zero = value::zeros(x.dtype(), 1);
    one(value::tensor(&shape, pick_or(x.data(), &offsets, &zero)?)?)
}
