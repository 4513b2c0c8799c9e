//! `LSTM`, `GRU` and `RNN`, in both directions, with sequence lengths and all activations.

mod dynamic;

pub(super) use self::dynamic::dynamic_lstm;
use super::{
    Tensor,
    call::Call,
    elementwise::{sigmoid, softplus},
    value::{self, OperatorError, Outcome, all, ensure, floats, from_floats},
};

type Activation = Box<dyn Fn(f64) -> f64>;

fn activation(
    name: &str,
    alpha: Option<f64>,
    beta: Option<f64>,
) -> Result<Activation, OperatorError> {
    let or = |given: Option<f64>, default| given.unwrap_or(default);
    Ok(match &*name.to_ascii_lowercase() {
        "sigmoid" => Box::new(sigmoid),
        "tanh" => Box::new(f64::tanh),
        "relu" => Box::new(|x| x.max(0.0)),
        "softsign" => Box::new(|x: f64| x / (1.0 + x.abs())),
        "softplus" => Box::new(softplus),
        "affine" => {
            let (a, b) = (or(alpha, 1.0), or(beta, 0.0));
            Box::new(move |x| a * x + b)
        }
        "leakyrelu" => {
            let a = or(alpha, 0.01);
            Box::new(move |x| if x < 0.0 { a * x } else { x })
        }
        "thresholdedrelu" => {
            let a = or(alpha, 1.0);
            Box::new(move |x| if x > a { x } else { 0.0 })
        }
        "scaledtanh" => {
            let (a, b) = (or(alpha, 1.0), or(beta, 1.0));
            Box::new(move |x: f64| a * (b * x).tanh())
        }
        "hardsigmoid" => {
            let (a, b) = (or(alpha, 0.2), or(beta, 0.5));
            Box::new(move |x: f64| (a * x + b).clamp(0.0, 1.0))
        }
        "elu" => {
            let a = or(alpha, 1.0);
            Box::new(move |x: f64| if x < 0.0 { a * x.exp_m1() } else { x })
        }
        other => return Err(OperatorError::new(format!("activation `{other}`"))),
    })
}

/// Sizes that are the same for each direction.
struct Sizes {
    input: usize,
    hidden: usize,
}

/// The weights of one direction.
struct Weights<'a> {
    w: &'a [f64],
    r: &'a [f64],
    w_bias: &'a [f64],
    r_bias: &'a [f64],
    peepholes: &'a [f64],
}

fn dot(row: &[f64], values: &[f64]) -> f64 {
    row.iter().zip(values).map(|(a, b)| a * b).sum()
}

