//! What a client costs that only keeps its stream.

use std::{
    fs,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use super::{FLAGS, client::ENTRIES, server::Server};

pub fn print(seconds: usize) {
    println!("{FLAGS} flags, one change a second, {seconds} s:\n");
    println!("| client | threads | sockets | memory | processor time a minute |");
    println!("|---|---:|---:|---:|---:|");
    for entry in &ENTRIES {
        let mut server = Server::start(entry.dialect);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["cost", entry.name, &server.address.to_string(), &seconds.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        server.wait_for_client();
        let mut second = false;
        while child.try_wait().unwrap().is_none() {
            second = !second;
            server.change(second);
            std::thread::sleep(Duration::from_secs(1));
        }
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", entry.title);
        println!("| {} | {} |", entry.title, String::from_utf8_lossy(&output.stdout).trim());
    }
}

/// What this process holds, and has used.
struct Held {
    threads: usize,
    sockets: usize,
    kib: u64,
    processor: Duration,
}

impl Held {
    fn now() -> Option<Held> {
        let sockets = fs::read_dir("/proc/self/fd").ok()?.flatten();
        let links = sockets.filter_map(|entry| fs::read_link(entry.path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket")).count();
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        // Nanoseconds on a processor, of each thread.
        let mut processor = Duration::ZERO;
        let mut threads = 0;
        for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
            let Ok(times) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let nanoseconds = times.split_whitespace().next()?.parse().ok()?;
            processor += Duration::from_nanos(nanoseconds);
            threads += 1;
        }
        let kib = kib.trim().trim_end_matches(" kB").parse().ok()?;
        Some(Held { threads, sockets, kib, processor })
    }
}

/// Follows the stream for so long and prints what that has cost: run by [`print`].
pub fn cost(who: &str, address: &str, seconds: &str) -> ExitCode {
    let entry = ENTRIES.iter().find(|entry| entry.name == who);
    let (Some(entry), Ok(address), Ok(seconds)) = (entry, address.parse(), seconds.parse()) else {
        return ExitCode::FAILURE;
    };
    let Some(before) = Held::now() else {
        eprintln!("this system does not say what a process holds");
        return ExitCode::FAILURE;
    };
    let client = (entry.start)(address);
    // What starting costs is over, what it left behind is not.
    std::thread::sleep(Duration::from_secs(2));
    let Some(ready) = Held::now() else { return ExitCode::FAILURE };
    let started = Instant::now();
    let mut held = ready.processor;
    let (mut threads, mut sockets, mut kib) = (0, 0, 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(500));
        client.second();
        let Some(now) = Held::now() else { return ExitCode::FAILURE };
        threads = threads.max(now.threads - before.threads);
        sockets = sockets.max(now.sockets.saturating_sub(before.sockets));
        kib = kib.max(now.kib.saturating_sub(before.kib));
        // A thread that has ended takes its time with it.
        held = held.max(now.processor);
    }
    let minute = 60.0 * (held - ready.processor).as_secs_f64() / started.elapsed().as_secs_f64();
    println!("{threads} | {sockets} | {:.1} MiB | {:.1} ms", kib as f64 / 1024.0, minute * 1e3);
    ExitCode::SUCCESS
}
