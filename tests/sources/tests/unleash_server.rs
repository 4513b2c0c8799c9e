//! `unleash::Source` against a real server, while it is operated and while it suffers.
//!
//! `tests/servers/unleash.sh start FOLDER` starts one and prints the variables that say where it
//! is. Without them, these tests are skipped, except where `CI` is `true`.

#[path = "unleash_server/autopilot.rs"]
mod autopilot;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use modelgate::{
    Context, FallbackCause, Flags, ModelRouter, Shadow,
    compare::Tolerance,
    flag::store::SourceState,
    model_fn,
    shadow::Budget,
    unleash::{self, ImpactMetrics},
};
use modelgate_source_tests::{
    PATIENCE, eventually, expect,
    unleash_admin::{Peer, RealFlag, Wanted, official},
};

const INTERVAL: Duration = Duration::from_millis(100);
const USERS: usize = 200;

type Router = ModelRouter<[f64], f64>;

/// One test at a time: some of them kill the server.
fn alone() -> MutexGuard<'static, ()> {
    static SERVER: Mutex<()> = Mutex::new(());
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name that no earlier run has used.
fn new_name(name: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("{name}-{now}")
}

fn source(peer: &Peer) -> unleash::Source {
    unleash::Source::new(&peer.url, &*peer.token)
        .interval(INTERVAL)
        .retry(Duration::from_millis(50), Duration::from_secs(1))
}

fn router(flag: &str, source: unleash::Source) -> Router {
    let router = Router::builder(flag)
        .model("v0", model_fn(|_: &[f64]| Ok(0.0)))
        .model("v1", model_fn(|_: &[f64]| Ok(1.0)))
        .model("v2", model_fn(|_: &[f64]| Ok(2.0)))
        .fallback("v0")
        .source(source)
        .build();
    router.unwrap()
}

/// The answers of the official SDK itself, and ours.
fn assert_official(peer: &Peer, history: &History, router: &Router, wanted: &Wanted) {
    if !peer.is_ours() {
        return;
    }
    let users: Vec<_> = (0..USERS).map(user).collect();
    let answers = peer.node_sdk(&history.flag, &users);
    assert_eq!(answers.len(), USERS);
    for ((user, region), answer) in users.iter().zip(answers) {
        let answer = answer.as_deref();
        assert_eq!(official(&history.flag, Some(wanted), user, region), answer, "{user}");
        let decision = router.decide(&Context::new(user).with("region", *region)).unwrap();
        assert_eq!(decision.version(), answer.unwrap_or("v0"), "{user}");
    }
}

fn user(number: usize) -> (String, &'static str) {
    (format!("user-{number}"), if number.is_multiple_of(2) { "eu" } else { "us" })
}

/// What is wanted of the flag, from the first to the last, and what of it must be in force.
struct History {
    flag: String,
    wanted: Mutex<Vec<Option<Wanted>>>,
    /// The place of the last one that was seen in force.
    settled: AtomicUsize,
}

impl History {
    fn right(&self, wanted: Option<&Wanted>, user: &str, region: &str) -> &'static str {
        official(&self.flag, wanted, user, region).unwrap_or("v0")
    }

    /// Predicts for every user, and holds each answer against what it may be.
    fn predict(&self, router: &Router) {
        for number in 0..USERS {
            let (user, region) = user(number);
            let settled = self.settled.load(Ordering::Acquire);
            let context = Context::new(&user).with("region", region);
            let answer = router.predict(&context, &[1.0]).unwrap();
            let wanted = self.wanted.lock().unwrap();
            let mut right = wanted[settled..].iter();
            let version = answer.version().as_str();
            assert!(
                right.any(|wanted| self.right(wanted.as_ref(), &user, region) == version),
                "{user} in {region}: {version} ({})",
                answer.reason()
            );
        }
    }

    /// Makes a change at the server, and waits until the router goes by it; how long that took.
    fn change(&self, router: &Router, wanted: Option<Wanted>, change: impl FnOnce()) -> Duration {
        self.wanted.lock().unwrap().push(wanted);
        change();
        let changed = Instant::now();
        eventually("the change arrives", || {
            (0..USERS).all(|number| {
                let (user, region) = user(number);
                let context = Context::new(&user).with("region", region);
                let decision = router.decide(&context).unwrap();
                decision.version() == self.right(wanted.as_ref(), &user, region)
            })
        });
        let took = changed.elapsed();
        self.settled.fetch_add(1, Ordering::Release);
        took
    }
}

