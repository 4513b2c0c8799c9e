//! One replica: what a service would have, and traffic.

use std::{
    error::Error,
    io::{self, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use modelgate::{
    Context, ModelError, ModelRouter, Shadow,
    autopilot::{Autopilot, Stage, store::FileStore},
    compare::key::KeyHasher,
    model_fn,
    verdict::{Metric, Verdict},
};

use crate::arguments::{Arguments, Scenario};

/// The autopilot's name, and the folder of its documents.
pub const NAME: &str = "fleet";
const FLAG: &str = "ml-model-version";

/// New users a second that come to one replica.
const USERS_PER_SECOND: u64 = 250;

pub fn run(arguments: &Arguments, place: u64) -> Result<(), Box<dyn Error>> {
    let store = arguments.store.clone().ok_or("a replica needs a store")?;
    let seconds = Duration::from_secs;
    // A user counts once in the whole fleet: all replicas hash keys alike.
    let hasher = KeyHasher::new("the same secret on every replica")?;
    let verdict = Verdict::<f64>::builder("v2")
        .against("v1")
        .metric(Metric::failures().margin(0.01))
        .build()?;
    let autopilot = Autopilot::builder(NAME, "v2")
        .stages([5.0, 25.0, 50.0].map(|percent| Stage::percent(percent).for_at_least(seconds(2))))
        .shadow_for(seconds(2))
        .guard_for(seconds(3))
        .every(Duration::from_millis(250))
        // A busy machine is no partition.
        .freshness(seconds(10), seconds(60))
        .require(&verdict)
        .store(FileStore::open(store)?)
        .build()?;

    let broken = Arc::new(AtomicBool::new(false));
    let (scenario, is_broken) = (arguments.scenario, Arc::clone(&broken));
    let router = ModelRouter::<u64, f64>::builder(FLAG)
        .model("v1", model_fn(|user: &u64| answer(*user, v1_fails(*user))))
        .model(
            "v2",
            model_fn(move |user: &u64| {
                let broken = is_broken.load(Ordering::Relaxed);
                answer(*user, v2_fails(scenario, broken, *user))
            }),
        )
        .fallback("v1")
        .source(autopilot.as_source(FLAG)?)
        // Beside each answer the other version runs, whichever answered.
        .shadow(Shadow::always().candidate("v2").candidate("v1").key_hasher(hasher).joined())
        .sink(verdict)
        .autopilot(&autopilot)
        .build()?;

    // The fleet ends when whoever started it closes the pipe, or is no more.
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Relaxed);
    });

    let (began, mut exposed, mut said) = (Instant::now(), 0_u64, None);
    let mut user = place << 40;
    while !over.load(Ordering::Relaxed) {
        // However late this thread wakes, it catches up with at most a tenth of a second.
        let due = (began.elapsed().as_secs_f64() * USERS_PER_SECOND as f64) as u64 + (place << 40);
        user = user.max(due.saturating_sub(USERS_PER_SECOND / 10));
        while user < due {
            user += 1;
            let key = format!("user-{user}");
            let context = Context::new(&key);
            exposed += u64::from(router.decide(&context)?.version() == "v2");
            // A failure of both is a user's bad luck, and no reason to stop.
            let _ = router.predict(&context, &user);
        }
        if scenario == Scenario::LateRegression && autopilot.status().share >= 25.0 {
            broken.store(true, Ordering::Relaxed);
        }
        if said != Some(exposed) {
            said = Some(exposed);
            let mut out = io::stdout().lock();
            // Nobody may be listening any more.
            if writeln!(out, "{exposed}").and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn answer(user: u64, fails: bool) -> Result<f64, ModelError> {
    match fails {
        true => Err(ModelError::new("this row is too much for the model")),
        false => Ok(draw(user, 1)),
    }
}

fn v1_fails(user: u64) -> bool {
    draw(user, 2) < 0.004
}

/// Mostly on other rows than v1, as another model would.
fn v2_fails(scenario: Scenario, broken: bool, user: u64) -> bool {
    let share = match scenario {
        Scenario::Good => 0.001,
        Scenario::Equal => 0.004,
        Scenario::Bad => 0.2,
        Scenario::LateRegression if broken => 0.3,
        Scenario::LateRegression => 0.002,
    };
    draw(user, 3) < share
}

/// A number in 0 to 1 that belongs to a user: splitmix64.
fn draw(user: u64, salt: u64) -> f64 {
    let mut bits = user.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
