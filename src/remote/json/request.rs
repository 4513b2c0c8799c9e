//! Writes the body of a request.

use std::{fmt, time::Duration};

use crate::{
    model::ModelError,
    remote::wire::{self, InferenceRequest},
    tensor::Data,
};

/// The body of a request.
#[derive(Clone, Debug)]
pub(in crate::remote) struct Body {
    pub(in crate::remote) bytes: Vec<u8>,
    /// The length of the JSON in bytes, if binary tensors follow it.
    pub(in crate::remote) json: Option<usize>,
}

/// Writes the body of a request, with its tensors behind the JSON if `binary`.
///
/// # Errors
///
/// NaN or an infinity in a tensor that is sent as JSON, which cannot express it.
pub(in crate::remote) fn request(
    question: &InferenceRequest,
    binary: bool,
    timeout: Option<Duration>,
) -> Result<Body, ModelError> {
    let mut json = Vec::new();
    let mut behind = Vec::new();
    json.extend_from_slice(b"{\"inputs\":[");
    for (place, (name, tensor)) in question.inputs.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        json.extend_from_slice(b"{\"name\":");
        write(&mut json, name);
        json.extend_from_slice(b",\"shape\":");
        write(&mut json, tensor.shape());
        json.extend_from_slice(b",\"datatype\":");
        write(&mut json, wire::datatype(tensor.dtype()));
        if binary {
            let before = behind.len();
            wire::to_bytes(tensor.data(), &mut behind);
            json.extend_from_slice(b",\"parameters\":{\"binary_data_size\":");
            write(&mut json, &behind.len().saturating_sub(before));
            json.push(b'}');
        } else {
            json.extend_from_slice(b",\"data\":");
            elements(&mut json, name, tensor.data())?;
        }
        json.push(b'}');
    }
    json.push(b']');
    if !question.outputs.is_empty() {
        json.extend_from_slice(b",\"outputs\":[");
        for (place, name) in question.outputs.iter().enumerate() {
            if place > 0 {
                json.push(b',');
            }
            json.extend_from_slice(b"{\"name\":");
            write(&mut json, name);
            if binary {
                json.extend_from_slice(b",\"parameters\":{\"binary_data\":true}");
            }
            json.push(b'}');
        }
        json.push(b']');
    }
    let mut parameters = Vec::new();
    if binary && question.outputs.is_empty() {
        parameters.push("\"binary_data_output\":true".to_owned());
    }
    if let Some(timeout) = timeout {
        parameters.push(format!("\"timeout\":{}", timeout.as_micros()));
    }
    if !parameters.is_empty() {
        json.extend_from_slice(b",\"parameters\":{");
        json.extend_from_slice(parameters.join(",").as_bytes());
        json.push(b'}');
    }
    json.push(b'}');
    let length = json.len();
    json.append(&mut behind);
    Ok(Body { bytes: json, json: binary.then_some(length) })
}

fn write<T: serde::Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    // Cannot fail: names, sizes and finite numbers are written into a `Vec`.
    let _ = serde_json::to_writer(json, value);
}

fn elements(json: &mut Vec<u8>, name: &str, data: &Data) -> Result<(), ModelError> {
    match data {
        Data::F32(values) => {
            finite(name, values, |value| value.is_finite())?;
            json.push(b'[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    json.push(b',');
                }
                let start = json.len();
                write(json, value);
                // Servers parse a number as f64 first. Where rounding that to f32 gives another
                // number than this one, the longer text of the exact f64 is sent.
                let text = json.get(start..).and_then(|text| std::str::from_utf8(text).ok());
                let back = text.and_then(|text| text.parse::<f64>().ok());
                if back.is_none_or(|back| back as f32 != *value) {
                    json.truncate(start);
                    write(json, &f64::from(*value));
                }
            }
            json.push(b']');
        }
        Data::F64(values) => {
            finite(name, values, |value| value.is_finite())?;
            write(json, values);
        }
        Data::I64(values) => write(json, values),
        Data::I32(values) => write(json, values),
        Data::F16(values) => {
            finite(name, values, |value| value.is_finite())?;
            write(json, &values.iter().map(|value| value.to_f32()).collect::<Vec<f32>>());
        }
        Data::I16(values) => write(json, values),
        Data::I8(values) => write(json, values),
        Data::U64(values) => write(json, values),
        Data::U32(values) => write(json, values),
        Data::U16(values) => write(json, values),
        Data::U8(values) => write(json, values),
        Data::Bool(values) => write(json, values),
        Data::Text(values) => write(json, values),
    }
    Ok(())
}

fn finite<T: Copy + fmt::Display>(
    name: &str,
    values: &[T],
    is_finite: impl Fn(T) -> bool,
) -> Result<(), ModelError> {
    match values.iter().position(|value| !is_finite(*value)) {
        None => Ok(()),
        Some(index) => Err(ModelError::invalid_input(
            format_args!("inputs.{name}[{index}]"),
            "NaN or an infinity",
            "a finite number, as this server takes JSON",
        )),
    }
}
