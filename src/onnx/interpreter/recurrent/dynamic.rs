//! `DynamicQuantizeLSTM` of `com.microsoft`: 8-bit weights, multiplied by inputs and states that
//! are rounded to 8 bits at run time, as ONNX Runtime does.

use super::{AllWeights, Sizes, activations, clip, directions, lengths, lstm, part};
use crate::onnx::interpreter::{
    call::Call,
    value::{self, OperatorError, Outcome, all, ensure, floats, from_floats},
};

/// Rounds numbers to 8 bits with one common scale.
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
    input: usize,
    scale: usize,
) -> Result<(Vec<f64>, Vec<usize>), OperatorError> {
    let tensor = call.tensor(input)?;
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
    let (count, hidden) = (r_shape[0], r_shape[1]);
    let sizes = Sizes { gates: 4, input, hidden };
    let backwards = directions(call)?;
    ensure!(
        backwards.len() == count
            && w_shape == [count, input, 4 * hidden]
            && r_shape == [count, hidden, 4 * hidden],
        "W of {w_shape:?} and R of {r_shape:?}"
    );
    call.spend(&[count, time, batch, 4, hidden, input + hidden])?;
    let bias = part(call, 3, count * 8 * hidden)?;
    let lengths = lengths(call, batch, time)?;
    let mut last_h = part(call, 5, count * batch * hidden)?;
    let mut last_c = part(call, 6, count * batch * hidden)?;
    let peepholes = part(call, 7, count * 3 * hidden)?;
    let weights = AllWeights { w, r, bias, peepholes };
    let chosen = activations(call, count, &["Sigmoid", "Tanh", "Tanh"])?;
    let (clip, xs) = (clip(call), rounded(&floats(x)?));
    let mut y = vec![0.0; value::count(&[time, count, batch, hidden])?];
    for (direction, (backwards, chosen)) in backwards.iter().zip(&chosen).enumerate() {
        let weights = weights.of(direction, &sizes);
        let own = direction * batch * hidden..(direction + 1) * batch * hidden;
        let (h, c) = (&mut last_h[own.clone()], &mut last_c[own]);
        for step in 0..time {
            let seen = rounded(h);
            for sample in (0..batch).filter(|sample| step < lengths[*sample]) {
                let at = if *backwards { lengths[sample] - 1 - step } else { step };
                let x = &xs[(at * batch + sample) * input..][..input];
                let of = sample * hidden..(sample + 1) * hidden;
                let (h, c) = (&mut h[of.clone()], &mut c[of.clone()]);
                lstm(call, &sizes, &weights, chosen, clip, x, &seen[of], h, c);
                let to = ((at * count + direction) * batch + sample) * hidden;
                y[to..to + hidden].copy_from_slice(h);
            }
        }
    }
    let dtype = x.dtype();
    let state = |values| value::tensor(&[count, batch, hidden], from_floats(dtype, values));
    let y = value::tensor(&[time, count, batch, hidden], from_floats(dtype, y))?;
    all([y, state(last_h)?, state(last_c)?])
}
