//! Models that predict numbers, one or several per row: by themselves, and as versions that are
//! shadowed, compared and judged.
use std::{fs, sync::Arc};

use modelgate::{
    Context, Features, Model, ModelRouter, Rollout, Shadow,
    compare::{Comparator, Comparison, CosineSimilarity, Tolerance, TopK, sink::MemorySink},
    onnx,
    verdict::{Metric, Verdict},
};

use crate::write;

const FILE: &str = "tests/data/one_score.onnx";

fn copied(schema: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    fs::copy(FILE, &path).unwrap();
    fs::write(folder.path().join("model.schema.json"), schema).unwrap();
    (folder, path)
}

fn row(model: &onnx::Regressor) -> Vec<f32> {
    (0..model.input_len()).map(|place| place as f32 * 0.5 - 1.0).collect()
}

#[test]
fn a_regressor_predicts_one_number_per_row_alone_and_in_a_batch() {
    let model = onnx::Regressor::load(FILE).unwrap();
    let (first, zeros) = (row(&model), vec![0.0; model.input_len()]);
    let alone: f32 = model.predict(&first).unwrap();
    let bad = vec![f32::NAN; model.input_len()];
    let short = [1.0_f32; 99];
    let answers = model.predict_batch(&[&first, &bad, &zeros, &short]);
    assert_eq!(answers[0].as_ref().unwrap(), &alone);
    assert!(answers[1].as_ref().unwrap_err().is_invalid_input());
    assert_eq!(answers[2].as_ref().unwrap(), &model.predict(&zeros).unwrap());
    assert!(answers[3].as_ref().unwrap_err().is_invalid_input());
}

#[test]
fn a_model_of_several_numbers_is_not_a_regressor_and_the_error_says_what_loads_it() {
    let file = "examples/models/digits_v2.onnx";
    let loader = onnx::Graph::builder().outputs(["probabilities"]);
    let error = loader.load_regressor(file).unwrap_err().to_string();
    assert!(error.contains("10 numbers a row, expected 1"), "{error}");
    assert!(error.contains("load_vector"), "{error}");

    let two = onnx::Graph::builder().outputs(["probabilities", "label"]);
    let error = two.load_vector(file).unwrap_err().to_string();
    assert_eq!(error, "outputs: found 2 names, expected 1, of the output to read");

    let vector = loader.load_vector(file).unwrap();
    assert_eq!(vector.output_len(), 10);
    let classifier = onnx::Classifier::load(file).unwrap();
    let rows: Vec<[f32; 64]> = (0..5).map(|place| [place as f32; 64]).collect();
    let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
    for (answer, row) in vector.predict_batch(&rows).into_iter().zip(&rows) {
        let expected = classifier.predict(row).unwrap().probabilities;
        let near = answer.unwrap().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near);
    }
}

#[test]
fn a_regressor_has_the_schema_and_the_golden_rows_of_its_sidecar() {
    let model = onnx::Regressor::load(FILE).unwrap();
    let values = row(&model);
    let right: f32 = model.predict(&values).unwrap();
    let names: Vec<String> = (0..values.len()).map(|place| format!("feature_{place}")).collect();
    let features: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
    let sidecar = |outputs: serde_json::Value| {
        let golden = serde_json::json!([{ "features": values, "outputs": outputs }]);
        serde_json::json!({ "features": features, "golden": golden }).to_string()
    };

    let (_folder, path) = copied(&sidecar(serde_json::json!([right])));
    let model = onnx::Regressor::load(&path).unwrap().with_schema().unwrap();
    let named = names.iter().zip(&values).map(|(name, value)| (&**name, f64::from(*value)));
    let answer: f32 = model.predict(&Features::named(named)).unwrap();
    assert_eq!(answer, right);

    let (_folder, path) = copied(&sidecar(serde_json::json!([right + 1.0])));
    let error = onnx::Regressor::load(&path).unwrap_err();
    assert!(matches!(error, onnx::LoadError::Golden(_)), "{error}");

    let (_folder, path) = copied(&sidecar(serde_json::json!([])));
    let error = onnx::Regressor::load(&path).unwrap_err().to_string();
    assert!(error.contains("golden[0].outputs: found nothing"), "{error}");
}

