//! `Attention`, `LinearAttention` and `RotaryEmbedding`.

use super::{
    Data, Dtype, Tensor,
    call::Call,
    indexing::transposed,
    parts::concatenated,
    reduction::softmax_of,
    value::{self, OperatorError, Outcome, Value, ensure, floats, from_floats, one},
};

/// `[batch, sequence, heads * size]` as `[batch, heads, sequence, size]`.
fn by_heads(x: &Tensor, heads: i64) -> Result<Tensor, OperatorError> {
    let [batch, sequence, width] = *x.shape() else { return Ok(x.clone()) };
    let heads = usize::try_from(heads).unwrap_or(0);
    ensure!(heads > 0 && width % heads == 0, "{heads} heads of a width of {width}");
    let split = value::tensor(&[batch, sequence, heads, width / heads], x.data().clone())?;
    transposed(&split, &[0, 2, 1, 3])
}

fn from_heads(x: &Tensor) -> Result<Tensor, OperatorError> {
    let [batch, heads, sequence, size] = *x.shape() else { return Ok(x.clone()) };
    let moved = transposed(x, &[0, 2, 1, 3])?;
    value::tensor(&[batch, sequence, heads * size], moved.into_data())
}

/// `Attention`: scaled dot products of queries and keys, through a softmax, as the weights of values.
pub(super) fn attention(call: &Call<'_>) -> Outcome {
    let flat = call.tensor(0)?.shape().len() == 3;
    let q = by_heads(call.tensor(0)?, call.int("q_num_heads", 0))?;
    let mut k = by_heads(call.tensor(1)?, call.int("kv_num_heads", 0))?;
    let mut v = by_heads(call.tensor(2)?, call.int("kv_num_heads", 0))?;
    let mut past = 0;
    if let (Some(past_k), Some(past_v)) = (call.maybe(4)?, call.maybe(5)?) {
        past = past_k.shape().get(2).copied().unwrap_or(0);
        k = concatenated(&[past_k, &k], 2)?;
        v = concatenated(&[past_v, &v], 2)?;
    }
    let ([batch, heads, rows, size], [_, kv_heads, columns, _]) = (q.shape(), k.shape()) else {
        return Err(OperatorError::new("expected three or four axes"));
    };
    let (batch, heads, rows, columns, size) = (*batch, *heads, *rows, *columns, *size);
    ensure!(*kv_heads > 0 && heads % kv_heads == 0, "{heads} heads over {kv_heads}");
    let v_size = v.shape()[3];
    let filled = match call.maybe(6)? {
        Some(lengths) => Some(value::indices(lengths)?),
        None => None,
    };
    let scale = call.attribute("scale").map_or(1.0 / (size as f64).sqrt(), |a| f64::from(a.f));
    let softcap = call.float("softcap", 0.0);
    let causal = call.flag("is_causal");
    let (left, right) = (call.int("left_window_size", -1), call.int("right_window_size", -1));
    let mode = call.int("qk_matmul_output_mode", 0);
    let mask = Mask::of(call, columns)?;
    call.spend(batch * heads * rows * columns * (size + v_size))?;
    let (qs, ks, vs) = (floats(&q)?, floats(&k)?, floats(&v)?);
    let mut y = vec![0.0; value::count(&[batch, heads, rows, v_size])?];
    let mut seen = vec![0.0; value::count(&[batch, heads, rows, columns])?];
    for sample in 0..batch {
        let length = filled.as_ref().and_then(|list| list.get(sample)).copied();
        let offset = match length {
            Some(length) if past == 0 => length - rows as i64,
            _ => past as i64,
        };
        for head in 0..heads {
            let own = sample * heads + head;
            let shared = sample * kv_heads + head / (heads / kv_heads);
            for row in 0..rows {
                let query = &qs[(own * rows + row) * size..][..size];
                let scores = &mut seen[(own * rows + row) * columns..][..columns];
                let mut kept: Vec<f64> = Vec::with_capacity(columns);
                for column in 0..columns {
                    let key = &ks[(shared * columns + column) * size..][..size];
                    let product: f64 = query.iter().zip(key).map(|(a, b)| a * b).sum();
                    let product = product * scale;
                    let distance = row as i64 + offset - column as i64;
                    let hidden = (causal && distance < 0)
                        || (left >= 0 && distance > left)
                        || (right >= 0 && -distance > right)
                        || length.is_some_and(|length| column as i64 >= length);
                    let bias =
                        if hidden { f64::NEG_INFINITY } else { mask.at(sample, head, row, column) };
                    let capped =
                        |x: f64| if softcap > 0.0 { softcap * (x / softcap).tanh() } else { x };
                    let score = capped(product) + bias;
                    scores[column] = match mode {
                        0 => product,
                        1 => capped(product),
                        _ => score,
                    };
                    kept.push(score);
                }
                if kept.iter().all(|score| *score == f64::NEG_INFINITY) {
                    // No key may be attended to: the softmax would be NaN, the specification says 0.
                    kept.iter_mut().for_each(|score| *score = 0.0);
                } else {
                    softmax_of(&mut kept);
                }
                if mode == 3 {
                    scores.copy_from_slice(&kept);
                }
                let to = &mut y[(own * rows + row) * v_size..][..v_size];
                for (column, weight) in kept.iter().enumerate().filter(|(_, w)| **w != 0.0) {
                    let value = &vs[(shared * columns + column) * v_size..][..v_size];
                    to.iter_mut().zip(value).for_each(|(sum, value)| *sum += weight * value);
                }
            }
        }
    }
    let y = value::tensor(&[batch, heads, rows, v_size], from_floats(q.dtype(), y))?;
    let y = if flat { from_heads(&y)? } else { y };
    let seen = value::tensor(&[batch, heads, rows, columns], from_floats(q.dtype(), seen))?;
    Ok([y, k, v, seen].into_iter().map(|tensor| Value::Tensor(tensor.into())).collect())
}

