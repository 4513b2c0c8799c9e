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

fn window(call: &Call<'_>, spatial: &[usize]) -> Result<(Window, Vec<usize>), OperatorError> {
    let kernel = positive(call, "kernel_shape", spatial.len(), 1)?;
    let window = Window::of(call, spatial, &kernel)?;
    let made = window.made(spatial, call.flag("ceil_mode"))?;
    call.spend(value::count(&[&*made, &*kernel].concat())?)?;
    Ok((window, made))
}

pub(super) fn max(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let (outer, spatial) = image(x)?;
    let (window, made) = window(call, spatial)?;
    let values = floats(x)?;
    let area: usize = spatial.iter().product();
    let by_columns = call.flag("storage_order");
    let (mut y, mut found) = (Vec::new(), Vec::new());
    let places: Vec<Vec<usize>> = coordinates(&made)
        .map(|to| {
            coordinates(&window.kernel).filter_map(|at| window.source(&to, &at, spatial)).collect()
        })
        .collect();
    for start in (0..outer).map(|outer| outer * area) {
        for places in &places {
            let mut best: Option<usize> = None;
            for place in places {
                if best.is_none_or(|best| values[start + place] > values[start + best]) {
                    best = Some(*place);
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

/// `AveragePool` and `LpPool`.
pub(super) fn average(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let (outer, spatial) = image(x)?;
    let (window, made) = window(call, spatial)?;
    let power = (call.node.op_type == "LpPool").then(|| call.int("p", 2) as i32);
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
        for (places, count) in &all {
            let taken = places.iter().map(|place| values[start + place]);
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
    let power = call.int("p", 2) as i32;
    let make: &dyn Fn(&[f64]) -> f64 = match &*call.node.op_type {
        "GlobalMaxPool" => &|v| v.iter().copied().fold(f64::NEG_INFINITY, larger),
        "GlobalAveragePool" => &|v| v.iter().sum::<f64>() / v.len() as f64,
        _ => &|v| v.iter().map(|v| v.abs().powi(power)).sum::<f64>().powf(1.0 / f64::from(power)),
    };
    let y = floats(x)?.chunks(area.max(1)).map(make).collect();
    let shape = [&x.shape()[..2], &*vec![1; spatial.len()]].concat();
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// `MaxUnpool`.
pub(super) fn max_back(call: &Call<'_>) -> Outcome {
    let (x, places) = (call.tensor(0)?, call.tensor(1)?);
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
        Some(list) => list.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect(),
        None => own.clone(),
    };
    ensure!(shape.len() == own.len(), "output_shape {shape:?}");
    let steps = strides(&shape);
    let mut y = vec![0.0; value::count(&shape)?];
    for (place, value) in value::indices(places)?.iter().zip(floats(x)?) {
        let at = super::indexing::unravel(usize::try_from(*place).unwrap_or(0), &own);
        let to = y.get_mut(ravel(&at, &steps));
        *to.ok_or_else(|| OperatorError::new(format!("index {place} is outside")))? = value;
    }
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// `RoiAlign`: samples regions of images at a fixed size.
pub(super) fn regions(call: &Call<'_>) -> Outcome {
    let (x, rois, batch) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let [_, channels, height, width] = *x.shape() else {
        return Err(OperatorError::new("expected four axes"));
    };
    let size = |name| usize::try_from(call.int(name, 1)).unwrap_or(1).max(1);
    let (out_height, out_width) = (size("output_height"), size("output_width"));
    let scale = call.float("spatial_scale", 1.0);
    let sampling = call.int("sampling_ratio", 0);
    let by_max = call.text("mode", "avg") == "max";
    let half = call.text(
        "coordinate_transformation_mode",
        if call.opset() >= 16 { "half_pixel" } else { "output_half_pixel" },
    ) == "half_pixel";
    let shift = if half { 0.5 } else { 0.0 };
    let (values, corners, samples) = (floats(x)?, floats(rois)?, value::indices(batch)?);
    let mut y = Vec::new();
    for (corners, sample) in corners.chunks(4).zip(&samples) {
        let [x1, y1, x2, y2] = *corners else {
            return Err(OperatorError::new("expected regions of 4 numbers"));
        };
        let (left, top) = (x1 * scale - shift, y1 * scale - shift);
        let (mut wide, mut high) = (x2 * scale - shift - left, y2 * scale - shift - top);
        if !half {
            (wide, high) = (wide.max(1.0), high.max(1.0));
        }
        let (cell_h, cell_w) = (high / out_height as f64, wide / out_width as f64);
        let grid = |cell: f64| {
            if sampling > 0 { sampling as usize } else { cell.ceil().max(1.0) as usize }
        };
        let (rows, columns) = (grid(cell_h), grid(cell_w));
        let sample = usize::try_from(*sample).ok().filter(|at| *at < x.shape()[0]);
        let sample = sample.ok_or_else(|| OperatorError::new("a region of an unknown image"))?;
        for channel in 0..channels {
            let plane = &values[(sample * channels + channel) * height * width..][..height * width];
            for (row, column) in (0..out_height).flat_map(|r| (0..out_width).map(move |c| (r, c))) {
                let mut sum = 0.0;
                let mut most = f64::NEG_INFINITY;
                for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                    let y = top + (row as f64 + (i as f64 + 0.5) / rows as f64) * cell_h;
                    let x = left + (column as f64 + (j as f64 + 0.5) / columns as f64) * cell_w;
                    let taps = bilinear(y, x, height, width);
                    for (place, weight) in taps {
                        let value = plane[place] * weight;
                        sum += value;
                        most = most.max(value);
                    }
                }
                y.push(if by_max { most } else { sum / (rows * columns) as f64 });
            }
        }
    }
    let shape = [rois.shape()[0], channels, out_height, out_width];
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

fn bilinear(y: f64, x: f64, height: usize, width: usize) -> Vec<(usize, f64)> {
    if y < -1.0 || x < -1.0 || y > height as f64 || x > width as f64 {
        return vec![(0, 0.0); 4];
    }
    let (y, x) = (y.max(0.0), x.max(0.0));
    let ends = |at: f64, size: usize| {
        let low = at as usize;
        if low >= size - 1 { (size - 1, size - 1, 0.0) } else { (low, low + 1, at - low as f64) }
    };
    let ((top, bottom, dy), (left, right, dx)) = (ends(y, height), ends(x, width));
    vec![
        (top * width + left, (1.0 - dy) * (1.0 - dx)),
        (top * width + right, (1.0 - dy) * dx),
        (bottom * width + left, dy * (1.0 - dx)),
        (bottom * width + right, dy * dx),
    ]
}

/// `NonMaxSuppression`: the boxes that no better box of their class overlaps too much.
pub(super) fn non_max_suppression(call: &Call<'_>) -> Outcome {
    let (boxes, scores) = (call.tensor(0)?, call.tensor(1)?);
    let ([n, count, 4], [_, classes, _]) = (boxes.shape(), scores.shape()) else {
        return Err(OperatorError::new("expected boxes of [batch, boxes, 4]"));
    };
    let number = |place, default: f64| -> Result<f64, OperatorError> {
        let given = call.maybe(place)?.map(floats).transpose()?;
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
                let place = |at: usize| &corners[sample * count + at];
                if taken.iter().all(|other| shared(place(at), place(*other)) <= overlap) {
                    taken.push(at);
                    kept.extend([sample as i64, class as i64, at as i64]);
                }
            }
        }
    }
    one(value::tensor(&[kept.len() / 3, 3], kept.into())?)
}
