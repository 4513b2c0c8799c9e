//! `Resize`, `GridSample` and `AffineGrid`: sampling images between their pixels.

use super::{
    Tensor,
    call::Call,
    indexing::{self, Lanes, coordinates},
    value::{self, OperatorError, Outcome, ensure, floats, from_floats, one},
};

/// An axis that is resized.
struct Axis {
    axis: usize,
    old: usize,
    new: usize,
    scale: f64,
    /// The new size before it is rounded.
    exact: f64,
    /// The region of interest along the axis, from 0 to 1.
    region: (f64, f64),
}

impl Axis {
    /// The coordinate on the original axis of an element of the resized one.
    fn source(&self, at: usize, mode: &str) -> Result<f64, OperatorError> {
        let (x, old) = (at as f64, self.old as f64);
        Ok(match mode {
            "half_pixel" => (x + 0.5) / self.scale - 0.5,
            "half_pixel_symmetric" => {
                let offset = old / 2.0 * (1.0 - self.new as f64 / self.exact);
                offset + (x + 0.5) / self.scale - 0.5
            }
            "pytorch_half_pixel" if self.new <= 1 => -0.5,
            "pytorch_half_pixel" => (x + 0.5) / self.scale - 0.5,
            "align_corners" if self.exact <= 1.0 => 0.0,
            "align_corners" => x * (old - 1.0) / (self.exact - 1.0),
            "asymmetric" => x / self.scale,
            "tf_crop_and_resize" => {
                let (start, end) = self.region;
                match self.new {
                    0 | 1 => 0.5 * (start + end) * (old - 1.0),
                    _ => {
                        let step = (end - start) * (old - 1.0) / (self.exact - 1.0);
                        start * (old - 1.0) + x * step
                    }
                }
            }
            other => {
                return Err(OperatorError::new(format!(
                    "coordinate_transformation_mode `{other}`"
                )));
            }
        })
    }
}

/// The indices of the original elements that contribute to an element, and their weights.
fn taps(x: f64, scale: f64, call: &Call<'_>) -> Result<Vec<(i64, f64)>, OperatorError> {
    let mode = call.text("mode", "nearest");
    let low = x.floor();
    let spread = |reach: f64, kernel: &dyn Fn(f64) -> f64| {
        let scale = if call.flag("antialias") { scale.min(1.0) } else { 1.0 };
        let first = (-reach / scale).floor() as i64 + 1;
        let last = -first + 1;
        let taps = (first..=last).map(|at| (at, kernel(((at as f64) - (x - low)) * scale)));
        let taps: Vec<(i64, f64)> = taps.map(|(at, weight)| (low as i64 + at, weight)).collect();
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        taps.into_iter().map(|(at, weight)| (at, weight / sum)).collect()
    };
    Ok(match &*mode {
        "nearest" => {
            let default = if call.opset() < 11 { "floor" } else { "round_prefer_floor" };
            // The text of version 10 does not say so, but its test cases do.
            let default = if call.opset() == 10 && scale < 1.0 { "ceil" } else { default };
            let at = match &*call.text("nearest_mode", default) {
                "round_prefer_floor" => (x - 0.5).ceil(),
                "round_prefer_ceil" => (x + 0.5).floor(),
                "floor" => low,
                "ceil" => x.ceil(),
                other => return Err(OperatorError::new(format!("nearest_mode `{other}`"))),
            };
            vec![(at as i64, 1.0)]
        }
        "linear" | "bilinear" => spread(1.0, &|x| (1.0 - x.abs()).max(0.0)),
        "cubic" => {
            let a = call.float("cubic_coeff_a", -0.75);
            spread(2.0, &move |x| cubic(x, a))
        }
        other => return Err(OperatorError::new(format!("mode `{other}`"))),
    })
}

fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        (a + 2.0) * x.powi(3) - (a + 3.0) * x.powi(2) + 1.0
    } else if x < 2.0 {
        a * x.powi(3) - 5.0 * a * x.powi(2) + 8.0 * a * x - 4.0 * a
    } else {
        0.0
    }
}

