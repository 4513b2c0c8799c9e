//! What both transports share: requests, answers, and the protocol's types and binary representation
//! of tensors.

use super::Error;
use crate::tensor::{Data, Dtype, F16, Tensor, Tensors};

/// A request: tensors, and the names of the outputs to return; all if there are none.
#[derive(Clone, Debug)]
pub(super) struct InferenceRequest {
    pub(super) inputs: Vec<(Box<str>, Tensor)>,
    pub(super) outputs: Vec<Box<str>>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct InferenceResponse {
    /// Empty if the server does not state it.
    pub(super) version: String,
    pub(super) outputs: Tensors,
}

/// The metadata of a server and of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) server: String,
    pub(super) extensions: Vec<String>,
    pub(super) name: String,
    pub(super) versions: Vec<String>,
    pub(super) inputs: Vec<TensorInfo>,
    pub(super) outputs: Vec<TensorInfo>,
}

/// An input or output of a model on an inference server, from the model's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its name.
    pub name: Box<str>,
    /// Its element type, as the protocol spells it: `FP32`, `INT64`, `BYTES`.
    pub datatype: Box<str>,
    /// The size of each axis; -1 for any size.
    pub shape: Vec<i64>,
}

impl std::fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}{:?}", self.name, self.datatype, self.shape)
    }
}

/// The protocol's name for a type.
pub(super) fn datatype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "FP32",
        Dtype::F64 => "FP64",
        Dtype::I64 => "INT64",
        Dtype::I32 => "INT32",
        Dtype::F16 => "FP16",
        Dtype::I16 => "INT16",
        Dtype::I8 => "INT8",
        Dtype::U64 => "UINT64",
        Dtype::U32 => "UINT32",
        Dtype::U16 => "UINT16",
        Dtype::U8 => "UINT8",
        Dtype::Bool => "BOOL",
        Dtype::Text => "BYTES",
    }
}

/// The type with this name in the protocol, if it is supported.
pub(super) fn dtype(datatype: &str) -> Option<Dtype> {
    const KNOWN: [Dtype; 13] = [
        Dtype::F32,
        Dtype::F64,
        Dtype::F16,
        Dtype::I64,
        Dtype::I32,
        Dtype::I16,
        Dtype::I8,
        Dtype::U64,
        Dtype::U32,
        Dtype::U16,
        Dtype::U8,
        Dtype::Bool,
        Dtype::Text,
    ];
    KNOWN.into_iter().find(|known| self::datatype(*known) == datatype)
}

/// The type of an output, or an error that names the output.
pub(super) fn output_dtype(name: &str, datatype: &str) -> Result<Dtype, Error> {
    dtype(datatype).ok_or_else(|| {
        let expected = "FP32, FP64, INT64, INT32, UINT8, BOOL or BYTES";
        Error::mismatch(format_args!("outputs.{name}: datatype"), datatype, expected)
    })
}

/// An output of an answer, if its shape fits the number of its elements.
pub(super) fn output(name: &str, shape: &[i64], data: Data) -> Result<Tensor, Error> {
    let sizes: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
    let found = data.len();
    let tensor = sizes.and_then(|sizes| Tensor::new(sizes, data).ok());
    tensor.ok_or_else(|| {
        Error::mismatch(
            format_args!("outputs.{name}: shape"),
            format_args!("{shape:?} for {found} values"),
            "as many values as the shape has",
        )
    })
}

