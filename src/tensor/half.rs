//! 16-bit floats: kept, widened and narrowed; nobody computes in them here.

use std::fmt;

/// A 16-bit float of IEEE 754 (`binary16`), as graphs in half precision have them.
///
/// ```
/// use modelgate::tensor::F16;
///
/// assert_eq!(F16::from_f32(1.0).to_bits(), 0x3c00);
/// assert_eq!(F16::from_f32(0.1).to_f32(), 0.099975586);
/// assert_eq!(F16::from_f32(1e6).to_f32(), f32::INFINITY);
/// ```
#[derive(Clone, Copy, Default)]
pub struct F16(u16);

impl F16 {
    /// The float of these bits.
    pub const fn from_bits(bits: u16) -> F16 {
        F16(bits)
    }

    /// Its bits.
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// The nearest 16-bit float; of two as near, the even one.
    // Each part is masked to the bits that it is narrowed to.
    #[allow(clippy::cast_possible_truncation)]
    pub fn from_f32(value: f32) -> F16 {
        let bits = value.to_bits();
        let sign = ((bits >> 16) & 0x8000) as u16;
        let magnitude = bits & 0x7fff_ffff;
        if magnitude > 0x7f80_0000 {
            // A quiet NaN with as much of its payload as there is room for.
            return F16(sign | 0x7e00 | ((magnitude >> 13) & 0x01ff) as u16);
        }
        // From half a step above the largest number on it is infinity.
        if magnitude >= 0x477f_f000 {
            return F16(sign | 0x7c00);
        }
        let exponent = magnitude >> 23;
        // Below a normal number the place of the last bit stands still.
        let (mantissa, dropped, base) = if exponent < 113 {
            let dropped = 126_u32.saturating_sub(exponent);
            if dropped > 24 {
                return F16(sign);
            }
            ((magnitude & 0x007f_ffff) | 0x0080_0000, dropped, 0)
        } else {
            (magnitude & 0x007f_ffff, 13, (exponent - 112) << 10)
        };
        let kept = mantissa >> dropped;
        let rest = mantissa & ((1 << dropped) - 1);
        let half = 1 << (dropped - 1);
        let up = rest > half || (rest == half && kept & 1 == 1);
        F16(sign | (base + kept + u32::from(up)) as u16)
    }

    /// The same number as a 32-bit float.
    pub fn to_f32(self) -> f32 {
        let sign = u32::from(self.0 & 0x8000) << 16;
        let exponent = u32::from((self.0 >> 10) & 0x1f);
        let mantissa = u32::from(self.0 & 0x03ff);
        match (exponent, mantissa) {
            (0, 0) => f32::from_bits(sign),
            (0, mantissa) => {
                // 2^-24 is the smallest step.
                let value = mantissa as f32 * (1.0 / 16_777_216.0);
                f32::from_bits(sign | value.to_bits())
            }
            (31, mantissa) => f32::from_bits(sign | 0x7f80_0000 | (mantissa << 13)),
            (exponent, mantissa) => {
                f32::from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13))
            }
        }
    }

    /// Whether it is neither a NaN nor an infinity.
    pub const fn is_finite(self) -> bool {
        self.0 & 0x7c00 != 0x7c00
    }

    /// Whether it is a NaN.
    pub const fn is_nan(self) -> bool {
        self.0 & 0x7fff > 0x7c00
    }
}

/// As numbers compare: zeros of both signs are equal, NaN is equal to nothing.
impl PartialEq for F16 {
    fn eq(&self, other: &F16) -> bool {
        self.to_f32() == other.to_f32()
    }
}

impl From<F16> for f32 {
    fn from(value: F16) -> f32 {
        value.to_f32()
    }
}

impl fmt::Display for F16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_f32(), f)
    }
}

impl fmt::Debug for F16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_f32(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_32_bits() {
        for bits in 0..=u16::MAX {
            let half = F16::from_bits(bits);
            let back = F16::from_f32(half.to_f32());
            if half.is_nan() {
                assert!(half.to_f32().is_nan() && back.is_nan(), "{bits:04x}");
            } else {
                assert_eq!(back.to_bits(), bits);
                assert_eq!(half.is_finite(), half.to_f32().is_finite());
            }
        }
    }

    #[test]
    fn a_number_between_two_goes_to_the_nearer_and_ties_to_the_even_one() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (F16::from_bits(bits), F16::from_bits(bits + 1));
            let middle = (low.to_f32() + high.to_f32()) / 2.0;
            let even = if bits % 2 == 0 { low } else { high };
            assert_eq!(F16::from_f32(middle).to_bits(), even.to_bits(), "{bits:04x}");
            let above = f32::from_bits(middle.to_bits() + 1);
            assert_eq!(F16::from_f32(above).to_bits(), high.to_bits(), "{bits:04x}");
            let below = f32::from_bits(middle.to_bits() - 1);
            assert_eq!(F16::from_f32(-below).to_bits(), low.to_bits() | 0x8000, "{bits:04x}");
        }
        assert_eq!(F16::from_f32(65_519.0).to_f32(), 65_504.0);
        assert_eq!(F16::from_f32(65_520.0).to_f32(), f32::INFINITY);
    }
}
