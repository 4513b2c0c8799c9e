//! The environment document on its way into the store.

use super::{mend::mended, moment::moment, pages::DocumentFields};
use crate::{
    flag::FlagSet,
    flagsmith::Flagsmith,
    source::{
        self, FlagUpdates, digest,
        last_good::{LastGood, named},
        network::Secret,
    },
};

/// The last document that was received, and what it was compiled with.
pub(super) struct EnvironmentDocument {
    dialect: Flagsmith,
    /// The digest of the document in force, once the server or the file has brought one.
    good: Option<String>,
    /// The last good document, for the file; empty when there is none.
    text: String,
    updated_at: Option<f64>,
    client_key: Option<Secret>,
    last_good: LastGood,
    pub(super) updates: FlagUpdates,
}

impl EnvironmentDocument {
    /// Begins with what the file has, else with the bootstrap.
    pub(super) fn start(
        dialect: Flagsmith,
        last_good: LastGood,
        bootstrap: Option<String>,
        updates: FlagUpdates,
    ) -> EnvironmentDocument {
        let mut environment = EnvironmentDocument {
            dialect,
            good: None,
            text: String::new(),
            updated_at: None,
            client_key: None,
            last_good,
            updates,
        };
        match environment.last_good.start(&environment.dialect, &environment.updates) {
            Some((_, text)) => {
                environment.good = Some(digest(&text));
                environment.text = text;
            }
            None => {
                if let Some(bootstrap) = bootstrap {
                    environment.bootstrap(&bootstrap);
                }
            }
        }
        environment
    }

    fn bootstrap(&self, document: &str) {
        match self.dialect.compile(document) {
            Ok(set) => {
                let reason = "from the bootstrap, not confirmed by the server yet";
                self.updates.replace_stale(set.with_revision("bootstrap"), None, reason);
            }
            Err(error) => {
                self.updates.report(source::Error::with_source("bootstrap ignored", error));
            }
        }
    }

    /// A document of the server, which may be the one in force. Whether it is another.
    ///
    /// # Errors
    /// When it is none; what was delivered before stays in force.
    pub(super) fn deliver(&mut self, text: String) -> Result<bool, source::Error> {
        let fields = DocumentFields::of(&text)?;
        let (updated_at, revision) = match fields.updated_at {
            Some(json) => (moment(json.get()), serde_json::from_str::<String>(json.get()).ok()),
            None => (None, None),
        };
        let client_key = fields.api_key.map(|key| Secret::new(&*key));
        let sum = digest(&text);
        let is_new = self.good.as_ref() != Some(&sum);
        if is_new {
            let set = named(self.dialect.compile(&text)?, revision.as_deref(), &sum);
            self.keep(text, &set);
            self.updates.replace(set);
            self.good = Some(sum);
        } else {
            self.confirm();
        }
        (self.updated_at, self.client_key) = (updated_at, client_key);
        Ok(is_new)
    }

    /// What is malformed keeps its last good form in the file as well.
    fn keep(&mut self, text: String, set: &FlagSet) {
        if self.last_good.is_kept() {
            self.text = mended(&text, set.problems(), &self.text).unwrap_or(text);
            self.last_good.keep(|| self.text.clone());
        }
    }

    /// What was delivered is what there is.
    pub(super) fn confirm(&mut self) {
        self.updates.confirm();
        self.last_good.save();
    }

    /// When the document was changed last, as it says itself: seconds since 1970.
    pub(super) fn updated_at(&self) -> Option<f64> {
        self.updated_at
    }

    /// By which the environment is known to the public.
    pub(super) fn client_key(&self) -> Option<&Secret> {
        self.client_key.as_ref()
    }
}
