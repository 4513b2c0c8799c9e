//! Whole documents on their way from a server into the store.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Dialect, Error, FlagUpdates, compile, digest,
    last_good::{LastGood, named},
};

/// Compiles and delivers the documents of a source, and keeps the last good one in a file.
pub(crate) struct Documents {
    dialect: Box<dyn Dialect>,
    last_good: LastGood,
    /// The digest of the document in force.
    good: Option<String>,
    /// How many were delivered.
    delivered: u64,
    /// When the status is to say that the server is away, and why it is.
    grace: Option<(Instant, String)>,
    pub(crate) updates: FlagUpdates,
}

impl Documents {
    /// Begins with what the file has, if there is one.
    pub(crate) fn start(
        dialect: Box<dyn Dialect>,
        last_good: LastGood,
        updates: FlagUpdates,
    ) -> Documents {
        let good = last_good.start(&*dialect, &updates).map(|(_, text)| digest(&text));
        Documents { dialect, last_good, good, delivered: 0, grace: None, updates }
    }

    /// Delivers a document of the server, which may be the one in force.
    ///
    /// # Errors
    /// When it is none that the dialect can read; what was delivered before stays in force.
    pub(crate) fn deliver(&mut self, text: String, tag: Option<&str>) -> Result<(), Error> {
        let sum = digest(&text);
        if self.good.as_ref() == Some(&sum) {
            self.updates.confirm();
        } else {
            let set = compile(&*self.dialect, &text)?;
            if self.updates.replace(named(set, tag, &sum)) {
                self.good = Some(sum);
                self.last_good.keep(|| text);
            }
        }
        self.delivered = self.delivered.wrapping_add(1);
        self.grace = None;
        self.last_good.save();
        Ok(())
    }

    /// Changes whenever something was delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Says so in the status when nothing has been delivered until then, for this cause.
    pub(crate) fn grace(&mut self, period: Duration, cause: String) {
        self.grace = Instant::now().checked_add(period).map(|end| (end, cause));
    }

    /// Waits, and ends the grace period if that falls in between.
    pub(crate) async fn pause(&mut self, pause: Duration) {
        // A pause past the end of time is a very long one.
        let end = Instant::now().checked_add(pause);
        if let Some(end) = end
            && let Some((grace, cause)) = self.grace.take_if(|(grace, _)| *grace <= end)
        {
            tokio::time::sleep_until(grace).await;
            let away = "the server is away for longer than the grace period";
            self.updates.report(Error::new(format!("{away}: {cause}")));
            return tokio::time::sleep_until(end).await;
        }
        tokio::time::sleep(pause).await;
    }

    /// The server has nothing newer than what is in force.
    pub(crate) fn confirm(&mut self) {
        self.updates.confirm();
        self.last_good.save();
    }
}
