//! Documents of every dialect and of many shapes, at a size to choose.

mod hostile;
mod usual;

pub use self::{hostile::HOSTILE, usual::USUAL};

/// One shape: what a document begins with, what is repeated in it, and what it ends with. In the
/// repeated part `%` is a number that counts up.
pub struct Shape {
    pub name: &'static str,
    head: &'static str,
    part: &'static str,
    tail: &'static str,
}

const fn shape(
    name: &'static str,
    head: &'static str,
    part: &'static str,
    tail: &'static str,
) -> Shape {
    Shape { name, head, part, tail }
}

impl Shape {
    /// A document of about so many bytes, and how often the part is in it.
    pub fn document(&self, bytes: usize) -> (String, usize) {
        let mut text = self.head.to_owned();
        let mut parts = 0;
        while text.len() < bytes {
            if parts > 0 {
                text.push(',');
            }
            text.push_str(&self.part.replace('%', &parts.to_string()));
            parts += 1;
        }
        text.push_str(self.tail);
        (text, parts)
    }
}