/// What is added to the scores. In a mask of booleans, true adds 0 and false minus infinity.
struct Mask {
    values: Vec<f64>,
    shape: Vec<usize>,
}

impl Mask {
    fn of(call: &Call<'_>, columns: usize) -> Result<Mask, OperatorError> {
        let Some(mask) = call.maybe(3)? else {
            return Ok(Mask { values: vec![0.0], shape: vec![1; 4] });
        };
        let values = match mask.data() {
            Data::Bool(values) => {
                values.iter().map(|v| if *v { 0.0 } else { f64::NEG_INFINITY }).collect()
            }
            _ => floats(mask)?,
        };
        let mut shape = vec![1; 4_usize.saturating_sub(mask.shape().len())];
        shape.extend(mask.shape());
        ensure!(shape.len() == 4, "a mask of {} axes", mask.shape().len());
        ensure!(shape[3] <= columns, "a mask of {} columns, of {columns}", shape[3]);
        Ok(Mask { values, shape })
    }

    fn at(&self, sample: usize, head: usize, row: usize, column: usize) -> f64 {
        let [a, b, c, d] = self.shape[..] else { return 0.0 };
        // A mask that is too short hides what it does not cover.
        if d > 1 && column >= d {
            return f64::NEG_INFINITY;
        }
        let at = |place: usize, size: usize| if size == 1 { 0 } else { place };
        let place = ((at(sample, a) * b + at(head, b)) * c + at(row, c)) * d + at(column, d);
        self.values.get(place).copied().unwrap_or(f64::NEG_INFINITY)
    }
}

/// `RotaryEmbedding`: rotates pairs of elements by an angle that depends on the position.
pub(super) fn rotary(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let flat = x.shape().len() == 3;
    let heads = by_heads(x, call.int("num_heads", 0))?;
    let [_, count, sequence, size] = *heads.shape() else {
        return Err(OperatorError::new("expected three or four axes"));
    };
    let rotated = match usize::try_from(call.int("rotary_embedding_dim", 0)).unwrap_or(0) {
        0 => size,
        rotated => rotated,
    };
    ensure!(rotated <= size && rotated % 2 == 0, "{rotated} of {size} are rotated");
    let half = rotated / 2;
    let cache = |place| -> Result<Vec<f64>, OperatorError> { floats(call.tensor(place)?) };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let places = call.indices(3)?;
    let interleaved = call.flag("interleaved");
    let mut values = floats(&heads)?;
    for (number, row) in values.chunks_mut(size.max(1)).enumerate() {
        let (sample, step) = (number / (count * sequence), number % sequence);
        let at = match &places {
            Some(places) => {
                let place = places.get(sample * sequence + step).copied().unwrap_or(0);
                usize::try_from(place).map_err(|_| OperatorError::new("a position below 0"))?
            }
            None => sample * sequence + step,
        };
        ensure!((at + 1) * half <= cos.len() && cos.len() == sin.len(), "position {at}");
        for pair in 0..half {
            let (c, s) = (cos[at * half + pair], sin[at * half + pair]);
            let (first, second) =
                if interleaved { (2 * pair, 2 * pair + 1) } else { (pair, half + pair) };
            let (a, b) = (row[first], row[second]);
            row[first] = c * a - s * b;
            row[second] = s * a + c * b;
        }
    }
    let made = value::tensor(heads.shape(), from_floats(x.dtype(), values))?;
    one(if flat { from_heads(&made)? } else { made })
}

