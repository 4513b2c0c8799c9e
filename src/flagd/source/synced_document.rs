//! The flags and the context that a flagd server sends, as one document.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::value::RawValue;

use crate::{
    dialect::Dialect,
    flag::{DocumentError, FlagSet, Problem},
    flagd::{Flagd, document::Definition},
    value::Map,
};

/// What the server sends, as one text: that is what the last-known-good file keeps.
pub(super) struct SyncedDocument {
    /// The source's name.
    source: Cow<'static, str>,
    dialect: Flagd,
    /// Whether the log has that nobody chose a generation of `fractional`.
    logged: AtomicBool,
}

/// The members of that text.
#[derive(serde::Serialize, serde::Deserialize)]
struct Sent<'t> {
    #[serde(rename = "flagConfiguration", default)]
    flags: Cow<'t, str>,
    #[serde(rename = "syncContext", borrow, default)]
    context: Option<&'t RawValue>,
}

impl SyncedDocument {
    pub(super) fn new(source: Cow<'static, str>, dialect: Flagd) -> SyncedDocument {
        SyncedDocument { source, dialect, logged: AtomicBool::new(false) }
    }

    /// Adds that `fractional` is used while nobody chose its generation: the data does not say which
    /// is meant, and they put the same user on different variants.
    fn with_generation_checked(&self, definition: Definition) -> FlagSet {
        let Definition { flags: set, has_split } = definition;
        if self.dialect.chosen || !has_split {
            return set;
        }
        if !self.logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "modelgate::source",
                source = &*self.source,
                "the flags use `fractional`, and nobody chose its generation: a flagd server and most \
                 providers follow the second, this the third; see `Flagd::with_fractional`"
            );
        }
        let found = "`fractional`, whose generation nobody chose";
        let expected = "`Source::dialect` with `Flagd::with_fractional`";
        set.with_problem(Problem::warning("", "/flags", found, expected))
    }

    /// The flags and the attributes that every context is to have besides its own. What would take too
    /// much memory together is refused before there is a copy of the flags.
    pub(super) fn text(
        dialect: &Flagd,
        flags: &str,
        context: &Map,
    ) -> Result<String, DocumentError> {
        let unwritable =
            |error| DocumentError::with_source("what the server sent cannot be written", error);
        let context = serde_json::value::to_raw_value(context).map_err(unwritable)?;
        dialect.admit(flags, context.get())?;
        let document = Sent { flags: Cow::Borrowed(flags), context: Some(&context) };
        serde_json::to_string(&document).map_err(unwritable)
    }
}

