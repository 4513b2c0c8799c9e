//! No kind of model panics, whatever its file contains and whatever its input is: it answers, or
//! its error says what is wrong.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use modelgate::{
    Features, Model, ModelError,
    features::FeatureValue,
    onnx::{AxisSize, Classifier, ColumnClassifier, Graph, Loader, NonFiniteInput, TextClassifier},
    tensor::{Data, Dtype, F16, Tensor, Tensors},
};

#[path = "../../fuzz/src/damage.rs"]
mod damage;

/// How often each file is damaged, unless `MODELGATE_DAMAGES` gives another number.
const DAMAGES: u64 = 3;

/// Loads a file as one kind of model, and calls the model if it loads.
type Drive = fn(&Loader, &[u8]);

/// The kinds of model as which each file is loaded.
const KINDS: [(&str, Drive); 8] = [
    ("classifier", |loader, bytes| {
        if let Ok(model) = loader.from_bytes(bytes) {
            rows(&model, model.input_len());
        }
    }),
    ("classifier of 8 features", |loader, bytes| {
        if let Ok(model) = loader.clone().features(8).from_bytes(bytes) {
            rows(&model, model.input_len());
        }
    }),
    ("regressor", |loader, bytes| {
        if let Ok(model) = loader.regressor_from_bytes(bytes) {
            rows::<f32>(&model, model.input_len());
        }
    }),
    ("vector", |loader, bytes| {
        if let Ok(model) = loader.vector_from_bytes(bytes) {
            rows::<Vec<f32>>(&model, model.input_len());
        }
    }),
    ("several labels", |loader, bytes| {
        if let Ok(model) = loader.multi_label_from_bytes(bytes) {
            rows(&model, model.input_len());
        }
    }),
    ("columns", |loader, bytes| {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        if let Ok(model) = loader.load_columns(file.path()) {
            columns(&model);
        }
    }),
    ("text", |loader, bytes| {
        if let Ok(model) = loader.text_from_bytes(bytes) {
            texts(&model);
        }
    }),
    ("graph", |loader, bytes| {
        if let Ok(model) = loader.graph_from_bytes(bytes) {
            tensors(&model);
        }
    }),
];

/// Calls a model of rows with a good row, one of NaN, infinity and extreme numbers, one that is too
/// short, and an empty one.
fn rows<O>(model: &impl Model<[f32], O>, width: usize) {
    let good = vec![0.5; width];
    let odd = [f32::NAN, f32::INFINITY, -1e38, 1e-40].repeat(width.div_ceil(4));
    let given: [&[f32]; 4] = [&good, &odd[..width], &good[..width.saturating_sub(1)], &[]];
    for row in given {
        let answer = model.predict(row);
        if row.len() != width {
            assert!(invalid(&answer), "a row of {} for {width}", row.len());
        }
    }
    let answers = model.predict_batch(&given);
    assert_eq!(answers.len(), given.len());
    assert!(width == 0 || invalid(&answers[3]));
    assert!(model.predict_batch(&[]).is_empty());
}

fn invalid<O>(answer: &Result<O, ModelError>) -> bool {
    answer.as_ref().is_err_and(ModelError::is_invalid_input)
}

fn columns(model: &ColumnClassifier) {
    let names: Vec<String> = model.names().map(str::to_owned).collect();
    let all = |value: FeatureValue| Features::named(names.iter().map(|name| (name, value.clone())));
    let given = [
        all(1.0.into()),
        all("a".into()),
        all(f64::NAN.into()),
        all(i64::MAX.into()),
        Features::row([1.0, 2.0]),
        Features::named::<&str, f64>([]),
    ];
    for features in &given {
        let _ = model.predict(features);
    }
    let answers = model.predict_batch(&given.each_ref());
    assert_eq!(answers.len(), given.len());
}

fn texts(model: &TextClassifier) {
    for text in ["", "free offer", "\u{0}\u{fffd}é 😀", &"long ".repeat(2_000)] {
        let _ = model.predict(text);
    }
    assert_eq!(model.predict_batch(&["a", ""]).len(), 2);
}

/// Calls a graph with one row for each input, two rows, a tensor of the wrong shape and type, and
/// no inputs.
fn tensors(model: &Graph) {
    for rows in [1, 2] {
        let mut given = Tensors::new();
        for input in model.inputs() {
            let axes = input.shape.as_deref().unwrap_or_default();
            let size = |(place, axis): (usize, &AxisSize)| match axis {
                AxisSize::Fixed(size) => *size,
                _ if place == 0 => rows,
                _ => 2,
            };
            let shape: Vec<usize> = axes.iter().enumerate().map(size).collect();
            if shape.iter().product::<usize>() > 1 << 16 {
                return;
            }
            let data = ones(input.dtype, shape.iter().product());
            given.insert(&*input.name, Tensor::new(shape, data).unwrap());
        }
        let _ = model.predict(&given);
        let _ = model.predict_batch(&[&given, &given]);
    }
    let mut odd = Tensors::new();
    for input in model.inputs() {
        let data = Data::F64(vec![f64::NAN; 6]);
        odd.insert(&*input.name, Tensor::new([1, 2, 3, 1, 1], data).unwrap());
    }
    let _ = model.predict(&odd);
    if !model.inputs().is_empty() {
        assert!(invalid(&model.predict(&Tensors::new())));
    }
}

fn ones(dtype: Option<Dtype>, count: usize) -> Data {
    match dtype {
        Some(Dtype::F64) => vec![1.0_f64; count].into(),
        Some(Dtype::F16) => vec![F16::from_f32(1.0); count].into(),
        Some(Dtype::I64) => vec![1_i64; count].into(),
        Some(Dtype::I32) => vec![1_i32; count].into(),
        Some(Dtype::I8) => vec![1_i8; count].into(),
        Some(Dtype::U8) => vec![1_u8; count].into(),
        Some(Dtype::Bool) => vec![true; count].into(),
        Some(Dtype::Text) => vec![Box::<str>::from("a"); count].into(),
        _ => vec![1.0_f32; count].into(),
    }
}

#[test]
fn no_kind_of_model_panics_whatever_its_file_contains() {
    let damages = env::var("MODELGATE_DAMAGES").map_or(DAMAGES, |count| count.parse().unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/onnx");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut escaped = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        for seed in 0..damages {
            // The first time, the file is undamaged.
            let damaged = (seed > 0).then(|| damage::damage(&whole, seed + 1_000 * index as u64));
            let bytes = damaged.flatten().unwrap_or_else(|| whole.clone());
            // Each damaged file is loaded as two kinds, so that all kinds get their turn.
            for turn in [0, 4] {
                let (kind, drive) = KINDS[(index + seed as usize + turn) % KINDS.len()];
                for non_finite in [NonFiniteInput::Refused, NonFiniteInput::Allowed] {
                    let loader = Classifier::builder().non_finite(non_finite);
                    if catch_unwind(AssertUnwindSafe(|| drive(&loader, &bytes))).is_err() {
                        escaped.push(format!("{}, {seed}: {kind}", file.display()));
                    }
                }
            }
        }
    }
    assert!(files.len() > 40);
    assert_eq!(escaped, [""; 0]);
}
