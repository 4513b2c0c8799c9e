//! What a process leaves over of what it may use.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{cpu_time, shadow::allowance::Allowance};

/// The part of its allowance above which a process leaves nothing over.
const BUSY: f64 = 0.8;

/// Two looks at the process are at least so far apart.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The allowance is read again after so long: a container's limit can be changed while it runs.
const READ_EVERY: Duration = Duration::from_secs(10);

/// What the process as a whole uses of what it may use. Asked on shadow threads only.
#[derive(Debug)]
pub(super) struct Spare(Mutex<Look>);

#[derive(Debug)]
struct Look {
    allowance: Allowance,
    read: Instant,
    seen: Instant,
    used: Duration,
    left_over: bool,
}

impl Spare {
    pub(super) fn new() -> Spare {
        let now = Instant::now();
        Spare(Mutex::new(Look {
            allowance: Allowance::read(),
            read: now,
            seen: now,
            used: cpu_time::of_the_process(),
            left_over: true,
        }))
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.0.lock().allowance
    }

    /// The allowance, when it was time to read it again.
    pub(super) fn look_again(&self) -> Option<Allowance> {
        let mut look = self.0.lock();
        let now = Instant::now();
        if now.saturating_duration_since(look.read) < READ_EVERY {
            return None;
        }
        look.read = now;
        look.allowance = Allowance::read();
        Some(look.allowance)
    }

    pub(super) fn is_left_over(&self) -> bool {
        let mut look = self.0.lock();
        let now = Instant::now();
        let passed = now.saturating_duration_since(look.seen);
        if passed >= LOOK_EVERY {
            let used = cpu_time::of_the_process();
            let rate = used.saturating_sub(look.used).as_secs_f64() / passed.as_secs_f64();
            look.left_over = rate <= BUSY * look.allowance.processors;
            look.seen = now;
            look.used = used;
        }
        look.left_over
    }
}

#[cfg(test)]
impl Spare {
    /// Says so, and looks at the real process no more.
    pub(super) fn pretend(&self, left_over: bool) {
        let mut look = self.0.lock();
        look.left_over = left_over;
        look.seen = Instant::now() + Duration::from_secs(3600);
        look.read = look.seen;
    }
}