/// `LinearAttention`: a state of keys and values that decays and is added to at each time step.
pub(super) fn linear(call: &Call<'_>) -> Outcome {
    let (q_heads, kv_heads) = (call.int("q_num_heads", 0), call.int("kv_num_heads", 0));
    let dtype = call.tensor(0)?.dtype();
    let q = by_heads(call.tensor(0)?, q_heads)?;
    let k = by_heads(call.tensor(1)?, kv_heads)?;
    let v = by_heads(call.tensor(2)?, kv_heads)?;
    let ([batch, heads, steps, d_k], [_, shared, _, _]) = (q.shape(), k.shape()) else {
        return Err(OperatorError::new("expected three axes"));
    };
    let (batch, heads, steps, d_k, shared) = (*batch, *heads, *steps, *d_k, *shared);
    let d_v = v.shape()[3];
    ensure!(shared > 0 && heads % shared == 0, "{heads} heads over {shared}");
    let rule = call.text("update_rule", "gated_delta");
    let (gated, delta) = match &*rule {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return Err(OperatorError::new(format!("update_rule `{other}`"))),
    };
    let scale = match call.float("scale", 0.0) {
        0.0 => 1.0 / (d_k as f64).sqrt(),
        scale => scale,
    };
    // An input with one number for each head, or one for each element of its keys.
    let per_head = |place, wanted: bool| -> Result<Option<(Vec<f64>, usize)>, OperatorError> {
        let Some(tensor) = call.maybe(place)?.filter(|_| wanted) else { return Ok(None) };
        let each = floats(tensor)?;
        let tokens = batch * steps;
        if each.len() == tokens && shared > 1 {
            // One for all heads.
            let spread = each.iter().flat_map(|value| std::iter::repeat_n(*value, shared));
            return Ok(Some((spread.collect(), 1)));
        }
        let width = each.len() / (tokens * shared).max(1);
        let fits = (width == 1 || width == d_k) && each.len() == tokens * shared * width;
        ensure!(fits, "input {place} of {:?}", tensor.shape());
        Ok(Some((each, width)))
    };
    let (decay, beta) = (per_head(4, gated)?, per_head(5, delta)?);
    let past = call.maybe(3)?;
    let mut state = match past {
        Some(past) => floats(past)?,
        None => vec![0.0; value::count(&[batch, shared, d_k, d_v])?],
    };
    call.spend(batch * heads * steps * d_k * d_v)?;
    let (qs, ks, vs) = (floats(&q)?, floats(&k)?, floats(&v)?);
    let mut y = vec![0.0; value::count(&[batch, heads, steps, d_v])?];
    let at = |values: &(Vec<f64>, usize), sample: usize, step: usize, head: usize, key: usize| {
        let (values, width) = values;
        values[((sample * steps + step) * shared + head) * width + key % width]
    };
    for sample in 0..batch {
        for head in 0..shared {
            let own = sample * shared + head;
            let memory = &mut state[own * d_k * d_v..(own + 1) * d_k * d_v];
            for step in 0..steps {
                let key = &ks[(own * steps + step) * d_k..][..d_k];
                let value = &vs[(own * steps + step) * d_v..][..d_v];
                if let Some(decay) = &decay {
                    for (place, cell) in memory.iter_mut().enumerate() {
                        *cell *= at(decay, sample, step, head, place / d_v).exp();
                    }
                }
                let mut add = value.to_vec();
                if delta {
                    for (column, add) in add.iter_mut().enumerate() {
                        let known: f64 = key
                            .iter()
                            .enumerate()
                            .map(|(row, k)| k * memory[row * d_v + column])
                            .sum();
                        let rate =
                            beta.as_ref().map_or(1.0, |beta| at(beta, sample, step, head, 0));
                        *add = rate * (*add - known);
                    }
                }
                for (row, k) in key.iter().enumerate() {
                    for (column, add) in add.iter().enumerate() {
                        memory[row * d_v + column] += k * add;
                    }
                }
                let group = heads / shared;
                for asks in head * group..(head + 1) * group {
                    let query = &qs[((sample * heads + asks) * steps + step) * d_k..][..d_k];
                    let to = &mut y[((sample * heads + asks) * steps + step) * d_v..][..d_v];
                    for (row, q) in query.iter().enumerate() {
                        let cells = &memory[row * d_v..(row + 1) * d_v];
                        to.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += scale * q * cell);
                    }
                }
            }
        }
    }
    let y = value::tensor(&[batch, heads, steps, d_v], from_floats(dtype, y))?;
    let kept: Dtype = past.map_or(dtype, Tensor::dtype);
    let state = value::tensor(&[batch, shared, d_k, d_v], from_floats(kept, state))?;
    value::all([from_heads(&y)?, state])
}
