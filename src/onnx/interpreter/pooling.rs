//! Pooling, and other operators on regions of images.

use super::{
    Tensor,
    call::Call,
    convolution::{Window, positive},
    elementwise::larger,
    indexing::{coordinates, ravel, strides},
    value::{self, OperatorError, Outcome, all, ensure, floats, from_floats, one},
};

fn image(x: &Tensor) -> Result<(usize, &[usize]), OperatorError> {
    ensure!(x.shape().len() > 2, "shape {:?}, expected spatial axes", x.shape());
    Ok((x.shape()[0] * x.shape()[1], &x.shape()[2..]))
}

/// The window of a pooling operator, and the number of its positions along each spatial axis.
/// `outer` is the number of planes, the product of the batch and channel sizes.
fn window(
    call: &Call<'_>,
    outer: usize,
    spatial: &[usize],
) -> Result<(Window, Vec<usize>), OperatorError> {
    let kernel = positive(call, "kernel_shape", spatial.len(), 1)?;
    let window = Window::of(call, spatial, &kernel)?;
    let made = window.output_sizes(spatial, call.flag("ceil_mode"))?;
    value::count(&[&[outer], &*made].concat())?;
    call.spend(&[outer, value::count(&[&*made, &*kernel].concat())?])?;
    Ok((window, made))
}

pub(super) fn max(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let (outer, spatial) = image(x)?;
    let (window, made) = window(call, outer, spatial)?;
    let values = floats(x)?;
    let area: usize = spatial.iter().product();
    let by_columns = call.flag("storage_order");
    ensure!(!by_columns || spatial.len() == 2, "columns of {} axes", spatial.len());
    let (mut y, mut found) = (Vec::new(), Vec::new());
    let offsets: Vec<Vec<usize>> = coordinates(&made)
        .map(|to| {
            coordinates(&window.kernel).filter_map(|at| window.source(&to, &at, spatial)).collect()
        })
        .collect();
    for start in (0..outer).map(|outer| outer * area) {
        for offsets in &offsets {
            let mut best: Option<usize> = None;
            for offset in offsets {
                if best.is_none_or(|best| values[start + offset] > values[start + best]) {
                    best = Some(*offset);
                }
            }
            let (value, at) = best.map_or((f64::NEG_INFINITY, 0), |at| (values[start + at], at));
            y.push(value);
            let at = match (by_columns, spatial) {
                (true, [height, width]) => at % width * height + at / width,
                _ => at,
            };
            found.push((start + at) as i64);
        }
    }
    let shape = [&x.shape()[..2], &made].concat();
    let y = value::tensor(&shape, from_floats(x.dtype(), y))?;
    all([y, value::tensor(&shape, found.into())?])
}

/// The exponent `p` of an Lp norm.
fn norm(call: &Call<'_>) -> Result<i32, OperatorError> {
    let power = call.int("p", 2);
    let found = i32::try_from(power).ok().filter(|power| *power > 0);
    found.ok_or_else(|| OperatorError::new(format!("p of {power}")))
}

