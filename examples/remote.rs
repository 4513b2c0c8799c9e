//! Version v1 of a model in this process, version v2 on an inference server, behind one router.
//!
//! ```sh
//! export INFERENCE_URL=http://127.0.0.1:8000 INFERENCE_MODEL=digits
//! cargo run --release --features remote --example remote
//! ```
//!
//! Any server of the Open Inference Protocol will do: Triton, KServe, MLServer, Seldon. On Triton
//! the model is `examples/models/digits_v2.onnx`, as `digits/1/model.onnx` of its repository. On
//! MLServer, `eval "$(tests/servers/mlserver.sh start FOLDER)"` starts one that has a `digits`.

#[path = "service/config.rs"]
#[allow(dead_code)]
mod config;
#[path = "service/digits.rs"]
#[allow(dead_code)]
mod digits;

use std::{collections::BTreeMap, env, error::Error, process::ExitCode, time::Duration};

use digits::Digits;
use modelgate::{AsyncModelRouter, Classification, Context, ModelRouter, Rollout, onnx, remote};

const DEADLINE: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> ExitCode {
    let (Ok(url), Ok(name)) = (env::var("INFERENCE_URL"), env::var("INFERENCE_MODEL")) else {
        eprintln!(
            "this example needs an inference server: INFERENCE_URL is what stands before `/v2` in \
             its URL (http://127.0.0.1:8000), INFERENCE_MODEL the name of a model of handwritten \
             digits on it; examples/remote.rs says how to start one"
        );
        return ExitCode::from(2);
    };
    match run(url, name).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(url: String, name: String) -> Result<(), Box<dyn Error>> {
    let folder = config::in_repository("examples/models");
    let rows = Digits::open(&folder)?;

    // Reads the server's metadata, and refuses a model that takes or gives something else.
    let v2 = remote::Classifier::builder(url, name)
        .features(64)
        .classes(10)
        .deadline(DEADLINE)
        .connect()
        .await?;
    println!(
        "v2 takes {} and gives",
        v2.inputs().first().map_or("rows".into(), ToString::to_string)
    );
    for output in v2.outputs() {
        println!("  {output}");
    }

    let router: AsyncModelRouter<[f32], Classification> = ModelRouter::builder("ml-model-version")
        .model("v1", onnx::Classifier::load(folder.join("digits_v1.onnx"))?)
        .async_model("v2", v2.clone())
        .fallback("v1")
        .source(Rollout::percent("v2", 50.0).or("v1").flag("ml-model-version")?)
        .build_async()?;

    // By version: how many it answered, how many of these rightly, how many in place of the other.
    let mut answered: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for (number, row) in rows.rows().iter().enumerate() {
        let user = format!("user-{number}");
        let context = Context::new(&user);
        let answer = router.predict(&context, row.pixels.clone()).await?;
        let counts = answered.entry(answer.version().to_string()).or_default();
        counts.0 += 1;
        counts.1 += usize::from(answer.output().label == row.label);
        counts.2 += usize::from(answer.fallback().is_some());
    }

    println!("\nversion  answered   right   as fallback       p50       p99");
    for version in router.stats().versions {
        let name = version.version.as_str();
        let (count, right, fallback) = answered.get(name).copied().unwrap_or_default();
        println!(
            "{name:<8} {count:>8} {right:>7} {fallback:>13} {:>9.0?} {:>9.0?}",
            version.service_time.p50, version.service_time.p99
        );
    }
    let status = v2.status();
    if let Some(why) = status.why {
        println!("\nv2 is not ready: {why}");
    }
    println!(
        "\
\nTry next:
  stop the server while this runs in a loop: v1 answers in the same request
  set DEADLINE to 1 ms: what comes later is answered by v1"
    );
    Ok(())
}
