//! A candidate rolls out by itself over a fleet of processes, in half a minute.
//!
//! ```text
//! cargo run --example fleet -- --scenario good|bad|equal|late-regression
//!     [--replicas 4] [--store DIR] [--kill] [--json]
//! ```
//!
//! Each replica is a process with a router, an autopilot, a verdict and traffic of its own; all they
//! share is a folder. `--kill` ends one of them by SIGKILL half-way and starts it anew. A line is
//! printed for each transition that was committed, and last what came of it:
//!
//! - `good`: v2 fails less often than v1. It climbs to 100 % and is released.
//! - `equal`: both fail alike. The same.
//! - `bad`: v2 fails far more often. It is found in shadow, before anybody reached it.
//! - `late-regression`: v2 is as good as v1 until a quarter of the users reach it, and then breaks.
//!
//! With `--json` each transition is an object `{"from", "to", "share", "cause", "sentence"}` on a line,
//! with the share in percent and the phases `Waiting`, `Shadowing`, `Ramping`, `Guarding`, `Paused`,
//! `RolledBack` and `Released`; the last line is `{"final", "share", "users_exposed", "seconds"}`.
//!
//! It ends with 0 when it ran to the end of the rollout, whatever that was, and else with 1.

#[path = "fleet/arguments.rs"]
mod arguments;
#[path = "fleet/replica.rs"]
mod replica;

use std::{
    env,
    error::Error,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use modelgate::autopilot::{
    Phase, Transition,
    store::{FileStore, StateStore as _},
};
use serde_json::{Value, json};

use arguments::{Arguments, Role};

/// Far more than any rollout here takes, even on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let done = match &arguments.role {
        Role::Replica(place) => replica::run(&arguments, *place).map(|()| true),
        Role::Fleet => watch(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A replica's process, and what it last said of the users who reached v2.
struct Replica {
    child: Child,
    exposed: Arc<AtomicU64>,
}

impl Replica {
    fn start(arguments: &Arguments, store: &Path, place: u64) -> io::Result<Replica> {
        let mut child = Command::new(env::current_exe()?)
            .arg("--replica")
            .arg(place.to_string())
            .arg("--scenario")
            .arg(arguments.scenario.name())
            .arg("--store")
            .arg(store)
            // The replica ends when this pipe does, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let exposed = Arc::new(AtomicU64::new(0));
        let output = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let told = Arc::clone(&exposed);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(count) = line.parse() {
                    told.store(count, Ordering::Relaxed);
                }
            }
        });
        Ok(Replica { child, exposed })
    }

    /// SIGKILL: nothing is said or written any more.
    fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    fn end(mut self) -> io::Result<u64> {
        drop(self.child.stdin.take());
        let patience = Instant::now() + Duration::from_secs(5);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > patience {
                self.kill()?;
            }
            thread::sleep(Duration::from_millis(10));
        }
        // The last line may still be on its way through the pipe.
        thread::sleep(Duration::from_millis(20));
        Ok(self.exposed.load(Ordering::Relaxed))
    }
}

/// Starts the fleet, shows what it commits, and ends it. `false`: it did not come to an end.
fn watch(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let began = Instant::now();
    // A temporary folder lasts as long as this function.
    let mut temporary = None;
    let folder = match &arguments.store {
        Some(folder) => folder.clone(),
        None => temporary.insert(Temporary::new()?).0.clone(),
    };
    // A rollout of its own in the folder, beside those of earlier runs.
    let store_folder = folder.join(format!("run-{}", unix_ms()));
    let store = FileStore::open(&store_folder)?;
    let start = |place: u64| Replica::start(arguments, &store_folder, place);
    let mut fleet = (0..arguments.replicas).map(start).collect::<io::Result<Vec<_>>>()?;
    let mut gone = 0;
    let mut to_kill = arguments.kill;
    let (mut told, mut last) = (0, None::<State>);
    let mut ended = None::<Instant>;

    while began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(50));
        if let Some(state) = read(&store)? {
            for transition in state.transitions.iter().filter(|one| one.rev > told) {
                show(transition, arguments.json)?;
            }
            told = state.transitions.last().map_or(0, |last| last.rev);
            if ended.is_none() && matches!(state.phase, Phase::Released | Phase::RolledBack) {
                ended = Some(Instant::now());
            }
            last = Some(state);
        }
        let half_way = last.as_ref().is_some_and(|state| state.share >= 25.0);
        if to_kill && (half_way || ended.is_some()) {
            to_kill = false;
            let place = fleet.len() - 1;
            fleet[place].kill()?;
            gone += fleet[place].exposed.load(Ordering::Relaxed);
            fleet[place] = start(arguments.replicas)?;
            if !arguments.json {
                println!("one replica was killed and started anew");
            }
        }
        // A moment longer: what has ended stays so.
        if ended.is_some_and(|at| at.elapsed() > Duration::from_millis(1_500)) {
            break;
        }
    }
    let mut exposed = gone;
    for replica in fleet {
        exposed += replica.end()?;
    }
    let seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let (phase, share) =
        last.as_ref().map_or(("Waiting", 0.0), |state| (state.phase.name(), state.share));
    match arguments.json {
        true => println!(
            "{}",
            json!({"final": phase, "share": share, "users_exposed": exposed, "seconds": seconds})
        ),
        false => {
            println!("{phase} at {share} % after {seconds} s; {exposed} users reached v2 in all")
        }
    }
    Ok(ended.is_some())
}

/// The part of the fleet's document that is shown.
struct State {
    phase: Phase,
    share: f64,
    transitions: Vec<Transition>,
}

fn read(store: &FileStore) -> Result<Option<State>, Box<dyn Error>> {
    let Some((bytes, _)) = store.load(&format!("{}/state.json", replica::NAME))? else {
        return Ok(None);
    };
    let state: Value = serde_json::from_slice(&bytes)?;
    Ok(Some(State {
        phase: serde_json::from_value(state["phase"].clone())?,
        share: state["share"].as_f64().unwrap_or_default() / 1_000.0,
        transitions: serde_json::from_value(state["transitions"].clone())?,
    }))
}

fn show(transition: &Transition, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match json {
        true => writeln!(
            out,
            "{}",
            json!({
                "from": transition.from.name(),
                "to": transition.to.name(),
                "share": transition.share.percent(),
                "cause": transition.cause,
                "sentence": transition.sentence,
            })
        )?,
        false => writeln!(out, "{transition}")?,
    }
    out.flush()
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// A folder that goes with this value.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> io::Result<Temporary> {
        let name = format!("modelgate-fleet-{}-{}", std::process::id(), unix_ms());
        let folder = env::temp_dir().join(name);
        std::fs::create_dir(&folder)?;
        Ok(Temporary(folder))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
