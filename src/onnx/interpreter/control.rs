//! `If`, `Loop` and `Scan`.

use super::{
    Declared,
    call::Call,
    indexing::{self, Lanes},
    parts,
    value::{self, OperatorError, Outcome, Value, ensure, zeros},
};
use crate::tensor::Tensor;

/// The most iterations of a loop, far more than any request would wait for.
const MOST_ITERATIONS: i64 = 1 << 20;

fn truth(value: &Value) -> Result<bool, OperatorError> {
    let Value::Tensor(tensor) = value else {
        return Err(OperatorError::new("the condition is not a tensor"));
    };
    let first = value::bools(tensor)?.first().copied();
    first.ok_or_else(|| OperatorError::new("the condition has no elements"))
}

/// `If`.
pub(super) fn branch(call: &Call<'_>) -> Outcome {
    let taken = truth(&call.value(0)?)?;
    call.body(if taken { "then_branch" } else { "else_branch" })?.run(call, Vec::new())
}

/// The results of all iterations, stacked along a new axis.
fn stacked(
    parts: &[Value],
    declared: &Declared,
    axis: i64,
    reverse: bool,
) -> Result<Value, OperatorError> {
    let tensors = parts.iter().map(|part| match part {
        Value::Tensor(tensor) => Ok(&**tensor),
        _ => Err(OperatorError::new("an iteration returned something other than a tensor")),
    });
    let mut tensors: Vec<&Tensor> = tensors.collect::<Result<_, _>>()?;
    if reverse {
        tensors.reverse();
    }
    let Some(first) = tensors.first() else {
        // If there was no iteration, only the body's declaration gives the type and the number of
        // axes.
        let Some((dtype, sizes)) = &declared.empty else {
            let name = &declared.name;
            return Err(OperatorError::new(format!(
                "without a round the shape of `{name}` is unknown"
            )));
        };
        let mut shape = sizes.clone();
        shape.insert(indexing::axis(axis, sizes.len() + 1)?, 0);
        return Ok(Value::Tensor(value::tensor(&shape, zeros(*dtype, 0))?.into()));
    };
    let axis = indexing::axis(axis, first.shape().len() + 1)?;
    let mut shape = first.shape().to_vec();
    value::count(&[&*shape, &[tensors.len()]].concat())?;
    shape.insert(axis, 1);
    let raised: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| value::tensor(&shape, tensor.data().clone()))
        .collect::<Result<_, _>>()?;
    let all: Vec<&Tensor> = raised.iter().collect();
    Ok(Value::Tensor(parts::concatenated(&all, axis as i64)?.into()))
}

/// `Loop`.
pub(super) fn repeat(call: &Call<'_>) -> Outcome {
    let body = call.body("body")?;
    let most = call.indices(0)?.and_then(|list| list.first().copied()).unwrap_or(i64::MAX);
    let mut go = match call.inputs.get(1) {
        Some(Some(condition)) => truth(condition)?,
        _ => true,
    };
    let mut carried: Vec<Value> =
        (2..call.inputs.len()).map(|at| call.value(at)).collect::<Result<_, _>>()?;
    let count = carried.len();
    let mut scanned: Vec<Vec<Value>> =
        vec![Vec::new(); body.outputs.len().saturating_sub(count + 1)];
    let mut round = 0;
    while go && round < most {
        ensure!(round < MOST_ITERATIONS, "more than {MOST_ITERATIONS} iterations");
        call.spend(&[1])?;
        let number = Value::Tensor(value::tensor(&[], vec![round].into())?.into());
        let condition = Value::Tensor(value::tensor(&[], vec![true].into())?.into());
        let inputs = [number, condition].into_iter().chain(carried).collect();
        let mut outputs = body.run(call, inputs)?.into_iter();
        let condition = outputs.next();
        go = truth(&condition.ok_or_else(|| OperatorError::new("the body has no outputs"))?)?;
        carried = outputs.by_ref().take(count).collect();
        ensure!(carried.len() == count, "the body has too few outputs");
        for (all, part) in scanned.iter_mut().zip(outputs) {
            all.push(part);
        }
        round += 1;
    }
    let declared = body.outputs.iter().skip(count + 1);
    let scanned = scanned.iter().zip(declared).map(|(parts, own)| stacked(parts, own, 0, false));
    carried.into_iter().map(Ok).chain(scanned).collect()
}

/// `Scan`, from version 9 on.
pub(super) fn scan(call: &Call<'_>) -> Outcome {
    let body = call.body("body")?;
    let count = usize::try_from(call.int("num_scan_inputs", 0)).unwrap_or(0);
    let states =
        call.inputs.len().checked_sub(count).ok_or_else(|| OperatorError::new("too few inputs"))?;
    let list = |name: &str, len: usize| -> Vec<i64> {
        call.ints(name).map_or_else(|| vec![0; len], <[i64]>::to_vec)
    };
    let (axes, reversed) = (list("scan_input_axes", count), list("scan_input_directions", count));
    ensure!(axes.len() == count && reversed.len() == count, "{count} inputs to scan");
    let mut carried: Vec<Value> = (0..states).map(|at| call.value(at)).collect::<Result<_, _>>()?;
    let mut inputs = Vec::new();
    for at in 0..count {
        let tensor = call.tensor(states + at)?;
        let axis = indexing::axis(axes[at], tensor.shape().len())?;
        inputs.push((tensor, axis, reversed[at] == 1));
    }
    let mut rounds = inputs.iter().map(|(tensor, axis, _)| Lanes::of(tensor.shape(), *axis).size);
    let first = rounds.next().unwrap_or(0);
    ensure!(rounds.all(|other| other == first), "the inputs to scan differ in length");
    let rounds = first;
    let outputs = body.outputs.len().saturating_sub(states);
    let mut scanned: Vec<Vec<Value>> = vec![Vec::new(); outputs];
    for round in 0..rounds {
        call.spend(&[1])?;
        let mut given = carried;
        for (tensor, axis, reversed) in &inputs {
            let at = if *reversed { rounds - 1 - round } else { round };
            let part = parts::part(tensor, *axis, at, 1)?;
            let mut shape = part.shape().to_vec();
            shape.remove(*axis);
            given.push(Value::Tensor(value::tensor(&shape, part.into_data())?.into()));
        }
        let mut made = body.run(call, given)?.into_iter();
        carried = made.by_ref().take(states).collect();
        for (all, part) in scanned.iter_mut().zip(made) {
            all.push(part);
        }
    }
    let (axes, reversed) =
        (list("scan_output_axes", outputs), list("scan_output_directions", outputs));
    let scanned = scanned.iter().zip(body.outputs.iter().skip(states));
    let scanned =
        scanned.zip(axes.iter().zip(&reversed)).map(|((parts, declared), (axis, reversed))| {
            stacked(parts, declared, *axis, *reversed == 1)
        });
    carried.into_iter().map(Ok).chain(scanned).collect()
}