impl Dialect for SyncedDocument {
    fn compile(&self, text: &str) -> Result<FlagSet, DocumentError> {
        let unreadable = |error| DocumentError::with_source("not what a flagd server sends", error);
        let Sent { flags, context } = serde_json::from_str(text).map_err(unreadable)?;
        let context = context.map_or("{}", RawValue::get);
        // A file from an earlier run was weighed by the limit that was in force then, if at all.
        self.dialect.admit(&flags, context)?;
        let context: Map = serde_json::from_str(context).map_err(unreadable)?;
        let definition = match context.is_empty() {
            true => self.dialect.compile_definition(&flags),
            false => self.dialect.clone().with_static_context(context).compile_definition(&flags),
        };
        definition.map(|definition| self.with_generation_checked(definition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flagd::Fractional, source::testing::logged, value::Value};

    fn synced(dialect: Flagd) -> SyncedDocument {
        SyncedDocument::new("flagd".into(), dialect)
    }

    #[test]
    fn a_generation_that_nobody_chose_is_logged_once_whatever_the_server_sends() {
        let text = |weight: u32| {
            let flags = format!(
                r#"{{"flags": {{"f": {{"state": "ENABLED", "variants": {{"a": 1}},
                    "targeting": {{"fractional": [["a", {weight}]]}}}}}}}}"#
            );
            SyncedDocument::text(&Flagd::new(), &flags, &Map::new()).unwrap()
        };
        let log = logged(|| {
            let document = synced(Flagd::new());
            for weight in 1..=3 {
                let set = document.compile(&text(weight)).unwrap();
                assert_eq!(set.problems().len(), 1, "the status goes on saying it");
            }
            let chosen = Flagd::new().with_fractional(Fractional::V2);
            synced(chosen).compile(&text(1)).unwrap();
        });
        let [line] = &*log.lines().collect::<Vec<_>>() else { panic!("{log}") };
        assert!(line.contains("nobody chose its generation"), "{log}");
        assert!(line.contains(r#"source="flagd""#), "{log}");
    }

    #[test]
    fn the_context_that_a_server_sends_is_weighed_together_with_its_flags() {
        let flags = r#"{"flags": {}}"#;
        let attributes = |count: usize| -> Map {
            (0..count).map(|n| (format!("attribute-{n}"), i64::try_from(n).unwrap())).collect()
        };
        let limited = Flagd::new().with_max_memory(20_000);
        assert!(SyncedDocument::text(&limited, flags, &attributes(10)).is_ok());
        let error = SyncedDocument::text(&limited, flags, &attributes(1_000)).unwrap_err();
        assert_eq!(error.too_large().unwrap().limit, 20_000, "{error}");
        // A last-known-good file may be of a time when more was allowed.
        let kept = SyncedDocument::text(&Flagd::new(), flags, &attributes(1_000)).unwrap();
        assert!(synced(limited).compile(&kept).unwrap_err().too_large().is_some());
        assert!(synced(Flagd::new()).compile(&kept).is_ok());
    }

    #[test]
    fn a_generation_that_nobody_chose_is_a_problem_of_flags_that_split() {
        let flag = |rule: &str| {
            let flags = format!(
                r#"{{"flags": {{"f": {{"state": "ENABLED", "variants": {{"a": 1, "b": 2}},
                    "defaultVariant": "a", "targeting": {rule}}}}}}}"#
            );
            SyncedDocument::text(&Flagd::new(), &flags, &Map::new()).unwrap()
        };
        let split = flag(r#"{"fractional" : [["a", 1], ["b", 1]]}"#);
        let plain = flag(r#"{"if": [{"==": [{"var": "fractional"}, "fractional"]}, "b"]}"#);
        let problems =
            |dialect: Flagd, text: &str| synced(dialect).compile(text).unwrap().problems().len();
        let escaped = flag(r#"{"\u0066ractional": [["a", 1], ["b", 1]]}"#);
        let variant = r#"{"flags": {"f": {"state": "ENABLED", "variants": {"fractional": 1}}}}"#;
        let variant = SyncedDocument::text(&Flagd::new(), variant, &Map::new()).unwrap();
        assert_eq!(problems(Flagd::new(), &split), 1);
        assert_eq!(problems(Flagd::new(), &escaped), 1);
        assert_eq!(problems(Flagd::new(), &plain), 0);
        assert_eq!(problems(Flagd::new(), &variant), 0, "a variant of that name splits nobody");
        for generation in [Fractional::V1, Fractional::V2, Fractional::V3] {
            assert_eq!(problems(Flagd::new().with_fractional(generation), &split), 0);
        }
    }

    #[test]
    fn flags_that_would_take_too_much_memory_are_refused_before_they_are_copied() {
        let flags = r#"{"flags": {"f": {"state": "ENABLED", "variants": {"a": 1}}}}"#;
        let context: Map = [("region", "eu")].into_iter().collect();
        let text =
            |limit| SyncedDocument::text(&Flagd::new().with_max_memory(limit), flags, &context);
        let refused = text(100).unwrap_err();
        let sizes = refused.too_large().unwrap();
        let sent = flags.len() + r#"{"region":"eu"}"#.len();
        assert_eq!((sizes.bytes, sizes.limit), (sent as u64, 100));
        let text = text(10_000).unwrap();
        assert_eq!(synced(Flagd::new()).compile(&text).unwrap().len(), 1);
        let document: Value = serde_json::from_str(&text).unwrap();
        let document = document.as_map().unwrap();
        assert_eq!(document.get("flagConfiguration").and_then(Value::as_str), Some(flags));
        assert_eq!(document.get("syncContext").and_then(Value::as_map), Some(&context));
    }
}
