//! What a shadow of every request costs the live ones, with every default in place: the latency of
//! live answers with a shadow and without, in rounds that take turns.
//!
//! `benches/isolation.sh [seconds]` runs the cases in turn. One alone: `isolation CASE SECONDS FILE`,
//! which writes `CASE p99_off_us p99_on_us ratio` to the file. Without arguments it is a quick test
//! that each case does what it says.

use std::{
    io::Write,
    thread,
    time::{Duration, Instant},
};

use modelgate::{
    Context, Model, ModelError, ModelRouter, Rollout, Shadow,
    compare::{Tolerance, sink::TracingSink},
    model::Batched,
    model_fn,
};

type Router = ModelRouter<[f32], f32>;

/// A candidate is so much slower than the live version.
const SLOWER: u32 = 10;

const ROUND: Duration = Duration::from_secs(2);

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Processor time of a live answer.
    work: Duration,
    /// Between an answer and the next request.
    pause: Duration,
    /// The version whose answers are measured.
    measured: &'static str,
    build: fn(Duration, Option<Shadow>) -> Router,
    logs: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "quota",
        work: Duration::from_micros(500),
        pause: Duration::from_millis(4),
        measured: "v1",
        build: plain,
        logs: false,
    },
    Case {
        name: "batched",
        work: Duration::from_micros(500),
        pause: Duration::from_millis(1),
        measured: "v2",
        build: batched,
        logs: false,
    },
    Case {
        name: "stdout",
        work: Duration::from_micros(200),
        pause: Duration::from_millis(1),
        measured: "v1",
        build: plain,
        logs: true,
    },
    Case {
        name: "panics",
        work: Duration::from_micros(200),
        pause: Duration::from_millis(1),
        measured: "v1",
        build: panicking,
        logs: false,
    },
];

/// Processor time, so that a thread that is put aside does not do less.
fn spin(work: Duration) {
    let used = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let end = used() + work;
    while used() < end {
        std::hint::spin_loop();
    }
}

/// Computes for so long, for each row.
struct Busy(Duration);

impl Model<[f32], f32> for Busy {
    fn predict(&self, row: &[f32]) -> Result<f32, ModelError> {
        spin(self.0);
        Ok(row[0])
    }

    /// A batch is as fast as a row: else nobody would batch.
    fn predict_batch(&self, rows: &[&[f32]]) -> Vec<Result<f32, ModelError>> {
        spin(self.0);
        rows.iter().map(|row| Ok(row[0])).collect()
    }
}

fn built(
    v1: impl Model<[f32], f32> + 'static,
    v2: impl Model<[f32], f32> + 'static,
    rollout: Rollout,
    shadow: Option<Shadow>,
) -> Router {
    let builder = Router::builder("m")
        .model("v1", v1)
        .model("v2", v2)
        .fallback("v1")
        .source(rollout.flag("m").unwrap())
        .compare(Tolerance::absolute(0.1))
        .sink(TracingSink::new());
    match shadow {
        Some(shadow) => builder.shadow(shadow).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

/// The candidate disagrees always.
fn plain(work: Duration, shadow: Option<Shadow>) -> Router {
    let slow = Busy(work * SLOWER);
    let v2 = model_fn(move |row: &[f32]| slow.predict(row).map(|answer| answer + 1.0));
    built(Busy(work), v2, Rollout::everyone("v1"), shadow)
}

/// `v2`, behind one `Batched`, answers half of the users and is shadowed for the other half.
fn batched(work: Duration, shadow: Option<Shadow>) -> Router {
    let v2 = Batched::new(Busy(work));
    built(Busy(work / SLOWER), v2, Rollout::percent("v2", 50.0).or("v1"), shadow)
}

fn panicking(work: Duration, shadow: Option<Shadow>) -> Router {
    let v2 = model_fn(move |_: &[f32]| -> Result<f32, ModelError> {
        spin(work * SLOWER);
        panic!("at every call")
    });
    built(Busy(work), v2, Rollout::everyone("v1"), shadow)
}

/// The times of live answers in one round, sorted.
fn round(case: &Case, router: &Router, length: Duration) -> Vec<Duration> {
    let threads = thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
    let until = Instant::now() + length;
    let one = |number: usize| {
        let mut times = Vec::new();
        let mut user = number;
        while Instant::now() < until {
            user += threads;
            let key = format!("user-{user}");
            let begun = Instant::now();
            let answer = router.predict(&Context::new(&key), &[1.0]).unwrap();
            if case.logs {
                tracing::info!(user, version = answer.version().as_str(), "answered");
            }
            if answer.version() == case.measured {
                times.push(begun.elapsed());
            }
            thread::sleep(case.pause);
        }
        times
    };
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let live: Vec<_> = (0..threads).map(|number| scope.spawn(move || one(number))).collect();
        live.into_iter().flat_map(|live| live.join().unwrap()).collect()
    });
    times.sort();
    times
}

fn p99(sorted: &[Duration]) -> f64 {
    let place = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
    sorted.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The medians of the rounds' p99, without a shadow and with one, and what became of the shadows.
fn measure(case: &Case, length: Duration, round_length: Duration) -> (f64, f64, Router) {
    let off = (case.build)(case.work, None);
    let on = (case.build)(case.work, Some(Shadow::always().candidate("v2")));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let until = Instant::now() + length;
    while Instant::now() < until {
        // Turns are taken both ways round, so that a drift of the machine favours neither.
        if without.len() % 2 == 0 {
            without.push(p99(&round(case, &off, round_length)));
            with.push(p99(&round(case, &on, round_length)));
        } else {
            with.push(p99(&round(case, &on, round_length)));
            without.push(p99(&round(case, &off, round_length)));
        }
    }
    (median(without), median(with), on)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| one != "--bench").collect();
    if let [name, seconds, file] = &arguments[..] {
        let case = CASES.iter().find(|case| case.name == name).expect("a case of this name");
        if case.logs {
            tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).init();
        }
        let seconds = Duration::from_secs(seconds.parse().expect("a number of seconds"));
        let (off, on, router) = measure(case, seconds, ROUND);
        let mut file = std::fs::File::create(file).unwrap();
        writeln!(file, "{name} {off:.0} {on:.0} {:.3}", on / off).unwrap();
        let stats = router.stats();
        let shadows = serde_json::to_string(&stats.shadows[0].candidates[0]).unwrap();
        writeln!(file, "# {shadows}").unwrap();
        return;
    }
    std::panic::set_hook(Box::new(|_| {}));
    for case in &CASES {
        let quick = Duration::from_millis(100);
        let (off, on, router) = measure(case, quick, quick);
        assert!(off > 0.0 && on > 0.0, "{}", case.name);
        assert!(router.flush(Duration::from_secs(60)));
        let stats = router.stats();
        let counts = &stats.shadows[0].candidates[0];
        assert!(counts.completed() + counts.dropped_in_all() == counts.wanted());
        assert!(counts.wanted() > 0, "{}: {counts:?}", case.name);
    }
}
