//! Users that are made up, for looking on: each asks once about a digit that neither model was
//! trained on, and says right after which it was.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use modelgate::Context;

use super::{Digits, Service};

/// How often the thread wakes.
const PAUSE: Duration = Duration::from_millis(20);

impl Service {
    /// Asks on a thread of its own, so many new users a second, for as long as the process lives.
    pub(super) fn ask_by_itself(&self, digits: Digits, users_per_second: u32) -> io::Result<()> {
        let service = self.clone();
        let traffic = thread::Builder::new().name("traffic".to_owned());
        traffic.spawn(move || {
            let (began, mut user) = (Instant::now(), 0_u64);
            loop {
                let due = (began.elapsed().as_secs_f64() * f64::from(users_per_second)) as u64;
                while user < due {
                    service.ask(&digits, user);
                    user += 1;
                }
                thread::sleep(PAUSE);
            }
        })?;
        Ok(())
    }

    fn ask(&self, digits: &Digits, user: u64) {
        let rows = digits.rows();
        // In an order of its own, so that neighbours in the file are none in time.
        let place = user.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let Some(row) = rows.get(place as usize % rows.len().max(1)) else { return };
        let key = format!("user-{user}");
        let answer = self.router.predict(&Context::new(&key), &row.features());
        // Where v1 fails as well there is no answer that a truth could be told of.
        if let (Ok(answer), Some(rollout)) = (answer, &self.rollout) {
            rollout.verdict.label(answer.id(), row.label.clone());
        }
    }
}
