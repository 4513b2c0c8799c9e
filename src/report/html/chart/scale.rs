//! Maps values to positions on an axis.

/// A linear or logarithmic scale from a range of values to `0..=1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// A linear scale over these values with a little room around them; never empty.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Scale {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let room = match high - low {
            0.0 => high.abs().max(1e-3) * 0.5,
            width => width * 0.06,
        };
        Scale { from: low - room, to: high + room, logarithmic: false }
    }

    pub(super) fn linear(from: f64, to: f64) -> Scale {
        Scale { from, to: if to > from { to } else { from + 1.0 }, logarithmic: false }
    }

    /// A scale by decades between two positive values.
    pub(super) fn logarithmic(from: f64, to: f64) -> Scale {
        let from = from.max(f64::MIN_POSITIVE);
        Scale { from, to: if to > from { to } else { from * 10.0 }, logarithmic: true }
    }

    /// The position of a value: 0 at the lower end, 1 at the upper; values outside are clamped.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.logarithmic {
            true => (value.max(self.from) / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        };
        match place.is_finite() {
            true => place.clamp(0.0, 1.0),
            false => 0.0,
        }
    }

    /// Round values within the scale, at most about `most`.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        match self.logarithmic {
            true => self.decades(most),
            false => self.steps(most),
        }
    }

    fn steps(&self, most: usize) -> Vec<f64> {
        let rough = (self.to - self.from) / most.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        if !(step.is_finite() && step > 0.0) {
            return Vec::new();
        }
        let first = (self.from / step).ceil();
        (0..=most * 2)
            .map(|index| (first + index as f64) * step)
            .take_while(|tick| *tick <= self.to)
            // Rounds away the error of sums such as 0.1 + 0.2.
            .map(|tick| (tick / step).round() * step + 0.0)
            .collect()
    }

    fn decades(&self, most: usize) -> Vec<f64> {
        let (first, last) = (self.from.log10().ceil() as i32, self.to.log10().floor() as i32);
        let each = (last - first) / i32::try_from(most.max(1)).unwrap_or(1) + 1;
        (first..=last).step_by(each.max(1) as usize).map(|power| 10_f64.powi(power)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_few_and_inside() {
        let scale = Scale::over([-0.013, 0.027].into_iter());
        let ticks = scale.ticks(5);
        assert!(ticks.contains(&0.0) && (2..=6).contains(&ticks.len()), "{ticks:?}");
        assert_eq!(Scale::logarithmic(3.0, 30_000.0).ticks(6), [10.0, 100.0, 1_000.0, 10_000.0]);
    }

    #[test]
    fn nothing_one_value_and_infinities_still_make_a_scale() {
        for values in [vec![], vec![2.0], vec![f64::NAN, f64::INFINITY], vec![0.0, 0.0]] {
            let scale = Scale::over(values.iter().copied());
            assert!((0.0..=1.0).contains(&scale.place(2.0)), "{values:?}");
            assert!(!scale.ticks(4).is_empty(), "{values:?}");
        }
    }
}
