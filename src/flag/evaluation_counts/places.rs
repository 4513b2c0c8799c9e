//! Counters of many flags on few cache lines.
//!
//! Threads do not share a line, so each of the [`SHARDS`] has lines of its own; but flags do share
//! them: what one thread writes is in nobody's way but its own. A line for each flag and thread would
//! be most of what a flag takes. There are as many shards on every machine, so that what a document
//! comes to can be told from its text.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::sharded::thread_number;

/// More of them cost more memory, with thousands of flags, than they spare time.
const SHARDS: usize = 8;

/// How many counters there are on a line.
const WIDTH: usize = 16;

/// How many groups are made at once: a flag that outlives those beside it keeps no more than these.
const TOGETHER: usize = 2;

/// Two lines: processors prefetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Line([AtomicU64; WIDTH]);

/// As many counters as there are on a line, once for each shard.
#[derive(Default)]
struct Group([Line; SHARDS]);

/// The counters of one flag.
pub(super) struct Places {
    groups: Arc<[Group]>,
    /// The first of them, and their number.
    first: u32,
    count: u32,
}

impl Places {
    /// Counts in one of the places; what is none of them is not counted.
    #[inline]
    pub(super) fn count(&self, place: usize) {
        if let Some(counter) = self.counter(place, thread_number() % SHARDS) {
            // Relaxed: only the sum matters, and it loses nothing.
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted in one of the places since the last time.
    pub(super) fn take(&self, place: usize) -> u64 {
        let counters = (0..SHARDS).filter_map(|shard| self.counter(place, shard));
        counters.map(|counter| counter.swap(0, Ordering::Relaxed)).sum()
    }

    #[inline]
    fn counter(&self, place: usize, shard: usize) -> Option<&AtomicU64> {
        if place >= self.count as usize {
            return None;
        }
        let place = self.first as usize + place;
        self.groups.get(place / WIDTH)?.0.get(shard)?.0.get(place % WIDTH)
    }
}

/// The counters that no flag has yet.
#[derive(Default)]
pub(super) struct OpenPlaces {
    groups: Option<Arc<[Group]>>,
    /// How many of them are taken.
    taken: usize,
}

impl OpenPlaces {
    /// So many counters, for one flag.
    pub(super) fn take(&mut self, count: usize) -> Places {
        // Nobody can have more variations than memory, and each of them takes more than this.
        let size = u32::try_from(count).unwrap_or(u32::MAX);
        if count > TOGETHER * WIDTH / 2 {
            // With others beside it, half of the counters might stay free.
            return Places { groups: groups(count.div_ceil(WIDTH)), first: 0, count: size };
        }
        let free = |groups: &Arc<[Group]>, taken| groups.len() * WIDTH - taken;
        let groups = match &self.groups {
            Some(groups) if free(groups, self.taken) >= count => Arc::clone(groups),
            _ => {
                self.taken = 0;
                Arc::clone(self.groups.insert(groups(TOGETHER)))
            }
        };
        let first = self.taken as u32;
        self.taken += count;
        Places { groups, first, count: size }
    }
}

fn groups(count: usize) -> Arc<[Group]> {
    (0..count).map(|_| Group::default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_flags_have_a_counter_in_common() {
        let mut open = OpenPlaces::default();
        let sizes = [1, 2, 16, 17, 3, 0, 15, 16, 16, 40, 9, 9, 9, 9];
        let flags: Vec<_> = sizes.iter().map(|size| open.take(*size)).collect();
        for (flag, size) in flags.iter().zip(sizes) {
            (0..size + 2).for_each(|place| (0..=place).for_each(|_| flag.count(place)));
        }
        for (flag, size) in flags.iter().zip(sizes) {
            let taken: Vec<_> = (0..size + 2).map(|place| flag.take(place)).collect();
            let counted: Vec<_> = (1..=size as u64).chain([0, 0]).collect();
            assert_eq!(taken, counted, "of {size}");
            assert_eq!(flag.take(0), 0, "of {size}");
        }
    }

    #[test]
    fn a_flag_of_two_answers_takes_an_eighth_of_a_kilobyte() {
        let mut open = OpenPlaces::default();
        let flags: Vec<_> = (0..160).map(|_| open.take(2)).collect();
        let mut groups: Vec<_> = flags.iter().map(|flag| Arc::as_ptr(&flag.groups)).collect();
        groups.dedup();
        assert_eq!(groups.len() * TOGETHER * size_of::<Group>() / flags.len(), 128);
    }
}