/// `AveragePool` and `LpPool`.
pub(super) fn average(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let (outer, spatial) = image(x)?;
    let (window, made) = window(call, outer, spatial)?;
    let power = if call.node.op_type == "LpPool" { Some(norm(call)?) } else { None };
    let with_pads = call.flag("count_include_pad");
    let values = floats(x)?;
    let area: usize = spatial.iter().product();
    let mut y = Vec::new();
    let all: Vec<(Vec<usize>, usize)> = coordinates(&made)
        .map(|to| {
            let taps: Vec<Vec<usize>> = coordinates(&window.kernel).collect();
            let inside: Vec<usize> =
                taps.iter().filter_map(|at| window.source(&to, at, spatial)).collect();
            // Elements that `ceil_mode` adds beyond the padding do not count.
            let padded = |at: &&Vec<usize>| {
                (0..spatial.len()).all(|axis| {
                    let from = (to[axis] * window.strides[axis] + at[axis] * window.dilations[axis])
                        as i64;
                    from < spatial[axis] as i64 + window.before[axis] + window.after[axis]
                })
            };
            let count = if with_pads { taps.iter().filter(padded).count() } else { inside.len() };
            (inside, count)
        })
        .collect();
    for start in (0..outer).map(|outer| outer * area) {
        for (offsets, count) in &all {
            let taken = offsets.iter().map(|offset| values[start + offset]);
            y.push(match power {
                None => taken.sum::<f64>() / *count as f64,
                Some(p) => taken.map(|v| v.abs().powi(p)).sum::<f64>().powf(1.0 / f64::from(p)),
            });
        }
    }
    let shape = [&x.shape()[..2], &made].concat();
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

pub(super) fn global(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let (_, spatial) = image(x)?;
    let area: usize = spatial.iter().product();
    let power = norm(call)?;
    let make: &dyn Fn(&[f64]) -> f64 = match &*call.node.op_type {
        "GlobalMaxPool" => &|v| v.iter().copied().fold(f64::NEG_INFINITY, larger),
        "GlobalAveragePool" => &|v| v.iter().sum::<f64>() / v.len() as f64,
        _ => &|v| v.iter().map(|v| v.abs().powi(power)).sum::<f64>().powf(1.0 / f64::from(power)),
    };
    let y = floats(x)?.chunks(area.max(1)).map(make).collect();
    let shape = [&x.shape()[..2], &*vec![1; spatial.len()]].concat();
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// `MaxUnpool`: writes each element to the index that `MaxPool` reported for it, and zeros
/// elsewhere.
pub(super) fn max_back(call: &Call<'_>) -> Outcome {
    let (x, indices) = (call.tensor(0)?, call.tensor(1)?);
    let (_, spatial) = image(x)?;
    let kernel = positive(call, "kernel_shape", spatial.len(), 1)?;
    let window = Window::of(call, spatial, &kernel)?;
    let inferred: Vec<usize> = (0..spatial.len())
        .map(|at| {
            let size = (spatial[at].saturating_sub(1) * window.strides[at] + kernel[at]) as i64;
            usize::try_from(size - window.before[at] - window.after[at]).unwrap_or(0)
        })
        .collect();
    let own = [&x.shape()[..2], &inferred].concat();
    let shape = match call.indices(2)? {
        Some(list) => value::sizes(&list)?,
        None => own.clone(),
    };
    ensure!(shape.len() == own.len(), "output_shape {shape:?}");
    let steps = strides(&shape);
    let mut y = vec![0.0; value::count(&shape)?];
    ensure!(indices.shape() == x.shape(), "indices of shape {:?}", indices.shape());
    let all: usize = own.iter().product();
    for (index, value) in value::indices(indices)?.iter().zip(floats(x)?) {
        let at = usize::try_from(*index).ok().filter(|at| *at < all);
        let at = at.map(|at| ravel(&super::indexing::unravel(at, &own), &steps));
        let to = at.and_then(|at| y.get_mut(at));
        *to.ok_or_else(|| OperatorError::new(format!("index {index} is outside")))? = value;
    }
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// `RoiAlign`: resamples regions of images to a fixed size.
pub(super) fn regions(call: &Call<'_>) -> Outcome {
    let (x, rois, batch) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let [_, channels, height, width] = *x.shape() else {
        return Err(OperatorError::new("expected four axes"));
    };
    let align = Align::of(call);
    let (values, corners, samples) = (floats(x)?, floats(rois)?, value::indices(batch)?);
    let shape = [samples.len(), channels, align.out_height, align.out_width];
    ensure!(rois.shape() == [samples.len(), 4], "regions of shape {:?}", rois.shape());
    let mut y = Vec::with_capacity(value::count(&shape)?);
    for (corners, sample) in corners.chunks(4).zip(&samples) {
        let sample = usize::try_from(*sample).ok().filter(|at| *at < x.shape()[0]);
        let sample = sample.ok_or_else(|| OperatorError::new("a region of an unknown image"))?;
        let grid = align.grid(corners, height, width)?;
        call.spend(&[channels, align.out_height, align.out_width, grid.rows, grid.columns])?;
        for channel in 0..channels {
            let plane = &values[(sample * channels + channel) * height * width..][..height * width];
            for index in 0..align.out_height * align.out_width {
                let cell = (index / align.out_width, index % align.out_width);
                let taps = grid.taps(cell, height, width).map(|(at, weight)| plane[at] * weight);
                y.push(if align.by_max {
                    taps.fold(f64::NEG_INFINITY, f64::max)
                } else {
                    taps.sum::<f64>() / (grid.rows * grid.columns) as f64
                });
            }
        }
    }
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// The attributes of `RoiAlign`.
struct Align {
    out_height: usize,
    out_width: usize,
    /// The factor from the coordinates of regions to those of images.
    scale: f64,
    /// The number of samples per cell along each axis; 0 for as many as the cell has pixels.
    sampling: usize,
    by_max: bool,
    half_pixel: bool,
}

/// The points at which a region is sampled.
struct Grid {
    top: f64,
    left: f64,
    cell_height: f64,
    cell_width: f64,
    /// The samples per cell: `rows` by `columns`.
    rows: usize,
    columns: usize,
}

impl Align {
    fn of(call: &Call<'_>) -> Align {
        let size = |name, least| usize::try_from(call.int(name, least)).unwrap_or(0);
        let default = if call.opset() >= 16 { "half_pixel" } else { "output_half_pixel" };
        Align {
            out_height: size("output_height", 1).max(1),
            out_width: size("output_width", 1).max(1),
            scale: call.float("spatial_scale", 1.0),
            sampling: size("sampling_ratio", 0),
            by_max: call.text("mode", "avg") == "max",
            half_pixel: call.text("coordinate_transformation_mode", default) == "half_pixel",
        }
    }

    fn grid(&self, corners: &[f64], height: usize, width: usize) -> Result<Grid, OperatorError> {
        let [x1, y1, x2, y2] = *corners else {
            return Err(OperatorError::new("expected regions of 4 numbers"));
        };
        let shift = if self.half_pixel { 0.5 } else { 0.0 };
        let (left, top) = (x1 * self.scale - shift, y1 * self.scale - shift);
        let (mut wide, mut high) = (x2 * self.scale - shift - left, y2 * self.scale - shift - top);
        if !self.half_pixel {
            (wide, high) = (wide.max(1.0), high.max(1.0));
        }
        let (cell_height, cell_width) =
            (high / self.out_height as f64, wide / self.out_width as f64);
        let samples = |cell: f64, image: usize| -> Result<usize, OperatorError> {
            if self.sampling > 0 {
                return Ok(self.sampling);
            }
            let samples = cell.ceil().max(1.0);
            // The work grows with a region's area. A cell larger than the image can only be a
            // mistake.
            let fits = samples <= image as f64 + 1.0;
            ensure!(fits, "a cell of {samples} pixels in an image of {image}");
            Ok(samples as usize)
        };
        let (rows, columns) = (samples(cell_height, height)?, samples(cell_width, width)?);
        Ok(Grid { top, left, cell_height, cell_width, rows, columns })
    }
}

impl Grid {
    /// The offsets of the pixels that contribute to a cell, and their weights.
    fn taps(
        &self,
        (row, column): (usize, usize),
        height: usize,
        width: usize,
    ) -> impl Iterator<Item = (usize, f64)> {
        let along = |start: f64, cell: f64, at: usize, i: usize, samples: usize| {
            start + (at as f64 + (i as f64 + 0.5) / samples as f64) * cell
        };
        (0..self.rows * self.columns).flat_map(move |sample| {
            let (i, j) = (sample / self.columns, sample % self.columns);
            let y = along(self.top, self.cell_height, row, i, self.rows);
            let x = along(self.left, self.cell_width, column, j, self.columns);
            bilinear(y, x, height, width)
        })
    }
}

fn bilinear(y: f64, x: f64, height: usize, width: usize) -> [(usize, f64); 4] {
    if y < -1.0 || x < -1.0 || y > height as f64 || x > width as f64 {
        return [(0, 0.0); 4];
    }
    let (y, x) = (y.max(0.0), x.max(0.0));
    let ends = |at: f64, size: usize| {
        let low = at as usize;
        if low >= size - 1 { (size - 1, size - 1, 0.0) } else { (low, low + 1, at - low as f64) }
    };
    let ((top, bottom, dy), (left, right, dx)) = (ends(y, height), ends(x, width));
    [
        (top * width + left, (1.0 - dy) * (1.0 - dx)),
        (top * width + right, (1.0 - dy) * dx),
        (bottom * width + left, dy * (1.0 - dx)),
        (bottom * width + right, dy * dx),
    ]
}

/// `NonMaxSuppression`: selects the boxes that overlap no better box of their class by more than a
/// threshold.
pub(super) fn non_max_suppression(call: &Call<'_>) -> Outcome {
    let (boxes, scores) = (call.tensor(0)?, call.tensor(1)?);
    let ([n, count, 4], [_, classes, _]) = (boxes.shape(), scores.shape()) else {
        return Err(OperatorError::new("expected boxes of [batch, boxes, 4]"));
    };
    ensure!(scores.shape() == [*n, *classes, *count], "scores of shape {:?}", scores.shape());
    let number = |input, default: f64| -> Result<f64, OperatorError> {
        let given = call.maybe(input)?.map(floats).transpose()?;
        Ok(given.and_then(|values| values.first().copied()).unwrap_or(default))
    };
    let most = number(2, 0.0)? as i64;
    let (overlap, least) = (number(3, 0.0)?, number(4, f64::NEG_INFINITY)?);
    let by_center = call.flag("center_point_box");
    let (corners, values) = (floats(boxes)?, floats(scores)?);
    let corners: Vec<[f64; 4]> = corners
        .chunks(4)
        .map(|c| {
            if by_center {
                let (w, h) = (c[2] / 2.0, c[3] / 2.0);
                [c[1] - h, c[0] - w, c[1] + h, c[0] + w]
            } else {
                [c[0].min(c[2]), c[1].min(c[3]), c[0].max(c[2]), c[1].max(c[3])]
            }
        })
        .collect();
    let area = |b: &[f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let shared = |a: &[f64; 4], b: &[f64; 4]| {
        let high = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
        let wide = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
        let both = high * wide;
        let union = area(a) + area(b) - both;
        if union > 0.0 { both / union } else { 0.0 }
    };
    let mut kept: Vec<i64> = Vec::new();
    for sample in 0..*n {
        for class in 0..*classes {
            let own = &values[(sample * classes + class) * count..][..*count];
            let mut order: Vec<usize> = (0..*count).filter(|at| own[*at] > least).collect();
            order.sort_by(|a, b| own[*b].total_cmp(&own[*a]));
            let mut taken: Vec<usize> = Vec::new();
            for at in order {
                if taken.len() as i64 >= most {
                    break;
                }
                call.spend(&[taken.len()])?;
                let corners_of = |at: usize| &corners[sample * count + at];
                if taken.iter().all(|other| shared(corners_of(at), corners_of(*other)) <= overlap) {
                    taken.push(at);
                    kept.extend([sample as i64, class as i64, at as i64]);
                }
            }
        }
    }
    one(value::tensor(&[kept.len() / 3, 3], kept.into())?)
}