pub(super) fn resize(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axes = changed(call, x)?;
    let default = if call.opset() < 11 { "asymmetric" } else { "half_pixel" };
    let mode = call.text("coordinate_transformation_mode", default);
    let outside = call.float("extrapolation_value", 0.0);
    let exclude = call.flag("exclude_outside");
    let mut now = x.clone();
    let mut extrapolated: Vec<(usize, Vec<bool>)> = Vec::new();
    for axis in &axes {
        let last = axis.old as i64 - 1;
        ensure!(axis.old > 0 || axis.new == 0, "an axis of 0 cannot grow");
        let mut all = Vec::with_capacity(axis.new);
        let mut beyond = vec![false; axis.new];
        for at in 0..axis.new {
            let from = axis.source(at, &mode)?;
            beyond[at] = from < 0.0 || from > last as f64;
            let mut taps = taps(from, axis.scale, call)?;
            if exclude {
                taps.retain(|(at, _)| (0..=last).contains(at));
                let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
                taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
            }
            let clamped = taps.into_iter().map(|(at, w)| (at.clamp(0, last) as usize, w));
            all.push(clamped.collect::<Vec<_>>());
        }
        if mode == "tf_crop_and_resize" {
            extrapolated.push((axis.axis, beyond));
        }
        if axis.old != axis.new || all.iter().enumerate().any(|(at, t)| t[..] != [(at, 1.0)]) {
            now = along(&now, axis.axis, &all)?;
        }
    }
    if extrapolated.iter().any(|(_, beyond)| beyond.contains(&true)) {
        let mut values = floats(&now)?;
        for (at, value) in coordinates(now.shape()).zip(&mut values) {
            if extrapolated.iter().any(|(axis, beyond)| beyond[at[*axis]]) {
                *value = outside;
            }
        }
        now = value::tensor(now.shape(), from_floats(x.dtype(), values))?;
    }
    let data = if now.dtype() == x.dtype() {
        now.clone().into_data()
    } else if value::is_float(x.dtype()) {
        from_floats(x.dtype(), floats(&now)?)
    } else {
        let rounded = floats(&now)?.into_iter().map(|value| value.trunc() as i128);
        value::from_wide(x.dtype(), rounded.collect())
    };
    one(value::tensor(now.shape(), data)?)
}

/// The axes that are resized.
fn changed(call: &Call<'_>, x: &Tensor) -> Result<Vec<Axis>, OperatorError> {
    let rank = x.shape().len();
    let old_form = call.node.op_type == "Upsample" || call.opset() < 11;
    let axes = match call.ints("axes") {
        Some(axes) => indexing::axes(axes, rank)?,
        None => (0..rank).collect(),
    };
    let list = |input| -> Result<Option<Vec<f64>>, OperatorError> {
        Ok(call.maybe(input)?.map(floats).transpose()?.filter(|list| !list.is_empty()))
    };
    let scales = match call.floats("scales") {
        Some(scales) => Some(scales),
        None => list(if old_form { 1 } else { 2 })?,
    };
    let sizes = if old_form { None } else { list(3)? };
    let region = if old_form { None } else { list(1)? };
    let given = scales.as_ref().or(sizes.as_ref());
    let given = given.ok_or_else(|| OperatorError::new("neither scales nor sizes"))?;
    ensure!(given.len() == axes.len(), "{} scales or sizes of {} axes", given.len(), axes.len());
    let ratios: Vec<f64> = match (&scales, &sizes) {
        (Some(scales), _) => scales.clone(),
        (None, Some(sizes)) => {
            let each = axes.iter().zip(sizes).map(|(axis, size)| size / x.shape()[*axis] as f64);
            let each: Vec<f64> = each.collect();
            let common = match &*call.text("keep_aspect_ratio_policy", "stretch") {
                "not_larger" => each.iter().copied().reduce(f64::min),
                "not_smaller" => each.iter().copied().reduce(f64::max),
                _ => None,
            };
            each.iter().map(|own| common.unwrap_or(*own)).collect()
        }
        (None, None) => Vec::new(),
    };
    let keeps = sizes.is_some() && call.text("keep_aspect_ratio_policy", "stretch") != "stretch";
    let mut shape = x.shape().to_vec();
    let mut all = Vec::new();
    for (index, axis) in axes.iter().enumerate() {
        let old = x.shape()[*axis];
        let scale = ratios[index];
        ensure!(scale > 0.0 && scale.is_finite(), "a scale of {scale}");
        let exact = scale * old as f64;
        let new = match &sizes {
            Some(_) if keeps => (exact + 0.5).floor() as usize,
            Some(sizes) => sizes[index] as usize,
            // In 32-bit floats, as shape inference computes it: 0.7 is below 7/10 there, yet times
            // 10 it rounds to 7.
            None => (scale as f32 * old as f32).floor() as usize,
        };
        let region = match &region {
            Some(list) if list.len() == axes.len() * 2 => (list[index], list[index + axes.len()]),
            _ => (0.0, 1.0),
        };
        let exact = if sizes.is_some() { new as f64 } else { exact };
        shape[*axis] = new;
        all.push(Axis { axis: *axis, old, new, scale, exact, region });
    }
    value::count(&shape)?;
    Ok(all)
}

