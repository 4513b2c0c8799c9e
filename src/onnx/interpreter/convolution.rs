//! Convolutions over any number of spatial axes.

mod deformable;

pub(super) use self::deformable::deformable;
use super::{
    Tensor,
    call::Call,
    indexing::{coordinates, ravel, strides},
    value::{self, OperatorError, Outcome, all, ensure, floats, from_floats, one},
};

/// How the window of a convolution or pooling moves over the spatial axes. Each field has one
/// number per axis.
pub(super) struct Window {
    pub(super) kernel: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    /// The padding before the first element.
    pub(super) before: Vec<i64>,
    /// The padding after the last element.
    pub(super) after: Vec<i64>,
}

/// The positive integers of an attribute, one for each of `rank` axes.
pub(super) fn positive(
    call: &Call<'_>,
    name: &str,
    rank: usize,
    default: usize,
) -> Result<Vec<usize>, OperatorError> {
    let Some(list) = call.ints(name).filter(|list| !list.is_empty()) else {
        return Ok(vec![default; rank]);
    };
    ensure!(list.len() == rank && list.iter().all(|at| *at > 0), "{name} {list:?} of {rank} axes");
    Ok(list.iter().map(|at| *at as usize).collect())
}

impl Window {
    pub(super) fn of(
        call: &Call<'_>,
        spatial: &[usize],
        kernel: &[usize],
    ) -> Result<Window, OperatorError> {
        let rank = spatial.len();
        let strides = positive(call, "strides", rank, 1)?;
        let dilations = positive(call, "dilations", rank, 1)?;
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        match &*call.text("auto_pad", "NOTSET") {
            "NOTSET" => {
                if let Some(pads) = call.ints("pads").filter(|pads| !pads.is_empty()) {
                    ensure!(pads.len() == rank * 2, "{} pads for {rank} axes", pads.len());
                    before.copy_from_slice(&pads[..rank]);
                    after.copy_from_slice(&pads[rank..]);
                }
            }
            "VALID" => {}
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                for at in 0..rank {
                    let made = spatial[at].div_ceil(strides[at]);
                    let reach = kernel[at].saturating_sub(1) * dilations[at] + 1;
                    let needed = (made.saturating_sub(1) * strides[at] + reach)
                        .saturating_sub(spatial[at]) as i64;
                    let less = needed / 2;
                    let more = needed - less;
                    (before[at], after[at]) =
                        if mode == "SAME_UPPER" { (less, more) } else { (more, less) };
                }
            }
            other => return Err(OperatorError::new(format!("auto_pad `{other}`"))),
        }
        Ok(Window { kernel: kernel.to_vec(), strides, dilations, before, after })
    }

    /// The extent of the window along an axis, including its dilation.
    pub(super) fn reach(&self, at: usize) -> i64 {
        (self.kernel[at].saturating_sub(1) * self.dilations[at] + 1) as i64
    }

    /// The output sizes: the number of positions of the window along each axis.
    pub(super) fn output_sizes(
        &self,
        spatial: &[usize],
        ceil: bool,
    ) -> Result<Vec<usize>, OperatorError> {
        let along = |at: usize| {
            let room = spatial[at] as i64 + self.before[at] + self.after[at] - self.reach(at);
            ensure!(room >= 0, "a window of {} over {}", self.reach(at), spatial[at]);
            let step = self.strides[at] as i64;
            let mut made = if ceil { (room + step - 1) / step } else { room / step } + 1;
            // A window that starts in the padding after the last element does not count.
            if ceil && (made - 1) * step >= spatial[at] as i64 + self.before[at] {
                made -= 1;
            }
            Ok(made as usize)
        };
        (0..spatial.len()).map(along).collect()
    }

    /// The offset of the input element under element `within` of the window at position `to`;
    /// `None` in the padding.
    pub(super) fn source(
        &self,
        to: &[usize],
        within: &[usize],
        spatial: &[usize],
    ) -> Option<usize> {
        let mut offset = 0;
        for at in 0..spatial.len() {
            let from = (to[at] * self.strides[at] + within[at] * self.dilations[at]) as i64
                - self.before[at];
            let from = usize::try_from(from).ok().filter(|from| *from < spatial[at])?;
            offset = offset * spatial[at] + from;
        }
        Some(offset)
    }
}

