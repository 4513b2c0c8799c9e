//! Where the tests find ONNX Runtime.

use modelgate::OnnxRuntime;

/// The library that `ORT_DYLIB_PATH` names, or the system's. Where there is none, nothing is to be
/// tested; where everything must be there, that is a failure.
pub fn find() -> Option<OnnxRuntime> {
    match OnnxRuntime::load() {
        Ok(runtime) => Some(runtime),
        Err(error) if std::env::var("CI").is_ok_and(|value| value == "true") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}
