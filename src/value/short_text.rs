//! Text that an evaluation formats, and that ordinarily stays on the stack.

use std::fmt;

use smallvec::SmallVec;

/// Text on the stack, for numbers and short names; the rare text of more than 40 bytes is allocated.
#[derive(Default)]
pub(crate) struct ShortText(SmallVec<[u8; 40]>);

impl ShortText {
    pub(crate) fn as_str(&self) -> &str {
        // Only whole texts are ever written to it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