pub(super) fn recurrent(call: &Call<'_>) -> Outcome {
    let kind = &*call.node.op_type;
    let (gates, defaults): (usize, &[&str]) = match kind {
        "LSTM" => (4, &["Sigmoid", "Tanh", "Tanh"]),
        "GRU" => (3, &["Sigmoid", "Tanh"]),
        _ => (1, &["Tanh"]),
    };
    let x = call.tensor(0)?;
    let by_batch = call.flag("layout");
    let [first, second, input] = *x.shape() else {
        return Err(OperatorError::new("expected 3 axes"));
    };
    let (time, batch) = if by_batch { (second, first) } else { (first, second) };
    let (w, r) = (call.tensor(1)?, call.tensor(2)?);
    let [directions, _, hidden] = *r.shape() else {
        return Err(OperatorError::new("R has no 3 axes"));
    };
    let sizes = Sizes { input, hidden };
    let reverse = match &*call.text("direction", "forward") {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        other => return Err(OperatorError::new(format!("direction `{other}`"))),
    };
    ensure!(
        reverse.len() == directions
            && w.shape() == [directions, gates * hidden, input]
            && r.shape() == [directions, gates * hidden, hidden],
        "W of {:?} and R of {:?}",
        w.shape(),
        r.shape()
    );
    call.spend(directions * time * batch * gates * hidden * (input + hidden))?;
    let part = |place, each: usize| -> Result<Vec<f64>, OperatorError> {
        let values = match call.maybe(place)? {
            Some(tensor) => floats(tensor)?,
            None => vec![0.0; directions * each],
        };
        ensure!(values.len() == directions * each, "input {place} of {} values", values.len());
        Ok(values)
    };
    let (xs, ws, rs) = (floats(x)?, floats(w)?, floats(r)?);
    let bias = part(3, 2 * gates * hidden)?;
    let lengths = match call.indices(4)? {
        Some(list) => list.iter().map(|l| usize::try_from(*l).unwrap_or(0).min(time)).collect(),
        None => vec![time; batch],
    };
    ensure!(lengths.len() == batch, "{} lengths for {batch}", lengths.len());
    let (h0, c0) = (
        part(5, batch * hidden)?,
        if kind == "LSTM" { part(6, batch * hidden)? } else { Vec::new() },
    );
    let peepholes = if kind == "LSTM" { part(7, 3 * hidden)? } else { Vec::new() };
    let names = call.texts("activations").unwrap_or_default();
    let (mut alphas, mut betas) = (
        call.floats("activation_alpha").unwrap_or_default().into_iter(),
        call.floats("activation_beta").unwrap_or_default().into_iter(),
    );
    let clip = call.attribute("clip").map(|attribute| f64::from(attribute.f));
    let mut y = vec![0.0; value::count(&[time, directions, batch, hidden])?];
    let mut last_h = vec![0.0; directions * batch * hidden];
    let mut last_c = vec![0.0; directions * batch * hidden];
    for (direction, backwards) in reverse.into_iter().enumerate() {
        let chosen: Vec<Activation> = (0..defaults.len())
            .map(|at| {
                let name =
                    names.get(direction * defaults.len() + at).map_or(defaults[at], |n| &**n);
                let takes = |list: &[&str]| list.contains(&&*name.to_ascii_lowercase());
                let alpha = takes(&[
                    "affine",
                    "leakyrelu",
                    "thresholdedrelu",
                    "scaledtanh",
                    "hardsigmoid",
                    "elu",
                ])
                .then(|| alphas.next())
                .flatten();
                let beta =
                    takes(&["affine", "scaledtanh", "hardsigmoid"]).then(|| betas.next()).flatten();
                activation(name, alpha, beta)
            })
            .collect::<Result<_, _>>()?;
        let (each_w, each_r, each_b) =
            (gates * hidden * input, gates * hidden * hidden, gates * hidden);
        let weights = Weights {
            w: &ws[direction * each_w..(direction + 1) * each_w],
            r: &rs[direction * each_r..(direction + 1) * each_r],
            w_bias: &bias[direction * 2 * each_b..][..each_b],
            r_bias: &bias[direction * 2 * each_b + each_b..][..each_b],
            peepholes: peepholes.get(direction * 3 * hidden..).unwrap_or_default(),
        };
        for sample in 0..batch {
            let start = (direction * batch + sample) * hidden;
            let mut h = h0[start..start + hidden].to_vec();
            let mut c = c0.get(start..start + hidden).unwrap_or_default().to_vec();
            for step in 0..lengths[sample] {
                let at = if backwards { lengths[sample] - 1 - step } else { step };
                let from = if by_batch { sample * time + at } else { at * batch + sample };
                let x = &xs[from * input..(from + 1) * input];
                match kind {
                    "LSTM" => {
                        let seen = h.clone();
                        lstm(call, &sizes, &weights, &chosen, clip, x, &seen, &mut h, &mut c);
                    }
                    "GRU" => gru(call, &sizes, &weights, &chosen, clip, x, &mut h),
                    _ => h = simple(&sizes, &weights, &chosen, clip, x, &h),
                }
                let to = ((at * directions + direction) * batch + sample) * hidden;
                y[to..to + hidden].copy_from_slice(&h);
            }
            last_h[start..start + hidden].copy_from_slice(&h);
            last_c[start..start + hidden].copy_from_slice(if c.is_empty() { &h } else { &c });
        }
    }
    let dtype = x.dtype();
    let mut y = value::tensor(&[time, directions, batch, hidden], from_floats(dtype, y))?;
    let state = |values| -> Result<Tensor, OperatorError> {
        let state = value::tensor(&[directions, batch, hidden], from_floats(dtype, values))?;
        if by_batch { super::indexing::transposed(&state, &[1, 0, 2]) } else { Ok(state) }
    };
    if by_batch {
        y = super::indexing::transposed(&y, &[2, 0, 1, 3])?;
    }
    let (last_h, last_c) = (state(last_h)?, state(last_c)?);
    if kind == "LSTM" { all([y, last_h, last_c]) } else { all([y, last_h]) }
}