/// Refuses biases whose number is not that of the features.
fn ensure_biases(bias: Option<&[f64]>, features: usize) -> Result<(), OperatorError> {
    let count = bias.map_or(features, <[f64]>::len);
    ensure!(count == features, "{count} biases for {features} features");
    Ok(())
}

/// A convolution of 64-bit floats, for operators of every type.
pub(super) fn convolved(
    call: &Call<'_>,
    (x, x_shape): (&[f64], &[usize]),
    (w, w_shape): (&[f64], &[usize]),
    bias: Option<&[f64]>,
) -> Result<(Vec<f64>, Vec<usize>), OperatorError> {
    ensure!(x_shape.len() > 2 && x_shape.len() == w_shape.len(), "{x_shape:?} and {w_shape:?}");
    let ([n, channels], spatial) = (&x_shape[..2], &x_shape[2..]) else {
        return Err(OperatorError::new("no channels"));
    };
    let (features, each, kernel) = (w_shape[0], w_shape[1], &w_shape[2..]);
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    ensure!(
        groups > 0 && *channels == each * groups && features % groups == 0,
        "{groups} groups of {channels} channels, {features} features of {each}"
    );
    ensure_biases(bias, features)?;
    let window = Window::of(call, spatial, kernel)?;
    let made = window.output_sizes(spatial, false)?;
    let shape = [&[*n, features], &*made].concat();
    let total = value::count(&shape)?;
    value::count(&[&*made, kernel].concat())?;
    let (area, out_area): (usize, usize) = (spatial.iter().product(), made.iter().product());
    let kernel_area: usize = kernel.iter().product();
    call.spend(&[total.max(out_area), each.max(1), kernel_area])?;
    let sources: Vec<Vec<Option<usize>>> = coordinates(&made)
        .map(|to| coordinates(kernel).map(|at| window.source(&to, &at, spatial)).collect())
        .collect();
    let mut y = vec![0.0; total];
    for sample in 0..*n {
        for feature in 0..features {
            let group = feature / (features / groups);
            let to = (sample * features + feature) * out_area;
            let start = bias.map_or(0.0, |bias| bias[feature]);
            for (offset, sources) in sources.iter().enumerate() {
                let mut sum = start;
                for channel in 0..each {
                    let from = (sample * channels + group * each + channel) * area;
                    let weights = (feature * each + channel) * kernel_area;
                    for (at, source) in sources.iter().enumerate() {
                        if let Some(source) = source {
                            sum += x[from + source] * w[weights + at];
                        }
                    }
                }
                y[to + offset] = sum;
            }
        }
    }
    Ok((y, shape))
}

