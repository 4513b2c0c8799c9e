//! The bodies of the protocol's REST form: JSON with the tensors in it, or behind it by the binary tensor
//! data extension.

mod request;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

pub(super) use self::request::{Body, request};
use super::{
    Error,
    wire::{self, InferenceResponse, TensorInfo},
};
use crate::tensor::{Data, Dtype, F16, Tensors};

#[derive(Deserialize)]
struct ResponseBody<'a> {
    #[serde(default)]
    model_version: Option<String>,
    #[serde(borrow)]
    outputs: Vec<Output<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    name: Box<str>,
    datatype: String,
    shape: Vec<i64>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    binary_data_size: Option<usize>,
}

/// Reads the body of a response; `json` is the length of its JSON in bytes, if binary tensors follow it.
pub(super) fn reply(body: &[u8], json: Option<usize>) -> Result<InferenceResponse, Error> {
    let (text, mut behind) = match json {
        None => (body, &[][..]),
        Some(length) => body.split_at_checked(length).ok_or_else(|| {
            let found = format_args!("{} bytes in all", body.len());
            Error::mismatch("inference-header-content-length", length, found)
        })?,
    };
    let answer: ResponseBody<'_> =
        serde_json::from_slice(text).map_err(|error| unreadable(&error))?;
    let mut outputs = Tensors::new();
    for Output { name, datatype, shape, data, parameters } in answer.outputs {
        let dtype = wire::output_dtype(&name, &datatype)?;
        let data = match (parameters.and_then(|p| p.binary_data_size), data) {
            (Some(size), _) => {
                let (bytes, rest) = behind.split_at_checked(size).ok_or_else(|| {
                    let field = format_args!("outputs.{name}: binary_data_size");
                    Error::mismatch(field, size, format_args!("at most {}", behind.len()))
                })?;
                behind = rest;
                wire::from_bytes(&name, dtype, bytes)?
            }
            (None, Some(data)) => read(dtype, data.get()).map_err(|error| unreadable(&error))?,
            (None, None) => {
                let field = format_args!("outputs.{name}: data");
                return Err(Error::mismatch(field, "nothing", "the elements"));
            }
        };
        let tensor = wire::output(&name, &shape, data)?;
        if outputs.insert(name.clone(), tensor).is_some() {
            let field = format_args!("outputs.{name}");
            return Err(Error::mismatch(field, "two of this name", "one"));
        }
    }
    Ok(InferenceResponse { version: answer.model_version.unwrap_or_default(), outputs })
}

/// Says where a body is malformed, without quoting it: it may hold a user's data.
fn unreadable(error: &serde_json::Error) -> Error {
    use serde_json::error::Category;

    let what = match error.classify() {
        Category::Syntax => "invalid JSON",
        Category::Eof => "truncated JSON",
        Category::Io | Category::Data => "JSON of another form",
    };
    let place = format_args!("{what} at line {}, column {}", error.line(), error.column());
    Error::malformed("answer", place)
}

/// Reads the elements of a tensor, which the protocol allows to be flat or nested by axes.
fn read(dtype: Dtype, text: &str) -> Result<Data, serde_json::Error> {
    fn list<'de, T: Deserialize<'de>>(text: &'de str) -> Result<Vec<T>, serde_json::Error> {
        let opened =
            text.bytes().take_while(|byte| matches!(byte, b'[' | b' ' | b'\n' | b'\r' | b'\t'));
        let depth = opened.filter(|byte| *byte == b'[').count();
        let mut elements = Vec::new();
        let mut json = serde_json::Deserializer::from_str(text);
        Lists { depth, elements: &mut elements }.deserialize(&mut json)?;
        Ok(elements)
    }
    // Servers written in Python send NaN as null.
    fn floats<T>(values: Vec<Option<T>>, nan: T) -> Vec<T>
    where
        T: Copy,
    {
        values.into_iter().map(|value| value.unwrap_or(nan)).collect()
    }
    Ok(match dtype {
        Dtype::F32 => Data::F32(floats(list(text)?, f32::NAN)),
        Dtype::F64 => Data::F64(floats(list(text)?, f64::NAN)),
        Dtype::I64 => Data::I64(list(text)?),
        Dtype::I32 => Data::I32(list(text)?),
        Dtype::F16 => {
            let values = floats(list(text)?, f32::NAN);
            Data::F16(values.into_iter().map(F16::from_f32).collect())
        }
        Dtype::I16 => Data::I16(list(text)?),
        Dtype::I8 => Data::I8(list(text)?),
        Dtype::U64 => Data::U64(list(text)?),
        Dtype::U32 => Data::U32(list(text)?),
        Dtype::U16 => Data::U16(list(text)?),
        Dtype::U8 => Data::U8(list(text)?),
        Dtype::Bool => Data::Bool(list(text)?),
        Dtype::Text => Data::Text(list(text)?),
    })
}

