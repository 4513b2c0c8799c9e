//! What a soak measures.

use std::{fmt, fs, time::Duration};

/// Latencies in buckets whose bounds are within a sixteenth of each other.
#[derive(Clone, Debug)]
pub struct Latencies {
    counts: Box<[u64; 1024]>,
    max: Duration,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies { counts: Box::new([0; 1024]), max: Duration::ZERO }
    }
}

impl Latencies {
    pub fn add(&mut self, latency: Duration) {
        self.counts[bucket(latency.as_nanos() as u64)] += 1;
        self.max = self.max.max(latency);
    }

    pub fn merge(&mut self, other: &Latencies) {
        self.counts.iter_mut().zip(other.counts.iter()).for_each(|(sum, count)| *sum += count);
        self.max = self.max.max(other.max);
    }

    /// The latency that this part of all does not exceed.
    pub fn quantile(&self, part: f64) -> Duration {
        let all: u64 = self.counts.iter().sum();
        let wanted = (all as f64 * part) as u64;
        let mut passed = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed > wanted {
                return Duration::from_nanos(bound(bucket)).min(self.max);
            }
        }
        self.max
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| self.quantile(part));
        write!(f, "median {p50:?}, 99 % {p99:?}, 99.9 % {p999:?}, longest {:?}", self.max)
    }
}

/// Sixteen buckets for each doubling.
fn bucket(nanoseconds: u64) -> usize {
    let value = nanoseconds.max(16);
    let shift = value.ilog2() - 4;
    (shift as usize * 16 + ((value >> shift) as usize - 16)).min(1023)
}

/// The end of a bucket.
fn bound(bucket: usize) -> u64 {
    (bucket as u64 % 16 + 17) << (bucket / 16)
}

/// Resident memory over time, in KiB.
#[derive(Clone, Debug, Default)]
pub struct Memory(Vec<u64>);

impl Memory {
    /// Notes what the process has now, where the system says so.
    pub fn sample(&mut self) {
        let Ok(status) = fs::read_to_string("/proc/self/status") else { return };
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let found = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        self.0.extend(found);
    }

    /// The largest of the second and of the last quarter: the first is for warming up.
    fn ends(&self) -> Option<(u64, u64)> {
        let quarter = self.0.len() / 4;
        let early = self.0.get(quarter..2 * quarter)?.iter().max()?;
        let late = self.0.get(3 * quarter..)?.iter().max()?;
        Some((*early, *late))
    }

    /// How much more the last quarter has than the second.
    pub fn growth(&self) -> Option<u64> {
        self.ends().map(|(early, late)| late.saturating_sub(early))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ends() {
            Some((early, late)) => {
                write!(f, "at most {early} KiB in the second quarter, {late} KiB in the last")
            }
            None => f.write_str("too short a time to say"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_right_to_a_sixteenth() {
        let mut latencies = Latencies::default();
        (1..=1000).for_each(|micros| latencies.add(Duration::from_micros(micros)));
        for (part, wanted) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = latencies.quantile(part).as_secs_f64() * 1e6;
            assert!((found / wanted - 1.0).abs() < 1.0 / 16.0, "{part}: {found}");
        }
    }

    #[test]
    fn memory_that_grows_is_seen() {
        assert_eq!(Memory((0..8).map(|_| 100).collect()).growth(), Some(0));
        assert_eq!(Memory((0..8).map(|step| 100 * step).collect()).growth(), Some(400));
        assert_eq!(Memory(vec![1]).growth(), None);
    }
}