#[test]
fn classes_of_a_model_that_answers_numbers_are_refused_by_name() {
    let refused = |error: onnx::LoadError| {
        let expected = "classes: found 2 names, expected none, as the model's answers are numbers";
        assert!(error.to_string().ends_with(expected), "{error}");
    };
    let (folder, path) = copied(r#"{"classes": ["no", "yes"]}"#);
    refused(onnx::Regressor::load(&path).unwrap_err());
    refused(onnx::VectorModel::load(&path).unwrap_err());
    refused(onnx::MultiLabelClassifier::load(&path).unwrap_err());
    let columns = vec![write::value("a", &["rows", "1"])];
    let out = vec![write::value("y", &["rows", "1"])];
    let table = write::model(vec![write::node("Abs", &["a"], "y")], columns, out, vec![]);
    fs::write(folder.path().join("model.onnx"), table).unwrap();
    refused(onnx::Classifier::builder().load_column_regressor(&path).unwrap_err());
}

/// What it answers to five rows together is what it answers to each alone.
fn answers_each_row_its_own<F: ?Sized, P: PartialEq + std::fmt::Debug>(
    model: &dyn Model<F, P>,
    rows: &[&F],
) {
    let together: Vec<P> = model.predict_batch(rows).into_iter().map(Result::unwrap).collect();
    let alone: Vec<P> = rows.iter().map(|row| model.predict(row).unwrap()).collect();
    assert_eq!(together, alone);
    assert!(alone.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_batch_that_comes_back_with_too_few_rows_gives_no_row_the_answer_of_another() {
    // The last three rows at most: all is well in the first batch, of three.
    let last = |columns: usize, nodes: Vec<_>, inputs: Vec<_>, from: &str| {
        let cut = write::node("Slice", &[from, "start", "end"], "y");
        let bounds = [write::integers("start", &[-3]), write::integers("end", &[i64::MAX])];
        let output = write::value("y", &["some", &columns.to_string()]);
        let nodes = nodes.into_iter().chain([cut]).collect();
        write::model(nodes, inputs, vec![output], bounds.into())
    };
    let x = || vec![write::value("x", &["rows", "2"])];
    let builder = onnx::Classifier::builder;
    let values: Vec<[f32; 2]> = (0..5).map(|row| [row as f32, 2.0]).collect();
    let rows: Vec<&[f32]> = values.iter().map(|row| &row[..]).collect();
    let numbers = last(2, vec![], x(), "x");
    answers_each_row_its_own(&builder().from_bytes(&numbers).unwrap(), &rows);
    answers_each_row_its_own(&builder().vector_from_bytes(&numbers).unwrap(), &rows);

    let folder = tempfile::tempdir().unwrap();
    let tables: Vec<Features> =
        values.iter().map(|[a, b]| Features::row([f64::from(*a), f64::from(*b)])).collect();
    let tables: Vec<&Features> = tables.iter().collect();
    let columns = || vec![write::value("a", &["rows", "1"]), write::value("b", &["rows", "1"])];
    let mut both = write::node("Concat", &["a", "b"], "both");
    both.attribute.push(write::int("axis", 1));
    let classes = last(2, vec![both], columns(), "both");
    let path = folder.path().join("classes.onnx");
    fs::write(&path, classes).unwrap();
    answers_each_row_its_own(&builder().load_columns(&path).unwrap(), &tables);
    let sum = write::node("Add", &["a", "b"], "sum");
    let number = last(1, vec![sum], columns(), "sum");
    let path = folder.path().join("number.onnx");
    fs::write(&path, number).unwrap();
    answers_each_row_its_own(&builder().load_column_regressor(&path).unwrap(), &tables);
}

/// A linear model of two features: the product of a row with these columns, followed by a last
/// operator.
fn linear(columns: &[[f32; 2]], last: &str) -> Vec<u8> {
    let count = columns.len();
    let by_row: Vec<f32> = (0..2).flat_map(|row| columns.iter().map(move |c| c[row])).collect();
    write::model(
        vec![write::node("MatMul", &["x", "w"], "sums"), write::node(last, &["sums"], "y")],
        vec![write::value("x", &["rows", "2"])],
        vec![write::value("y", &["rows", &count.to_string()])],
        vec![write::floats("w", &[2, count as i64], &by_row)],
    )
}

const ROWS: [[f32; 2]; 4] = [[1.0, 0.0], [0.0, 1.0], [3.0, -2.0], [0.5, 0.25]];

/// The comparisons of a router that answers four rows and shadows them, and the verdict on them.
fn shadowed<P>(
    champion: impl Model<[f32], P> + 'static,
    candidate: impl Model<[f32], P> + 'static,
    comparator: impl Comparator<P> + 'static,
    metric: Metric<P, P>,
    truth: impl Fn(&P) -> P,
) -> (Vec<Comparison<P>>, Verdict<P, P>)
where
    P: modelgate::model::FiniteOutput + Clone + Send + Sync + 'static,
{
    let kept = Arc::new(MemorySink::new(10));
    let verdict = Verdict::<P, P>::builder("v2")
        .against("v1")
        .metric(Metric::disagreement())
        .metric(metric)
        .build()
        .unwrap();
    let router = ModelRouter::<[f32], P>::builder("version")
        .model("v1", champion)
        .model("v2", candidate)
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("version").unwrap())
        .shadow(Shadow::always().candidate("v2").joined())
        .compare(comparator)
        .sink(Arc::clone(&kept))
        .sink(verdict.clone())
        .build()
        .unwrap();
    for (user, row) in ROWS.iter().enumerate() {
        let key = format!("user-{user}");
        let answer = router.predict(&Context::new(&key), row).unwrap();
        verdict.label(answer.id(), truth(answer.output()));
    }
    (kept.take(), verdict)
}

fn agreeing<P>(comparisons: &[Comparison<P>]) -> Vec<Option<bool>> {
    comparisons.iter().map(|comparison| comparison.agreement.agrees()).collect()
}

#[test]
fn regressors_and_rankers_are_shadowed_within_a_tolerance_and_judged_by_their_loss() {
    let load = |columns| onnx::Regressor::from_bytes(&linear(&[columns], "Identity")).unwrap();
    let miss = |answer: &f32, truth: &f32| f64::from((answer - truth).abs());
    let loss = Metric::loss("error", miss).bound(10.0).margin(0.5);
    let (comparisons, verdict) =
        shadowed(load([2.0, 1.0]), load([2.0, 3.0]), Tolerance::absolute(0.6), loss, |answer| {
            *answer
        });
    // The candidate gives the second feature three times the weight.
    assert_eq!(agreeing(&comparisons), [Some(true), Some(false), Some(false), Some(true)]);
    let distance = comparisons[2].agreement.distance();
    assert_eq!(distance, Some(4.0));
    let judgement = verdict.judge();
    assert_eq!(judgement.metric("disagreement").unwrap().pairs, 4);
    let error = judgement.metric("error").unwrap();
    assert_eq!(error.pairs, 4);
    // The candidate lost 0, 2, 4 and 0.5, the champion nothing. Losses are rounded at random to
    // 128ths of the bound.
    assert!((error.estimate.unwrap() - 1.625).abs() < 0.1, "{error:?}");
}

#[test]
fn embeddings_are_compared_by_their_direction() {
    let load =
        |columns: &[[f32; 2]]| onnx::VectorModel::from_bytes(&linear(columns, "Identity")).unwrap();
    let embedding = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    let longer = embedding.map(|column| column.map(|value| value * 7.0));
    let apart = |answer: &Vec<f32>, truth: &Vec<f32>| {
        CosineSimilarity::at_least(0.9).compare(answer, truth).distance().unwrap_or(2.0)
    };
    let loss = || Metric::loss("angle", apart).bound(2.0).margin(0.1);
    let truth = |answer: &Vec<f32>| answer.clone();
    let near = CosineSimilarity::at_least(0.999);
    let (comparisons, verdict) = shadowed(load(&embedding), load(&longer), near, loss(), truth);
    assert_eq!(agreeing(&comparisons), [Some(true); 4]);
    assert!(verdict.judge().metric("angle").unwrap().estimate.unwrap().abs() < 0.02);

    let turned = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let (comparisons, verdict) = shadowed(load(&embedding), load(&turned), near, loss(), truth);
    assert_eq!(agreeing(&comparisons), [Some(false); 4]);
    assert!(verdict.judge().metric("angle").unwrap().estimate.unwrap() > 0.2);
}

#[test]
fn multi_label_models_are_compared_by_the_most_likely_label() {
    let load = |columns: &[[f32; 2]]| {
        onnx::MultiLabelClassifier::from_bytes(&linear(columns, "Sigmoid")).unwrap()
    };
    let topics = [[2.0, -1.0], [-1.0, 2.0], [0.5, 0.5], [-3.0, -3.0]];
    let model = load(&topics);
    assert_eq!(model.labels(), 4);
    let likely = model.predict(&[1.0, 0.0]).unwrap();
    assert!((likely[0] - 0.880_797).abs() < 1e-5, "{likely:?}");

    let missed = |answer: &Vec<f32>, truth: &Vec<f32>| {
        let of = |p: &f32| *p > 0.5;
        answer.iter().zip(truth).filter(|(a, b)| of(a) != of(b)).count() as f64
    };
    let loss = Metric::loss("labels_missed", missed).bound(4.0).margin(0.1);
    let swapped = [[0.5, 0.5], [-1.0, 2.0], [2.0, -1.0], [-3.0, -3.0]];
    let (comparisons, verdict) =
        shadowed(model, load(&swapped), TopK::ordered(1), loss, |answer| answer.clone());
    assert_eq!(agreeing(&comparisons), [Some(false), Some(true), Some(false), Some(false)]);
    assert_eq!(verdict.judge().metric("labels_missed").unwrap().pairs, 4);
}

/// Numbers with the rows along the second axis, the layout of a multi-label forest's outputs.
fn label_major(rows: &str) -> Vec<u8> {
    let mut turn = write::node("Transpose", &["sums"], "turned");
    turn.attribute.push(write::ints("perm", &[1, 0]));
    let mut both = write::node("Concat", &["no", "yes"], "y");
    both.attribute.push(write::int("axis", 2));
    write::model(
        vec![
            write::node("MatMul", &["x", "w"], "scores"),
            write::node("Sigmoid", &["scores"], "sums"),
            turn,
            write::node("Reshape", &["turned", "shape"], "yes"),
            write::node("Sub", &["one", "yes"], "no"),
            both,
        ],
        vec![write::value("x", &[rows, "2"])],
        vec![write::value("y", &["2", rows, "2"])],
        vec![
            write::floats("w", &[2, 2], &[1.0, -2.0, 0.5, 1.0]),
            write::floats("one", &[1], &[1.0]),
            write::integers("shape", &[2, -1, 1]),
        ],
    )
}

#[test]
fn rows_along_another_axis_than_the_first_are_found() {
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let expected = |[a, b]: [f32; 2]| [sigmoid(a + 0.5 * b), sigmoid(b - 2.0 * a)];
    let near = |found: &[f32], expected: &[f32]| {
        found.len() == expected.len()
            && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5)
    };
    let rows: Vec<&[f32]> = ROWS.iter().map(|row| &row[..]).collect();
    // With as many rows as labels, every axis has the same size.
    for file in [label_major("rows"), label_major("2")] {
        let labels = onnx::MultiLabelClassifier::from_bytes(&file).unwrap();
        let vectors = onnx::VectorModel::from_bytes(&file).unwrap();
        assert_eq!((labels.labels(), vectors.output_len()), (2, 4));
        let batch = labels.predict_batch(&rows).into_iter().zip(vectors.predict_batch(&rows));
        for (row, (found, all)) in ROWS.iter().zip(batch) {
            let [first, second] = expected(*row);
            assert!(near(&found.unwrap(), &[first, second]));
            assert!(near(&labels.predict(row).unwrap(), &[first, second]));
            assert!(near(&all.unwrap(), &[1.0 - first, first, 1.0 - second, second]));
        }
    }
}

#[test]
fn numbers_that_are_not_label_probabilities_are_refused() {
    // One class per row.
    let error = onnx::MultiLabelClassifier::load("examples/models/digits_v2.onnx").unwrap_err();
    assert!(error.to_string().contains("is loaded with `load`"), "{error}");
}
