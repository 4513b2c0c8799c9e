//! `DynamicQuantizeLSTM` of `com.microsoft`: 8-bit weights, whose factors are rounded to
//! 8 bits at run time, as ONNX Runtime does.

use super::{Activation, Sizes, Weights, activation, lstm};
use crate::onnx::interpreter::{
    call::Call,
    value::{self, OperatorError, Outcome, all, ensure, floats, from_floats},
};

/// Rounds numbers to 8 bits with one scale for all of them.
fn rounded(values: &[f64]) -> Vec<f64> {
    let low = values.iter().copied().fold(0.0, f64::min) as f32;
    let high = values.iter().copied().fold(0.0, f64::max) as f32;
    let scale = if high == low { 1.0 } else { (high - low) / 255.0 };
    let zero = (-low / scale).clamp(0.0, 255.0).round_ties_even();
    let through = |value: &f64| {
        let step = ((*value as f32 / scale).round_ties_even() + zero).clamp(0.0, 255.0);
        f64::from(step - zero) * f64::from(scale)
    };
    values.iter().map(through).collect()
}

/// Weights `[directions, from, to]` with their scales, as floats `[directions, to, from]`.
fn weights(
    call: &Call<'_>,
    place: usize,
    scale: usize,
) -> Result<(Vec<f64>, Vec<usize>), OperatorError> {
    let tensor = call.tensor(place)?;
    let [directions, from, to] = *tensor.shape() else {
        return Err(OperatorError::new(format!("weights of shape {:?}", tensor.shape())));
    };
    let values = floats(tensor)?;
    let scales = floats(call.tensor(scale)?)?;
    let zeros = call.maybe(scale + 1)?.map(floats).transpose()?;
    let per = |list: &[f64], direction: usize, column: usize| {
        let at = match list.len() {
            1 => 0,
            count if count == directions => direction,
            _ => direction * to + column,
        };
        list.get(at).copied().ok_or_else(|| OperatorError::new(format!("{} scales", list.len())))
    };
    let mut made = Vec::with_capacity(value::count(&[directions, from, to])?);
    for direction in 0..directions {
        for column in 0..to {
            let scale = per(&scales, direction, column)?;
            let zero = match &zeros {
                Some(zeros) => per(zeros, direction, column)?,
                None => 0.0,
            };
            let at = |row: usize| values[(direction * from + row) * to + column];
            made.extend((0..from).map(|row| (at(row) - zero) * scale));
        }
    }
    Ok((made, vec![directions, from, to]))
}

pub(in crate::onnx::interpreter) fn dynamic_lstm(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let [time, batch, input] = *x.shape() else {
        return Err(OperatorError::new("expected 3 axes"));
    };
    let (w, w_shape) = weights(call, 1, 8)?;
    let (r, r_shape) = weights(call, 2, 10)?;
    let (directions, hidden) = (r_shape[0], r_shape[1]);
    let sizes = Sizes { input, hidden };
    let backwards: &[bool] = match &*call.text("direction", "forward") {
        "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(OperatorError::new(format!("direction `{other}`"))),
    };
    ensure!(
        backwards.len() == directions
            && w_shape == [directions, input, 4 * hidden]
            && r_shape == [directions, hidden, 4 * hidden],
        "W of {w_shape:?} and R of {r_shape:?}"
    );
    call.spend(directions * time * batch * 4 * hidden * (input + hidden))?;
    let part = |place, each: usize| -> Result<Vec<f64>, OperatorError> {
        let values = match call.maybe(place)? {
            Some(tensor) => floats(tensor)?,
            None => vec![0.0; directions * each],
        };
        ensure!(values.len() == directions * each, "input {place} of {} values", values.len());
        Ok(values)
    };
    let bias = part(3, 8 * hidden)?;
    let lengths: Vec<usize> = match call.indices(4)? {
        Some(list) => list.iter().map(|l| usize::try_from(*l).unwrap_or(0).min(time)).collect(),
        None => vec![time; batch],
    };
    ensure!(lengths.len() == batch, "{} lengths for {batch}", lengths.len());
    let (mut last_h, mut last_c) = (part(5, batch * hidden)?, part(6, batch * hidden)?);
    let peepholes = part(7, 3 * hidden)?;
    let names = call.texts("activations").unwrap_or_default();
    let clip = call.attribute("clip").map(|attribute| f64::from(attribute.f));
    let xs = rounded(&floats(x)?);
    let mut y = vec![0.0; value::count(&[time, directions, batch, hidden])?];
    for (direction, backwards) in backwards.iter().enumerate() {
        let chosen: Vec<Activation> = (0..3)
            .map(|at| {
                let default = ["Sigmoid", "Tanh", "Tanh"][at];
                activation(names.get(direction * 3 + at).map_or(default, |n| n), None, None)
            })
            .collect::<Result<_, _>>()?;
        let (each_w, each_r, each_b) = (4 * hidden * input, 4 * hidden * hidden, 4 * hidden);
        let weights = Weights {
            w: &w[direction * each_w..][..each_w],
            r: &r[direction * each_r..][..each_r],
            w_bias: &bias[direction * 2 * each_b..][..each_b],
            r_bias: &bias[direction * 2 * each_b + each_b..][..each_b],
            peepholes: &peepholes[direction * 3 * hidden..],
        };
        let own = direction * batch * hidden..(direction + 1) * batch * hidden;
        let (h, c) = (&mut last_h[own.clone()], &mut last_c[own]);
        for step in 0..time {
            let seen = rounded(h);
            for sample in (0..batch).filter(|sample| step < lengths[*sample]) {
                let at = if *backwards { lengths[sample] - 1 - step } else { step };
                let x = &xs[(at * batch + sample) * input..][..input];
                let of = sample * hidden..(sample + 1) * hidden;
                let (h, c) = (&mut h[of.clone()], &mut c[of.clone()]);
                lstm(call, &sizes, &weights, &chosen, clip, x, &seen[of], h, c);
                let to = ((at * directions + direction) * batch + sample) * hidden;
                y[to..to + hidden].copy_from_slice(h);
            }
        }
    }
    let dtype = x.dtype();
    let state = |values| value::tensor(&[directions, batch, hidden], from_floats(dtype, values));
    let y = value::tensor(&[time, directions, batch, hidden], from_floats(dtype, y))?;
    all([y, state(last_h)?, state(last_c)?])
}
