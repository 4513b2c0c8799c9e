//! The features and segments as they have arrived.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    flag::{FlagSet, ProblemSeverity},
    source::{
        self, FlagUpdates, digest,
        last_good::{LastGood, named},
    },
    unleash::Unleash,
};

/// How often the file is written while features change one by one.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// What was received, and its way into the store.
pub(super) struct Data {
    dialect: Unleash,
    set: FlagSet,
    /// The digest of the document in force, when it came as a whole.
    good: Option<String>,
    /// The number of the last event of this stream.
    last_event: u64,
    /// Whether this stream has brought anything.
    streamed: bool,
    /// Whether what is in force is what these events change.
    hydrated: bool,
    /// The last good texts of all there is, for the file; empty when there is none.
    texts: Texts,
    /// Whether events have changed what the file does not have yet.
    unsaved: bool,
    saved: Option<Instant>,
    last_good: LastGood,
    pub(super) updates: FlagUpdates,
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
    events: Vec<&'t RawValue>,
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
        dialect: Unleash,
        last_good: LastGood,
        bootstrap: Option<String>,
        updates: FlagUpdates,
    ) -> Data {
        let mut data = Data {
            dialect,
            set: FlagSet::new(),
            good: None,
            last_event: 0,
            streamed: false,
            hydrated: false,
            texts: Texts::default(),
            unsaved: false,
            saved: None,
            last_good,
            updates,
        };
        match data.last_good.start(&data.dialect, &data.updates) {
            Some((set, text)) => {
                data.good = Some(digest(&text));
                data.texts.replace(&text, &set);
                data.set = set;
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
                self.updates.replace_stale(self.set.clone(), None, reason);
            }
            Err(error) => {
                self.updates.report(source::Error::with_source("bootstrap ignored", error));
            }
        }
    }

    /// Everything, as polling brings it.
    ///
    /// # Errors
    /// When it cannot be read as a whole; what was there stays.
    pub(super) fn replace(&mut self, text: String, tag: Option<&str>) -> Result<(), source::Error> {
        let sum = digest(&text);
        if self.good.as_ref() == Some(&sum) {
            self.confirm();
            return Ok(());
        }
        self.set = named(self.dialect.compile(&text)?, tag, &sum);
        self.updates.replace(self.set.clone());
        self.good = Some(sum);
        self.unsaved = false;
        if self.last_good.is_kept() {
            let is_good = self.texts.replace(&text, &self.set);
            self.last_good.keep(|| if is_good { text } else { self.texts.document() });
        }
        Ok(())
    }

    /// The source's name.
    pub(super) fn source(&self) -> &str {
        self.last_good.source()
    }

    /// Whether what is in force came as a whole, unchanged by events.
    pub(super) fn is_whole(&self) -> bool {
        self.good.is_some()
    }

    /// What was delivered is what there is.
    pub(super) fn confirm(&mut self) {
        self.updates.confirm();
        self.last_good.save();
    }

    /// A new stream numbers its events anew: the server may be another. The first of them must
    /// bring everything.
    pub(super) fn begin_events(&mut self) {
        self.last_event = 0;
        self.streamed = false;
        self.hydrated = false;
    }

    /// Whether this stream has brought anything.
    pub(super) fn is_streamed(&self) -> bool {
        self.streamed
    }

    /// Changes, as streaming brings them. Those older than what is in force change nothing; whether
    /// there were none such.
    ///
    /// # Errors
    /// When they cannot be read as a whole: only a new hydration is safe then.
    pub(super) fn apply(&mut self, text: &str) -> Result<bool, source::Error> {
        let malformed = |error| source::Error::with_source("events are malformed", error);
        let raw: Events<'_> = serde_json::from_str(text).map_err(malformed)?;
        let mut last = self.last_event;
        let mut oldest = last;
        let mut hydrated = self.hydrated;
        let mut events = Vec::with_capacity(raw.events.len());
        for raw in &raw.events {
            let event: Event<'_> = serde_json::from_str(raw.get()).map_err(malformed)?;
            if event.kind == "hydration" {
                (last, oldest, hydrated) = (event.event_id, 0, true);
            } else if event.event_id != 0 && event.event_id < oldest {
                continue;
            }
            last = last.max(event.event_id);
            if !hydrated {
                return Err(source::Error::new("events do not begin with a hydration"));
            }
            events.push((event, raw.get()));
        }
        if !hydrated {
            return Err(source::Error::new("found no events, expected a hydration"));
        }
        self.streamed = true;
        let is_all = events.len() == raw.events.len();
        if events.is_empty() {
            self.updates.confirm();
            return Ok(is_all);
        }
        let set = if is_all {
            self.dialect.apply(&self.set, text)?
        } else {
            let newer: Vec<&str> = events.iter().map(|(_, raw)| *raw).collect();
            self.dialect.apply(&self.set, &format!(r#"{{"events":[{}]}}"#, newer.join(",")))?
        };
        (self.last_event, self.hydrated) = (last, hydrated);
        self.set = set.with_revision(last.to_string());
        self.updates.replace(self.set.clone());
        self.good = None;
        if self.last_good.is_kept() {
            let rejected = rejected(&self.set);
            events.into_iter().for_each(|(event, _)| self.texts.note(event, &rejected));
            self.unsaved = true;
            if self.save_in().is_some_and(|pause| pause.is_zero()) {
                self.save();
            }
        }
        Ok(is_all)
    }

    /// When the file is to be brought up to date, if it is not.
    pub(super) fn save_in(&self) -> Option<Duration> {
        let pause = |saved: Instant| SAVE_INTERVAL.saturating_sub(saved.elapsed());
        self.unsaved.then(|| self.saved.map_or(Duration::ZERO, pause))
    }

    /// Brings the file up to date with what came as events.
    pub(super) fn save(&mut self) {
        if std::mem::take(&mut self.unsaved) {
            self.saved = Some(Instant::now());
            self.last_good.keep(|| self.texts.document());
        }
    }
}

/// What came last is not lost with the store.
impl Drop for Data {
    fn drop(&mut self) {
        self.save();
    }
}

/// What is malformed: the names of features, and segments as the problems call them.
fn rejected(set: &FlagSet) -> HashSet<&str> {
    let rejected =
        set.problems().iter().filter(|problem| problem.severity == ProblemSeverity::Rejected);
    rejected.map(|problem| &*problem.key).collect()
}

impl Texts {
    /// A whole document, compiled to this set, in which what is malformed keeps its last good
    /// text. Whether nothing is.
    fn replace(&mut self, document: &str, set: &FlagSet) -> bool {
        let rejected = rejected(set);
        if let Ok(event) = serde_json::from_str::<Event<'_>>(document) {
            self.hydrate(event, &rejected);
        }
        rejected.is_empty()
    }

    fn note(&mut self, event: Event<'_>, rejected: &HashSet<&str>) {
        match &*event.kind {
            "hydration" => self.hydrate(event, rejected),
            "feature-updated" => {
                event.feature.into_iter().for_each(|it| self.feature(it, rejected, None));
            }
            "segment-updated" => {
                event.segment.into_iter().for_each(|it| self.segment(it, rejected, None));
            }
            "feature-removed" => {
                event.feature_name.map(|name| self.features.remove(&*name));
            }
            "segment-removed" => {
                event.segment_id.map(|id| self.segments.remove(&id));
            }
            _ => {}
        }
    }

    fn hydrate(&mut self, event: Event<'_>, rejected: &HashSet<&str>) {
        let mut known = std::mem::take(self);
        for feature in event.features.into_iter().flatten() {
            self.feature(feature, rejected, Some(&mut known));
        }
        for segment in event.segments.into_iter().flatten() {
            self.segment(segment, rejected, Some(&mut known));
        }
    }

    fn feature(&mut self, text: &RawValue, rejected: &HashSet<&str>, known: Option<&mut Texts>) {
        let Ok(Named { name }) = serde_json::from_str(text.get()) else { return };
        let good = if rejected.contains(&*name) {
            known.and_then(|known| known.features.remove(&*name))
        } else {
            Some(text.to_owned())
        };
        self.features.extend(good.map(|text| (name.into_owned(), text)));
    }

    fn segment(&mut self, text: &RawValue, rejected: &HashSet<&str>, known: Option<&mut Texts>) {
        let Ok(Numbered { id }) = serde_json::from_str(text.get()) else { return };
        let good = if rejected.contains(&*format!("segment {id}")) {
            known.and_then(|known| known.segments.remove(&id))
        } else {
            Some(text.to_owned())
        };
        self.segments.extend(good.map(|text| (id, text)));
    }

    /// Client features with all of them.
    fn document(&self) -> String {
        let document = Document {
            version: 2,
            features: self.features.values().map(|text| &**text).collect(),
            segments: self.segments.values().map(|text| &**text).collect(),
        };
        // What was read as JSON can be written as such.
        serde_json::to_string(&document).unwrap_or_default()
    }
}
