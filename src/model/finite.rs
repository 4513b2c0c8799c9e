//! Whether a prediction holds NaN or an infinity.

use super::{Scores, Tensor, TensorData, Tensors};

/// A prediction that can say whether all its numbers are finite, so that a router can treat NaN
/// and infinities as a failure of the model.
///
/// ```
/// use modelgate::{Finite, Label, Scores};
///
/// let scores = Scores { label: Label::Int(0), probabilities: vec![f32::NAN, 0.0] };
/// assert!(!scores.is_finite());
/// ```
pub trait Finite {
    /// Whether there is neither a NaN nor an infinity.
    fn is_finite(&self) -> bool;
}

impl Finite for f32 {
    fn is_finite(&self) -> bool {
        f32::is_finite(*self)
    }
}

impl Finite for f64 {
    fn is_finite(&self) -> bool {
        f64::is_finite(*self)
    }
}

macro_rules! always_finite {
    ($($type:ty),*) => {
        $(impl Finite for $type {
            fn is_finite(&self) -> bool {
                true
            }
        })*
    };
}
always_finite!(bool, i32, i64, u32, u64, usize, str, String);

impl<T: Finite> Finite for [T] {
    fn is_finite(&self) -> bool {
        self.iter().all(Finite::is_finite)
    }
}

impl<T: Finite, const N: usize> Finite for [T; N] {
    fn is_finite(&self) -> bool {
        self.as_slice().is_finite()
    }
}

impl<T: Finite> Finite for Vec<T> {
    fn is_finite(&self) -> bool {
        self.as_slice().is_finite()
    }
}

impl<T: Finite> Finite for Option<T> {
    fn is_finite(&self) -> bool {
        self.as_ref().is_none_or(Finite::is_finite)
    }
}

impl<T: Finite + ?Sized> Finite for &T {
    fn is_finite(&self) -> bool {
        (**self).is_finite()
    }
}

impl<T: Finite + ?Sized> Finite for Box<T> {
    fn is_finite(&self) -> bool {
        (**self).is_finite()
    }
}

impl Finite for Scores {
    fn is_finite(&self) -> bool {
        self.probabilities.is_finite()
    }
}

impl Finite for Tensor {
    fn is_finite(&self) -> bool {
        match self.data() {
            TensorData::F32(values) => values.is_finite(),
            TensorData::F64(values) => values.is_finite(),
            TensorData::F16(values) => values.iter().all(|value| value.is_finite()),
            _ => true,
        }
    }
}

impl Finite for Tensors {
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
