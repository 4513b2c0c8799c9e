//! The flags and segments as they have arrived, item by item.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    flag::{FlagSet, Problem},
    hash::Names,
    launchdarkly::LaunchDarkly,
    source::{self, FlagUpdates, last_good::LastGood},
};

/// How often the file is written at the most while flags change one by one.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// What was received, and its way into the store.
pub(super) struct Data {
    dialect: LaunchDarkly,
    set: FlagSet,
    /// The version of every item that is there or was; deleting leaves it behind, so that an older
    /// change that comes late changes nothing.
    versions: Names<(ItemKind, Box<str>), u64>,
    /// The items' texts, for the file; `None` when there is no file, and until everything has
    /// arrived: what is only a part must not take its place.
    texts: Option<DocumentTexts>,
    /// Whether the texts are no longer what the file was given.
    changed: bool,
    saved: Option<Instant>,
    last_good: LastGood,
    /// What is wrong with the settings: the status says so beside what is wrong with the data.
    warnings: Vec<Problem>,
    pub(super) updates: FlagUpdates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ItemKind {
    Flag,
    Segment,
}

/// A document, item by item. Null stands for no items, as for the dialect.
#[derive(Deserialize, Serialize)]
struct DocumentTexts {
    #[serde(default, deserialize_with = "or_none")]
    flags: BTreeMap<String, Box<RawValue>>,
    #[serde(default, deserialize_with = "or_none")]
    segments: BTreeMap<String, Box<RawValue>>,
}

fn or_none<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Box<RawValue>>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct Put<'t> {
    #[serde(default)]
    path: Option<Cow<'t, str>>,
    #[serde(borrow)]
    data: &'t RawValue,
}

#[derive(Deserialize)]
struct Patch<'t> {
    path: Cow<'t, str>,
    #[serde(borrow)]
    data: &'t RawValue,
}

#[derive(Deserialize)]
struct Delete<'t> {
    path: Cow<'t, str>,
    #[serde(default)]
    version: u64,
}

#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    deleted: bool,
}

impl Data {
    /// Begins with what the file has, if there is one.
    pub(super) fn start(
        dialect: LaunchDarkly,
        last_good: LastGood,
        warnings: Vec<Problem>,
        updates: FlagUpdates,
    ) -> Data {
        for problem in &warnings {
            let (source, problem) = (last_good.source(), problem.to_string());
            tracing::warn!(target: "modelgate::source", source, problem, "a setting is left out");
        }
        let mut data = Data {
            set: FlagSet::new(),
            versions: Names::default(),
            texts: None,
            changed: false,
            saved: None,
            last_good,
            warnings,
            updates,
            dialect,
        };
        if let Some((set, _)) = data.last_good.start(&data.dialect, &data.updates) {
            data.set = set;
        }
        data
    }

    /// Everything, as the stream's `put` brings it.
    pub(super) fn put(&mut self, event: &str) -> Result<(), source::Error> {
        let put: Put<'_> = parsed("put", event)?;
        match put.path.as_deref() {
            None | Some("" | "/") => self.replace(put.data.get()),
            Some(_) => Ok(()),
        }
    }

    /// Everything, as polling brings it.
    ///
    /// # Errors
    /// When it cannot be read as a whole; what was there stays.
    pub(super) fn replace(&mut self, document: &str) -> Result<(), source::Error> {
        // First: it refuses what would take too much memory.
        let set = self.dialect.compile(document)?;
        let texts: DocumentTexts = parsed("flag data", document)?;
        let problems = set.problems().iter().chain(&self.warnings).cloned().collect();
        let set = set.with_problems(problems);
        self.versions.clear();
        for (kind, items) in [(ItemKind::Flag, &texts.flags), (ItemKind::Segment, &texts.segments)]
        {
            for (key, text) in items {
                self.versions.insert((kind, key.as_str().into()), version(text));
            }
        }
        self.set = set;
        self.updates.replace(self.set.clone());
        if self.last_good.is_kept() {
            self.last_good.keep(|| document.to_owned());
            self.texts = Some(texts);
            self.changed = false;
            self.saved = Some(Instant::now());
        }
        Ok(())
    }

    /// What was delivered is what there is.
    pub(super) fn confirm(&mut self) {
        self.updates.confirm();
        self.last_good.save();
    }

