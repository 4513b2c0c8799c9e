//! One model file, two engines: tract answers, ONNX Runtime runs in its shadow, and each pair of
//! answers is compared. A change of engine is a change of version like any other.
//!
//! ```sh
//! pip install onnxruntime      # the library is in onnxruntime/capi
//! export ORT_DYLIB_PATH=.../onnxruntime/capi/libonnxruntime.so.1.32.0
//! cargo run --release --features ort --example engines
//! ```

#[path = "service/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "service/digits.rs"]
#[allow(dead_code)]
mod digits;

use std::{error::Error, process::ExitCode, sync::Arc, time::Duration};

use digits::Digits;
use modelgate::{
    Classification, Context, ModelRouter, Rollout, Shadow,
    compare::{ProbabilityDistance, sink::MemorySink},
    onnx,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let runtime = match onnx::Runtime::load() {
        Ok(runtime) => runtime,
        Err(error) => {
            explain(&error);
            return Ok(ExitCode::FAILURE);
        }
    };
    let folder = config::in_repository("examples/models");
    let digits = Digits::open(&folder)?;
    let rows = digits.rows();
    let file = folder.join("digits_v2.onnx");
    let comparisons = Arc::new(MemorySink::<Classification>::new(rows.len()));

    let router = ModelRouter::<[f32], Classification>::builder("engine")
        .model("tract", onnx::Classifier::load(&file)?)
        .model("onnx-runtime", runtime.builder().load(&file)?)
        .fallback("tract")
        .source(Rollout::percent("onnx-runtime", 0.0).or("tract").flag("engine")?)
        .shadow(Shadow::always().candidate("onnx-runtime").queue(rows.len()))
        .compare(ProbabilityDistance::max_distance(1e-5).and_argmax())
        .sink(Arc::clone(&comparisons))
        .build()?;

    for (number, row) in rows.iter().enumerate() {
        let user = format!("user-{number}");
        router.predict(&Context::new(&user), &row.pixels)?;
    }
    if !router.flush(Duration::from_secs(60)) {
        println!("some shadows were not done after a minute");
    }

    let comparisons = comparisons.take();
    let agreed = comparisons.iter().filter(|pair| pair.agreement.agrees() == Some(true)).count();
    let furthest = comparisons.iter().filter_map(|pair| pair.agreement.distance());
    println!("ONNX Runtime: {}", runtime.path().display());
    println!("{agreed} of {} pairs of answers agree within 1e-5", comparisons.len());
    println!("the furthest apart: {:.1e}", furthest.fold(0.0, f64::max));
    let mut tract: Vec<_> = comparisons.iter().map(|pair| pair.primary.service_time).collect();
    let mut shadow: Vec<_> = comparisons.iter().map(|pair| pair.candidate.service_time).collect();
    println!("median time: tract {:?}, ONNX Runtime {:?}", median(&mut tract), median(&mut shadow));
    println!(
        "\
\nTry next:
  change 0.0 in examples/engines.rs to 5.0: one user in twenty is answered by ONNX Runtime
  change the file of one of the two: the same, for two versions of a model on two engines"
    );
    Ok(ExitCode::SUCCESS)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn explain(error: &onnx::RuntimeError) {
    eprintln!("{error}");
    if let Some(source) = error.source() {
        eprintln!("  the system says: {source}");
    }
    eprintln!(
        "\
\nTo get the library and run this example:
  python3 -m venv target/onnxruntime && target/onnxruntime/bin/pip install onnxruntime
  export ORT_DYLIB_PATH=$(find \"$PWD/target/onnxruntime\" -name 'libonnxruntime.so.*')
  cargo run --release --features ort --example engines"
    );
}
