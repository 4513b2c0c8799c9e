//! The values that nodes read and produce, and their conversion to and from plain numbers.

use std::{fmt, sync::Arc};

use tract_onnx::pb::TensorProto;

use super::{Data, Dtype, Tensor};
use crate::tensor::F16;

/// An input or output of a node.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Tensor(Arc<Tensor>),
    Sequence(Arc<Vec<Value>>),
    /// An optional without a value.
    Nothing,
}

/// Why a node failed.
#[derive(Debug)]
pub(super) struct OperatorError(pub(super) Box<str>);

impl OperatorError {
    #[cold]
    pub(super) fn new(words: impl Into<Box<str>>) -> OperatorError {
        OperatorError(words.into())
    }
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<crate::tensor::ShapeError> for OperatorError {
    fn from(error: crate::tensor::ShapeError) -> OperatorError {
        OperatorError::new(error.to_string())
    }
}

pub(super) type Outcome = Result<Vec<Value>, OperatorError>;

/// Returns early with an [`OperatorError`] unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($words:tt)*) => {
        if !$condition {
            return Err($crate::onnx::interpreter::value::OperatorError::new(format!($($words)*)));
        }
    };
}
pub(super) use ensure;

/// Evaluates the same expression on the elements, whatever their type.
macro_rules! each {
    ($data:expr, $values:ident => $run:expr) => {
        match $data {
            Data::F32($values) => $run,
            Data::F64($values) => $run,
            Data::F16($values) => $run,
            Data::I64($values) => $run,
            Data::I32($values) => $run,
            Data::I16($values) => $run,
            Data::I8($values) => $run,
            Data::U64($values) => $run,
            Data::U32($values) => $run,
            Data::U16($values) => $run,
            Data::U8($values) => $run,
            Data::Bool($values) => $run,
            Data::Text($values) => $run,
        }
    };
}

/// A node's only output.
pub(super) fn one(tensor: Tensor) -> Outcome {
    Ok(vec![Value::Tensor(Arc::new(tensor))])
}

/// A node's outputs.
pub(super) fn all(tensors: impl IntoIterator<Item = Tensor>) -> Outcome {
    Ok(tensors.into_iter().map(|tensor| Value::Tensor(Arc::new(tensor))).collect())
}

/// The largest number of elements of a tensor.
const MOST_ELEMENTS: usize = 1 << 26;

/// The most bytes of all strings of a tensor: as many as the largest tensor of the widest type of
/// number takes.
const MOST_BYTES: usize = MOST_ELEMENTS * 8;

/// A tensor of this shape, whose number of elements must match.
pub(super) fn tensor(shape: &[usize], data: Data) -> Result<Tensor, OperatorError> {
    Ok(Tensor::new(shape, data)?)
}

/// The number of elements of a shape, if it is within the limit. For the limit, an axis of size 0
/// counts as 1, because the work along the other axes would still be proportional to their sizes.
pub(super) fn count(shape: &[usize]) -> Result<usize, OperatorError> {
    let along = |product: usize, size: &usize| product.checked_mul((*size).max(1));
    let product = shape.iter().try_fold(1_usize, along);
    product
        .filter(|product| *product <= MOST_ELEMENTS)
        .map(|product| if shape.contains(&0) { 0 } else { product })
        .ok_or_else(|| OperatorError::new(format!("shape {shape:?} is too large")))
}

pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F16 | Dtype::F32 | Dtype::F64)
}

/// The elements as 64-bit floats.
pub(super) fn floats(tensor: &Tensor) -> Result<Vec<f64>, OperatorError> {
    Ok(match tensor.data() {
        Data::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        Data::F64(values) => values.clone(),
        Data::F16(values) => values.iter().map(|v| f64::from(v.to_f32())).collect(),
        _ => wide(tensor)?.into_iter().map(|value| value as f64).collect(),
    })
}

