//! Models of several kinds through `onnx::Classifier`, beside ONNX Runtime (through `ort`) and tract, both
//! bare: in one process, in turn.
//!
//! Each cell is the least of many rounds, per call, of the time that a thread was on a processor: what
//! else runs on the machine hardly counts. With `--wall` it is the time on the clock, for a machine
//! that does nothing else. Two callers share a model; of the bare ONNX Runtime each has a session,
//! as it serves one at a time. Every engine runs a call on the thread that asks.
//!
//! `ORT_DYLIB_PATH=... cargo bench --bench engines --no-default-features --features onnx,ort`
//!
//! With a name, as in `-- MLP`, only the models whose names hold it; with `--through`, modelgate
//! runs ONNX Runtime too, which must then have the process to itself.

#[path = "../../tests/onnx_ml/file.rs"]
#[allow(dead_code)]
mod file;
mod models;
#[path = "../../tests/onnx_ml/tree_nodes.rs"]
#[allow(dead_code)]
mod tree_nodes;

use std::{
    env,
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use modelgate::{Model as _, onnx};
use ort::{environment::Environment, session::Session, value::TensorRef};
use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, Tensor, tvec,
};

use self::models::Model;

/// What a caller calls, with the number of the call.
type Call<'a> = Box<dyn FnMut(usize) + Send + 'a>;

/// One engine with one model: makes a call for each caller.
type Contender<'a> = Box<dyn Fn() -> Call<'a> + 'a>;

/// Rows to choose from, so that no branch is learnt by heart.
const ROWS: usize = 1024;

fn main() {
    let mut settings = Settings::default();
    for argument in env::args().skip(1) {
        match &*argument {
            "--bench" => settings.rounds = 40,
            "--wall" => settings.wall = true,
            "--through" => settings.through = true,
            name => settings.name = name.to_owned(),
        }
    }
    let library = env::var("ORT_DYLIB_PATH").unwrap_or_else(|_| "libonnxruntime.so".to_owned());
    let environment = match settings.through {
        true => None,
        false => match ort::init_from(&library) {
            Ok(builder) => Some(builder.with_telemetry(false).build().unwrap()),
            Err(error) if env::var("CI").is_ok_and(|value| value == "true") => panic!("{error}"),
            Err(error) => {
                eprintln!("skipped: {error}; set ORT_DYLIB_PATH");
                return;
            }
        },
    };
    println!("microseconds a call, and how many times as long as `onnx::Classifier` takes\n");
    println!(
        "model                 batch callers  onnx::Classifier  ONNX Runtime                tract"
    );
    for model in models::all().iter().filter(|model| model.name.contains(&settings.name)) {
        for batch in [1, 32, 1024] {
            for callers in [1, 2] {
                compare(model, batch, callers, environment.as_ref(), &settings);
            }
        }
    }
}

struct Settings {
    rounds: usize,
    wall: bool,
    through: bool,
    name: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { rounds: 1, wall: false, through: false, name: String::new() }
    }
}

fn values(model: &Model) -> Vec<f32> {
    let mut numbers = tree_nodes::Numbers(9);
    (0..ROWS * model.width()).map(|_| numbers.next(1 << 20) as f32 / (1 << 20) as f32).collect()
}

