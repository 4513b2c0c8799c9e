//! The two widths of floats that trees are run in.

use std::{
    borrow::Cow,
    fmt::Debug,
    ops::{Add, Div},
};

use tract_onnx::tract_hir::internal::{Tensor, TractResult};

use super::super::rows;

pub(super) trait Float:
    Copy + Debug + PartialOrd + Add<Output = Self> + Div<Output = Self> + Send + Sync + 'static
{
    const NAN: Self;
    const ZERO: Self;
    /// What sums start from: no sum of weights is it, so that what is still this was never voted
    /// for.
    const NOTHING: Self;

    fn is_nan(self) -> bool;
    fn is_nothing(self) -> bool;
    fn narrow(self) -> f32;
    fn from_count(count: usize) -> Self;
    /// The nearest.
    fn near(value: f64) -> Self;
    /// The largest that is not above.
    fn floor(value: f64) -> Self;
    /// The smallest that is not below.
    fn ceil(value: f64) -> Self;
    /// The same, or NaN where there is none.
    fn exactly(value: f64) -> Self;
    fn widen(self) -> f64;
    fn elements(tensor: &Tensor) -> TractResult<Cow<'_, [Self]>>;
}

impl Float for f32 {
    const NAN: f32 = f32::NAN;
    const ZERO: f32 = 0.0;
    const NOTHING: f32 = -0.0;

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn is_nothing(self) -> bool {
        self.to_bits() == (-0.0_f32).to_bits()
    }

    fn narrow(self) -> f32 {
        self
    }

    #[allow(clippy::cast_precision_loss)]
    fn from_count(count: usize) -> f32 {
        count as f32
    }

    #[allow(clippy::cast_possible_truncation)]
    fn near(value: f64) -> f32 {
        value as f32
    }

    fn floor(value: f64) -> f32 {
        let near = f32::near(value);
        if f64::from(near) > value { near.next_down() } else { near }
    }

    fn ceil(value: f64) -> f32 {
        let near = f32::near(value);
        if f64::from(near) < value { near.next_up() } else { near }
    }

    fn exactly(value: f64) -> f32 {
        let near = f32::near(value);
        if f64::from(near) == value { near } else { f32::NAN }
    }

    fn widen(self) -> f64 {
        f64::from(self)
    }

    fn elements(tensor: &Tensor) -> TractResult<Cow<'_, [f32]>> {
        rows::f32s(tensor)
    }
}

impl Float for f64 {
    const NAN: f64 = f64::NAN;
    const ZERO: f64 = 0.0;
    const NOTHING: f64 = -0.0;

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn is_nothing(self) -> bool {
        self.to_bits() == (-0.0_f64).to_bits()
    }

    #[allow(clippy::cast_possible_truncation)]
    fn narrow(self) -> f32 {
        self as f32
    }

    #[allow(clippy::cast_precision_loss)]
    fn from_count(count: usize) -> f64 {
        count as f64
    }

    fn near(value: f64) -> f64 {
        value
    }

    fn floor(value: f64) -> f64 {
        value
    }

    fn ceil(value: f64) -> f64 {
        value
    }

    fn exactly(value: f64) -> f64 {
        value
    }

    fn widen(self) -> f64 {
        self
    }

    fn elements(tensor: &Tensor) -> TractResult<Cow<'_, [f64]>> {
        rows::f64s(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_between_two_floats_divides_them_as_it_did() {
        let threshold = 0.1_f64;
        let below = <f32 as Float>::floor(threshold);
        assert!(f64::from(below) <= threshold && f64::from(below.next_up()) > threshold);
        let above = <f32 as Float>::ceil(threshold);
        assert_eq!(above, below.next_up());
        assert!(<f32 as Float>::exactly(threshold).is_nan());
        assert_eq!(<f32 as Float>::floor(1e300), f32::MAX);
        assert_eq!(<f32 as Float>::ceil(0.5), 0.5);
    }
}
