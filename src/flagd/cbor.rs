//! CBOR in flagd's canonical form, streamed into the hash: what `fractional` hashes since its third
//! generation.
//!
//! Shortest heads; whole floats as integers; other floats in the shortest width that is exact;
//! object members in the order of their names' lengths, then bytes.

use crate::{
    hash::Murmur3,
    value::{Map, Value, ValueRef},
};

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// The head of a list of this many elements.
pub(super) fn list(hash: &mut Murmur3, length: usize) {
    head(hash, LIST, length as u64);
}

#[inline]
pub(super) fn text(hash: &mut Murmur3, text: &str) {
    text_head(hash, text.len());
    hash.write(text.as_bytes());
}

#[inline]
pub(super) fn text_head(hash: &mut Murmur3, length: usize) {
    head(hash, TEXT, length as u64);
}

/// Writes any value; `None` for a number that is not finite.
pub(super) fn value(hash: &mut Murmur3, value: ValueRef<'_>) -> Option<()> {
    match value {
        ValueRef::Null => hash.byte(NULL),
        ValueRef::Bool(value) => hash.byte(if value { TRUE } else { FALSE }),
        ValueRef::Int(value) => integer(hash, value),
        ValueRef::Float(value) => float(hash, value)?,
        ValueRef::Text(value) => text(hash, value),
        ValueRef::List(elements) => {
            list(hash, elements.len());
            for index in 0..elements.len() {
                self::value(hash, elements.element(index).unwrap_or_default())?;
            }
        }
        // Members have to be sorted: the one form that allocates.
        ValueRef::Map(_) => owned(hash, &value.to_value())?,
    }
    Some(())
}

fn owned(hash: &mut Murmur3, value: &Value) -> Option<()> {
    match value {
        Value::Map(members) => map(hash, members),
        Value::List(values) => {
            list(hash, values.len());
            values.iter().try_for_each(|value| owned(hash, value))
        }
        value => self::value(hash, value.borrow()),
    }
}

fn map(hash: &mut Murmur3, members: &Map) -> Option<()> {
    head(hash, MAP, members.len() as u64);
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    sorted.into_iter().try_for_each(|(name, value)| {
        text(hash, name);
        owned(hash, value)
    })
}

#[inline]
fn head(hash: &mut Murmur3, kind: u8, value: u64) {
    let kind = kind << 5;
    match value {
        0..24 => hash.byte(kind | value as u8),
        24..0x100 => hash.write(&[kind | 24, value as u8]),
        _ => long_head(hash, kind, value),
    }
}

fn long_head(hash: &mut Murmur3, kind: u8, value: u64) {
    match value {
        0..0x1_0000 => {
            hash.byte(kind | 25);
            hash.write(&(value as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            hash.byte(kind | 26);
            hash.write(&(value as u32).to_be_bytes());
        }
        _ => {
            hash.byte(kind | 27);
            hash.write(&value.to_be_bytes());
        }
    }
}

fn integer(hash: &mut Murmur3, value: i64) {
    if value < 0 {
        // CBOR writes a negative integer n as -1 - n, which is its bitwise complement.
        head(hash, NEGATIVE, !value as u64);
    } else {
        head(hash, UNSIGNED, value as u64);
    }
}

fn float(hash: &mut Murmur3, value: f64) -> Option<()> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if !value.is_finite() {
        return None;
    }
    if value.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&value) {
        integer(hash, value as i64);
    } else if value.fract() == 0.0 && (TWO_TO_63..2.0 * TWO_TO_63).contains(&value) {
        head(hash, UNSIGNED, value as u64);
    } else if f64::from(value as f32) != value {
        hash.byte(0xfb);
        hash.write(&value.to_be_bytes());
    } else if let Some(half) = half(value as f32) {
        hash.byte(0xf9);
        hash.write(&half.to_be_bytes());
    } else {
        hash.byte(0xfa);
        hash.write(&(value as f32).to_be_bytes());
    }
    Some(())
}

/// The bits of the half-precision float that equals this finite float, if there is one.
fn half(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let exponent = ((bits >> 23) & 0xff) as i32 - 127;
    let fraction = bits & 0x007f_ffff;
    match exponent {
        -127 => (fraction == 0).then_some(sign),
        -14..=15 => {
            let exact = fraction & 0x1fff == 0;
            exact.then_some(sign | ((exponent + 15) as u16) << 10 | (fraction >> 13) as u16)
        }
        -24..=-15 => {
            // A subnormal half has no implicit leading one: it becomes explicit, and is shifted to
            // the fixed exponent.
            let shift = (-1 - exponent) as u32;
            let mantissa = fraction | 0x0080_0000;
            let exact = mantissa.trailing_zeros() >= shift;
            exact.then_some(sign | (mantissa >> shift) as u16)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact_or_refused() {
        let exact = [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (1.5, 0x3e00),
            (-4.0, 0xc400),
            (65504.0, 0x7bff),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (6.097_555e-5, 0x03ff),
        ];
        for (value, bits) in exact {
            assert_eq!(half(value), Some(bits), "{value}");
        }
        for value in [65505.0, 65536.0, 0.1, 2.980_232_2e-8, 1.000_976_6 + 0.000_2, f32::MAX] {
            assert_eq!(half(value), None, "{value}");
        }
    }
}