/// `Conv`.
pub(super) fn conv(call: &Call<'_>) -> Outcome {
    let (x, w) = (call.tensor(0)?, call.tensor(1)?);
    let bias = call.maybe(2)?.map(floats).transpose()?;
    let (values, kernel) = (floats(x)?, floats(w)?);
    let (y, shape) = convolved(call, (&values, x.shape()), (&kernel, w.shape()), bias.as_deref())?;
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// `ConvTranspose`: adds each input element, multiplied by the kernel, to a window of the output.
pub(super) fn transposed(call: &Call<'_>) -> Outcome {
    let (x, w) = (call.tensor(0)?, call.tensor(1)?);
    ensure!(x.shape().len() > 2 && x.shape().len() == w.shape().len(), "{:?}", w.shape());
    let (n, channels, spatial) = (x.shape()[0], x.shape()[1], &x.shape()[2..]);
    let (each, kernel) = (w.shape()[1], &w.shape()[2..]);
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    ensure!(groups > 0 && w.shape()[0] == channels && channels % groups == 0, "{groups} groups");
    let (window, made) = spread(call, spatial, kernel)?;
    let features = each * groups;
    let shape = [&[n, features], &*made].concat();
    let total = value::count(&shape)?;
    value::count(&[spatial, kernel].concat())?;
    let (area, kernel_area): (usize, usize) = (spatial.iter().product(), kernel.iter().product());
    call.spend(&[n, channels, area, each, kernel_area])?;
    let (values, weights) = (floats(x)?, floats(w)?);
    let bias = call.maybe(2)?.map(floats).transpose()?;
    ensure_biases(bias.as_deref(), features)?;
    let out_area: usize = made.iter().product();
    let mut y = vec![0.0; total];
    if let Some(bias) = bias {
        for (offset, value) in y.iter_mut().enumerate() {
            *value = bias[offset / out_area.max(1) % features];
        }
    }
    for (from, offset) in coordinates(spatial).zip(0..) {
        for (at, weight) in coordinates(kernel).zip(0..) {
            // With input and output exchanged, the window's source is the output element to add to.
            let Some(to) = window.source(&from, &at, &made) else { continue };
            for (sample, channel) in (0..n).flat_map(|n| (0..channels).map(move |c| (n, c))) {
                let value = values[(sample * channels + channel) * area + offset];
                let group = channel / (channels / groups);
                for feature in 0..each {
                    let to = (sample * features + group * each + feature) * out_area + to;
                    y[to] += value * weights[(channel * each + feature) * kernel_area + weight];
                }
            }
        }
    }
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// How a `ConvTranspose` moves its window over its output, and the output sizes.
fn spread(
    call: &Call<'_>,
    spatial: &[usize],
    kernel: &[usize],
) -> Result<(Window, Vec<usize>), OperatorError> {
    let rank = spatial.len();
    let strides = positive(call, "strides", rank, 1)?;
    let dilations = positive(call, "dilations", rank, 1)?;
    let extra = call.ints("output_padding").map_or_else(|| vec![0; rank], <[i64]>::to_vec);
    ensure!(extra.len() == rank, "output_padding of {}", extra.len());
    let whole: Vec<i64> = (0..rank)
        .map(|at| {
            let last = spatial[at].saturating_sub(1) * strides[at];
            (last + kernel[at].saturating_sub(1) * dilations[at] + 1) as i64 + extra[at]
        })
        .collect();
    let auto = call.text("auto_pad", "NOTSET");
    let wanted: Option<Vec<i64>> = match call.ints("output_shape") {
        Some(list) => {
            ensure!(list.len() >= rank, "output_shape of {}", list.len());
            Some(list[list.len() - rank..].to_vec())
        }
        None if auto.starts_with("SAME") => {
            Some((0..rank).map(|at| (spatial[at] * strides[at]) as i64).collect())
        }
        None => None,
    };
    let (mut before, mut after) = (vec![0_i64; rank], vec![0_i64; rank]);
    match (wanted, call.ints("pads")) {
        (Some(wanted), _) => {
            for at in 0..rank {
                let cut = (whole[at] - wanted[at]).max(0);
                let short = (wanted[at] - whole[at]).max(0);
                before[at] = if auto == "SAME_UPPER" { cut / 2 } else { cut - cut / 2 };
                after[at] = cut - before[at] - short;
            }
        }
        (None, Some(pads)) => {
            ensure!(pads.len() == rank * 2, "{} pads", pads.len());
            before.copy_from_slice(&pads[..rank]);
            after.copy_from_slice(&pads[rank..]);
        }
        (None, None) => {}
    }
    let sizes = (0..rank).map(|at| usize::try_from(whole[at] - before[at] - after[at]).ok());
    let made: Option<Vec<usize>> = sizes.collect();
    let made = made.ok_or_else(|| OperatorError::new("the padding is larger than the output"))?;
    Ok((Window { kernel: kernel.to_vec(), strides, dilations, before, after }, made))
}

/// `Col2Im`: puts windows back into the image that they were taken from, adding them where they
/// overlap.
pub(super) fn columns_to_image(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let sizes = |input| -> Result<Vec<usize>, OperatorError> {
        let list = call.indices(input)?.unwrap_or_default();
        value::sizes(&list)
    };
    let (image, block) = (sizes(1)?, sizes(2)?);
    let [n, rows, columns] = *x.shape() else { return Err(OperatorError::new("no columns")) };
    ensure!(image.len() == block.len() && block.iter().all(|size| *size > 0), "{block:?}");
    let window = Window::of(call, &image, &block)?;
    let made = window.output_sizes(&image, false)?;
    let block_area: usize = block.iter().product();
    ensure!(rows % block_area == 0, "{rows} rows for blocks of {block:?}");
    let channels = rows / block_area;
    ensure!(made.iter().product::<usize>() == columns, "{columns} columns, for {made:?}");
    let shape = [&[n, channels], &*image].concat();
    call.spend(&[x.data().len()])?;
    let area: usize = image.iter().product();
    let values = floats(x)?;
    let mut y = vec![0.0; value::count(&shape)?];
    for (to, column) in coordinates(&made).zip(0..) {
        for (within, at) in coordinates(&block).zip(0..) {
            let Some(offset) = window.source(&to, &within, &image) else { continue };
            for outer in 0..n * channels {
                let row = outer * block_area + at;
                y[outer * area + offset] += values[row * columns + column];
            }
        }
    }
    one(value::tensor(&shape, from_floats(x.dtype(), y))?)
}

/// `CausalConvWithState`: convolves each channel over its current and past elements. The second
/// output is the state for the next call.
pub(super) fn causal(call: &Call<'_>) -> Outcome {
    let (x, w) = (call.tensor(0)?, call.tensor(1)?);
    let ([n, channels, _], [_, _, k]) = (x.shape(), w.shape()) else {
        return Err(OperatorError::new("expected three axes"));
    };
    ensure!(*k > 0 && w.shape() == [*channels, 1, *k], "a kernel of shape {:?}", w.shape());
    let past = match call.maybe(3)? {
        Some(past) => {
            let fits = past.shape() == [*n, *channels, k - 1];
            ensure!(fits, "a state of shape {:?} for a kernel of {k}", past.shape());
            past.clone()
        }
        None => {
            let shape = [*n, *channels, k - 1];
            value::tensor(&shape, value::zeros(x.dtype(), value::count(&shape)?))?
        }
    };
    let padded = super::parts::concatenated(&[&past, x], 2)?;
    let (values, weights) = (floats(&padded)?, floats(w)?);
    let bias = call.maybe(2)?.map(floats).transpose()?;
    ensure_biases(bias.as_deref(), *channels)?;
    call.spend(&[x.data().len(), *k])?;
    let swish = match &*call.text("activation", "none") {
        "none" => false,
        "silu" | "swish" => true,
        other => return Err(OperatorError::new(format!("activation `{other}`"))),
    };
    let own = strides(padded.shape());
    let made = coordinates(x.shape()).map(|at| {
        let start = ravel(&at, &own);
        let taps = values[start..start + k].iter().zip(&weights[at[1] * k..(at[1] + 1) * k]);
        let sum: f64 = taps.map(|(value, weight)| value * weight).sum();
        let sum = sum + bias.as_ref().map_or(0.0, |bias| bias[at[1]]);
        if swish { sum * super::elementwise::sigmoid(sum) } else { sum }
    });
    let y: Tensor = value::tensor(x.shape(), from_floats(x.dtype(), made.collect()))?;
    all([y, super::parts::part(&padded, 2, padded.shape()[2] - (k - 1), k - 1)?])
}
