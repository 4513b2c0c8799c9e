//! Operators that write elements at given indices.

use super::{
    Tensor,
    call::Call,
    gather::{element_offsets, index, slice_starts},
    indexing::{self, coordinates, ravel, strides},
    value::{self, OperatorError, Outcome, ensure, one, pick},
};

/// Writes the elements of `updates` to these offsets of `x`, or combines them with the elements
/// there.
fn scatter_to(
    x: &Tensor,
    offsets: &[usize],
    updates: &Tensor,
    how: &str,
) -> Result<Tensor, OperatorError> {
    ensure!(offsets.len() == updates.data().len(), "{} updates", updates.data().len());
    ensure!(x.dtype() == updates.dtype(), "found {}, expected {}", updates.dtype(), x.dtype());
    if how == "none" {
        let mut from: Vec<usize> = (0..x.data().len()).collect();
        for (number, offset) in offsets.iter().enumerate() {
            from[*offset] = x.data().len() + number;
        }
        let joined = value::join(&[x.data(), updates.data()])?;
        return value::tensor(x.shape(), pick(&joined, &from)?);
    }
    let unknown = || OperatorError::new(format!("reduction `{how}`"));
    if value::is_float(x.dtype()) {
        let apply: fn(f64, f64) -> f64 = match how {
            "add" => |x, y| x + y,
            "mul" => |x, y| x * y,
            "max" => super::elementwise::larger,
            "min" => super::elementwise::smaller,
            _ => return Err(unknown()),
        };
        let mut values = value::floats(x)?;
        for (offset, update) in offsets.iter().zip(value::floats(updates)?) {
            values[*offset] = apply(values[*offset], update);
        }
        return value::tensor(x.shape(), value::from_floats(x.dtype(), values));
    }
    let apply: fn(i128, i128) -> i128 = match how {
        "add" => |x, y| x + y,
        "mul" => |x, y| x.wrapping_mul(y),
        "max" => i128::max,
        "min" => i128::min,
        _ => return Err(unknown()),
    };
    let mut values = value::wide(x)?;
    for (offset, update) in offsets.iter().zip(value::wide(updates)?) {
        values[*offset] = apply(values[*offset], update);
    }
    value::tensor(x.shape(), value::from_wide(x.dtype(), values))
}

pub(super) fn scatter_elements(call: &Call<'_>) -> Outcome {
    let (x, at, updates) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    ensure!(updates.shape() == at.shape(), "updates of shape {:?}", updates.shape());
    let offsets = element_offsets(x.shape(), at, axis)?;
    one(scatter_to(x, &offsets, updates, &call.text("reduction", "none"))?)
}

pub(super) fn scatter_nd(call: &Call<'_>) -> Outcome {
    let (x, at, updates) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let (starts, inner) = slice_starts(x.shape(), at, 0)?;
    let tuples = at.shape().split_last().map_or(&[][..], |(_, tuples)| tuples);
    let fits = updates.shape() == [tuples, &*inner].concat();
    ensure!(fits, "updates of shape {:?} for slices of {inner:?}", updates.shape());
    let size: usize = inner.iter().product();
    value::count(&[starts.len(), size])?;
    let offsets: Vec<usize> = starts.into_iter().flat_map(|start| start..start + size).collect();
    one(scatter_to(x, &offsets, updates, &call.text("reduction", "none"))?)
}

/// `TensorScatter`: writes rows into a cache, from an index given for each sample.
pub(super) fn tensor_scatter(call: &Call<'_>) -> Outcome {
    let (cache, update) = (call.tensor(0)?, call.tensor(1)?);
    let rank = cache.shape().len();
    let axis = indexing::axis(call.int("axis", -2), rank)?;
    ensure!(axis > 0, "axis {axis} of {rank}");
    let mut same = cache.shape().to_vec();
    let size = std::mem::replace(&mut same[axis], update.shape().get(axis).copied().unwrap_or(0));
    ensure!(update.shape() == same, "{:?} into {:?}", update.shape(), cache.shape());
    let starts = call.indices(2)?.unwrap_or_else(|| vec![0; cache.shape()[0]]);
    ensure!(starts.len() == cache.shape()[0], "{} indices", starts.len());
    let circular = call.text("mode", "linear") == "circular";
    let own = strides(cache.shape());
    let offsets = coordinates(update.shape()).map(|mut at| {
        let start = starts[at[0]];
        ensure!(start >= 0, "index {start}");
        let to = start.saturating_add(at[axis] as i64);
        let to = if circular { to.rem_euclid(size.max(1) as i64) } else { to };
        at[axis] = index(to, size)?;
        Ok(ravel(&at, &own))
    });
    let offsets: Vec<usize> = offsets.collect::<Result<_, OperatorError>>()?;
    one(scatter_to(cache, &offsets, update, "none")?)
}