/// Both products and biases of one row of a gate.
fn gate(sizes: &Sizes, weights: &Weights<'_>, row: usize, x: &[f64], h: &[f64]) -> f64 {
    dot(&weights.w[row * sizes.input..(row + 1) * sizes.input], x)
        + dot(&weights.r[row * sizes.hidden..(row + 1) * sizes.hidden], h)
        + weights.w_bias[row]
        + weights.r_bias[row]
}

fn clipped(value: f64, clip: Option<f64>) -> f64 {
    clip.map_or(value, |clip| value.clamp(-clip.abs(), clip.abs()))
}

fn simple(
    sizes: &Sizes,
    weights: &Weights<'_>,
    act: &[Activation],
    clip: Option<f64>,
    x: &[f64],
    h: &[f64],
) -> Vec<f64> {
    (0..sizes.hidden).map(|at| act[0](clipped(gate(sizes, weights, at, x, h), clip))).collect()
}

/// Gates in the order input, output, forget, cell.
#[allow(clippy::too_many_arguments, reason = "the specification's own list")]
fn lstm(
    call: &Call<'_>,
    sizes: &Sizes,
    weights: &Weights<'_>,
    act: &[Activation],
    clip: Option<f64>,
    x: &[f64],
    // The previous cell state, for the peephole weights.
    seen: &[f64],
    h: &mut [f64],
    c: &mut [f64],
) {
    let n = sizes.hidden;
    let coupled = call.flag("input_forget");
    let raw = |gate_at: usize, at: usize| gate(sizes, weights, gate_at * n + at, x, seen);
    let peep =
        |which: usize, at: usize| weights.peepholes.get(which * n + at).copied().unwrap_or(0.0);
    for at in 0..n {
        let input = act[0](clipped(raw(0, at) + peep(0, at) * c[at], clip));
        let forget = if coupled {
            1.0 - input
        } else {
            act[0](clipped(raw(2, at) + peep(2, at) * c[at], clip))
        };
        let cell = act[1](clipped(raw(3, at), clip));
        let next = forget * c[at] + input * cell;
        let output = act[0](clipped(raw(1, at) + peep(1, at) * next, clip));
        c[at] = next;
        h[at] = output * act[2](next);
    }
}

/// Gates in the order update, reset, hidden.
fn gru(
    call: &Call<'_>,
    sizes: &Sizes,
    weights: &Weights<'_>,
    act: &[Activation],
    clip: Option<f64>,
    x: &[f64],
    h: &mut [f64],
) {
    let n = sizes.hidden;
    let before = h.to_vec();
    let after_product = call.flag("linear_before_reset");
    let raw = |row: usize| gate(sizes, weights, row, x, &before);
    let reset: Vec<f64> = (0..n).map(|at| act[0](clipped(raw(n + at), clip))).collect();
    let scaled: Vec<f64> = before.iter().zip(&reset).map(|(h, r)| h * r).collect();
    for at in 0..n {
        let update = act[0](clipped(raw(at), clip));
        let row = 2 * n + at;
        let recurrent = &weights.r[row * n..(row + 1) * n];
        let from_x =
            dot(&weights.w[row * sizes.input..(row + 1) * sizes.input], x) + weights.w_bias[row];
        let from_h = if after_product {
            reset[at] * (dot(recurrent, &before) + weights.r_bias[row])
        } else {
            dot(recurrent, &scaled) + weights.r_bias[row]
        };
        let hidden = act[1](clipped(from_x + from_h, clip));
        h[at] = (1.0 - update) * hidden + update * before[at];
    }
}