/// Appends the elements in the protocol's binary representation: little-endian, and a string behind its
/// length in 4 bytes.
pub(super) fn to_bytes(data: &Data, bytes: &mut Vec<u8>) {
    match data {
        Data::F32(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::F64(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::I64(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::I32(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::F16(values) => {
            values.iter().for_each(|v| bytes.extend(v.to_bits().to_le_bytes()));
        }
        Data::I16(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::I8(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::U64(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::U32(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::U16(values) => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
        Data::U8(values) => bytes.extend_from_slice(values),
        Data::Bool(values) => bytes.extend(values.iter().map(|v| u8::from(*v))),
        Data::Text(values) => {
            for text in values {
                // Cannot happen in practice: a string over 4 GiB exceeds every limit on requests.
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                bytes.extend(length.to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Reads elements in the protocol's binary representation.
pub(super) fn from_bytes(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Data, Error> {
    fn fixed<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Option<Vec<T>> {
        let (chunks, rest) = bytes.as_chunks::<N>();
        rest.is_empty().then(|| chunks.iter().map(|chunk| read(*chunk)).collect())
    }
    let data = match dtype {
        Dtype::F32 => fixed(bytes, f32::from_le_bytes).map(Data::F32),
        Dtype::F64 => fixed(bytes, f64::from_le_bytes).map(Data::F64),
        Dtype::I64 => fixed(bytes, i64::from_le_bytes).map(Data::I64),
        Dtype::I32 => fixed(bytes, i32::from_le_bytes).map(Data::I32),
        Dtype::F16 => fixed(bytes, |bits| F16::from_bits(u16::from_le_bytes(bits))).map(Data::F16),
        Dtype::I16 => fixed(bytes, i16::from_le_bytes).map(Data::I16),
        Dtype::I8 => fixed(bytes, i8::from_le_bytes).map(Data::I8),
        Dtype::U64 => fixed(bytes, u64::from_le_bytes).map(Data::U64),
        Dtype::U32 => fixed(bytes, u32::from_le_bytes).map(Data::U32),
        Dtype::U16 => fixed(bytes, u16::from_le_bytes).map(Data::U16),
        Dtype::U8 => Some(Data::U8(bytes.to_vec())),
        Dtype::Bool => Some(Data::Bool(bytes.iter().map(|byte| *byte != 0).collect())),
        Dtype::Text => texts(bytes).map(Data::Text),
    };
    data.ok_or_else(|| {
        Error::mismatch(
            format_args!("outputs.{name}: data"),
            format_args!("{} bytes", bytes.len()),
            format_args!("whole elements of {}", datatype(dtype)),
        )
    })
}

fn texts(mut bytes: &[u8]) -> Option<Vec<Box<str>>> {
    let mut texts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        texts.push(std::str::from_utf8(text).ok()?.into());
        bytes = rest;
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_from_its_bytes() {
        let odd = [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 4.0, 0.1];
        for data in [
            Data::F64(vec![0.1, -1e300]),
            Data::I64(vec![i64::MIN, 7]),
            Data::I32(vec![i32::MAX]),
            Data::U8(vec![0, 255]),
            Data::F16(vec![F16::from_f32(0.1)]),
            Data::I16(vec![i16::MIN]),
            Data::I8(vec![i8::MIN, 7]),
            Data::U64(vec![u64::MAX]),
            Data::U32(vec![u32::MAX]),
            Data::U16(vec![u16::MAX]),
            Data::Bool(vec![true, false]),
            Data::Text(vec!["".into(), "Käse".into()]),
        ] {
            let mut bytes = Vec::new();
            to_bytes(&data, &mut bytes);
            assert_eq!(from_bytes("x", data.dtype(), &bytes).unwrap(), data);
        }
        let mut bytes = Vec::new();
        to_bytes(&Data::F32(odd.to_vec()), &mut bytes);
        let Data::F32(back) = from_bytes("x", Dtype::F32, &bytes).unwrap() else {
            panic!("another type")
        };
        assert!(back.iter().zip(odd).all(|(back, sent)| back.to_bits() == sent.to_bits()));
    }

    #[test]
    fn bytes_that_are_no_elements_are_refused() {
        for (dtype, bytes) in [
            (Dtype::F32, &[0_u8; 5][..]),
            (Dtype::Text, &[9, 0, 0, 0, b'a']),
            (Dtype::Text, &[1, 0, 0, 0, 0xff]),
            (Dtype::Text, &[1, 0]),
        ] {
            assert!(from_bytes("x", dtype, bytes).is_err(), "{dtype}: {bytes:?}");
        }
        assert!(output("x", &[-1, 2], Data::F32(vec![])).is_err());
        assert!(output("x", &[i64::MAX, i64::MAX], Data::F32(vec![])).is_err());
    }
}
