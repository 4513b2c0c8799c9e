//! Predictions at full load on two threads, over every network source at once, while each server
//! changes its flag ten times a second and is restarted every thirty seconds.
//!
//! `benches/soak.sh [seconds]` runs it. It ends with an error when one answer was wrong, one
//! prediction failed, or memory grew.

use std::{
    fs,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use modelgate::{Context, Flags, ModelRouter, model_fn};
use modelgate_source_tests::{
    PATIENCE,
    soak::{Latencies, Memory},
    vendor::{FLAG, Server, VENDORS, Vendor, Way},
};

const THREADS: usize = 2;
const CHANGE: Duration = Duration::from_millis(100);
const RESTART: Duration = Duration::from_secs(30);
const AWAY: Duration = Duration::from_secs(2);

/// Versions are named in a circle, so that an answer tells its number. An answer may be late by
/// half of it, six seconds, before it could be taken for one that went back.
const CIRCLE: u64 = 128;

/// Memory is compared from the end of the first quarter on.
const GROWTH: u64 = 8 << 10;

/// One source, its server, and what the flag says.
struct Site {
    vendor: &'static dyn Vendor,
    server: Mutex<Option<Box<dyn Server>>>,
    router: ModelRouter<[f32], u64>,
    flags: Flags,
    /// The number of the last change. Grows before the server has it.
    number: AtomicU64,
    away: AtomicBool,
}

impl Site {
    fn new(vendor: &'static dyn Vendor) -> Site {
        let server = vendor.start("127.0.0.1:0".parse().unwrap(), "v0");
        let way = Way { timeout: Duration::from_secs(5), ..Way::to(server.address()) };
        let way = Way { retry: (Duration::from_millis(20), Duration::from_millis(200)), ..way };
        let flags = Flags::builder().source(vendor.source(&way)).build().unwrap();
        flags.wait_ready(PATIENCE).unwrap();
        let router = (0..CIRCLE).fold(ModelRouter::builder(FLAG), |router, number| {
            router.model(format!("v{number}"), model_fn(move |_: &[f32]| Ok(number)))
        });
        let router = router
            .model("fallback", model_fn(|_: &[f32]| Ok(u64::MAX)))
            .fallback("fallback")
            .flags(flags.clone())
            .build()
            .unwrap();
        let (number, away) = (AtomicU64::new(0), AtomicBool::new(false));
        Site { vendor, server: Mutex::new(Some(server)), router, flags, number, away }
    }

    fn change(&self) {
        let server = self.server.lock().unwrap();
        let Some(server) = &*server else { return };
        let number = self.number.fetch_add(1, Ordering::AcqRel) + 1;
        server.set(number + 1, &format!("v{}", number % CIRCLE));
        server.forget();
    }

    /// Takes the server away for a while. Whether the source said so, and found it again.
    fn restart(&self) -> bool {
        self.away.store(true, Ordering::Release);
        let server = self.server.lock().unwrap().take().unwrap();
        let address = server.address();
        drop(server);
        let stale = |status: &modelgate::flag::store::Status| status.sources[0].is_stale();
        let said = self.flags.wait_until(PATIENCE, stale);
        thread::sleep(AWAY);
        let number = self.number.load(Ordering::Acquire);
        let server = self.vendor.start(address, "v0");
        server.set(number + 1, &format!("v{}", number % CIRCLE));
        *self.server.lock().unwrap() = Some(server);
        let found = self.flags.wait_until(PATIENCE, |status| status.sources[0].is_ready());
        self.away.store(false, Ordering::Release);
        said && found
    }
}

/// What a thread has seen.
#[derive(Default)]
struct Seen {
    answers: u64,
    wrong: Vec<String>,
    with_server: Latencies,
    without: Latencies,
}

fn predict(sites: &[Site], stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut last = vec![0_u64; sites.len()];
    let keys: Vec<String> = (0..997).map(|user| format!("user-{user}")).collect();
    while !stop.load(Ordering::Acquire) {
        for (site, last) in sites.iter().zip(&mut last) {
            let key = &keys[seen.answers as usize % keys.len()];
            let started = Instant::now();
            let answer = site.router.predict(&Context::new(key), &[1.0]);
            let took = started.elapsed();
            seen.answers += 1;
            let away = site.away.load(Ordering::Acquire);
            if away { &mut seen.without } else { &mut seen.with_server }.add(took);
            let published = site.number.load(Ordering::Acquire);
            let wrong = match answer {
                Err(error) => Some(format!("failed: {error}")),
                Ok(answer) if answer.fell_back() => Some("the fallback answered".to_owned()),
                Ok(answer) => {
                    // What came after `last`, in the circle.
                    let ahead = (*answer.output() + CIRCLE - *last % CIRCLE) % CIRCLE;
                    let number = *last + ahead;
                    let good = ahead < CIRCLE / 2 && number <= published;
                    let before = std::mem::replace(last, number);
                    (!good).then(|| format!("{number} after {before}, of {published}"))
                }
            };
            if let Some(wrong) = wrong
                && seen.wrong.len() < 10
            {
                seen.wrong.push(format!("{}: {wrong}", site.vendor.name()));
            }
        }
    }
    seen
}

fn main() -> ExitCode {
    let seconds = std::env::args().nth(1).map_or(Ok(600), |seconds| seconds.parse());
    let Ok(seconds) = seconds else {
        eprintln!("the argument is for how many seconds");
        return ExitCode::FAILURE;
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    // A short run restarts each server at least twice.
    let between = RESTART.min(Duration::from_secs(seconds) / 3);
    let sites: Arc<Vec<Site>> = Arc::new(VENDORS.into_iter().map(Site::new).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (sites, stop) = (Arc::clone(&sites), Arc::clone(&stop));
            thread::spawn(move || predict(&sites, &stop))
        })
        .collect();
    let changer = thread::spawn({
        let (sites, stop) = (Arc::clone(&sites), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Acquire) {
                sites.iter().for_each(Site::change);
                thread::sleep(CHANGE);
            }
        }
    });
    let mut memory = Memory::default();
    let (mut restarts, mut silent) = (0_u64, 0_u64);
    let mut next = Instant::now() + between;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(500));
        memory.sample();
        if Instant::now() >= next {
            next += between;
            for well in thread::scope(|scope| {
                let restarts: Vec<_> =
                    sites.iter().map(|site| scope.spawn(|| site.restart())).collect();
                restarts.into_iter().map(|restart| restart.join().unwrap()).collect::<Vec<_>>()
            }) {
                restarts += 1;
                silent += u64::from(!well);
            }
        }
    }
    stop.store(true, Ordering::Release);
    let seen: Vec<Seen> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    changer.join().unwrap();
    report(&sites, &seen, &memory, seconds, (restarts, silent))
}

