//! `DeformConv`.

use super::{Window, ensure_biases};
use crate::onnx::interpreter::{
    call::Call,
    value::{self, OperatorError, Outcome, ensure, floats, from_floats, one},
};

/// `DeformConv`: a convolution in which each element of a window is displaced by an offset of its
/// own.
pub(in crate::onnx::interpreter) fn deformable(call: &Call<'_>) -> Outcome {
    let (x, w, offset) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let ([n, channels, height, width], [features, each, kh, kw]) = (x.shape(), w.shape()) else {
        return Err(OperatorError::new("expected four axes"));
    };
    let groups = usize::try_from(call.int("group", 1)).unwrap_or(0);
    let offset_groups = usize::try_from(call.int("offset_group", 1)).unwrap_or(0);
    ensure!(
        groups > 0 && *channels == each * groups && features % groups == 0,
        "{groups} groups of {channels} channels, {features} features of {each}"
    );
    ensure!(
        offset_groups > 0 && channels % offset_groups == 0,
        "{offset_groups} groups of offsets for {channels} channels"
    );
    let window = Window::of(call, &[*height, *width], &[*kh, *kw])?;
    let made = window.output_sizes(&[*height, *width], false)?;
    let shape = [*n, *features, made[0], made[1]];
    let total = value::count(&shape)?;
    let (area, kernel_area) = (made[0] * made[1], kh * kw);
    call.spend(&[total, *each, kernel_area])?;
    let offsets = floats(offset)?;
    let taps = value::count(&[*n, offset_groups, kernel_area, area])?;
    ensure!(offsets.len() == taps * 2, "offsets of {:?}", offset.shape());
    let bias = call.maybe(3)?.map(floats).transpose()?;
    ensure_biases(bias.as_deref(), *features)?;
    let mask = call.maybe(4)?.map(floats).transpose()?;
    let masked = mask.as_ref().map_or(taps, Vec::len);
    ensure!(masked == taps, "a mask of {masked} elements for {taps}");
    let (weights, images) = (floats(w)?, Images { values: floats(x)?, size: [*height, *width] });
    let mut out = Vec::with_capacity(total);
    for sample in 0..*n {
        for feature in 0..*features {
            for position in 0..area {
                let to = [position / made[1], position % made[1]];
                let mut sum = bias.as_ref().map_or(0.0, |bias| bias[feature]);
                for channel in 0..*each {
                    let own = feature / (features / groups) * each + channel;
                    let offset_group = own / (channels / offset_groups);
                    for at in 0..kernel_area {
                        let tap = (sample * offset_groups + offset_group) * kernel_area + at;
                        let along = |axis: usize, within: usize| {
                            let start = to[axis] * window.strides[axis];
                            (start + within * window.dilations[axis]) as f64
                                - window.before[axis] as f64
                                + offsets[(tap * 2 + axis) * area + position]
                        };
                        let weight = weights[(feature * each + channel) * kernel_area + at];
                        let kept = mask.as_ref().map_or(1.0, |mask| mask[tap * area + position]);
                        let (y, x) = (along(0, at / kw), along(1, at % kw));
                        sum += weight * kept * images.sampled(sample * channels + own, y, x);
                    }
                }
                out.push(sum);
            }
        }
    }
    one(value::tensor(&shape, from_floats(x.dtype(), out))?)
}

/// The channels of all samples.
struct Images {
    values: Vec<f64>,
    /// The height and width.
    size: [usize; 2],
}

impl Images {
    /// The value at a point of an image, interpolated between its four neighbours; those outside
    /// the image are 0.
    fn sampled(&self, image: usize, y: f64, x: f64) -> f64 {
        let [height, width] = self.size;
        let (top, left) = (y.floor(), x.floor());
        let mut sum = 0.0;
        for (row, column) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let (row, column) = (top + row, left + column);
            let inside =
                (0.0..height as f64).contains(&row) && (0.0..width as f64).contains(&column);
            if inside {
                let weight = (1.0 - (y - row).abs()) * (1.0 - (x - column).abs());
                let offset = (image * height + row as usize) * width + column as usize;
                sum += weight * self.values[offset];
            }
        }
        sum
    }
}