/// Resizes one axis: each new element is a weighted sum of original ones.
fn along(x: &Tensor, axis: usize, taps: &[Vec<(usize, f64)>]) -> Result<Tensor, OperatorError> {
    let exact = taps.iter().all(|taps| matches!(taps[..], [(_, 1.0)]));
    if exact {
        let mut lists: Vec<Vec<usize>> =
            x.shape().iter().map(|size| (0..*size).collect()).collect();
        lists[axis] = taps.iter().flatten().map(|(at, _)| *at).collect();
        return super::parts::picked(x, &lists);
    }
    let values = floats(x)?;
    let mut shape = x.shape().to_vec();
    shape[axis] = taps.len();
    let mut made = vec![0.0; value::count(&shape)?];
    let lanes = Lanes::of(x.shape(), axis).lanes().zip(Lanes::of(&shape, axis).lanes());
    for (from, to) in lanes {
        for (to, taps) in to.into_iter().zip(taps) {
            made[to] = taps.iter().map(|(at, weight)| values[from[*at]] * weight).sum();
        }
    }
    value::tensor(&shape, made.into())
}

/// `GridSample`: samples at the coordinates in a grid, from -1 to 1 on each axis.
pub(super) fn grid_sample(call: &Call<'_>) -> Outcome {
    let (x, grid) = (call.tensor(0)?, call.tensor(1)?);
    let rank = x.shape().len().saturating_sub(2);
    let fits = rank > 0
        && grid.shape().len() == rank + 2
        && grid.shape()[rank + 1] == rank
        && grid.shape()[0] == x.shape()[0];
    ensure!(fits, "a grid of shape {:?} for {:?}", grid.shape(), x.shape());
    let (n, channels, spatial) = (x.shape()[0], x.shape()[1], &x.shape()[2..]);
    let made = &grid.shape()[1..=rank];
    let sampler = Sampler {
        spatial,
        steps: indexing::strides(spatial),
        corners: call.flag("align_corners"),
        padding: call.text("padding_mode", "zeros"),
        mode: call.text("mode", "linear"),
    };
    let (values, points) = (floats(x)?, floats(grid)?);
    let (area, out_area): (usize, usize) = (spatial.iter().product(), made.iter().product());
    let mut y = vec![0.0; value::count(&[n, channels, out_area])?];
    // Cubic interpolation has the most neighbours, four along each axis.
    call.spend(&[n, channels.max(1), out_area, 4_usize.saturating_pow(rank as u32)])?;
    for (sample, at) in (0..n).flat_map(|sample| (0..out_area).map(move |at| (sample, at))) {
        let point = &points[(sample * out_area + at) * rank..][..rank];
        // The grid lists x first; the image's axes start with the rows, which are y.
        let lists = point.iter().rev().enumerate().map(|(axis, from)| sampler.taps(axis, *from));
        let lists: Vec<Vec<(i64, f64)>> = lists.collect::<Result<_, _>>()?;
        let counts: Vec<usize> = lists.iter().map(Vec::len).collect();
        for choice in coordinates(&counts) {
            let taps = choice.iter().zip(&lists).map(|(at, list)| list[*at]);
            let (at_each, weights): (Vec<i64>, Vec<f64>) = taps.unzip();
            let weight: f64 = weights.iter().product();
            if weight == 0.0 {
                continue;
            }
            let Some(offset) = sampler.offset(&at_each)? else { continue };
            for channel in 0..channels {
                let plane = sample * channels + channel;
                y[plane * out_area + at] += weight * values[plane * area + offset];
            }
        }
    }
    let shape = [&[n, channels], made].concat();
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// How `GridSample` samples an image.
struct Sampler<'a> {
    spatial: &'a [usize],
    /// The strides of an image.
    steps: Vec<usize>,
    /// Whether -1 and 1 are the centres of the outermost elements, rather than their edges.
    corners: bool,
    padding: String,
    mode: String,
}

