//! Comparing numbers.

use super::{Agreement, Comparator, measure};

/// A prediction that is one number, or several in a fixed order.
pub trait Numeric {
    /// The number at `index`, from 0; `None` after the last one.
    fn score(&self, index: usize) -> Option<f64>;
}

impl Numeric for f32 {
    fn score(&self, index: usize) -> Option<f64> {
        (index == 0).then_some(f64::from(*self))
    }
}

impl Numeric for f64 {
    fn score(&self, index: usize) -> Option<f64> {
        (index == 0).then_some(*self)
    }
}

impl<T: Numeric> Numeric for [T] {
    fn score(&self, index: usize) -> Option<f64> {
        self.get(index)?.score(0)
    }
}

impl<T: Numeric> Numeric for Vec<T> {
    fn score(&self, index: usize) -> Option<f64> {
        self.as_slice().score(index)
    }
}

impl<T: Numeric> Numeric for Box<[T]> {
    fn score(&self, index: usize) -> Option<f64> {
        (**self).score(index)
    }
}

impl<T: Numeric, const N: usize> Numeric for [T; N] {
    fn score(&self, index: usize) -> Option<f64> {
        self.as_slice().score(index)
    }
}

/// Agrees when every number is close to its counterpart: within the absolute tolerance or within the
/// relative one. The distance is the largest absolute difference.
///
/// NaN agrees with nothing, itself included, and leaves no distance; so do answers of different
/// lengths. Two empty answers agree. An infinity agrees with itself.
///
/// ```
/// use modelgate::compare::{Comparator, Tolerance};
///
/// let close = Tolerance::absolute(1e-3).or_relative(0.01);
/// assert_eq!(close.compare(&100.0_f64, &100.9).agrees(), Some(true));
/// assert_eq!(close.compare(&0.0_f64, &0.9).agrees(), Some(false));
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Tolerance {
    absolute: f64,
    relative: f64,
}

impl Tolerance {
    /// Numbers may differ by this much. Negative or NaN lets nothing differ.
    pub fn absolute(difference: f64) -> Tolerance {
        Tolerance { absolute: difference, relative: 0.0 }
    }

    /// Numbers may differ by this share of the larger one: `0.01` is one percent.
    pub fn relative(share: f64) -> Tolerance {
        Tolerance { absolute: 0.0, relative: share }
    }

    /// Numbers may differ by this share of the larger one as well: `0.01` is one percent.
    pub fn or_relative(mut self, share: f64) -> Tolerance {
        self.relative = share;
        self
    }

    fn allows(&self, primary: f64, candidate: f64, difference: f64) -> bool {
        // Relative to an infinity any difference is small: it must not agree with everything.
        difference == 0.0
            || difference <= self.absolute
            || (difference.is_finite()
                && difference <= self.relative * primary.abs().max(candidate.abs()))
    }
}

impl<P: Numeric> Comparator<P> for Tolerance {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        let (mut agrees, mut distance) = (true, 0.0_f64);
        for index in 0.. {
            let (a, b) = match (primary.score(index), candidate.score(index)) {
                (Some(a), Some(b)) => (a, b),
                (None, None) => break,
                _ => return Agreement::of(measure::SCORE, false),
            };
            if a.is_nan() || b.is_nan() {
                return Agreement::of(measure::SCORE, false);
            }
            // Not a subtraction alone: infinity minus itself is NaN.
            let difference = if a == b { 0.0 } else { (a - b).abs() };
            agrees &= self.allows(a, b, difference);
            distance = distance.max(difference);
        }
        Agreement::of(measure::SCORE, agrees).with_distance(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees(tolerance: Tolerance, a: f64, b: f64) -> bool {
        tolerance.compare(&a, &b).agrees() == Some(true)
    }

    #[test]
    fn absolute_and_relative_tolerance_each_suffice() {
        assert!(agrees(Tolerance::absolute(0.5), 1.0, 1.5));
        assert!(!agrees(Tolerance::absolute(0.49), 1.0, 1.5));
        assert!(agrees(Tolerance::relative(0.1), 1000.0, 1100.0));
        assert!(!agrees(Tolerance::relative(0.1), 0.0, 1e-9));
        assert!(agrees(Tolerance::absolute(1e-6).or_relative(0.1), 0.0, 1e-9));
    }

    #[test]
    fn odd_numbers_have_defined_answers() {
        let wide = Tolerance::absolute(f64::MAX).or_relative(1.0);
        for (a, b) in [(f64::NAN, f64::NAN), (0.0, f64::NAN)] {
            assert_eq!(wide.compare(&a, &b).agrees(), Some(false));
            assert_eq!(wide.compare(&a, &b).distance(), None);
        }
        assert!(agrees(wide, f64::INFINITY, f64::INFINITY));
        assert!(!agrees(wide, f64::INFINITY, f64::NEG_INFINITY));
        assert!(!agrees(Tolerance::relative(1.0), f64::INFINITY, 1.0));
        for nothing in [f64::NAN, -1.0] {
            assert!(agrees(Tolerance::absolute(nothing), 2.0, 2.0));
            assert!(!agrees(Tolerance::absolute(nothing), 2.0, 2.1));
        }
    }

    #[test]
    fn lists_agree_number_by_number_and_never_across_lengths() {
        let close = Tolerance::absolute(0.1);
        let found = close.compare(&vec![1.0_f32, 2.0], &vec![1.0, 2.5]);
        assert_eq!((found.agrees(), found.distance()), (Some(false), Some(0.5)));
        assert_eq!(close.compare(&vec![1.0_f32], &vec![1.0, 1.0]).agrees(), Some(false));
        assert_eq!(close.compare(&Vec::<f32>::new(), &vec![]).agrees(), Some(true));
    }
}