/// Predicts on two threads until it is dropped.
struct Load {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(history: &Arc<History>, router: &Router) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let threads = (0..2).map(|_| {
            let (history, router) = (Arc::clone(history), router.clone());
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            thread::spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    history.predict(&router);
                    rounds.fetch_add(1, Ordering::AcqRel);
                }
            })
        });
        let threads = threads.collect();
        Load { stop, rounds, threads }
    }

    /// Waits until both have gone on for a while.
    fn goes_on(&self) {
        let before = self.rounds.load(Ordering::Acquire);
        eventually("predictions go on", || self.rounds.load(Ordering::Acquire) > before + 100);
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Release);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        self.rounds.load(Ordering::Acquire) * USERS
    }
}

const START: Wanted = Wanted { on: true, percent: 10, first: 500, region: None };

#[test]
fn every_assignment_is_the_official_one_while_flags_change_and_servers_die() {
    let _alone = alone();
    let Some(peer) = Peer::from_environment() else { return };
    let flag = new_name("ml-model-version");
    // A server without a stream and without deltas, as the open-source one is, is polled; reports
    // that hang while it has no database delay nothing.
    let source = source(&peer).streaming().deltas().metrics(Some(INTERVAL));
    let router = router(&flag, source);
    router.wait_ready(PATIENCE).unwrap();
    let history = Arc::new(History {
        flag: flag.clone(),
        wanted: Mutex::new(vec![None]),
        settled: AtomicUsize::new(0),
    });
    let load = Load::start(&history, &router);

    let mut real: Option<RealFlag<'_>> = None;
    history.change(&router, Some(START), || real = Some(peer.create(&flag, START)));
    let mut real = real.unwrap();
    let mut took = Vec::new();
    let mut now = START;
    let ramp: [fn(&mut Wanted); 8] = [
        |wanted| wanted.percent = 25,
        |wanted| wanted.percent = 50,
        |wanted| wanted.first = 200,
        |wanted| wanted.percent = 100,
        |wanted| wanted.region = Some("eu"),
        |wanted| wanted.on = false,
        |wanted| (wanted.on, wanted.region) = (true, None),
        |wanted| wanted.percent = 30,
    ];
    for step in ramp {
        step(&mut now);
        took.push(history.change(&router, Some(now), || real.change(now)));
    }
    took.sort();
    println!("changes were seen after {took:?}, polling each {INTERVAL:?}");
    expect(router.flags(), |status| status.sources[0].is_ready());
    assert_official(&peer, &history, &router, &now);

    if peer.is_ours() {
        peer.run("kill-database");
        load.goes_on();
        peer.run("start");
        now.percent = 60;
        history.change(&router, Some(now), || real.change(now));

        peer.run("kill-server");
        let status = expect(router.flags(), |status| status.sources[0].is_stale());
        println!("without a server: {:?}", status.sources[0].state);
        load.goes_on();
        peer.run("start");
        expect(router.flags(), |status| status.sources[0].is_ready());
        now.first = 900;
        history.change(&router, Some(now), || real.change(now));
    } else {
        eprintln!("skipped: killing the server, for UNLEASH_FOLDER is not set");
    }

    history.change(&router, None, || real.archive());
    let gone = || router.decide(&Context::new("user-1")).unwrap().fallback();
    eventually("it is gone", || gone() == Some(FallbackCause::FlagNotFound));
    println!("{} predictions", load.end());
}

#[test]
fn what_was_predicted_is_counted_at_the_server() {
    let _alone = alone();
    let Some(peer) = Peer::from_environment() else { return };
    let (flag, app) = (new_name("counted"), new_name("fraud"));
    let wanted = Wanted { percent: 50, ..START };
    let real = peer.create(&flag, wanted);

    // The server drops counts of a flag that it does not know yet, which takes it ten seconds.
    let probe = new_name("probe");
    let reporting = source(&peer).app_name(&*probe).metrics(Some(INTERVAL));
    let flags = Flags::builder().source(reporting).build().unwrap();
    eventually("the server counts", || {
        flags.boolean(&flag, &Context::new("user-1"), false);
        thread::sleep(INTERVAL);
        peer.usage(&flag, &probe).is_some()
    });

    let router = router(&flag, source(&peer).app_name(&*app).metrics(Some(INTERVAL)));
    router.wait_ready(PATIENCE).unwrap();
    let mut right = BTreeMap::<Option<&str>, u64>::new();
    for number in (0..5).flat_map(|_| 0..USERS) {
        let (user, region) = user(number);
        router.predict(&Context::new(&user), &[1.0]).unwrap();
        *right.entry(official(&flag, Some(&wanted), &user, region)).or_default() += 1;
    }
    // The last of them are reported by the end of the store.
    drop(router);
    let all = 5 * USERS as u64;
    eventually("all are counted", || {
        let usage = peer.usage(&flag, &app);
        usage.is_some_and(|usage| {
            usage["yes"].as_u64().unwrap() + usage["no"].as_u64().unwrap() >= all
        })
    });
    let usage = peer.usage(&flag, &app).unwrap();
    assert_eq!(usage["no"], right[&None], "{usage}");
    assert_eq!(usage["yes"], all - right[&None], "{usage}");
    for variant in ["v1", "v2"] {
        assert_eq!(usage["variants"][variant], right[&Some(variant)], "{usage}");
    }
    eventually("the application is listed", || {
        let listed = peer.admin("GET", "metrics/applications", None);
        let applications = listed["applications"].as_array().unwrap();
        applications.iter().any(|application| application["appName"] == *app)
    });
    real.archive();
}

