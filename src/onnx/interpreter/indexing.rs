//! Axes, strides and broadcasting. An element's offset is its position in row-major order.

use super::{
    Tensor,
    call::Call,
    value::{self, OperatorError, ensure},
};

/// The row-major strides of a shape, in elements.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// An axis, counted from the end where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, OperatorError> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    let found = usize::try_from(from_start).ok().filter(|axis| *axis < rank.max(1));
    found.ok_or_else(|| OperatorError::new(format!("axis {axis} of {rank}")))
}

pub(super) fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, OperatorError> {
    list.iter().map(|at| axis(*at, rank)).collect()
}

/// Several axes, none of which may be repeated.
pub(super) fn distinct_axes(list: &[i64], rank: usize) -> Result<Vec<usize>, OperatorError> {
    let axes = axes(list, rank)?;
    let twice = axes.iter().enumerate().find(|(index, axis)| axes[..*index].contains(axis));
    match twice {
        Some((_, axis)) => Err(OperatorError::new(format!("axis {axis} is named twice"))),
        None => Ok(axes),
    }
}

/// The shape that all these shapes broadcast to. Its number of elements is deducted from the
/// budget, because small inputs may broadcast to a large shape.
pub(super) fn broadcast(call: &Call<'_>, shapes: &[&[usize]]) -> Result<Vec<usize>, OperatorError> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut all = vec![1; rank];
    for shape in shapes {
        for (size, common) in shape.iter().rev().zip(all.iter_mut().rev()) {
            if *common == 1 {
                *common = *size;
            }
            ensure!(*size == 1 || size == common, "shapes {shapes:?} do not broadcast");
        }
    }
    call.spend(&[value::count(&all)?])?;
    Ok(all)
}

/// For each element of the shape `to`, the offset of the element in `from`, which broadcasts to it.
pub(super) fn broadcast_offsets(from: &[usize], to: &[usize]) -> Vec<usize> {
    let skipped = to.len().saturating_sub(from.len());
    let own = strides(from);
    let mut steps = vec![0; to.len()];
    for (axis, (size, stride)) in from.iter().zip(own).enumerate() {
        if *size != 1 {
            steps[skipped + axis] = stride;
        }
    }
    walk(to, &steps, 0)
}

/// The offsets of all elements of `shape`, in row-major order, in an array with these strides.
pub(super) fn walk(shape: &[usize], steps: &[usize], start: usize) -> Vec<usize> {
    let mut offsets = vec![start];
    for (size, step) in shape.iter().zip(steps) {
        let mut next = Vec::with_capacity(offsets.len() * size);
        for offset in &offsets {
            next.extend((0..*size).map(|index| offset + index * step));
        }
        offsets = next;
    }
    offsets
}

/// The coordinates of each element, in row-major order.
pub(super) fn coordinates(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let total: usize = shape.iter().product();
    (0..total).map(move |offset| unravel(offset, &shape))
}

pub(super) fn unravel(mut offset: usize, shape: &[usize]) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        let size = shape[axis].max(1);
        at[axis] = offset % size;
        offset /= size;
    }
    at
}

pub(super) fn ravel(at: &[usize], strides: &[usize]) -> usize {
    at.iter().zip(strides).map(|(index, stride)| index * stride).sum()
}

/// A shape reduced to three axes: one axis (`size`), and the products of those before and after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    pub(super) outer: usize,
    pub(super) size: usize,
    pub(super) inner: usize,
}

impl Lanes {
    pub(super) fn of(shape: &[usize], axis: usize) -> Lanes {
        Lanes {
            outer: shape.iter().take(axis).product(),
            size: shape.get(axis).copied().unwrap_or(1),
            inner: shape.iter().skip(axis + 1).product(),
        }
    }

    /// The offsets of the elements of each lane, which extends along the axis.
    pub(super) fn lanes(self) -> impl Iterator<Item = Vec<usize>> {
        (0..self.outer).flat_map(move |outer| {
            (0..self.inner).map(move |inner| {
                let start = outer * self.size * self.inner + inner;
                (0..self.size).map(|index| start + index * self.inner).collect()
            })
        })
    }
}

/// The tensor with its axes in another order.
pub(super) fn transposed(tensor: &Tensor, order: &[usize]) -> Result<Tensor, OperatorError> {
    let own = strides(tensor.shape());
    let shape: Vec<usize> = order.iter().map(|axis| tensor.shape()[*axis]).collect();
    let steps: Vec<usize> = order.iter().map(|axis| own[*axis]).collect();
    value::tensor(&shape, value::pick(tensor.data(), &walk(&shape, &steps, 0))?)
}