/// Reads lists nested to this depth, and collects their elements in row-major order.
struct Lists<'a, T> {
    depth: usize,
    elements: &'a mut Vec<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Lists<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Lists<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    // Recursion is bounded: `serde_json` refuses more than 128 nested lists.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.depth > 1 {
            loop {
                let inner = Lists { depth: self.depth - 1, elements: &mut *self.elements };
                if list.next_element_seed(inner)?.is_none() {
                    return Ok(());
                }
            }
        }
        while let Some(element) = list.next_element()? {
            self.elements.push(element);
        }
        Ok(())
    }
}

/// The server's metadata.
#[derive(Debug, Deserialize)]
pub(super) struct Server {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) extensions: Vec<String>,
}

/// A model's metadata.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    pub(super) name: String,
    #[serde(default)]
    pub(super) versions: Option<Vec<String>>,
    #[serde(default)]
    pub(super) inputs: Option<Vec<DescribedTensor>>,
    #[serde(default)]
    pub(super) outputs: Option<Vec<DescribedTensor>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DescribedTensor {
    name: Box<str>,
    datatype: Box<str>,
    #[serde(default)]
    shape: Vec<i64>,
}

impl From<DescribedTensor> for TensorInfo {
    fn from(tensor: DescribedTensor) -> TensorInfo {
        let DescribedTensor { name, datatype, shape } = tensor;
        TensorInfo { name, datatype, shape }
    }
}

/// Reads a body that is all JSON.
pub(super) fn document<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{remote::wire::InferenceRequest, tensor::Tensor};

    fn question(data: impl Into<Data>) -> InferenceRequest {
        InferenceRequest {
            inputs: vec![("x".into(), Tensor::row(data))],
            outputs: vec!["y".into()],
        }
    }

    #[test]
    fn every_f32_is_the_same_after_json() {
        let mut bits = 1_u32;
        let values: Vec<f32> = (0..100_000)
            .map(|_| {
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from_bits(bits)
            })
            .filter(|value| value.is_finite())
            .collect();
        let body = request(&question(values.clone()), false, None).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body.bytes).unwrap();
        let read = json["inputs"][0]["data"].as_array().unwrap();
        for (read, sent) in read.iter().zip(&values) {
            assert_eq!((read.as_f64().unwrap() as f32).to_bits(), sent.to_bits());
        }
        let body = json["inputs"][0]["data"].to_string();
        assert_eq!(self::read(Dtype::F32, &body).unwrap(), Data::F32(values));
    }

    #[test]
    fn what_json_cannot_say_is_refused_by_its_place() {
        let error = request(&question(vec![1.0, f32::NAN]), false, None).unwrap_err();
        assert!(error.is_invalid_input());
        assert!(error.to_string().starts_with("inputs.x[1]: found NaN"), "{error}");
        assert!(request(&question(vec![1.0, f32::NAN]), true, None).is_ok());
    }

    #[test]
    fn tensors_may_come_as_lists_in_lists_and_null_is_not_a_number() {
        let body = br#"{"model_version":null,"outputs":[
            {"name":"a","datatype":"FP32","shape":[2,2],"data":[[1,2],[3.5,4]]},
            {"name":"b","datatype":"BYTES","shape":[2],"data":["[x]","y"]},
            {"name":"c","datatype":"FP64","shape":[1],"data":[null]}]}"#;
        let reply = reply(body, None).unwrap();
        assert_eq!(
            reply.outputs.get("a").and_then(Tensor::as_f32),
            Some(&[1.0, 2.0, 3.5, 4.0][..])
        );
        assert_eq!(reply.outputs.get("b").and_then(Tensor::as_text).unwrap()[0].as_ref(), "[x]");
        assert!(reply.outputs.get("c").and_then(Tensor::as_f64).unwrap()[0].is_nan());
    }

    #[test]
    fn an_answer_that_is_not_what_it_says_is_refused() {
        for (body, json, part) in [
            (&b"{"[..], None, "truncated JSON"),
            (b"<html>", None, "invalid JSON"),
            (b"[]", None, "JSON of another form"),
            (b"{}", Some(9), "inference-header-content-length: found 9"),
            (br#"{"outputs":[{"name":"y","datatype":"FP32","shape":[1]}]}"#, None, "outputs.y: data: found nothing"),
            (br#"{"outputs":[{"name":"y","datatype":"BF16","shape":[1],"data":[1]}]}"#, None, "datatype: found BF16"),
            (br#"{"outputs":[{"name":"y","datatype":"FP32","shape":[3],"data":[1]}]}"#, None, "shape: found [3] for 1 values"),
            (br#"{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[[1],2]}]}"#, None, "another form"),
            (br#"{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}"#, None, "binary_data_size: found 4, expected at most 0"),
        ] {
            let error = reply(body, json).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(Dtype::F32, &deep).is_err());
    }
}