#[test]
fn what_a_router_counts_is_among_the_impact_metrics_of_the_server() {
    let _alone = alone();
    let Some(peer) = Peer::from_environment() else { return };
    let (flag, app) = (new_name("impact"), new_name("payments"));
    let real = peer.create(&flag, Wanted { percent: 100, ..START });
    let impact = ImpactMetrics::new();
    let source = source(&peer).app_name(&*app).metrics(Some(INTERVAL)).impact_metrics(&impact);
    let router = Router::builder(&*flag)
        .model("v1", model_fn(|x: &[f64]| Ok(x[0])))
        .model("v2", model_fn(|x: &[f64]| Ok(x[0] + 1.0)))
        .fallback("v1")
        .source(source)
        // Every one is wanted here, also of a machine that has little to spare.
        .shadow(Shadow::always().candidate("v2").queue(4096).budget(Budget::unlimited()))
        .compare(Tolerance::absolute(0.5))
        .impact_metrics("fraud", &impact)
        .build()
        .unwrap();
    router.wait_ready(PATIENCE).unwrap();
    // For requests, that is: a snapshot may be read by another reader a moment earlier.
    eventually("the flag is there", || {
        let decision = router.decide(&Context::new("user-1")).unwrap();
        decision.fallback() != Some(FallbackCause::FlagNotFound)
    });
    let mut answers = BTreeMap::<String, f64>::new();
    for number in (0..5).flat_map(|_| 0..USERS) {
        let (user, _) = user(number);
        let answer = router.predict(&Context::new(&user), &[1.0]).unwrap();
        *answers.entry(answer.version().to_string()).or_default() += 1.0;
        // Reports are sent all the while: each figure must count once.
        if number == USERS - 1 {
            assert!(router.flush(PATIENCE));
            thread::sleep(INTERVAL);
        }
    }
    assert_eq!(answers.len(), 2);
    // The last of them are reported by the end of the router.
    assert!(router.flush(PATIENCE));
    drop(router);
    let figure = |name: &str, labels: &[(&str, &str)]| {
        let of_app = [("appName", &*app), ("environment", "development"), ("router", "fraud")];
        peer.impact(name, &[&of_app[..], labels].concat())
    };
    for (version, count) in &answers {
        let version = [("version", &**version)];
        eventually("all answers are there", || {
            figure("modelgate_answers_total", &version) == Some(*count)
        });
        assert_eq!(figure("modelgate_service_seconds_count", &version), Some(*count));
        let all = [version[0], ("le", "+Inf")];
        assert_eq!(figure("modelgate_service_seconds_bucket", &all), Some(*count));
        assert!(figure("modelgate_service_seconds_sum", &version) > Some(0.0));
    }
    let shadows = |agreement| {
        let labels = [("candidate", "v2"), ("agreement", agreement)];
        figure("modelgate_shadows_completed_total", &labels)
    };
    eventually("all shadows are there", || shadows("disagreed") == Some(answers["v1"]));
    assert_eq!(shadows("agreed"), None);
    assert_eq!(figure("modelgate_shadow_disagreement", &[("candidate", "v2")]), Some(1.0));
    real.archive();
}

#[test]
fn a_wrong_token_is_said_and_the_fallback_answers() {
    let _alone = alone();
    let Some(peer) = Peer::from_environment() else { return };
    let wrong = unleash::Source::new(&peer.url, "default:development.wrong")
        .retry(Duration::from_millis(20), Duration::from_millis(100));
    let router = router("ml-model-version", wrong);
    let status = expect(router.flags(), |status| {
        matches!(&status.sources[0].state, SourceState::Rejected { attempts: 2.., .. })
    });
    let shown = format!("{status:?}");
    assert!(shown.contains("401") && !shown.contains("wrong"), "{shown}");
    assert!(router.wait_ready(INTERVAL).is_err());
    let answer = router.predict(&Context::new("user-1"), &[1.0]).unwrap();
    assert_eq!(answer.version(), "v0");
    assert!(answer.fell_back());
}
