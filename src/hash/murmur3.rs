//! MurmurHash3, the 32-bit variant for x86 (Austin Appleby's `MurmurHash3_x86_32`), fed piece by
//! piece.

use std::fmt;

/// A running hash. Copying one is cheap, so that the state after a constant prefix can be kept and
/// continued for every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Murmur3 {
    hash: u32,
    /// The bytes that do not fill a block yet, lowest first.
    carry: u32,
    /// How many bits `carry` holds: 0, 8, 16 or 24.
    carried: u32,
    length: u32,
}

impl Murmur3 {
    #[inline]
    pub(crate) const fn new(seed: u32) -> Murmur3 {
        Murmur3 { hash: seed, carry: 0, carried: 0, length: 0 }
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<4>();
        let mut hash = self.hash;
        if self.carried == 0 {
            for block in blocks {
                hash = mix(hash, u32::from_le_bytes(*block));
            }
        } else {
            let mut carry = u64::from(self.carry);
            for block in blocks {
                let wide = carry | u64::from(u32::from_le_bytes(*block)) << self.carried;
                hash = mix(hash, wide as u32);
                carry = wide >> 32;
            }
            self.carry = carry as u32;
        }
        self.hash = hash;
        self.length = self.length.wrapping_add((bytes.len() - rest.len()) as u32);
        match *rest {
            [a] => self.few(u32::from_le_bytes([a, 0, 0, 0]), 8),
            [a, b] => self.few(u32::from_le_bytes([a, b, 0, 0]), 16),
            [a, b, c] => self.few(u32::from_le_bytes([a, b, c, 0]), 24),
            _ => {}
        }
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.few(u32::from(byte), 8);
    }

    /// Adds fewer than four bytes, `bits` of `value`.
    #[inline]
    fn few(&mut self, value: u32, bits: u32) {
        let wide = u64::from(self.carry) | u64::from(value) << self.carried;
        self.carried += bits;
        self.length = self.length.wrapping_add(bits / 8);
        if self.carried >= 32 {
            self.carried -= 32;
            self.hash = mix(self.hash, wide as u32);
            self.carry = (wide >> 32) as u32;
        } else {
            self.carry = wide as u32;
        }
    }

    #[inline]
    pub(crate) fn finish(self) -> u32 {
        // An empty carry scrambles to zero, so that the last step needs no condition.
        let mut hash = self.hash ^ scramble(self.carry) ^ self.length;
        hash ^= hash >> 16;
        hash = hash.wrapping_mul(0x85eb_ca6b);
        hash ^= hash >> 13;
        hash = hash.wrapping_mul(0xc2b2_ae35);
        hash ^ hash >> 16
    }
}

/// Lets numbers be formatted straight into the hash.
impl fmt::Write for Murmur3 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

#[inline]
fn scramble(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

#[inline]
fn mix(hash: u32, block: u32) -> u32 {
    (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(seed: u32, text: &str) -> u32 {
        let mut state = Murmur3::new(seed);
        state.write(text.as_bytes());
        state.finish()
    }

    #[test]
    fn the_published_vectors_hold() {
        let vectors = [
            (0, "", 0),
            (1, "", 0x514e_28b7),
            (0xffff_ffff, "", 0x81f1_6f39),
            (0, "test", 0xba6b_d213),
            (0x9747_b28c, "test", 0x704b_81dc),
            (0, "Hello, world!", 0xc036_3e43),
            (0x9747_b28c, "Hello, world!", 0x2488_4cba),
            (0, "The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
            (0x9747_b28c, "The quick brown fox jumps over the lazy dog", 0x2fa8_26cd),
        ];
        for (seed, text, expected) in vectors {
            assert_eq!(hash(seed, text), expected, "{text:?} with seed {seed:#x}");
        }
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let text = "The quick brown fox jumps over the lazy dog";
        for first in 0..text.len() {
            for second in first..text.len() {
                let mut state = Murmur3::new(7);
                state.write(&text.as_bytes()[..first]);
                for byte in text[first..second].bytes() {
                    state.byte(byte);
                }
                state.write(&text.as_bytes()[second..]);
                assert_eq!(state.finish(), hash(7, text), "cut at {first} and {second}");
            }
        }
    }
}