/// The elements as wide integers.
pub(super) fn wide(tensor: &Tensor) -> Result<Vec<i128>, OperatorError> {
    Ok(match tensor.data() {
        Data::I64(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::I32(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::I16(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::I8(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::U64(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::U32(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::U16(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::U8(values) => values.iter().map(|v| i128::from(*v)).collect(),
        Data::Bool(values) => values.iter().map(|v| i128::from(*v)).collect(),
        other => {
            return Err(OperatorError::new(format!("found {}, expected integers", other.dtype())));
        }
    })
}

/// The elements as sizes, axes or indices.
pub(super) fn indices(tensor: &Tensor) -> Result<Vec<i64>, OperatorError> {
    let values = wide(tensor)?;
    Ok(values.into_iter().map(|v| v.clamp(i64::MIN.into(), i64::MAX.into()) as i64).collect())
}

pub(super) fn bools(tensor: &Tensor) -> Result<&[bool], OperatorError> {
    tensor.as_bool().ok_or_else(|| mistyped(tensor, "bool"))
}

pub(super) fn texts(tensor: &Tensor) -> Result<&[Box<str>], OperatorError> {
    tensor.as_text().ok_or_else(|| mistyped(tensor, "text"))
}

#[cold]
pub(super) fn mistyped(tensor: &Tensor, expected: &str) -> OperatorError {
    OperatorError::new(format!("found {}, expected {expected}", tensor.dtype()))
}

/// 64-bit floats, rounded to a type.
pub(super) fn from_floats(dtype: Dtype, values: Vec<f64>) -> Data {
    match dtype {
        Dtype::F64 => values.into(),
        Dtype::F16 => values.into_iter().map(half).collect::<Vec<_>>().into(),
        Dtype::F32 => values.into_iter().map(|value| value as f32).collect::<Vec<_>>().into(),
        _ => from_wide(dtype, values.into_iter().map(|value| value as i128).collect()),
    }
}

/// Rounds once: rounding to 32 bits first could turn a number next to a tie into the tie.
fn half(value: f64) -> F16 {
    let near = value as f32;
    let exact = f64::from(near) == value || !near.is_finite();
    // Round to odd: the last bit records on which side of a tie the number lies.
    F16::from_f32(if exact { near } else { f32::from_bits(toward(near, value) | 1) })
}

fn toward(near: f32, value: f64) -> u32 {
    let away = f64::from(near).abs() > value.abs();
    if away { near.to_bits().wrapping_sub(1) } else { near.to_bits() }
}

/// Wide integers, wrapped to a type.
pub(super) fn from_wide(dtype: Dtype, values: Vec<i128>) -> Data {
    macro_rules! wrapped {
        ($type:ty) => {
            values.into_iter().map(|value| value as $type).collect::<Vec<$type>>().into()
        };
    }
    match dtype {
        Dtype::I64 => wrapped!(i64),
        Dtype::I32 => wrapped!(i32),
        Dtype::I16 => wrapped!(i16),
        Dtype::I8 => wrapped!(i8),
        Dtype::U64 => wrapped!(u64),
        Dtype::U32 => wrapped!(u32),
        Dtype::U16 => wrapped!(u16),
        Dtype::U8 => wrapped!(u8),
        Dtype::Bool => values.into_iter().map(|value| value != 0).collect::<Vec<_>>().into(),
        Dtype::F64 => values.into_iter().map(|value| value as f64).collect::<Vec<_>>().into(),
        Dtype::F32 => values.into_iter().map(|value| value as f32).collect::<Vec<_>>().into(),
        Dtype::F16 => values.into_iter().map(|v| half(v as f64)).collect::<Vec<_>>().into(),
        Dtype::Text => {
            values.into_iter().map(|v| v.to_string().into()).collect::<Vec<Box<str>>>().into()
        }
    }
}

/// The elements at these offsets.
// Strings are not `Copy`.
#[allow(clippy::clone_on_copy)]
pub(super) fn pick(data: &Data, offsets: &[usize]) -> Result<Data, OperatorError> {
    check_bytes(data, offsets)?;
    Ok(
        each!(data, values => offsets.iter().map(|offset| values[*offset].clone()).collect::<Vec<_>>().into()),
    )
}

/// Refuses to repeat long strings until they take more memory than the largest tensor of numbers.
fn check_bytes(data: &Data, offsets: &[usize]) -> Result<(), OperatorError> {
    let Data::Text(texts) = data else { return Ok(()) };
    text_bytes(offsets.iter().map(|offset| texts[*offset].len()))
}

/// Refuses strings of these lengths, in bytes, if they take more memory than the largest tensor of
/// numbers.
pub(super) fn text_bytes(lengths: impl Iterator<Item = usize>) -> Result<(), OperatorError> {
    let total = lengths.fold(0, usize::saturating_add);
    ensure!(total <= MOST_BYTES, "its texts would take {total} bytes");
    Ok(())
}

/// The elements at these offsets, and the first element of `fill` where there is none.
pub(super) fn pick_or(
    data: &Data,
    offsets: &[Option<usize>],
    fill: &Data,
) -> Result<Data, OperatorError> {
    ensure!(data.dtype() == fill.dtype(), "found {}, expected {}", fill.dtype(), data.dtype());
    let joined = join(&[data, fill])?;
    let outside = data.len();
    ensure!(joined.len() > outside || offsets.iter().all(Option::is_some), "nothing to fill with");
    let offsets: Vec<usize> = offsets.iter().map(|offset| offset.unwrap_or(outside)).collect();
    pick(&joined, &offsets)
}

/// The elements of several tensors, concatenated.
pub(super) fn join(parts: &[&Data]) -> Result<Data, OperatorError> {
    let Some((first, rest)) = parts.split_first() else {
        return Err(OperatorError::new("nothing to join"));
    };
    let mut joined = (*first).clone();
    for part in rest {
        macro_rules! extended {
            ($($variant:ident)*) => {
                match (&mut joined, part) {
                    $((Data::$variant(all), Data::$variant(more)) => {
                        all.extend_from_slice(more);
                    })*
                    (all, more) => {
                        let (found, expected) = (more.dtype(), all.dtype());
                        return Err(OperatorError::new(format!("found {found}, expected {expected}")));
                    }
                }
            };
        }
        extended!(F32 F64 F16 I64 I32 I16 I8 U64 U32 U16 U8 Bool Text);
    }
    Ok(joined)
}

/// Zeros, or empty strings, of this type.
pub(super) fn zeros(dtype: Dtype, count: usize) -> Data {
    match dtype {
        Dtype::Text => vec![Box::<str>::from(""); count].into(),
        dtype => from_wide(dtype, vec![0; count]),
    }
}

/// The type of number with this code in `TensorProto.DataType`.
pub(super) fn numeric(number: i64) -> Result<Dtype, OperatorError> {
    let dtype = dtype(number)?;
    ensure!(dtype != Dtype::Text, "found {dtype}, expected a type of numbers");
    Ok(dtype)
}

/// Integers as the sizes of axes.
pub(super) fn sizes(list: &[i64]) -> Result<Vec<usize>, OperatorError> {
    let sizes: Option<Vec<usize>> = list.iter().map(|size| usize::try_from(*size).ok()).collect();
    sizes.ok_or_else(|| OperatorError::new("the size of an axis is negative"))
}

/// How many of the `time` steps each of the `batch` sequences has.
pub(super) fn lengths(
    list: &[i64],
    batch: usize,
    time: usize,
) -> Result<Vec<usize>, OperatorError> {
    ensure!(list.len() == batch, "{} lengths for {batch} sequences", list.len());
    let within = |length: &i64| {
        let found = usize::try_from(*length).ok().filter(|length| *length <= time);
        found.ok_or_else(|| OperatorError::new(format!("a length of {length}, of {time} steps")))
    };
    list.iter().map(within).collect()
}

/// The smallest and the largest value of an integer type.
pub(super) fn ends(dtype: Dtype) -> (i128, i128) {
    match dtype {
        Dtype::Bool => (0, 1),
        Dtype::U8 => (0, u8::MAX.into()),
        Dtype::U16 => (0, u16::MAX.into()),
        Dtype::U32 => (0, u32::MAX.into()),
        Dtype::U64 => (0, u64::MAX.into()),
        Dtype::I8 => (i8::MIN.into(), i8::MAX.into()),
        Dtype::I16 => (i16::MIN.into(), i16::MAX.into()),
        Dtype::I32 => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

/// The element type with this code in `TensorProto.DataType`.
pub(super) fn dtype(number: i64) -> Result<Dtype, OperatorError> {
    let known = i32::try_from(number).ok().and_then(crate::onnx::describe::dtype);
    known.ok_or_else(|| OperatorError::new(format!("element type {number} is not supported")))
}

/// Reads a tensor of the model.
pub(super) fn from_proto(proto: &TensorProto) -> Result<Tensor, OperatorError> {
    let shape = sizes(&proto.dims)?;
    let dtype = dtype(proto.data_type.into())?;
    let raw = &*proto.raw_data;
    macro_rules! numbers {
        ($type:ty, $field:expr) => {
            if raw.is_empty() {
                $field.iter().map(|value| *value as $type).collect::<Vec<$type>>().into()
            } else {
                let (chunks, _) = raw.as_chunks::<{ size_of::<$type>() }>();
                chunks.iter().map(|c| <$type>::from_le_bytes(*c)).collect::<Vec<$type>>().into()
            }
        };
    }
    let data: Data = match dtype {
        Dtype::F32 => numbers!(f32, proto.float_data),
        Dtype::F64 => numbers!(f64, proto.double_data),
        Dtype::I64 => numbers!(i64, proto.int64_data),
        Dtype::I32 => numbers!(i32, proto.int32_data),
        Dtype::I16 => numbers!(i16, proto.int32_data),
        Dtype::I8 => numbers!(i8, proto.int32_data),
        Dtype::U16 => numbers!(u16, proto.int32_data),
        Dtype::U8 => numbers!(u8, proto.int32_data),
        Dtype::U32 => numbers!(u32, [0_u32; 0]),
        Dtype::U64 => numbers!(u64, [0_u64; 0]),
        Dtype::F16 => {
            let bits: Data = numbers!(u16, proto.int32_data);
            match bits {
                Data::U16(bits) => bits.into_iter().map(F16::from_bits).collect::<Vec<_>>().into(),
                other => other,
            }
        }
        Dtype::Bool => {
            let bits: Data = numbers!(u8, proto.int32_data);
            match bits {
                Data::U8(bits) => bits.into_iter().map(|bit| bit != 0).collect::<Vec<_>>().into(),
                other => other,
            }
        }
        Dtype::Text => {
            let texts = proto.string_data.iter();
            let texts = texts.map(|text| std::str::from_utf8(text).map(Box::<str>::from));
            let texts: Result<Vec<_>, _> = texts.collect();
            texts.map_err(|_| OperatorError::new("a text is not UTF-8"))?.into()
        }
    };
    Ok(Tensor::new(shape, data)?)
}
