//! One feature's value, as it was sent.

use std::fmt;

/// One feature's value, as it was sent: a number, or something a [`Schema`](super::Schema) may
/// refuse by name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FeatureValue {
    /// A number.
    Number(f64),
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(Box<str>),
    /// Nothing.
    Null,
    /// A list.
    List,
    /// An object.
    Map,
}

/// The longest text that an error repeats.
const LONGEST: usize = 40;

/// A text as an error shows it: quoted, and cut when it is long.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(LONGEST) {
            Some((end, _)) => write!(f, "{:?}...", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// A name as an error shows it in a path: bare when it is plain, quoted otherwise.
pub(crate) struct Name<'a>(pub(crate) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        if !self.0.is_empty() && self.0.len() <= LONGEST * 2 && self.0.bytes().all(plain) {
            write!(f, "features.{}", self.0)
        } else {
            write!(f, "features[{}]", Quoted(self.0))
        }
    }
}

impl fmt::Display for FeatureValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FeatureValue::Number(number) if number.abs() >= 1e16 => write!(f, "{number:e}"),
            FeatureValue::Number(number) => fmt::Display::fmt(number, f),
            FeatureValue::Bool(value) => fmt::Display::fmt(value, f),
            FeatureValue::Text(text) => fmt::Display::fmt(&Quoted(text), f),
            FeatureValue::Null => f.write_str("null"),
            FeatureValue::List => f.write_str("a list"),
            FeatureValue::Map => f.write_str("an object"),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => |$name:ident| $value:expr;)*) => {
        $(impl From<$type> for FeatureValue {
            fn from($name: $type) -> FeatureValue {
                $value
            }
        })*
    };
}
value_from! {
    f64 => |number| FeatureValue::Number(number);
    f32 => |number| FeatureValue::Number(number.into());
    i32 => |number| FeatureValue::Number(number.into());
    u32 => |number| FeatureValue::Number(number.into());
    i64 => |number| FeatureValue::Number(number as f64);
    bool => |value| FeatureValue::Bool(value);
    &str => |text| FeatureValue::Text(text.into());
    String => |text| FeatureValue::Text(text.into());
}
