//! A library that is missing, is something else, is too old or does not start, is said to be so.
#![cfg(all(feature = "ort", target_os = "linux"))]

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::Command,
};

use modelgate::onnx;

/// Builds a library that says it is ONNX Runtime of this version, and has no interface.
fn pretender(folder: &Path, version: &str) -> PathBuf {
    let source = folder.join(format!("of_{version}.rs"));
    let library = folder.join(format!("libof_{version}.so"));
    let code = format!(
        r#"
        #[repr(C)]
        pub struct Base(extern "C" fn(u32) -> usize, extern "C" fn() -> *const u8);
        extern "C" fn interface(_: u32) -> usize {{ 0 }}
        extern "C" fn version() -> *const u8 {{ "{version}\0".as_ptr() }}
        static BASE: Base = Base(interface, version);
        #[unsafe(no_mangle)]
        pub extern "C" fn OrtGetApiBase() -> &'static Base {{ &BASE }}
        "#
    );
    std::fs::write(&source, code).unwrap();
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(compiler)
        .args(["--edition=2024", "--crate-name=of", "--crate-type=cdylib", "-Cpanic=abort", "-o"])
        .args([&library, &source])
        .status();
    assert!(built.unwrap().success());
    library
}

// One test, as a process keeps the first library that it could load.
#[test]
fn a_library_that_does_not_serve_is_told_apart() {
    let error = onnx::Runtime::load_from("/no/such/libonnxruntime.so").unwrap_err();
    assert!(matches!(error, onnx::RuntimeError::NotLoaded { .. }), "{error}");
    assert!(error.to_string().contains("set ORT_DYLIB_PATH"), "{error}");
    assert!(error.source().unwrap().to_string().contains("No such file"));

    let error = onnx::Runtime::load_from("libc.so.6").unwrap_err();
    assert!(matches!(error, onnx::RuntimeError::NotOnnxRuntime { .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let old = pretender(folder.path(), "1.10.2");
    let error = onnx::Runtime::load_from(&old).unwrap_err();
    assert!(matches!(error, onnx::RuntimeError::Version { .. }), "{error}");
    assert!(error.to_string().ends_with("found 1.10.2, expected 1.18 or later"), "{error}");

    let empty = pretender(folder.path(), "1.99.0");
    for _ in 0..2 {
        let error = onnx::Runtime::load_from(&empty).unwrap_err();
        assert!(matches!(error, onnx::RuntimeError::Start { .. }), "{error}");
    }
    let other = pretender(folder.path(), "1.98.0");
    let error = onnx::Runtime::load_from(&other).unwrap_err();
    match &error {
        onnx::RuntimeError::OtherLoaded { loaded, .. } => {
            assert_eq!(*loaded, empty.canonicalize().unwrap());
        }
        _ => panic!("{error}"),
    }
}
