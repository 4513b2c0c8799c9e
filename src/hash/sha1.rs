//! SHA-1 (FIPS 180-4), fed piece by piece, on the stack: with the processor's own instructions where
//! it has any.
//!
//! It is no protection against anybody here: a vendor's buckets are specified by it.

use std::{fmt, slice};

use sha1::block_api::compress;

/// The size of a block in bytes.
const BLOCK: usize = 64;

/// Where the length of the message stands in the last block.
const LENGTH_AT: usize = BLOCK - 8;

/// A running hash. Copying one copies less than two cache lines, so that the state after a constant
/// prefix can be kept and continued for every key.
#[derive(Clone, Copy)]
pub(crate) struct Sha1 {
    state: [u32; 5],
    /// The bytes that do not fill a block yet: the first `length % 64`. What follows them is left
    /// from earlier blocks.
    block: [u8; BLOCK],
    /// How many bytes were written in all.
    length: u64,
}

impl Sha1 {
    pub(crate) const fn new() -> Sha1 {
        Sha1 {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0],
            block: [0; BLOCK],
            length: 0,
        }
    }

    /// How many bytes of the current block are taken.
    #[inline(always)]
    fn filled(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let filled = self.filled();
        self.length = self.length.wrapping_add(bytes.len() as u64);
        match self.block.get_mut(filled..).and_then(|free| free.get_mut(..bytes.len())) {
            // Keys are short: most of them end in the block they begin in.
            Some(place) if filled + bytes.len() < BLOCK => place.copy_from_slice(bytes),
            _ => self.write_across(filled, bytes),
        }
    }

    #[inline(never)]
    fn write_across(&mut self, filled: usize, bytes: &[u8]) {
        let free = self.block.get_mut(filled..).unwrap_or_default();
        let Some((head, rest)) = bytes.split_at_checked(free.len()) else { return };
        free.copy_from_slice(head);
        compress(&mut self.state, slice::from_ref(&self.block));
        let (blocks, rest) = rest.as_chunks::<BLOCK>();
        compress(&mut self.state, blocks);
        if let Some(place) = self.block.get_mut(..rest.len()) {
            place.copy_from_slice(rest);
        }
    }

    /// The first eight bytes of the digest, as one big-endian number.
    #[inline]
    pub(crate) fn finish(mut self) -> u64 {
        self.pad();
        let [first, second, ..] = self.state;
        u64::from(first) << 32 | u64::from(second)
    }

    /// The whole digest.
    #[cfg(test)]
    fn digest(mut self) -> [u8; 20] {
        self.pad();
        let mut digest = [0; 20];
        for (place, word) in digest.chunks_exact_mut(4).zip(self.state) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }

    #[inline]
    fn pad(&mut self) {
        let filled = self.filled();
        if let Some((end, rest)) = self.block.get_mut(filled..).and_then(<[u8]>::split_first_mut) {
            *end = 0x80;
            rest.fill(0);
        }
        if filled >= LENGTH_AT {
            compress(&mut self.state, slice::from_ref(&self.block));
            self.block = [0; BLOCK];
        }
        if let Some(place) = self.block.last_chunk_mut() {
            *place = self.length.wrapping_mul(8).to_be_bytes();
        }
        compress(&mut self.state, slice::from_ref(&self.block));
    }
}

/// Lets numbers be formatted straight into the hash.
impl fmt::Write for Sha1 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hexadecimal(text: &[u8]) -> String {
        let mut state = Sha1::new();
        state.write(text);
        state.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_published_vectors_hold() {
        let two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let vectors = [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (two_blocks, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
        ];
        for (text, expected) in vectors {
            assert_eq!(hexadecimal(text.as_bytes()), expected, "{text:?}");
        }
        let million = vec![b'a'; 1_000_000];
        assert_eq!(hexadecimal(&million), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let text: Vec<u8> = (0..200_u8).collect();
        for length in 0..text.len() {
            let mut whole = Sha1::new();
            whole.write(&text[..length]);
            for cut in 0..=length {
                let mut state = Sha1::new();
                state.write(&text[..cut]);
                let kept = state;
                state.write(&text[cut..length]);
                assert_eq!(state.digest(), whole.digest(), "{length} cut at {cut}");
                assert_eq!(kept.finish(), {
                    let mut again = Sha1::new();
                    again.write(&text[..cut]);
                    again.finish()
                });
            }
        }
    }

    #[test]
    fn the_short_form_is_the_start_of_the_digest() {
        let mut state = Sha1::new();
        state.write(b"abc");
        assert_eq!(state.finish(), 0xa999_3e36_4706_816a);
    }
}
