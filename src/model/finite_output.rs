//! Whether a prediction holds NaN or an infinity.

use super::Classification;
use crate::tensor::{Data, Tensor, Tensors};

/// A prediction that can say whether all its numbers are finite, so that a router can treat NaN
/// and infinities as a failure of the model.
///
/// ```
/// use modelgate::{Classification, model::{FiniteOutput, Label}};
///
/// let scores = Classification { label: Label::Int(0), probabilities: vec![f32::NAN, 0.0] };
/// assert!(!scores.is_finite());
/// ```
pub trait FiniteOutput {
    /// Whether there is neither a NaN nor an infinity.
    fn is_finite(&self) -> bool;
}

impl FiniteOutput for f32 {
    fn is_finite(&self) -> bool {
        f32::is_finite(*self)
    }
}

impl FiniteOutput for f64 {
    fn is_finite(&self) -> bool {
        f64::is_finite(*self)
    }
}

macro_rules! always_finite {
    ($($type:ty),*) => {
        $(impl FiniteOutput for $type {
            fn is_finite(&self) -> bool {
                true
            }
        })*
    };
}
always_finite!(bool, i32, i64, u32, u64, usize, str, String);

impl<T: FiniteOutput> FiniteOutput for [T] {
    fn is_finite(&self) -> bool {
        self.iter().all(FiniteOutput::is_finite)
    }
}

impl<T: FiniteOutput, const N: usize> FiniteOutput for [T; N] {
    fn is_finite(&self) -> bool {
        self.as_slice().is_finite()
    }
}

impl<T: FiniteOutput> FiniteOutput for Vec<T> {
    fn is_finite(&self) -> bool {
        self.as_slice().is_finite()
    }
}

impl<T: FiniteOutput> FiniteOutput for Option<T> {
    fn is_finite(&self) -> bool {
        self.as_ref().is_none_or(FiniteOutput::is_finite)
    }
}

impl<T: FiniteOutput + ?Sized> FiniteOutput for &T {
    fn is_finite(&self) -> bool {
        (**self).is_finite()
    }
}

impl<T: FiniteOutput + ?Sized> FiniteOutput for Box<T> {
    fn is_finite(&self) -> bool {
        (**self).is_finite()
    }
}

impl FiniteOutput for Classification {
    fn is_finite(&self) -> bool {
        self.probabilities.is_finite()
    }
}

impl FiniteOutput for Tensor {
    fn is_finite(&self) -> bool {
        match self.data() {
            Data::F32(values) => values.is_finite(),
            Data::F64(values) => values.is_finite(),
            Data::F16(values) => values.iter().all(|value| value.is_finite()),
            _ => true,
        }
    }
}

impl FiniteOutput for Tensors {
    fn is_finite(&self) -> bool {
        self.iter().all(|(_, tensor)| tensor.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_infinity_anywhere_is_found() {
        assert!([1.0_f32, 2.0].is_finite());
        assert!(!vec![1.0_f64, f64::NEG_INFINITY].is_finite());
        let good = Tensors::new().with("label", Tensor::vector(vec![1_i64]));
        assert!(good.is_finite());
        assert!(!good.with("score", Tensor::vector(vec![f32::INFINITY])).is_finite());
    }
}