fn compare(
    model: &Model,
    batch: usize,
    callers: usize,
    environment: Option<&Environment>,
    settings: &Settings,
) {
    let values = values(model);
    let rows: Vec<&[f32]> = values.chunks(model.width()).collect();
    let mut builder = match settings.through {
        true => onnx::Runtime::load().unwrap().sessions(callers).builder(),
        false => onnx::Classifier::builder(),
    };
    if let Some(label) = model.label {
        builder = builder.label_output(label);
    }
    let ours = builder.probabilities_output(model.probabilities).from_bytes(&model.bytes).unwrap();
    let ours_called = || -> Call<'_> {
        let (ours, rows) = (&ours, &rows);
        match batch {
            1 => Box::new(|call| drop(black_box(ours.predict(black_box(rows[call % ROWS]))))),
            _ => Box::new(move |call| {
                drop(black_box(
                    ours.predict_batch(black_box(&rows[start(call, batch)..][..batch])),
                ));
            }),
        }
    };
    let mut contenders: Vec<Contender<'_>> = vec![Box::new(ours_called)];
    if let Some(environment) = environment {
        check(model, &ours, &rows, environment);
        let width = model.width();
        let values = &values;
        contenders.push(Box::new(move || {
            let mut session = session(model, environment);
            let shape: Vec<usize> = [&[batch], &*model.row].concat();
            Box::new(move |call| {
                let values = &values[start(call, batch) * width..][..batch * width];
                let input = TensorRef::from_array_view((&*shape, values)).unwrap();
                black_box(session.run(ort::inputs![input]).unwrap());
            })
        }));
    }
    if model.tract {
        let shape: Vec<usize> = [&[batch], &*model.row].concat();
        let plan = tract_onnx::onnx()
            .model_for_read(&mut &*model.bytes)
            .unwrap()
            .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), &shape))
            .unwrap()
            .into_optimized()
            .unwrap()
            .into_runnable()
            .unwrap();
        let (width, values) = (model.width(), &values);
        contenders.push(Box::new(move || {
            let (plan, shape) = (plan.clone(), shape.clone());
            Box::new(move |call| {
                let values = &values[start(call, batch) * width..][..batch * width];
                let input = Tensor::from_shape(&shape, values).unwrap();
                black_box(plan.run(tvec!(input.into_tvalue())).unwrap());
            })
        }));
    }
    let least = measure(&contenders, callers, settings);
    let micro = |time: Duration| time.as_nanos() as f64 / 1_000.0;
    let ours = micro(least[0]);
    print!("{:<21} {batch:>5} {callers:>7} {ours:>10.2}", model.name);
    for place in [1, 2] {
        match least.get(place) {
            Some(time) => print!("  {:>10.2} ({:>5.2} x)", micro(*time), micro(*time) / ours),
            None => print!("{:>21}", "-"),
        }
    }
    println!();
}

/// The first row of a call's batch.
fn start(call: usize, batch: usize) -> usize {
    call * 7 % (ROWS - batch + 1)
}

fn session(model: &Model, environment: &Environment) -> Session {
    Session::builder(environment)
        .unwrap()
        .with_log_level(ort::logging::LogLevel::Warning)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .commit_from_memory(&model.bytes)
        .unwrap()
}

/// All are asked the same.
fn check(model: &Model, ours: &onnx::Classifier, rows: &[&[f32]], environment: &Environment) {
    let mut session = session(model, environment);
    for row in &rows[..20] {
        let shape: Vec<usize> = [&[1], &*model.row].concat();
        let input = TensorRef::from_array_view((&*shape, *row)).unwrap();
        let outputs = session.run(ort::inputs![input]).unwrap();
        let (_, expected) = outputs[model.probabilities].try_extract_tensor::<f32>().unwrap();
        let found = ours.predict(row).unwrap().probabilities;
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{}: {found} {expected}", model.name);
        }
    }
}

/// The least time a call of each contender, over rounds in which they take turns.
fn measure(contenders: &[Contender<'_>], callers: usize, settings: &Settings) -> Vec<Duration> {
    let mut callers: Vec<Vec<Call<'_>>> =
        contenders.iter().map(|contender| (0..callers).map(|_| contender()).collect()).collect();
    let mut least = vec![Duration::MAX; callers.len()];
    let mut calls = vec![1; callers.len()];
    for round in 0..settings.rounds + 3 {
        for ((least, calls), callers) in least.iter_mut().zip(&mut calls).zip(&mut callers) {
            let spent = together(callers, *calls, settings.wall);
            let each = spent / u32::try_from(*calls).unwrap();
            // The first rounds find out how many calls make a round of two milliseconds.
            if round < 3 && settings.rounds > 1 {
                let wanted = Duration::from_millis(2).as_nanos() / each.as_nanos().max(1);
                *calls = usize::try_from(wanted).unwrap().clamp(1, 20_000);
            } else {
                *least = each.min(*least);
            }
        }
    }
    least
}

/// The time that the slowest of the callers takes for so many calls.
fn together(callers: &mut [Call<'_>], calls: usize, wall: bool) -> Duration {
    if let [caller] = callers {
        return spent(calls, caller, wall);
    }
    let barrier = Arc::new(Barrier::new(callers.len()));
    thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter_mut()
            .map(|caller| {
                let barrier = Arc::clone(&barrier);
                scope.spawn(move || {
                    barrier.wait();
                    spent(calls, caller, wall)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap_or_default()
    })
}

fn spent(calls: usize, caller: &mut dyn FnMut(usize), wall: bool) -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let begun = Instant::now();
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = now();
    (0..calls).for_each(caller);
    if wall { begun.elapsed() } else { now() - before }
}
