//! Operators on sequences and optionals.

use std::sync::Arc;

use super::{
    call::Call,
    indexing,
    parts::{concatenated, part, part_sizes},
    value::{self, OperatorError, Outcome, Value, ensure, one},
};
use crate::tensor::Tensor;

fn sequence(call: &Call<'_>, input: usize) -> Result<Arc<Vec<Value>>, OperatorError> {
    match call.value(input)? {
        Value::Sequence(values) => Ok(values),
        _ => Err(OperatorError::new(format!("input {input} is no sequence"))),
    }
}

fn tensors(values: &[Value]) -> Result<Vec<&Tensor>, OperatorError> {
    let each = values.iter().map(|value| match value {
        Value::Tensor(tensor) => Ok(&**tensor),
        _ => Err(OperatorError::new("a sequence holds no tensor")),
    });
    each.collect()
}

/// Stacks a sequence that is an output of the model into one tensor if its elements have the same
/// type and shape. The new first axis is the index in the sequence.
pub(super) fn joined(values: &[Value]) -> Result<Tensor, OperatorError> {
    let parts = tensors(values)?;
    let Some(first) = parts.first() else {
        return Err(OperatorError::new("the sequence is empty"));
    };
    ensure!(
        parts.iter().all(|part| part.shape() == first.shape()),
        "the tensors of the sequence differ in shape"
    );
    value::count(&[&[parts.len()], first.shape()].concat())?;
    let data: Vec<_> = parts.iter().map(|part| part.data()).collect();
    value::tensor(&[&[parts.len()], first.shape()].concat(), value::join(&data)?)
}

pub(super) fn construct(call: &Call<'_>) -> Outcome {
    let values = (0..call.inputs.len()).map(|input| call.value(input));
    Ok(vec![Value::Sequence(Arc::new(values.collect::<Result<_, _>>()?))])
}

pub(super) fn empty(_: &Call<'_>) -> Outcome {
    Ok(vec![Value::Sequence(Arc::new(Vec::new()))])
}

fn index(call: &Call<'_>, input: usize, size: usize) -> Result<Option<usize>, OperatorError> {
    let Some(at) = call.indices(input)?.and_then(|list| list.first().copied()) else {
        return Ok(None);
    };
    let from_start = if at < 0 { at + size as i64 } else { at };
    let found = usize::try_from(from_start)
        .map_err(|_| OperatorError::new(format!("position {at} of {size}")));
    found.map(Some)
}

pub(super) fn at(call: &Call<'_>) -> Outcome {
    let values = sequence(call, 0)?;
    let position = index(call, 1, values.len())?.unwrap_or(0);
    let value = values.get(position).cloned();
    Ok(vec![
        value.ok_or_else(|| {
            OperatorError::new(format!("position {position} of {}", values.len()))
        })?,
    ])
}

pub(super) fn insert(call: &Call<'_>) -> Outcome {
    let mut values = (*sequence(call, 0)?).clone();
    let position = index(call, 2, values.len())?.unwrap_or(values.len());
    ensure!(position <= values.len(), "position {position} of {}", values.len());
    values.insert(position, call.value(1)?);
    Ok(vec![Value::Sequence(Arc::new(values))])
}

pub(super) fn erase(call: &Call<'_>) -> Outcome {
    let mut values = (*sequence(call, 0)?).clone();
    let last = values.len().saturating_sub(1);
    let position = index(call, 1, values.len())?.unwrap_or(last);
    ensure!(position < values.len(), "position {position} of {}", values.len());
    values.remove(position);
    Ok(vec![Value::Sequence(Arc::new(values))])
}

pub(super) fn length(call: &Call<'_>) -> Outcome {
    one(value::tensor(&[], vec![sequence(call, 0)?.len() as i64].into())?)
}

pub(super) fn concat(call: &Call<'_>) -> Outcome {
    let values = sequence(call, 0)?;
    let parts = tensors(&values)?;
    if !call.flag("new_axis") {
        return one(concatenated(&parts, call.int("axis", 0))?);
    }
    let stacked = joined(&values)?;
    let rank = stacked.shape().len();
    let axis = indexing::axis(call.int("axis", 0), rank)?;
    let mut order: Vec<usize> = (1..rank).collect();
    order.insert(axis, 0);
    one(indexing::transposed(&stacked, &order)?)
}

pub(super) fn split(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let size = x.shape()[axis];
    let keeps = call.int("keepdims", 1) != 0;
    let (sizes, squeezes) = match call.maybe(1)? {
        None => (vec![1; size], !keeps),
        Some(split) => {
            let list = value::indices(split)?;
            let scalar = split.shape().is_empty();
            let one = list.first().copied().filter(|_| scalar);
            match one {
                Some(each) => {
                    ensure!(each > 0, "parts of {each}");
                    let each = each as usize;
                    let count = size.div_ceil(each);
                    ((0..count).map(|at| (size - at * each).min(each)).collect(), false)
                }
                None => (part_sizes(size, Some(list), 0)?, false),
            }
        }
    };
    let mut start = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        let mut own = part(x, axis, start, size)?;
        if squeezes {
            let mut shape = own.shape().to_vec();
            shape.remove(axis);
            own = value::tensor(&shape, own.into_data())?;
        }
        parts.push(Value::Tensor(Arc::new(own)));
        start += size;
    }
    Ok(vec![Value::Sequence(Arc::new(parts))])
}

/// `SequenceMap`: runs a body on each element of one or more sequences.
pub(super) fn map(call: &Call<'_>) -> Outcome {
    let body = call.body("body")?;
    let first = sequence(call, 0)?;
    let mut outputs: Vec<Vec<Value>> = vec![Vec::new(); body.outputs.len()];
    for index in 0..first.len() {
        let inputs = (0..call.inputs.len()).map(|input| match call.value(input)? {
            Value::Sequence(values) => values
                .get(index)
                .cloned()
                .ok_or_else(|| OperatorError::new("sequences of two lengths")),
            value => Ok(value),
        });
        let made = body.run(call, inputs.collect::<Result<_, _>>()?)?;
        outputs.iter_mut().zip(made).for_each(|(all, value)| all.push(value));
    }
    Ok(outputs.into_iter().map(|values| Value::Sequence(Arc::new(values))).collect())
}

pub(super) fn optional(call: &Call<'_>) -> Outcome {
    Ok(vec![call.inputs.first().cloned().flatten().unwrap_or(Value::Nothing)])
}

pub(super) fn has_element(call: &Call<'_>) -> Outcome {
    let has = !matches!(call.inputs.first(), None | Some(None | Some(Value::Nothing)));
    one(value::tensor(&[], vec![has].into())?)
}

pub(super) fn element(call: &Call<'_>) -> Outcome {
    match call.value(0)? {
        Value::Nothing => Err(OperatorError::new("the optional holds nothing")),
        value => Ok(vec![value]),
    }
}
