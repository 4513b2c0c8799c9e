//! `NegativeLogLikelihoodLoss` and `SoftmaxCrossEntropyLoss`, which a graph that was exported with
//! its training loss contains.

use super::{
    Tensor,
    call::Call,
    indexing::Lanes,
    reduction::log_sum_exp,
    value::{self, OperatorError, Outcome, Value, ensure, floats, from_floats},
};

pub(super) fn negative_log_likelihood(call: &Call<'_>) -> Outcome {
    let loss = of_logs(call, call.tensor(0)?)?;
    Ok(vec![Value::Tensor(loss.into())])
}

pub(super) fn softmax_cross_entropy(call: &Call<'_>) -> Outcome {
    let scores = call.tensor(0)?;
    ensure!(scores.shape().len() >= 2, "shape {:?} has no classes", scores.shape());
    let mut values = floats(scores)?;
    for lane in Lanes::of(scores.shape(), 1).lanes() {
        let of_lane: Vec<f64> = lane.iter().map(|offset| values[*offset]).collect();
        let log = log_sum_exp(&of_lane);
        lane.into_iter().for_each(|offset| values[offset] -= log);
    }
    let logs = value::tensor(scores.shape(), from_floats(scores.dtype(), values))?;
    let loss = of_logs(call, &logs)?;
    Ok(vec![Value::Tensor(loss.into()), Value::Tensor(logs.into())])
}

fn of_logs(call: &Call<'_>, logs: &Tensor) -> Result<Tensor, OperatorError> {
    ensure!(logs.shape().len() >= 2, "shape {:?} has no classes", logs.shape());
    let classes = call.indices(1)?.ok_or_else(|| OperatorError::new("no classes"))?;
    let shape = call.tensor(1)?.shape();
    let lanes = Lanes::of(logs.shape(), 1);
    ensure!(classes.len() == lanes.outer * lanes.inner, "{} classes", classes.len());
    let weights = call.maybe(2)?.map(floats).transpose()?;
    let ignored = call.attribute("ignore_index").map(|attribute| attribute.i);
    let values = floats(logs)?;
    let (mut losses, mut total) = (Vec::with_capacity(classes.len()), 0.0);
    for (lane, class) in lanes.lanes().zip(&classes) {
        if Some(*class) == ignored {
            losses.push(0.0);
            continue;
        }
        let at = usize::try_from(*class).ok().filter(|at| *at < lanes.size);
        let at =
            at.ok_or_else(|| OperatorError::new(format!("class {class} of {}", lanes.size)))?;
        let weight = weights.as_ref().map_or(1.0, |w| w.get(at).copied().unwrap_or(1.0));
        losses.push(-values[lane[at]] * weight);
        total += weight;
    }
    let sum: f64 = losses.iter().sum();
    match &*call.text("reduction", "mean") {
        "none" => value::tensor(shape, from_floats(logs.dtype(), losses)),
        "sum" => value::tensor(&[], from_floats(logs.dtype(), vec![sum])),
        "mean" => value::tensor(&[], from_floats(logs.dtype(), vec![sum / total])),
        other => Err(OperatorError::new(format!("reduction `{other}`"))),
    }
}
