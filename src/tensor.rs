//! Tensors in our own words, so that an engine's types never reach a public signature.

mod half;

use std::{error::Error, fmt};

pub use self::half::F16;

/// The element type of a [`Tensor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit float.
    F16,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 64-bit unsigned integer.
    U64,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit unsigned integer.
    U16,
    /// 8-bit unsigned integer.
    U8,
    /// Boolean.
    Bool,
    /// Text.
    Text,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::I64 => "i64",
            Dtype::I32 => "i32",
            Dtype::F16 => "f16",
            Dtype::I16 => "i16",
            Dtype::I8 => "i8",
            Dtype::U64 => "u64",
            Dtype::U32 => "u32",
            Dtype::U16 => "u16",
            Dtype::U8 => "u8",
            Dtype::Bool => "bool",
            Dtype::Text => "text",
        })
    }
}

/// The elements of a [`Tensor`], in row-major order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Data {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// 16-bit floats.
    F16(Vec<F16>),
    /// 16-bit signed integers.
    I16(Vec<i16>),
    /// 8-bit signed integers.
    I8(Vec<i8>),
    /// 64-bit unsigned integers.
    U64(Vec<u64>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
    /// 16-bit unsigned integers.
    U16(Vec<u16>),
    /// 8-bit unsigned integers.
    U8(Vec<u8>),
    /// Booleans.
    Bool(Vec<bool>),
    /// Texts.
    Text(Vec<Box<str>>),
}

impl Data {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::F16(values) => values.len(),
            Data::I16(values) => values.len(),
            Data::I8(values) => values.len(),
            Data::U64(values) => values.len(),
            Data::U32(values) => values.len(),
            Data::U16(values) => values.len(),
            Data::U8(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Text(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        match self {
            Data::F32(_) => Dtype::F32,
            Data::F64(_) => Dtype::F64,
            Data::I64(_) => Dtype::I64,
            Data::I32(_) => Dtype::I32,
            Data::F16(_) => Dtype::F16,
            Data::I16(_) => Dtype::I16,
            Data::I8(_) => Dtype::I8,
            Data::U64(_) => Dtype::U64,
            Data::U32(_) => Dtype::U32,
            Data::U16(_) => Dtype::U16,
            Data::U8(_) => Dtype::U8,
            Data::Bool(_) => Dtype::Bool,
            Data::Text(_) => Dtype::Text,
        }
    }
}

/// An array of any rank: a shape and as many elements as it asks for.
///
/// ```
/// use modelgate::tensor::Tensor;
///
/// let tensor = Tensor::new([2, 3], vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(tensor.shape(), [2, 3]);
/// assert_eq!(tensor.as_f32().map(|values| values[4]), Some(5.0));
///
/// let error = Tensor::new([2, 3], vec![1.0_f32]).unwrap_err();
/// assert_eq!(error.to_string(), "shape [2, 3]: found 1 value, expected 6 values");
/// # Ok::<(), modelgate::tensor::ShapeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Box<[usize]>,
    data: Data,
}

impl Tensor {
    /// A tensor of this shape.
    ///
    /// # Errors
    ///
    /// When the number of elements is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: impl Into<Data>) -> Result<Tensor, ShapeError> {
        let (shape, data) = (shape.into(), data.into());
        let expected = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if expected != Some(data.len()) {
            return Err(ShapeError { shape, found: data.len(), expected });
        }
        Ok(Tensor { shape: shape.into(), data })
    }

    /// A tensor of rank 1.
    pub fn vector(data: impl Into<Data>) -> Tensor {
        let data = data.into();
        Tensor { shape: Box::new([data.len()]), data }
    }

    /// A tensor of shape `[1, n]`: one row of a batch.
    pub fn row(data: impl Into<Data>) -> Tensor {
        let data = data.into();
        Tensor { shape: Box::new([1, data.len()]), data }
    }

    /// The size of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, in row-major order.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The elements, taken out.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The element type.
    pub fn dtype(&self) -> Dtype {
        self.data.dtype()
    }
}

macro_rules! elements {
    ($($variant:ident, $type:ty, $access:ident;)*) => {
        $(impl From<Vec<$type>> for Data {
            fn from(values: Vec<$type>) -> Data {
                Data::$variant(values)
            }
        })*
        impl Tensor {
            $(#[doc = concat!("The elements, if they are `", stringify!($type), "`.")]
            pub fn $access(&self) -> Option<&[$type]> {
                match &self.data {
                    Data::$variant(values) => Some(values),
                    _ => None,
                }
            })*
        }
    };
}
elements! {
    F32, f32, as_f32;
    F64, f64, as_f64;
    I64, i64, as_i64;
    I32, i32, as_i32;
    F16, F16, as_f16;
    I16, i16, as_i16;
    I8, i8, as_i8;
    U64, u64, as_u64;
    U32, u32, as_u32;
    U16, u16, as_u16;
    U8, u8, as_u8;
    Bool, bool, as_bool;
    Text, Box<str>, as_text;
}

/// A shape and a number of elements that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    shape: Vec<usize>,
    found: usize,
    expected: Option<usize>,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.found == 1 { "" } else { "s" };
        write!(f, "shape {:?}: found {} value{plural}, expected ", self.shape, self.found)?;
        match self.expected {
            Some(1) => f.write_str("1 value"),
            Some(expected) => write!(f, "{expected} values"),
            None => f.write_str("a shape whose product fits a usize"),
        }
    }
}

impl Error for ShapeError {}

/// Tensors by name, in order: what a graph of several inputs takes, and what it gives.
///
/// ```
/// use modelgate::tensor::{Tensor, Tensors};
///
/// let inputs = Tensors::new()
///     .with("amount", Tensor::row(vec![12.5_f32]))
///     .with("country", Tensor::row(vec![7_i64]));
/// assert_eq!(inputs.get("country").and_then(Tensor::as_i64), Some(&[7][..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors(Vec<(Box<str>, Tensor)>);

impl Tensors {
    /// No tensors.
    pub fn new() -> Tensors {
        Tensors::default()
    }

    /// With this tensor added, in place of one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, tensor: Tensor) -> Tensors {
        self.insert(name, tensor);
        self
    }

    /// Adds a tensor, and returns the one that had its name.
    pub fn insert(&mut self, name: impl Into<Box<str>>, tensor: Tensor) -> Option<Tensor> {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => Some(std::mem::replace(place, tensor)),
            None => {
                self.0.push((name, tensor));
                None
            }
        }
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(known, _)| &**known == name).map(|(_, tensor)| tensor)
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and tensors, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (&**name, tensor))
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (N, Tensor)>>(tensors: I) -> Tensors {
        tensors.into_iter().fold(Tensors::new(), |all, (name, tensor)| all.with(name, tensor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_whose_product_overflows_is_refused() {
        let error = Tensor::new([usize::MAX, 2], Vec::<f32>::new()).unwrap_err();
        assert!(error.to_string().contains("expected a shape whose product fits"), "{error}");
    }

    #[test]
    fn a_name_holds_one_tensor() {
        let mut tensors = Tensors::new().with("a", Tensor::vector(vec![1_i64]));
        assert_eq!(
            tensors.insert("a", Tensor::vector(vec![2_i64])),
            Some(Tensor::vector(vec![1_i64]))
        );
        assert_eq!(tensors.len(), 1);
    }
}