fn report(
    sites: &[Site],
    seen: &[Seen],
    memory: &Memory,
    seconds: u64,
    (restarts, silent): (u64, u64),
) -> ExitCode {
    let answers: u64 = seen.iter().map(|seen| seen.answers).sum();
    let wrong: Vec<&String> = seen.iter().flat_map(|seen| &seen.wrong).collect();
    println!("{seconds} s, {THREADS} threads, {} sources", sites.len());
    println!("{answers} predictions, {} a second", answers / seconds.max(1));
    for (what, pick) in [
        ("servers there", (|seen| &seen.with_server) as fn(&Seen) -> &Latencies),
        ("servers away ", |seen| &seen.without),
    ] {
        let mut all = Latencies::default();
        seen.iter().for_each(|seen| all.merge(pick(seen)));
        println!("{what}: {all}");
    }
    for site in sites {
        let status = site.flags.status();
        let Some(connection) = &status.sources[0].connection else { continue };
        println!(
            "{}: {} changes, {} requests, {} failed, {} reconnects",
            site.vendor.name(),
            site.number.load(Ordering::Acquire),
            connection.requests,
            connection.failures,
            connection.reconnects,
        );
    }
    println!("{restarts} restarts, {silent} of them not said or not recovered from");
    println!("memory: {memory}");
    println!("wrong answers and failures: {}", wrong.len());
    wrong.iter().for_each(|wrong| println!("  {wrong}"));
    let grown = memory.growth().is_some_and(|growth| growth > GROWTH);
    if grown {
        println!("memory is not flat");
    }
    if fs::metadata("/proc/self/status").is_err() {
        println!("memory cannot be read on this system");
    }
    if wrong.is_empty() && silent == 0 && !grown { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
