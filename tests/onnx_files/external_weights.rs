//! Weights in files beside a model: they are read from its folder only, and checked against shapes
//! and pinned hashes.

use std::{fs, path::PathBuf};

use modelgate::{
    Model,
    onnx::{self, LoadError},
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::write::{elsewhere, floats, model, node, value};

const WEIGHTS: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

/// A model of two features and three scores. Its weights are in the file that these entries of
/// `external_data` give, or in the model if there are none.
fn classifier(entries: &[(&str, &str)]) -> Vec<u8> {
    let weights = floats("weights", &[2, 3], &WEIGHTS);
    let mut softmax = node("Softmax", &["scores"], "probabilities");
    softmax.attribute.clear();
    model(
        vec![node("MatMul", &["x", "weights"], "scores"), softmax],
        vec![value("x", &["rows", "2"])],
        vec![value("probabilities", &["rows", "3"])],
        vec![match entries {
            [] => weights,
            entries => elsewhere(&weights, entries),
        }],
    )
}

/// The file of weights: eight unrelated bytes, then the weights.
fn weights() -> Vec<u8> {
    let mut bytes = vec![0xff; 8];
    bytes.extend(WEIGHTS.iter().flat_map(|weight| weight.to_le_bytes()));
    bytes
}

/// A folder with the model and its weights, inside of a folder with a file that must not be read.
struct Folder(TempDir);

impl Folder {
    fn new(entries: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::create_dir(folder.0.path().join("models")).unwrap();
        fs::write(folder.model(), classifier(entries)).unwrap();
        fs::write(folder.path("models/model.data"), weights()).unwrap();
        fs::write(folder.path("secret"), weights()).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn model(&self) -> PathBuf {
        self.path("models/model.onnx")
    }

    fn refused(&self) -> String {
        onnx::Classifier::load(self.model()).unwrap_err().to_string()
    }
}

const STORED: [(&str, &str); 3] = [("location", "model.data"), ("offset", "8"), ("length", "24")];

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn external_weights_give_the_same_answers_as_embedded_ones() {
    let folder = Folder::new(&STORED);
    let outside = onnx::Classifier::load(folder.model()).unwrap();
    let inside = onnx::Classifier::from_bytes(&classifier(&[])).unwrap();
    for row in [[0.0, 0.0], [0.5, -1.0], [1.0, 0.25]] {
        assert_eq!(outside.predict(&row).unwrap(), inside.predict(&row).unwrap());
    }
    // Without a length, the shape gives it.
    onnx::Classifier::load(Folder::new(&STORED[..2]).model()).unwrap();
}

#[test]
fn a_model_from_bytes_cannot_have_external_weights() {
    let error = onnx::Classifier::from_bytes(&classifier(&STORED)).unwrap_err();
    assert!(matches!(&error, LoadError::ExternalData { tensor } if **tensor == *"weights"));
    assert_eq!(
        error.to_string(),
        "tensor `weights` keeps its weights in another file: load the model from its own, or save it \
         as one"
    );
}

#[test]
fn no_file_outside_of_the_models_folder_is_read() {
    for location in
        ["../secret", "/etc/passwd", "..", ".", "sub/../../secret", "C:secret", "..\\secret"]
    {
        let refused = Folder::new(&[("location", location), ("offset", "8")]).refused();
        assert_eq!(
            refused,
            format!(
                "weights of `weights` in `{location}`: found location {location}, expected the \
                 name of a file in the model's folder"
            )
        );
    }
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_out_of_the_folder_is_not_followed() {
    let folder = Folder::new(&[("location", "link"), ("offset", "8")]);
    std::os::unix::fs::symlink(folder.path("secret"), folder.path("models/link")).unwrap();
    assert!(folder.refused().ends_with("expected the name of a file in the model's folder"));
    fs::remove_file(folder.path("models/link")).unwrap();
    std::os::unix::fs::symlink(folder.path("models/model.data"), folder.path("models/link"))
        .unwrap();
    onnx::Classifier::load(folder.model()).unwrap();
}

#[test]
fn invalid_locations_offsets_and_lengths_are_refused_by_name() {
    for (entries, expected) in [
        (
            vec![STORED[0], ("offset", "16")],
            "found place 24 bytes from 16, expected a part of the file's 32 bytes",
        ),
        (
            vec![STORED[0], ("offset", "18446744073709551615")],
            "expected a part of the file's 32 bytes",
        ),
        (vec![STORED[0], ("offset", "-8")], "found offset -8, expected a number of bytes"),
        (
            vec![STORED[0], STORED[1], ("length", "20")],
            "found length 20, expected 24 bytes, as its shape says",
        ),
        (
            vec![STORED[0], STORED[1], ("length", "9223372036854775807")],
            "expected 24 bytes, as its shape says",
        ),
        (vec![STORED[1]], "found location nothing, expected the file of its weights"),
    ] {
        let refused = Folder::new(&entries).refused();
        assert!(refused.starts_with("weights of `weights` in `"), "{refused}");
        assert!(refused.ends_with(expected), "{refused}");
    }
    let missing = Folder::new(&[("location", "gone.data")]);
    assert!(matches!(onnx::Classifier::load(missing.model()), Err(LoadError::Io { .. })));
}

#[test]
fn a_weights_file_larger_than_allowed_is_not_read() {
    let folder = Folder::new(&STORED);
    fs::write(folder.path("models/model.data"), vec![0; 100_000]).unwrap();
    let error =
        onnx::Classifier::builder().max_file_bytes(50_000).load(folder.model()).unwrap_err();
    assert_eq!(error.to_string(), "model file: found 100000 bytes, expected at most 50000 bytes");
}

#[test]
fn a_pinned_model_needs_a_pin_for_its_weights() {
    let folder = Folder::new(&STORED);
    let pin = hash(&classifier(&STORED));
    let pinned = || onnx::Classifier::builder().sha256(pin.clone());
    let error = pinned().load(folder.model()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "external_sha256: found no pin of `model.data`, expected the SHA-256 of each file of weights, \
         as the model's own is pinned"
    );
    let right = hash(&weights());
    pinned().external_sha256("model.data", right.clone()).load(folder.model()).unwrap();
    let wrong = hash(b"other weights");
    let error =
        pinned().external_sha256("model.data", wrong.clone()).load(folder.model()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("weights of `weights` in `model.data`: found sha256 {right}, expected {wrong}")
    );
    let error = pinned()
        .external_sha256("model.data", right.clone())
        .external_sha256("other.data", right)
        .load(folder.model())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "external_sha256: found `other.data`, expected a file that the model names, such as \
         `model.data`"
    );
}

#[cfg(feature = "ort")]
#[test]
fn onnx_runtime_reads_the_same_weights() {
    let Ok(runtime) = onnx::Runtime::load() else { return };
    let folder = Folder::new(&STORED);
    let theirs = runtime.builder().load(folder.model()).unwrap();
    let ours = onnx::Classifier::load(folder.model()).unwrap();
    let near = modelgate::Classification::within(1e-6);
    near(&ours.predict(&[0.5, -1.0]).unwrap(), &theirs.predict(&[0.5, -1.0]).unwrap()).unwrap();
    let outside = Folder::new(&[("location", "../secret"), ("offset", "8")]);
    let error = runtime.builder().load(outside.model()).unwrap_err();
    assert!(matches!(error, LoadError::ExternalFile { .. }), "{error}");
}
