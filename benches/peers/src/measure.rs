//! Timing several contenders in turns, so that a busy moment of the machine hits all of them.

use std::time::{Duration, Instant};

/// Something that does its work this many times.
pub struct Contender<'a> {
    pub name: &'static str,
    pub run: Box<dyn FnMut(u64) + 'a>,
}

/// What one contender needs for one piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub name: &'static str,
    /// The median over the rounds.
    pub nanoseconds: f64,
    pub fastest: f64,
    pub allocations: f64,
}

/// Measures each contender in `rounds` turns of about `turn` each.
pub fn measure(
    contenders: &mut [Contender<'_>],
    rounds: usize,
    turn: Duration,
    allocations: impl Fn() -> u64,
) -> Vec<Measured> {
    let mut counts = Vec::new();
    for contender in contenders.iter_mut() {
        // Caches warm and thread-locals made before anything is counted.
        (contender.run)(1);
        let mut count = 1;
        loop {
            let started = Instant::now();
            (contender.run)(count);
            let elapsed = started.elapsed();
            if elapsed * 4 >= turn || count >= 1 << 30 {
                let scale = turn.as_secs_f64() / elapsed.as_secs_f64().max(1e-9);
                break counts.push(((count as f64 * scale) as u64).max(1));
            }
            count *= 2;
        }
    }
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    let mut allocated = vec![0.0; contenders.len()];
    for _ in 0..rounds {
        for (place, contender) in contenders.iter_mut().enumerate() {
            let (before, started) = (allocations(), Instant::now());
            (contender.run)(counts[place]);
            times[place].push(started.elapsed().as_nanos() as f64 / counts[place] as f64);
            allocated[place] = (allocations() - before) as f64 / counts[place] as f64;
        }
    }
    contenders
        .iter()
        .zip(times)
        .zip(allocated)
        .map(|((contender, mut times), allocations)| {
            times.sort_by(f64::total_cmp);
            Measured {
                name: contender.name,
                nanoseconds: times[times.len() / 2],
                fastest: times[0],
                allocations,
            }
        })
        .collect()
}
