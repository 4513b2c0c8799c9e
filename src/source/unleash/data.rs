//! The features and segments as they have arrived.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    dialect::unleash::Unleash,
    flag::FlagSet,
    source::{
        FlagSink, SourceError,
        last_good::{LastGood, named},
    },
    store::{LastKnownGood, digest},
};

/// How often the file is written while features change one by one.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// What was received, and its way into the store.
pub(super) struct Data {
    dialect: Unleash,
    set: FlagSet,
    /// The digest of the document in force, when it came as a whole.
    good: Option<String>,
    /// The texts of what came as events, for the file; empty when there is none.
    texts: Texts,
    saved: Option<Instant>,
    last_good: LastGood,
    pub(super) sink: FlagSink,
}

#[derive(Default)]
struct Texts {
    features: BTreeMap<String, Box<RawValue>>,
    segments: BTreeMap<i64, Box<RawValue>>,
}

#[derive(Serialize)]
struct Document<'t> {
    version: u32,
    features: Vec<&'t RawValue>,
    segments: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'t> {
    #[serde(default, rename = "type")]
    kind: Cow<'t, str>,
    #[serde(default)]
    event_id: u64,
    #[serde(default, borrow)]
    feature: Option<&'t RawValue>,
    #[serde(default)]
    feature_name: Option<Cow<'t, str>>,
    #[serde(default, borrow)]
    segment: Option<&'t RawValue>,
    #[serde(default)]
    segment_id: Option<i64>,
    #[serde(default, borrow)]
    features: Option<Vec<&'t RawValue>>,
    #[serde(default, borrow)]
    segments: Option<Vec<&'t RawValue>>,
}

#[derive(Deserialize)]
struct Events<'t> {
    #[serde(borrow)]
    events: Vec<Event<'t>>,
}

#[derive(Deserialize)]
struct Named<'t> {
    #[serde(borrow)]
    name: Cow<'t, str>,
}

#[derive(Deserialize)]
struct Numbered {
    id: i64,
}

impl Data {
    /// Begins with what the file has, else with the bootstrap.
    pub(super) fn start(
        source: Cow<'static, str>,
        dialect: Unleash,
        file: Option<LastKnownGood>,
        bootstrap: Option<String>,
        sink: FlagSink,
    ) -> Data {
        let last_good = LastGood::new(source, file);
        let (set, texts, good, saved) = Default::default();
        let mut data = Data { dialect, set, good, texts, saved, last_good, sink };
        match data.last_good.start(&data.dialect, &data.sink) {
            Some((set, text)) => {
                data.set = set;
                data.good = Some(digest(&text));
            }
            None => {
                if let Some(bootstrap) = bootstrap {
                    data.bootstrap(&bootstrap);
                }
            }
        }
        data
    }

    fn bootstrap(&mut self, features: &str) {
        match self.dialect.compile(features) {
            Ok(set) => {
                self.set = set.with_revision("bootstrap");
                let reason = "from the bootstrap, not confirmed by the server yet";
                self.sink.replace_stale(self.set.clone(), None, reason);
            }
            Err(error) => {
                self.sink.report(SourceError::with_source("bootstrap ignored", error));
            }
        }
    }

    /// Everything, as polling brings it.
    ///
    /// # Errors
    /// When it cannot be read as a whole; what was there stays.
    pub(super) fn replace(&mut self, text: String, tag: Option<&str>) -> Result<(), SourceError> {
        let sum = digest(&text);
        if self.good.as_ref() == Some(&sum) {
            self.confirm();
            return Ok(());
        }
        let set = named(self.dialect.compile(&text)?, tag, &sum);
        self.set = set;
        self.sink.replace(self.set.clone());
        self.good = Some(sum);
        self.last_good.keep(|| text);
        Ok(())
    }

    /// What was delivered is what there is.
    pub(super) fn confirm(&mut self) {
        self.sink.confirm();
        self.last_good.save();
    }

    /// Changes, as streaming brings them.
    ///
    /// # Errors
    /// When they cannot be read as a whole: only a new hydration is safe then.
    pub(super) fn apply(&mut self, text: &str) -> Result<(), SourceError> {
        let malformed = |error| SourceError::with_source("events are malformed", error);
        let events: Events<'_> = serde_json::from_str(text).map_err(malformed)?;
        let set = self.dialect.apply(&self.set, text)?;
        let last = events.events.iter().map(|event| event.event_id).max();
        self.set = match last {
            Some(last) => set.with_revision(last.to_string()),
            None => set,
        };
        self.sink.replace(self.set.clone());
        self.good = None;
        if self.last_good.is_kept() {
            events.events.into_iter().for_each(|event| self.texts.note(event));
            if self.saved.is_none_or(|saved| saved.elapsed() >= SAVE_INTERVAL) {
                self.save();
            }
        }
        Ok(())
    }

    /// Brings the file up to date with what came as events.
    pub(super) fn save(&mut self) {
        if self.good.is_some() || !self.last_good.is_kept() || self.texts.features.is_empty() {
            return;
        }
        self.saved = Some(Instant::now());
        let document = Document {
            version: 2,
            features: self.texts.features.values().map(|text| &**text).collect(),
            segments: self.texts.segments.values().map(|text| &**text).collect(),
        };
        // What was read as JSON can be written as such.
        self.last_good.keep(|| serde_json::to_string(&document).unwrap_or_default());
    }
}

impl Texts {
    fn note(&mut self, event: Event<'_>) {
        match &*event.kind {
            "hydration" => {
                *self = Texts::default();
                event.features.into_iter().flatten().for_each(|feature| self.feature(feature));
                event.segments.into_iter().flatten().for_each(|segment| self.segment(segment));
            }
            "feature-updated" => event.feature.into_iter().for_each(|it| self.feature(it)),
            "segment-updated" => event.segment.into_iter().for_each(|it| self.segment(it)),
            "feature-removed" => {
                event.feature_name.map(|name| self.features.remove(&*name));
            }
            "segment-removed" => {
                event.segment_id.map(|id| self.segments.remove(&id));
            }
            _ => {}
        }
    }

    fn feature(&mut self, text: &RawValue) {
        if let Ok(Named { name }) = serde_json::from_str(text.get()) {
            self.features.insert(name.into_owned(), text.to_owned());
        }
    }

    fn segment(&mut self, text: &RawValue) {
        if let Ok(Numbered { id }) = serde_json::from_str(text.get()) {
            self.segments.insert(id, text.to_owned());
        }
    }
}
