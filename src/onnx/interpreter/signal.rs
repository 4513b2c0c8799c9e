//! Fourier transforms and windows.

use std::f64::consts::PI;

use super::{
    Dtype, Tensor,
    call::Call,
    fourier::{self, transformed},
    indexing::{self, Lanes},
    value::{self, OperatorError, Outcome, ensure, floats, from_floats, one},
};

/// The length of a transform, if the optional input gives it.
fn length(call: &Call<'_>, input: usize) -> Result<Option<usize>, OperatorError> {
    let length = call.indices(input)?.and_then(|list| list.first().copied());
    let below = |_| OperatorError::new("a length below 0");
    length.map(|length| usize::try_from(length).map_err(below)).transpose()
}

pub(super) fn dft(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let rank = x.shape().len();
    let [.., parts] = *x.shape() else { return Err(OperatorError::new("a single number")) };
    ensure!(rank >= 2 && (parts == 1 || parts == 2), "shape {:?}", x.shape());
    let axis = match call.indices(2)?.and_then(|list| list.first().copied()) {
        Some(axis) => axis,
        None => call.int("axis", if call.opset() >= 20 { -2 } else { 1 }),
    };
    let axis = indexing::axis(axis, rank)?;
    ensure!(axis < rank - 1, "axis {axis} holds the parts of each number");
    let length = length(call, 1)?;
    let (inverse, half) = (call.flag("inverse"), call.flag("onesided"));
    let values = floats(x)?;
    let lanes =
        Lanes { inner: Lanes::of(x.shape(), axis).inner / parts, ..Lanes::of(x.shape(), axis) };
    // A one-sided spectrum is completed with its conjugate mirror image before it is inverted.
    let back_to_real = inverse && half;
    let own = if back_to_real { lanes.size.saturating_sub(1) * 2 } else { lanes.size };
    let length = length.unwrap_or(own);
    ensure!(length > 0, "a transform of nothing");
    let kept = if half && !inverse { length / 2 + 1 } else { length };
    call.spend(&[lanes.outer, lanes.inner, length, length])?;
    let made_parts = if back_to_real { 1 } else { 2 };
    let mut shape = x.shape().to_vec();
    shape[axis] = kept;
    shape[rank - 1] = made_parts;
    let to = Lanes { size: kept, ..lanes };
    let is_single = x.dtype() != Dtype::F64 && parts == 2 && !back_to_real;
    let round = if is_single { fourier::single } else { fourier::exact };
    let mut made = vec![0.0; value::count(&shape)?];
    for (from, to) in lanes.lanes().zip(to.lanes()) {
        let mut lane: Vec<(f64, f64)> = from
            .iter()
            .map(|at| (values[at * parts], if parts == 2 { values[at * parts + 1] } else { 0.0 }))
            .collect();
        if back_to_real {
            let known = lane.clone();
            lane.resize(length / 2 + 1, (0.0, 0.0));
            for at in lane.len()..length {
                let (re, im) = known.get(length - at).copied().unwrap_or((0.0, 0.0));
                lane.push((re, -im));
            }
        }
        lane.resize(length, (0.0, 0.0));
        for (index, (re, im)) in to.into_iter().zip(transformed(&lane, inverse, round)) {
            made[index * made_parts] = re;
            if made_parts == 2 {
                made[index * 2 + 1] = im;
            }
        }
    }
    one(value::tensor(&shape, from_floats(x.dtype(), made))?)
}

