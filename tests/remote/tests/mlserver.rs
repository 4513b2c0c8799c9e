//! Against a real MLServer and its scikit-learn runtime.
//!
//! `tests/servers/mlserver.sh start FOLDER` starts one and prints the variables that say where it
//! is. Without them, these tests are skipped, except where `CI` is `true`.

use std::{
    env,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::executor::block_on;
use modelgate::{AsyncModel, Classification, model::Label, remote, tensor::Dtype};
use modelgate_remote_tests::until;
use serde_json::Value;

struct Server {
    http: String,
    grpc: String,
    model: String,
    folder: String,
    rows: Vec<Vec<f32>>,
    labels: Vec<i64>,
    probabilities: Vec<Vec<f64>>,
    /// One test at a time: one of them kills the server.
    _alone: MutexGuard<'static, ()>,
}

fn server() -> Option<Server> {
    static SERVER: Mutex<()> = Mutex::new(());
    let alone = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(http) = env::var("MLSERVER_URL") else {
        let required = env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!required, "MLSERVER_URL: found nothing, expected a server's URL");
        eprintln!("skipped: MLSERVER_URL is not set");
        return None;
    };
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let answers = std::fs::read(variable("MLSERVER_ROWS")).unwrap();
    let answers: Value = serde_json::from_slice(&answers).unwrap();
    let list = |name: &str| answers[name].as_array().unwrap().clone();
    let numbers = |row: &Value| -> Vec<f64> {
        row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let narrow = |row: Vec<f64>| row.into_iter().map(|value| value as f32).collect();
    Some(Server {
        http,
        grpc: variable("MLSERVER_GRPC_URL"),
        model: variable("MLSERVER_MODEL"),
        folder: variable("MLSERVER_FOLDER"),
        rows: list("rows").iter().map(|row| narrow(numbers(row))).collect(),
        labels: list("labels").iter().map(|label| label.as_i64().unwrap()).collect(),
        probabilities: list("probabilities").iter().map(numbers).collect(),
        _alone: alone,
    })
}

impl Server {
    /// By REST and by gRPC.
    fn builders(&self) -> [remote::Builder; 2] {
        let builder = |url: &str| {
            remote::Classifier::builder(url, &*self.model)
                .deadline(Duration::from_secs(60))
                .health_interval(Duration::from_millis(200))
        };
        [builder(&self.http), builder(&self.grpc).grpc()]
    }

    fn script(&self, action: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../servers/mlserver.sh");
        let output = Command::new("bash").args([script, action, &self.folder]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn check(&self, row: usize, scores: &Classification) {
        assert_eq!(scores.label, Label::Int(self.labels[row]), "row {row}");
        // As sent: an f64 that scikit-learn computed of f32 values, alone or in a batch.
        for (found, expected) in scores.probabilities.iter().zip(&self.probabilities[row]) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "row {row}: {found}, {expected}");
        }
        assert_eq!(scores.probabilities.len(), 3);
    }
}

#[test]
fn its_metadata_is_read_and_checked() {
    let Some(server) = server() else { return };
    for builder in server.builders() {
        let model = block_on(
            builder
                .clone()
                .features(4)
                .classes(3)
                .expect_input("rows", Dtype::F32, [None, Some(4)])
                .expect_output("predict_proba", Dtype::F64, [None, Some(3)])
                .connect(),
        );
        let model = model.unwrap();
        assert_eq!(model.inputs()[0].to_string(), "rows: FP32[-1, 4]");
        assert_eq!(model.outputs().len(), 2);
        let error = block_on(builder.features(5).connect()).unwrap_err();
        let expected = "inputs.rows: shape: found [-1, 4], expected 5 values in a row";
        assert_eq!(error.to_string(), expected);
    }
    let error =
        block_on(remote::Classifier::builder(&server.http, "nothing").connect()).unwrap_err();
    assert!(matches!(error, remote::Error::Gone { .. }), "{error:?}");
    // By gRPC, MLServer answers UNKNOWN rather than NOT_FOUND.
    let error = remote::Classifier::builder(&server.grpc, "nothing").grpc().connect();
    let error = block_on(error).unwrap_err().to_string();
    assert!(error.contains("not found"), "{error}");
}

#[test]
fn its_answers_are_those_of_scikit_learn() {
    let Some(server) = server() else { return };
    for builder in server.builders() {
        let model = block_on(builder.connect()).unwrap();
        let rows: Vec<&[f32]> = server.rows.iter().map(|row| &row[..]).collect();
        for (row, scores) in block_on(model.predict_batch(&rows)).iter().enumerate() {
            server.check(row, scores.as_ref().unwrap());
        }
        for row in (0..rows.len()).step_by(25) {
            server.check(row, &block_on(model.predict(rows[row])).unwrap());
        }
    }
}

#[test]
fn what_it_refuses_is_told_without_the_features() {
    let Some(server) = server() else { return };
    for builder in server.builders() {
        let model = block_on(builder.probabilities_output("predict_proba").connect_graph());
        let model = model.unwrap();
        let rows =
            modelgate::tensor::Tensor::new([1, 4], vec![51_234.5_f32, 2.0, 3.0, 4.0]).unwrap();
        let inputs = modelgate::tensor::Tensors::new().with("rows", rows);
        let outputs = block_on(model.predict(&inputs));
        // Without a list of outputs, MLServer gives `predict` alone: less than it says it does.
        let error = outputs.unwrap_err();
        let chain = format!("{error:?}");
        assert!(chain.contains("outputs.predict_proba"), "{chain}");
        assert!(!chain.contains("51234"), "{chain}");
    }
}

#[test]
fn it_is_killed_and_used_again_when_it_is_back() {
    let Some(server) = server() else { return };
    let models = server.builders().map(|builder| block_on(builder.connect()).unwrap());
    for model in &models {
        server.check(0, &block_on(model.predict(&server.rows[0])).unwrap());
    }
    server.script("kill");
    for model in &models {
        assert!(block_on(model.predict(&server.rows[0])).is_err());
        until("the loss", || !model.is_loaded());
    }
    server.script("start");
    for model in &models {
        until("the server's return", || model.is_loaded());
        server.check(0, &block_on(model.predict(&server.rows[0])).unwrap());
    }
}