    /// One flag or segment. A change that is not newer than what is there changes nothing.
    ///
    /// # Errors
    /// When it is malformed, the event or the item in it. The last good form stays in force.
    pub(super) fn patch(&mut self, event: &str) -> Result<(), source::Error> {
        let patch: Patch<'_> = parsed("patch", event)?;
        let Some((kind, key)) = item(&patch.path) else { return Ok(()) };
        // What has no version that can be read may be newer than anything.
        let Versioned { version, deleted } = parsed("patch", patch.data.get())?;
        if deleted {
            self.remove(kind, key, version);
            return Ok(());
        }
        if !self.is_newer(kind, key, version) {
            return Ok(());
        }
        let text = patch.data.get();
        let changed = match kind {
            ItemKind::Flag => self.dialect.with_flag(&self.set, key, text),
            ItemKind::Segment => self.dialect.with_segment(&self.set, key, text),
        };
        match changed {
            Ok(set) => {
                self.note(kind, key, Some(patch.data));
                self.deliver(set);
            }
            Err(problem) => {
                let known = self.set.problems().iter();
                let mut problems: Vec<Problem> =
                    known.filter(|known| known.key != problem.key).cloned().collect();
                let error = source::Error::new(format!("patch is malformed: {problem}"));
                problems.push(problem);
                let set = self.set.clone().with_problems(problems);
                self.deliver(set);
                return Err(error);
            }
        }
        Ok(())
    }

    /// One flag or segment is gone.
    pub(super) fn delete(&mut self, event: &str) -> Result<(), source::Error> {
        let delete: Delete<'_> = parsed("delete", event)?;
        if let Some((kind, key)) = item(&delete.path) {
            self.remove(kind, key, delete.version);
        }
        Ok(())
    }

    fn remove(&mut self, kind: ItemKind, key: &str, version: u64) {
        if !self.is_newer(kind, key, version) {
            return;
        }
        let set = match kind {
            ItemKind::Flag => self.set.clone().without_problems_of(key).without(key),
            ItemKind::Segment => self.dialect.without_segment(&self.set, key),
        };
        self.note(kind, key, None);
        self.deliver(set);
    }

    /// Whether this version is newer than what is known of the item; if so, remembers it.
    fn is_newer(&mut self, kind: ItemKind, key: &str, version: u64) -> bool {
        let known = self.versions.entry((kind, key.into()));
        match known {
            std::collections::hash_map::Entry::Occupied(known) if *known.get() >= version => false,
            known => {
                known.insert_entry(version);
                true
            }
        }
    }

    /// Keeps an item's text for the file.
    fn note(&mut self, kind: ItemKind, key: &str, text: Option<&RawValue>) {
        let Some(texts) = &mut self.texts else { return };
        self.changed = true;
        let texts = match kind {
            ItemKind::Flag => &mut texts.flags,
            ItemKind::Segment => &mut texts.segments,
        };
        match text {
            Some(text) => drop(texts.insert(key.to_owned(), text.to_owned())),
            None => drop(texts.remove(key)),
        }
    }

    fn deliver(&mut self, set: FlagSet) {
        self.set = set;
        self.updates.replace(self.set.clone());
        if self.saved.is_none_or(|saved| saved.elapsed() >= SAVE_INTERVAL) {
            self.save();
        }
    }

    /// When the file is to be brought up to date with changes that came too soon after the last time.
    pub(super) fn save_due(&self) -> Option<Instant> {
        let saved = self.saved.filter(|_| self.changed)?;
        saved.checked_add(SAVE_INTERVAL)
    }

    /// Brings the file up to date.
    pub(super) fn save(&mut self) {
        if let (true, Some(texts)) = (self.changed, &self.texts) {
            self.changed = false;
            self.saved = Some(Instant::now());
            // What was read as JSON can be written as such.
            self.last_good.keep(|| serde_json::to_string(texts).unwrap_or_default());
        } else {
            self.last_good.save();
        }
    }
}

/// The flag or segment that a path names; `None` for what this version of the protocol does not
/// have.
fn item(path: &str) -> Option<(ItemKind, &str)> {
    let flag = path.strip_prefix("/flags/").map(|key| (ItemKind::Flag, key));
    flag.or_else(|| Some((ItemKind::Segment, path.strip_prefix("/segments/")?)))
}

/// The version of an item; 0 where it has none that can be read.
fn version(item: &RawValue) -> u64 {
    serde_json::from_str(item.get()).map_or(0, |versioned: Versioned| versioned.version)
}

fn parsed<'t, T: Deserialize<'t>>(what: &str, text: &'t str) -> Result<T, source::Error> {
    serde_json::from_str(text)
        .map_err(|error| source::Error::with_source(format!("{what} is malformed"), error))
}
