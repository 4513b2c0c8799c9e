//! `LSTM`, `GRU` and `RNN`, in both directions, with sequence lengths and all activations.

mod dynamic;

pub(super) use self::dynamic::dynamic_lstm;
use super::{
    Tensor,
    call::Call,
    elementwise::{larger, sigmoid, softplus},
    indexing::transposed,
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
        "relu" => Box::new(|x| larger(x, 0.0)),
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

/// The sizes, which are the same for both directions.
struct Sizes {
    gates: usize,
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

/// The weights of all directions.
struct AllWeights {
    w: Vec<f64>,
    r: Vec<f64>,
    bias: Vec<f64>,
    /// The peephole weights, which only an LSTM has.
    peepholes: Vec<f64>,
}

impl AllWeights {
    fn of(&self, direction: usize, sizes: &Sizes) -> Weights<'_> {
        let rows = sizes.gates * sizes.hidden;
        let bias = &self.bias[direction * 2 * rows..][..2 * rows];
        Weights {
            w: &self.w[direction * rows * sizes.input..][..rows * sizes.input],
            r: &self.r[direction * rows * sizes.hidden..][..rows * sizes.hidden],
            w_bias: &bias[..rows],
            r_bias: &bias[rows..],
            peepholes: self.peepholes.get(direction * 3 * sizes.hidden..).unwrap_or_default(),
        }
    }
}

/// Whether each direction runs backwards in time.
fn directions(call: &Call<'_>) -> Result<&'static [bool], OperatorError> {
    match &*call.text("direction", "forward") {
        "forward" => Ok(&[false]),
        "reverse" => Ok(&[true]),
        "bidirectional" => Ok(&[false, true]),
        other => Err(OperatorError::new(format!("direction `{other}`"))),
    }
}

/// The numbers of an optional input, 0 if it is absent.
fn part(call: &Call<'_>, input: usize, count: usize) -> Result<Vec<f64>, OperatorError> {
    let values = match call.maybe(input)? {
        Some(tensor) => floats(tensor)?,
        None => vec![0.0; count],
    };
    ensure!(values.len() == count, "input {input} of {} values", values.len());
    Ok(values)
}

/// The number of time steps of each sequence.
fn lengths(call: &Call<'_>, batch: usize, time: usize) -> Result<Vec<usize>, OperatorError> {
    match call.indices(4)? {
        Some(list) => value::lengths(&list, batch, time),
        None => Ok(vec![time; batch]),
    }
}

/// The activations of each direction.
fn activations(
    call: &Call<'_>,
    directions: usize,
    defaults: &[&str],
) -> Result<Vec<Vec<Activation>>, OperatorError> {
    let names = call.texts("activations").unwrap_or_default();
    let count = directions * defaults.len();
    ensure!(names.is_empty() || names.len() == count, "{} activations, not {count}", names.len());
    // Each activation that has a factor takes the next of the given ones.
    let (mut alphas, mut betas) = (
        call.floats("activation_alpha").unwrap_or_default().into_iter(),
        call.floats("activation_beta").unwrap_or_default().into_iter(),
    );
    let mut chosen = (0..count).map(|at| {
        let name = names.get(at).map_or(defaults[at % defaults.len()], |name| &**name);
        let takes = |list: &[&str]| list.contains(&&*name.to_ascii_lowercase());
        let alpha =
            takes(&["affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"])
                .then(|| alphas.next())
                .flatten();
        let beta = takes(&["affine", "scaledtanh", "hardsigmoid"]).then(|| betas.next()).flatten();
        activation(name, alpha, beta)
    });
    (0..directions).map(|_| chosen.by_ref().take(defaults.len()).collect()).collect()
}

fn dot(row: &[f64], values: &[f64]) -> f64 {
    row.iter().zip(values).map(|(a, b)| a * b).sum()
}

fn clip(call: &Call<'_>) -> Option<f64> {
    call.attribute("clip").map(|attribute| f64::from(attribute.f))
}

pub(super) fn recurrent(call: &Call<'_>) -> Outcome {
    let kind = &*call.node.op_type;
    let (gates, defaults): (usize, &[&str]) = match kind {
        "LSTM" => (4, &["Sigmoid", "Tanh", "Tanh"]),
        "GRU" => (3, &["Sigmoid", "Tanh"]),
        _ => (1, &["Tanh"]),
    };
    let is_lstm = kind == "LSTM";
    let x = call.tensor(0)?;
    let by_batch = call.flag("layout");
    let [first, second, input] = *x.shape() else {
        return Err(OperatorError::new("expected 3 axes"));
    };
    let (time, batch) = if by_batch { (second, first) } else { (first, second) };
    let (w, r) = (call.tensor(1)?, call.tensor(2)?);
    let [count, _, hidden] = *r.shape() else {
        return Err(OperatorError::new("R has no 3 axes"));
    };
    let sizes = Sizes { gates, input, hidden };
    let backwards = directions(call)?;
    ensure!(
        backwards.len() == count
            && w.shape() == [count, gates * hidden, input]
            && r.shape() == [count, gates * hidden, hidden],
        "W of {:?} and R of {:?}",
        w.shape(),
        r.shape()
    );
    call.spend(&[count, time, batch, gates, hidden, input + hidden])?;
    let weights = AllWeights {
        w: floats(w)?,
        r: floats(r)?,
        bias: part(call, 3, count * 2 * gates * hidden)?,
        peepholes: if is_lstm { part(call, 7, count * 3 * hidden)? } else { Vec::new() },
    };
    let lengths = lengths(call, batch, time)?;
    let h0 = state(call, 5, [count, batch, hidden], by_batch)?;
    let c0 = if is_lstm { state(call, 6, [count, batch, hidden], by_batch)? } else { Vec::new() };
    let (xs, chosen, clip) = (floats(x)?, activations(call, count, defaults)?, clip(call));
    let mut y = vec![0.0; value::count(&[time, count, batch, hidden])?];
    let (mut last_h, mut last_c) = (h0, c0);
    for (direction, (backwards, chosen)) in backwards.iter().zip(&chosen).enumerate() {
        let weights = weights.of(direction, &sizes);
        for sample in 0..batch {
            let own =
                (direction * batch + sample) * hidden..(direction * batch + sample + 1) * hidden;
            let h = &mut last_h[own.clone()];
            let c = last_c.get_mut(own).unwrap_or_default();
            for step in 0..lengths[sample] {
                let at = if *backwards { lengths[sample] - 1 - step } else { step };
                let from = if by_batch { sample * time + at } else { at * batch + sample };
                let x = &xs[from * input..(from + 1) * input];
                let before = h.to_vec();
                match kind {
                    "LSTM" => lstm(call, &sizes, &weights, chosen, clip, x, &before, h, c),
                    "GRU" => gru(call, &sizes, &weights, chosen, clip, x, &before, h),
                    _ => simple(&sizes, &weights, chosen, clip, x, &before, h),
                }
                let to = ((at * count + direction) * batch + sample) * hidden;
                y[to..to + hidden].copy_from_slice(h);
            }
        }
    }
    let dtype = x.dtype();
    let mut y = value::tensor(&[time, count, batch, hidden], from_floats(dtype, y))?;
    if by_batch {
        y = transposed(&y, &[2, 0, 1, 3])?;
    }
    let state = |values| -> Result<Tensor, OperatorError> {
        let state = value::tensor(&[count, batch, hidden], from_floats(dtype, values))?;
        if by_batch { transposed(&state, &[1, 0, 2]) } else { Ok(state) }
    };
    let last_h = state(last_h)?;
    if is_lstm { all([y, last_h, state(last_c)?]) } else { all([y, last_h]) }
}

/// The initial state, of shape `[directions, batch, hidden]`. In the batch-first layout the first
/// two axes of the input are swapped.
fn state(
    call: &Call<'_>,
    input: usize,
    shape: [usize; 3],
    by_batch: bool,
) -> Result<Vec<f64>, OperatorError> {
    let Some(tensor) = call.maybe(input)? else { return Ok(vec![0.0; value::count(&shape)?]) };
    let [directions, batch, hidden] = shape;
    let given = if by_batch { [batch, directions, hidden] } else { shape };
    ensure!(tensor.shape() == given, "input {input} of shape {:?}", tensor.shape());
    if by_batch { floats(&transposed(tensor, &[1, 0, 2])?) } else { floats(tensor) }
}

/// The sum of both products and both biases for one row of a gate.
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
    before: &[f64],
    h: &mut [f64],
) {
    for (at, h) in h.iter_mut().enumerate() {
        *h = act[0](clipped(gate(sizes, weights, at, x, before), clip));
    }
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
    // The previous output, which may have been rounded in the meantime.
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
#[allow(clippy::too_many_arguments, reason = "the specification's own list")]
fn gru(
    call: &Call<'_>,
    sizes: &Sizes,
    weights: &Weights<'_>,
    act: &[Activation],
    clip: Option<f64>,
    x: &[f64],
    before: &[f64],
    h: &mut [f64],
) {
    let n = sizes.hidden;
    let after_product = call.flag("linear_before_reset");
    let raw = |row: usize| gate(sizes, weights, row, x, before);
    let reset: Vec<f64> = (0..n).map(|at| act[0](clipped(raw(n + at), clip))).collect();
    let scaled: Vec<f64> = before.iter().zip(&reset).map(|(h, r)| h * r).collect();
    for at in 0..n {
        let update = act[0](clipped(raw(at), clip));
        let row = 2 * n + at;
        let recurrent = &weights.r[row * n..(row + 1) * n];
        let from_x =
            dot(&weights.w[row * sizes.input..(row + 1) * sizes.input], x) + weights.w_bias[row];
        let from_h = if after_product {
            reset[at] * (dot(recurrent, before) + weights.r_bias[row])
        } else {
            dot(recurrent, &scaled) + weights.r_bias[row]
        };
        let hidden = act[1](clipped(from_x + from_h, clip));
        h[at] = (1.0 - update) * hidden + update * before[at];
    }
}
