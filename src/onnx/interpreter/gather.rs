//! `Gather`, `GatherElements` and `GatherND`.

use super::{
    Tensor,
    call::Call,
    indexing::{self, Lanes, coordinates, ravel, strides},
    value::{self, OperatorError, Outcome, ensure, indices, one, pick},
};

/// An index, counted from the end where it is negative.
pub(super) fn index(at: i64, size: usize) -> Result<usize, OperatorError> {
    let from_start = if at < 0 { at + size as i64 } else { at };
    let found = usize::try_from(from_start).ok().filter(|at| *at < size);
    found.ok_or_else(|| OperatorError::new(format!("index {at} of {size}")))
}

pub(super) fn gather(call: &Call<'_>) -> Outcome {
    let (x, at) = (call.tensor(0)?, call.tensor(1)?);
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let lanes = Lanes::of(x.shape(), axis);
    let list = indices(at)?;
    let list: Vec<usize> =
        list.iter().map(|at| index(*at, lanes.size)).collect::<Result<_, _>>()?;
    let mut offsets = Vec::with_capacity(value::count(&[lanes.outer, list.len(), lanes.inner])?);
    for outer in 0..lanes.outer {
        for at in &list {
            let start = (outer * lanes.size + at) * lanes.inner;
            offsets.extend(start..start + lanes.inner);
        }
    }
    let (before, after) = x.shape().split_at(axis);
    let shape = [before, at.shape(), after.get(1..).unwrap_or_default()].concat();
    one(value::tensor(&shape, pick(x.data(), &offsets)?)?)
}

/// For each element of the indices, the offset in `x` of the element that it selects along the
/// axis.
pub(super) fn element_offsets(
    x: &[usize],
    at: &Tensor,
    axis: usize,
) -> Result<Vec<usize>, OperatorError> {
    ensure!(at.shape().len() == x.len(), "indices of {} axes, of {}", at.shape().len(), x.len());
    let own = strides(x);
    let fits = at.shape().iter().zip(x).enumerate().all(|(a, (i, s))| a == axis || i <= s);
    ensure!(fits, "indices of shape {:?}, for {x:?}", at.shape());
    let each = coordinates(at.shape()).zip(indices(at)?).map(|(mut to, at)| {
        to[axis] = index(at, x[axis])?;
        Ok(ravel(&to, &own))
    });
    each.collect()
}

pub(super) fn gather_elements(call: &Call<'_>) -> Outcome {
    let (x, at) = (call.tensor(0)?, call.tensor(1)?);
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let offsets = element_offsets(x.shape(), at, axis)?;
    one(value::tensor(at.shape(), pick(x.data(), &offsets)?)?)
}

/// The offsets of the slices that index tuples select, and the shape of each slice.
pub(super) fn slice_starts(
    x: &[usize],
    at: &Tensor,
    batch: usize,
) -> Result<(Vec<usize>, Vec<usize>), OperatorError> {
    let Some((depth, tuples)) = at.shape().split_last() else {
        return Err(OperatorError::new("the indices are a single number"));
    };
    ensure!(
        *depth > 0
            && batch + depth <= x.len()
            && batch <= tuples.len()
            && x[..batch] == at.shape()[..batch],
        "indices of shape {:?}, for {x:?}",
        at.shape()
    );
    let own = strides(x);
    let each: usize = tuples.iter().skip(batch).product();
    let batch_size: usize = x.iter().take(batch).product();
    let list = indices(at)?;
    let mut starts = Vec::with_capacity(value::count(&[batch_size, each])?);
    for (number, tuple) in list.chunks(*depth).enumerate() {
        let mut start = number / each.max(1) * x.iter().skip(batch).product::<usize>();
        for (offset, at) in tuple.iter().enumerate() {
            start += index(*at, x[batch + offset])? * own[batch + offset];
        }
        starts.push(start);
    }
    Ok((starts, x[batch + depth..].to_vec()))
}

pub(super) fn gather_nd(call: &Call<'_>) -> Outcome {
    let (x, at) = (call.tensor(0)?, call.tensor(1)?);
    let batch = usize::try_from(call.int("batch_dims", 0)).unwrap_or(0);
    let (starts, inner) = slice_starts(x.shape(), at, batch)?;
    let size: usize = inner.iter().product();
    value::count(&[starts.len(), size])?;
    let offsets: Vec<usize> = starts.into_iter().flat_map(|start| start..start + size).collect();
    let tuples = at.shape().split_last().map_or(&[][..], |(_, tuples)| tuples);
    one(value::tensor(&[tuples, &*inner].concat(), pick(x.data(), &offsets)?)?)
}
