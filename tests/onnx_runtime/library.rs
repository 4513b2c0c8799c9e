//! Where the tests find ONNX Runtime.

use modelgate::onnx;

/// The library that `ORT_DYLIB_PATH` names, or the system's. Where there is none, nothing is to be
/// tested; where everything must be there, that is a failure.
pub fn find() -> Option<onnx::Runtime> {
    match onnx::Runtime::load() {
        Ok(runtime) => Some(runtime),
        Err(error) if std::env::var("CI").is_ok_and(|value| value == "true") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}
