//! MD5 (RFC 1321), fed piece by piece: for spreading keys over buckets, never for security.

use std::{fmt, slice};

use md5::block_api::compress;

/// A running hash on the stack. Copying one is cheap, so that the state after a constant prefix can
/// be kept and continued for every key.
#[derive(Clone, Copy)]
pub(crate) struct Md5 {
    state: [u32; 4],
    /// The bytes that do not fill a block yet, and zeros.
    block: [u8; 64],
    length: u64,
}

impl Md5 {
    pub(crate) const fn new() -> Md5 {
        Md5 {
            state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
            block: [0; 64],
            length: 0,
        }
    }

    #[inline]
    pub(crate) fn write(&mut self, mut bytes: &[u8]) {
        let filled = (self.length % 64) as usize;
        self.length = self.length.wrapping_add(bytes.len() as u64);
        let free = self.block.get_mut(filled..).unwrap_or_default();
        let Some((first, rest)) = bytes.split_at_checked(free.len()) else {
            if let Some(place) = free.get_mut(..bytes.len()) {
                place.copy_from_slice(bytes);
            }
            return;
        };
        free.copy_from_slice(first);
        bytes = rest;
        compress(&mut self.state, slice::from_ref(&self.block));
        let (blocks, rest) = bytes.as_chunks::<64>();
        compress(&mut self.state, blocks);
        self.block = [0; 64];
        if let Some(start) = self.block.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
    }

    /// The digest, as the big-endian number that its hexadecimal form writes, in four parts with the
    /// highest first.
    #[inline]
    pub(crate) fn finish(mut self) -> [u32; 4] {
        let filled = (self.length % 64) as usize;
        if let Some(byte) = self.block.get_mut(filled) {
            *byte = 0x80;
        }
        if filled >= 56 {
            compress(&mut self.state, slice::from_ref(&self.block));
            self.block = [0; 64];
        }
        if let Some(length) = self.block.last_chunk_mut() {
            *length = self.length.wrapping_mul(8).to_le_bytes();
        }
        compress(&mut self.state, slice::from_ref(&self.block));
        self.state.map(u32::swap_bytes)
    }
}

/// Lets numbers be formatted straight into the hash.
impl fmt::Write for Md5 {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was hashed may be personal.
        f.debug_struct("Md5").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        let mut state = Md5::new();
        state.write(text.as_bytes());
        state.finish().iter().map(|part| format!("{part:08x}")).collect()
    }

    #[test]
    fn the_vectors_of_rfc_1321_hold() {
        let vectors = [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ];
        for (text, expected) in vectors {
            assert_eq!(hash(text), expected, "{text:?}");
        }
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        use md5::Digest;
        let text: String = (0..200).map(|n| char::from(b' ' + n % 90)).collect();
        for length in 0..text.len() {
            let whole = md5::Md5::digest(&text.as_bytes()[..length]);
            let whole: String = whole.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash(&text[..length]), whole, "{length} bytes");
            for cut in [0, 1, 55, 56, 63, 64, 65, 128].into_iter().filter(|cut| *cut <= length) {
                let mut state = Md5::new();
                state.write(&text.as_bytes()[..cut]);
                state.write(&text.as_bytes()[cut..length]);
                let parts: String =
                    state.finish().iter().map(|part| format!("{part:08x}")).collect();
                assert_eq!(parts, whole, "{length} bytes, cut at {cut}");
            }
        }
    }
}
