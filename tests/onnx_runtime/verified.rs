//! Models verified against ONNX Runtime when they are loaded.

use std::error::Error;

use modelgate::onnx::{self, LoadError};

use crate::{example, fixture, library};

#[test]
fn models_that_agree_are_loaded_by_every_loader() {
    let Some(runtime) = library::find() else { return };
    let verified = || onnx::Classifier::builder().verify_against(runtime.clone());
    for file in ["digits_v1.onnx", "digits_v2.onnx", "breast_cancer_v2.onnx"] {
        verified().load(example(file)).unwrap();
    }
    verified().load_columns(fixture("churn")).unwrap();
    verified().load_text(fixture("spam")).unwrap();
    verified().load_regressor(fixture("one_score")).unwrap();
    verified().load_vector(example("digits_v2.onnx")).unwrap();
    let graph = verified().load_graph(fixture("two_inputs")).unwrap();
    assert_eq!(graph.inputs().len(), 2);
}

#[test]
fn a_model_that_onnx_runtime_cannot_load_is_not_verified() {
    let Some(runtime) = library::find() else { return };
    let mut bytes = std::fs::read(example("digits_v1.onnx")).unwrap();
    // The version of the format, which the last field says.
    bytes.extend([0x08, 99]);
    onnx::Classifier::from_bytes(&bytes).unwrap();
    let error = onnx::Classifier::builder().verify_against(runtime).from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, LoadError::Unverified { .. }), "{error}");
    assert_eq!(error.to_string(), "ONNX Runtime cannot load the model, to verify its answers");
    assert!(error.source().is_some());
}
