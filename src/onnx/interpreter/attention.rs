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

/// `Attention`: averages the values with the softmax of the scaled dot products of queries and keys
/// as weights.
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
    let sizes = Sizes::of(&q, &k, &v)?;
    let Sizes { batch, heads, shared, rows, columns, size, v_size } = sizes;
    let scale = call.attribute("scale").map_or(1.0 / (size as f64).sqrt(), |a| f64::from(a.f));
    let scorer = Scorer::of(call, past, &sizes)?;
    let mode = call.int("qk_matmul_output_mode", 0);
    call.spend(&[batch, heads, rows, columns, size + v_size])?;
    let (qs, ks, vs) = (floats(&q)?, floats(&k)?, floats(&v)?);
    let mut y = vec![0.0; value::count(&[batch, heads, rows, v_size])?];
    let mut seen = vec![0.0; value::count(&[batch, heads, rows, columns])?];
    for (sample, head) in (0..batch).flat_map(|sample| (0..heads).map(move |head| (sample, head))) {
        let own = sample * heads + head;
        let shared = sample * shared + head / (heads / shared);
        for row in 0..rows {
            let query = &qs[(own * rows + row) * size..][..size];
            let scores = &mut seen[(own * rows + row) * columns..][..columns];
            let mut kept: Vec<f64> = Vec::with_capacity(columns);
            for (column, seen) in scores.iter_mut().enumerate() {
                let key = &ks[(shared * columns + column) * size..][..size];
                let product = query.iter().zip(key).map(|(a, b)| a * b).sum::<f64>() * scale;
                let capped = scorer.capped(product);
                let score = capped + scorer.bias(sample, head, row, column);
                *seen = match mode {
                    0 => product,
                    1 => capped,
                    _ => score,
                };
                kept.push(score);
            }
            weigh(&mut kept);
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
    let y = value::tensor(&[batch, heads, rows, v_size], from_floats(q.dtype(), y))?;
    let y = if flat { from_heads(&y)? } else { y };
    let seen = value::tensor(&[batch, heads, rows, columns], from_floats(q.dtype(), seen))?;
    Ok([y, k, v, seen].into_iter().map(|tensor| Value::Tensor(tensor.into())).collect())
}

/// The sizes of matching queries, keys and values.
struct Sizes {
    batch: usize,
    heads: usize,
    /// The number of key and value heads, each of which is shared by the same number of query
    /// heads.
    shared: usize,
    /// The number of time steps of the queries.
    rows: usize,
    /// The number of time steps of the keys and values.
    columns: usize,
    size: usize,
    v_size: usize,
}

impl Sizes {
    fn of(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Sizes, OperatorError> {
        let (&[batch, heads, rows, size], &[_, shared, columns, _], &[.., v_size]) =
            (q.shape(), k.shape(), v.shape())
        else {
            return Err(OperatorError::new("expected three or four axes"));
        };
        ensure!(shared > 0 && heads % shared == 0, "{heads} heads over {shared}");
        let fits = k.shape() == [batch, shared, columns, size]
            && v.shape() == [batch, shared, columns, v_size];
        ensure!(
            fits,
            "queries of {:?}, keys of {:?}, values of {:?}",
            q.shape(),
            k.shape(),
            v.shape()
        );
        Ok(Sizes { batch, heads, shared, rows, columns, size, v_size })
    }
}

/// How a dot product is modified before the softmax.
struct Scorer {
    softcap: f64,
    causal: bool,
    /// How many steps back and ahead a query attends to; negative means no limit.
    windows: (i64, i64),
    mask: Mask,
    /// The number of valid keys of each sample, unless all are valid.
    lengths: Option<Vec<i64>>,
    past: usize,
    rows: usize,
}

impl Scorer {
    fn of(call: &Call<'_>, past: usize, sizes: &Sizes) -> Result<Scorer, OperatorError> {
        let lengths = call.indices(6)?;
        let count = lengths.as_ref().map_or(sizes.batch, Vec::len);
        ensure!(count == sizes.batch, "{count} lengths for {} samples", sizes.batch);
        Ok(Scorer {
            softcap: call.float("softcap", 0.0),
            causal: call.flag("is_causal"),
            windows: (call.int("left_window_size", -1), call.int("right_window_size", -1)),
            mask: Mask::of(call, sizes)?,
            lengths,
            past,
            rows: sizes.rows,
        })
    }

    fn capped(&self, product: f64) -> f64 {
        if self.softcap > 0.0 { self.softcap * (product / self.softcap).tanh() } else { product }
    }

    /// The number to add: minus infinity where the query may not attend to the key.
    fn bias(&self, sample: usize, head: usize, row: usize, column: usize) -> f64 {
        let length = self.lengths.as_ref().map(|lengths| lengths[sample]);
        let offset = match length {
            Some(length) if self.past == 0 => length - self.rows as i64,
            _ => self.past as i64,
        };
        let distance = row as i64 + offset - column as i64;
        let (left, right) = self.windows;
        let hidden = (self.causal && distance < 0)
            || (left >= 0 && distance > left)
            || (right >= 0 && -distance > right)
            || length.is_some_and(|length| column as i64 >= length);
        if hidden { f64::NEG_INFINITY } else { self.mask.at(sample, head, row, column) }
    }
}

/// The softmax of a row of scores. If no key may be attended to, it would be NaN; the specification
/// defines it as 0.
fn weigh(scores: &mut [f64]) {
    if scores.iter().all(|score| *score == f64::NEG_INFINITY) {
        scores.fill(0.0);
    } else {
        softmax_of(scores);
    }
}

/// The mask, which is added to the scores. In a Boolean mask, true adds 0 and false adds minus
/// infinity.
struct Mask {
    values: Vec<f64>,
    shape: Vec<usize>,
}

impl Mask {
    fn of(call: &Call<'_>, sizes: &Sizes) -> Result<Mask, OperatorError> {
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
        let all = [sizes.batch, sizes.heads, sizes.rows];
        let fits = shape.iter().zip(all).all(|(own, size)| *own == 1 || *own == size);
        ensure!(fits && shape[3] <= sizes.columns, "a mask of shape {:?}", mask.shape());
        Ok(Mask { values, shape })
    }

    fn at(&self, sample: usize, head: usize, row: usize, column: usize) -> f64 {
        let [a, b, c, d] = self.shape[..] else { return 0.0 };
        // Keys beyond the end of a short mask are masked out.
        if d > 1 && column >= d {
            return f64::NEG_INFINITY;
        }
        let at = |index: usize, size: usize| if size == 1 { 0 } else { index };
        let offset = ((at(sample, a) * b + at(head, b)) * c + at(row, c)) * d + at(column, d);
        self.values.get(offset).copied().unwrap_or(f64::NEG_INFINITY)
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
    let cache = |input| -> Result<Vec<f64>, OperatorError> {
        let cache = call.tensor(input)?;
        let fits = cache.shape().last() == Some(&half);
        ensure!(fits, "input {input} of shape {:?} for {half} angles", cache.shape());
        floats(cache)
    };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let positions = call.indices(3)?;
    let all = x.shape()[0] * sequence;
    let given = positions.as_ref().map_or(all, Vec::len);
    ensure!(given == all, "{given} positions for {all}");
    let interleaved = call.flag("interleaved");
    let mut values = floats(&heads)?;
    for (number, row) in values.chunks_mut(size.max(1)).enumerate() {
        let (sample, step) = (number / (count * sequence), number % sequence);
        let at = match &positions {
            Some(positions) => {
                let position = positions[sample * sequence + step];
                usize::try_from(position).map_err(|_| OperatorError::new("a position below 0"))?
            }
            None => sample * sequence + step,
        };
        let known = cos.len().min(sin.len()) / half.max(1);
        ensure!(half == 0 || at < known, "position {at} of {known}");
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

/// `LinearAttention`: a state of keys and values that decays and accumulates at each time step.
pub(super) fn linear(call: &Call<'_>) -> Outcome {
    let (q_heads, kv_heads) = (call.int("q_num_heads", 0), call.int("kv_num_heads", 0));
    let dtype = call.tensor(0)?.dtype();
    let q = by_heads(call.tensor(0)?, q_heads)?;
    let k = by_heads(call.tensor(1)?, kv_heads)?;
    let v = by_heads(call.tensor(2)?, kv_heads)?;
    let sizes = Sizes::of(&q, &k, &v)?;
    let Sizes { batch, heads, shared, rows: steps, columns, size: d_k, v_size: d_v } = sizes;
    ensure!(columns == steps, "{columns} keys for {steps} queries");
    let (gated, delta) = match &*call.text("update_rule", "gated_delta") {
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
    let decay = if gated { PerHead::of(call, 4, &sizes)? } else { None };
    let beta = if delta { PerHead::of(call, 5, &sizes)? } else { None };
    let shape = [batch, shared, d_k, d_v];
    let past = call.maybe(3)?;
    let fits = past.is_none_or(|past| past.shape() == shape);
    ensure!(fits, "a state of another shape than {shape:?}");
    let mut state = match past {
        Some(past) => floats(past)?,
        None => vec![0.0; value::count(&shape)?],
    };
    call.spend(&[batch, heads, steps, d_k, d_v])?;
    let (qs, ks, vs) = (floats(&q)?, floats(&k)?, floats(&v)?);
    let mut y = vec![0.0; value::count(&[batch, heads, steps, d_v])?];
    for own in 0..batch * shared {
        let (sample, head) = (own / shared, own % shared);
        let mut memory = Memory { cells: &mut state[own * d_k * d_v..][..d_k * d_v], width: d_v };
        for step in 0..steps {
            let key = &ks[(own * steps + step) * d_k..][..d_k];
            let value = &vs[(own * steps + step) * d_v..][..d_v];
            if let Some(decay) = &decay {
                memory.decay(|row| decay.at(sample, step, head, row).exp());
            }
            if delta {
                let rate = beta.as_ref().map_or(1.0, |beta| beta.at(sample, step, head, 0));
                let known = memory.read(key);
                let add = value.iter().zip(known).map(|(value, known)| rate * (value - known));
                memory.add(key, &add.collect::<Vec<_>>());
            } else {
                memory.add(key, value);
            }
            let group = heads / shared;
            for asks in head * group..(head + 1) * group {
                let row = (sample * heads + asks) * steps + step;
                let answer = memory.read(&qs[row * d_k..][..d_k]);
                let to = y[row * d_v..][..d_v].iter_mut();
                to.zip(answer).for_each(|(to, value)| *to = scale * value);
            }
        }
    }
    let y = value::tensor(&[batch, heads, steps, d_v], from_floats(dtype, y))?;
    let kept: Dtype = past.map_or(dtype, Tensor::dtype);
    let state = value::tensor(&shape, from_floats(kept, state))?;
    value::all([from_heads(&y)?, state])
}

/// The state of one head: a matrix with a row for each element of a key.
struct Memory<'a> {
    cells: &'a mut [f64],
    width: usize,
}

impl Memory<'_> {
    /// Multiplies each row by a factor.
    fn decay(&mut self, factor: impl Fn(usize) -> f64) {
        for (row, cells) in self.cells.chunks_mut(self.width.max(1)).enumerate() {
            let factor = factor(row);
            cells.iter_mut().for_each(|cell| *cell *= factor);
        }
    }

    /// The sum of the rows, weighted by the elements of a key.
    fn read(&self, key: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for (cells, key) in self.cells.chunks(self.width.max(1)).zip(key) {
            sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += key * cell);
        }
        sums
    }

    /// Adds a value to each row, multiplied by the row's element of a key.
    fn add(&mut self, key: &[f64], value: &[f64]) {
        for (cells, key) in self.cells.chunks_mut(self.width.max(1)).zip(key) {
            cells.iter_mut().zip(value).for_each(|(cell, value)| *cell += key * value);
        }
    }
}

/// An input with one number per head, or one per element of each head's keys.
struct PerHead {
    values: Vec<f64>,
    width: usize,
    steps: usize,
    heads: usize,
}

impl PerHead {
    fn of(call: &Call<'_>, input: usize, sizes: &Sizes) -> Result<Option<PerHead>, OperatorError> {
        let Some(tensor) = call.maybe(input)? else { return Ok(None) };
        let (steps, mut heads, tokens) = (sizes.rows, sizes.shared, sizes.batch * sizes.rows);
        let values = floats(tensor)?;
        if values.len() == tokens {
            // One number for all heads.
            heads = 1;
        }
        let width = values.len() / (tokens * heads).max(1);
        let fits = (width == 1 || width == sizes.size) && values.len() == tokens * heads * width;
        ensure!(fits, "input {input} of {:?}", tensor.shape());
        Ok(Some(PerHead { values, width, steps, heads }))
    }

    fn at(&self, sample: usize, step: usize, head: usize, row: usize) -> f64 {
        let head = (sample * self.steps + step) * self.heads + head % self.heads;
        self.values[head * self.width + row % self.width]
    }
}