pub(super) fn stft(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let step = call.indices(1)?.and_then(|list| list.first().copied()).unwrap_or(0);
    let step = usize::try_from(step).ok().filter(|step| *step > 0);
    let step = step.ok_or_else(|| OperatorError::new("a step of 0"))?;
    let window = call.maybe(2)?.map(floats).transpose()?;
    let length = length(call, 3)?.or(window.as_ref().map(Vec::len));
    let length = length.ok_or_else(|| OperatorError::new("no length"))?;
    let fits = window.as_ref().is_none_or(|window| window.len() == length);
    ensure!(fits, "a window of another length than the frames of {length}");
    let (batch, whole, parts) = match *x.shape() {
        [batch, whole] => (batch, whole, 1),
        [batch, whole, parts @ 1..=2] => (batch, whole, parts),
        _ => return Err(OperatorError::new(format!("shape {:?}", x.shape()))),
    };
    ensure!(length > 0 && whole >= length, "frames of {length} in {whole}");
    let half = call.int("onesided", 1) != 0;
    let frames = (whole - length) / step + 1;
    let kept = if half { length / 2 + 1 } else { length };
    let values = floats(x)?;
    call.spend(&[batch, frames, length, length])?;
    let mut made = Vec::with_capacity(value::count(&[batch, frames, kept, 2])?);
    for sample in 0..batch {
        for frame in 0..frames {
            let lane: Vec<(f64, f64)> = (0..length)
                .map(|at| {
                    let offset = (sample * whole + frame * step + at) * parts;
                    let weight = window.as_ref().map_or(1.0, |w| w[at]);
                    (
                        values[offset] * weight,
                        if parts == 2 { values[offset + 1] * weight } else { 0.0 },
                    )
                })
                .collect();
            let spectrum = transformed(&lane, false, fourier::exact);
            made.extend(spectrum.into_iter().take(kept).flat_map(|(re, im)| [re, im]));
        }
    }
    one(value::tensor(&[batch, frames, kept, 2], from_floats(x.dtype(), made))?)
}

/// `HannWindow`, `HammingWindow`, `BlackmanWindow`.
pub(super) fn window(call: &Call<'_>) -> Outcome {
    let size = call.indices(0)?.and_then(|list| list.first().copied()).unwrap_or(0);
    let size = usize::try_from(size).map_err(|_| OperatorError::new("a size below 0"))?;
    value::count(&[size])?;
    let span = if call.int("periodic", 1) != 0 { size as f64 } else { size as f64 - 1.0 };
    let [a, b, c] = match &*call.node.op_type {
        "HannWindow" => [0.5, 0.5, 0.0],
        "HammingWindow" => [25.0 / 46.0, 1.0 - 25.0 / 46.0, 0.0],
        _ => [0.42, 0.5, 0.08],
    };
    let values = (0..size).map(|at| {
        let angle = 2.0 * PI * at as f64 / span;
        a - b * angle.cos() + c * (2.0 * angle).cos()
    });
    let dtype = value::numeric(call.int("output_datatype", 1))?;
    one(Tensor::vector(from_floats(dtype, values.collect())))
}

/// `MelWeightMatrix`: triangular weights that sum the bins of a spectrum into bands of the mel scale.
pub(super) fn mel(call: &Call<'_>) -> Outcome {
    let number = |input| -> Result<f64, OperatorError> {
        let first = floats(call.tensor(input)?)?.first().copied();
        first.ok_or_else(|| OperatorError::new(format!("input {input} is empty")))
    };
    let (bands, length, rate) = (number(0)? as usize, number(1)?, number(2)?);
    let (low, high) = (number(3)?, number(4)?);
    let bins = (length / 2.0).floor() as usize + 1;
    value::count(&[bins, bands])?;
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let (low, high) = (mel(low), mel(high));
    let step = (high - low) / (bands as f64 + 2.0);
    let edges: Vec<usize> = (0..bands + 2)
        .map(|at| {
            let hertz = 700.0 * (10_f64.powf((low + at as f64 * step) / 2595.0) - 1.0);
            ((length + 1.0) * hertz / rate).floor() as usize
        })
        .collect();
    let mut made = vec![0.0; bins * bands];
    for (band, edge) in edges.windows(3).enumerate() {
        let [from, middle, to] = *edge else { continue };
        let mut set = |bin: usize, weight: f64| {
            if let Some(cell) = made.get_mut(bin * bands + band).filter(|_| bin < bins) {
                *cell = weight;
            }
        };
        if middle == from {
            set(middle, 1.0);
        } else {
            let known = from..=middle.min(bins);
            known.for_each(|at| set(at, (at - from) as f64 / (middle - from) as f64));
        }
        if to > middle {
            (middle..to.min(bins)).for_each(|at| set(at, (to - at) as f64 / (to - middle) as f64));
        }
    }
    let dtype: Dtype = value::numeric(call.int("output_datatype", 1))?;
    one(value::tensor(&[bins, bands], from_floats(dtype, made))?)
}