impl Sampler<'_> {
    /// The indices along an axis that contribute to a coordinate of the grid, and their weights.
    fn taps(&self, axis: usize, from: f64) -> Result<Vec<(i64, f64)>, OperatorError> {
        let size = self.spatial[axis] as f64;
        let from = if self.corners {
            (from + 1.0) / 2.0 * (size - 1.0)
        } else {
            ((from + 1.0) * size - 1.0) / 2.0
        };
        let from = match &*self.padding {
            "border" => from.clamp(0.0, (size - 1.0).max(0.0)),
            "reflection" => reflected(from, size, self.corners),
            _ => from,
        };
        let low = from.floor();
        let rest = from - low;
        let at = |step: i64| (low as i64).saturating_add(step);
        Ok(match &*self.mode {
            "nearest" => vec![(from.round_ties_even() as i64, 1.0)],
            "linear" | "bilinear" => vec![(at(0), 1.0 - rest), (at(1), rest)],
            "cubic" | "bicubic" => {
                (-1..=2).map(|step| (at(step), cubic(step as f64 - rest, -0.75))).collect()
            }
            other => return Err(OperatorError::new(format!("mode `{other}`"))),
        })
    }

    /// The offset of an element in an image; `None` outside the image if it is padded with zeros.
    fn offset(&self, at: &[i64]) -> Result<Option<usize>, OperatorError> {
        let mut offset = 0;
        for (axis, at) in at.iter().enumerate() {
            let size = self.spatial[axis] as i64;
            let at = match &*self.padding {
                _ if (0..size).contains(at) => *at,
                "zeros" => return Ok(None),
                "border" => *at,
                "reflection" => reflected(*at as f64, size as f64, self.corners) as i64,
                other => return Err(OperatorError::new(format!("padding_mode `{other}`"))),
            };
            ensure!(size > 0, "an axis of 0 has no edge");
            offset += at.clamp(0, size - 1) as usize * self.steps[axis];
        }
        Ok(Some(offset))
    }
}

/// A coordinate reflected into the range at its edges.
fn reflected(x: f64, size: f64, corners: bool) -> f64 {
    let (low, high) = if corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
    let range = high - low;
    if range <= 0.0 {
        return 0.0;
    }
    let turn = (x - low).rem_euclid(2.0 * range);
    let mirrored = low + if turn > range { 2.0 * range - turn } else { turn };
    mirrored.clamp(0.0, (size - 1.0).max(0.0))
}

/// `AffineGrid`: the sampling grid of an affine transformation.
pub(super) fn affine_grid(call: &Call<'_>) -> Outcome {
    let theta = call.tensor(0)?;
    let size = value::sizes(&call.indices(1)?.unwrap_or_default())?;
    let rank = size.len().saturating_sub(2);
    ensure!(rank > 0 && theta.shape() == [size[0], rank, rank + 1], "theta {:?}", theta.shape());
    let corners = call.flag("align_corners");
    let values = floats(theta)?;
    let spatial = &size[2..];
    let mut made = Vec::with_capacity(value::count(&[size[0], spatial.iter().product(), rank])?);
    for map in values.chunks(rank * (rank + 1)) {
        for at in coordinates(spatial) {
            let unit: Vec<f64> = (0..rank)
                .rev()
                .map(|axis| {
                    let (at, size) = (at[axis] as f64, spatial[axis] as f64);
                    if corners {
                        if size > 1.0 { 2.0 * at / (size - 1.0) - 1.0 } else { 0.0 }
                    } else {
                        (2.0 * at + 1.0) / size - 1.0
                    }
                })
                .collect();
            for row in map.chunks(rank + 1) {
                let moved: f64 = row.iter().zip(&unit).map(|(a, b)| a * b).sum();
                made.push(moved + row[rank]);
            }
        }
    }
    let shape = [&[size[0]], spatial, &[rank]].concat();
    one(value::tensor(&shape, from_floats(theta.dtype(), made))?)
}
