//! Good answers.

use serde_json::{Value, json};

/// The rows of a request.
pub fn rows(head: &str, body: &[u8]) -> Vec<Vec<f32>> {
    let length = crate::http::header(head, "inference-header-content-length");
    let length = length.map_or(body.len(), |length| length.parse().unwrap());
    let request: Value = serde_json::from_slice(&body[..length]).unwrap();
    let input = &request["inputs"][0];
    let width = input["shape"][1].as_u64().unwrap() as usize;
    let values: Vec<f32> = match input["data"].as_array() {
        Some(data) => data.iter().map(|value| value.as_f64().unwrap() as f32).collect(),
        None => {
            let chunks = body[length..].chunks_exact(4);
            chunks.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        }
    };
    values.chunks_exact(width).map(<[f32]>::to_vec).collect()
}

/// The place of the largest value.
pub fn label(row: &[f32]) -> i64 {
    let mut best = 0;
    for (place, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = place;
        }
    }
    best as i64
}

/// The body of an answer, and how much of it is JSON.
pub fn body(rows: &[Vec<f32>], binary: bool) -> (Vec<u8>, Option<usize>) {
    let labels: Vec<i64> = rows.iter().map(|row| label(row)).collect();
    let width = rows.first().map_or(0, Vec::len);
    let mut outputs = json!([
        {"name": "label", "datatype": "INT64", "shape": [rows.len()]},
        {"name": "probabilities", "datatype": "FP32", "shape": [rows.len(), width]},
    ]);
    if !binary {
        outputs[0]["data"] = json!(labels);
        outputs[1]["data"] = json!(rows);
        return (document(outputs).into_bytes(), None);
    }
    outputs[0]["parameters"] = json!({"binary_data_size": 8 * rows.len()});
    outputs[1]["parameters"] = json!({"binary_data_size": 4 * rows.len() * width});
    let mut body = document(outputs).into_bytes();
    let length = body.len();
    body.extend(labels.iter().flat_map(|label| label.to_le_bytes()));
    body.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    (body, Some(length))
}

pub fn document(outputs: Value) -> String {
    json!({"model_name": "echo", "model_version": "2", "outputs": outputs}).to_string()
}
