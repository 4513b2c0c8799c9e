//! Timing several pieces of work in turns, so that a busy moment of the machine hits all of them.

use std::time::{Duration, Instant};

/// Something to do this many times.
pub struct Work<'a> {
    pub name: &'static str,
    pub run: Box<dyn FnMut(u64) + 'a>,
}

/// What doing it once takes.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub name: &'static str,
    /// The median over the rounds.
    pub nanoseconds: f64,
    pub fastest: f64,
    pub allocations: f64,
}

/// Measures each in `rounds` turns of about `turn` each.
pub fn measure(
    work: &mut [Work<'_>],
    rounds: usize,
    turn: Duration,
    allocations: impl Fn() -> u64,
) -> Vec<Measured> {
    let mut counts = Vec::new();
    for one in work.iter_mut() {
        // Caches warm and thread-locals made before anything is counted.
        (one.run)(1);
        let mut count = 1;
        loop {
            let started = Instant::now();
            (one.run)(count);
            let elapsed = started.elapsed();
            if elapsed * 4 >= turn || count >= 1 << 30 {
                let scale = turn.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
                break counts.push(((count as f64 * scale) as u64).max(1));
            }
            count *= 2;
        }
    }
    let mut times = vec![Vec::with_capacity(rounds); work.len()];
    let mut allocated = vec![0.0; work.len()];
    for _ in 0..rounds {
        for (place, one) in work.iter_mut().enumerate() {
            let (before, started) = (allocations(), Instant::now());
            (one.run)(counts[place]);
            times[place].push(started.elapsed().as_nanos() as f64 / counts[place] as f64);
            allocated[place] = (allocations() - before) as f64 / counts[place] as f64;
        }
    }
    work.iter()
        .zip(times)
        .zip(allocated)
        .map(|((one, mut times), allocations)| {
            times.sort_by(f64::total_cmp);
            Measured {
                name: one.name,
                nanoseconds: times[times.len() / 2],
                fastest: times[0],
                allocations,
            }
        })
        .collect()
}
