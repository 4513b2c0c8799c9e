//! `examples/run_model.rs` with hostile input: it answers each line with one line, whatever the
//! line contains.

#[allow(dead_code, reason = "the program's own `main` is not called")]
#[path = "../../examples/run_model.rs"]
mod program;

use serde_json::{Value, json};

const DATATYPES: [&str; 14] = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
    "FP32", "FP64", "BYTES", "FP8",
];

fn ask(lines: &[Vec<u8>]) -> Vec<Value> {
    let mut answers = Vec::new();
    program::serve(&*lines.join(&b'\n'), &mut answers, &program::Engine::Tract).unwrap();
    let answers = String::from_utf8(answers).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn request(datatype: &str, shape: Value, data: Value, non_finite: &str) -> Vec<u8> {
    let right = json!({"name": "right", "datatype": "FP32", "shape": [1, 2], "data": [3, 4]});
    let left = json!({"name": "left", "datatype": datatype, "shape": shape, "data": data});
    let options = json!({"non_finite": non_finite});
    json!({"model": "tests/data/two_inputs.onnx", "inputs": [left, right], "options": options})
        .to_string()
        .into_bytes()
}

#[test]
fn each_line_gets_one_answer_and_bad_lines_leave_the_good_ones_correct() {
    let good = request("FP32", json!([1, 2]), json!([1, 2]), "refused");
    let mut lines = vec![good.clone()];
    for datatype in DATATYPES.into_iter().filter(|datatype| *datatype != "FP32") {
        for data in [json!([1, 2]), json!([true, false]), json!(["NaN", "x"]), json!([null, {}])] {
            lines.push(request(datatype, json!([1, 2]), data, "refused"));
        }
    }
    for shape in [json!([]), json!([1, 3]), json!([-1, 2]), json!([u64::MAX, u64::MAX]), json!(2)] {
        lines.push(request("FP32", shape, json!([1, 2]), "refused"));
    }
    for data in [json!(["NaN", 1]), json!([[1, 2]]), json!([]), json!([1e308, 1])] {
        lines.push(request("FP32", json!([1, 2]), data, "refused"));
    }
    for line in ["{", "null", "[]", "7", r#"{"model": ""}"#, r#"{"model": "Cargo.toml"}"#] {
        lines.push(line.into());
    }
    lines.push(vec![0xff, 0xfe]);
    lines.push(vec![b'['; 100_000]);
    let bad = lines.len() - 1;
    lines.push(good);

    let answers = ask(&lines);
    assert_eq!(answers.len(), lines.len());
    for answer in &answers[1..=bad] {
        let refused = ["error", "load_error"].into_iter().any(|key| answer[key].is_string());
        assert!(refused && answer.as_object().unwrap().len() == 1, "{answer}");
    }
    for answer in [&answers[0], &answers[bad + 1]] {
        assert_eq!(answer["outputs"][0]["data"], json!([4.0, 6.0]));
    }
}

#[test]
fn numbers_that_are_not_finite_pass_as_strings_where_allowed() {
    let data = json!(["NaN", "-Infinity"]);
    let answers = ask(&[request("FP32", json!([1, 2]), data.clone(), "allowed")]);
    assert_eq!(answers[0]["outputs"][0]["data"], data);
}
