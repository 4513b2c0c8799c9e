//! Replaces the malformed parts of a document with their last good form.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::flag::{Problem, ProblemSeverity};

/// The lists whose items are read one by one: where they stand, as the problems have it.
const FEATURES: &str = "/feature_states/";
const SEGMENTS: &str = "/project/segments/";
const IDENTITIES: &str = "/identity_overrides/";

type MembersByName<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The document with what is malformed in it as it was in `previous`, or without it where that
/// has none. `None` when nothing is malformed, or nothing of it can be mended.
pub(super) fn mended(text: &str, problems: &[Problem], previous: &str) -> Option<String> {
    let bad = |list: &str| -> HashSet<usize> {
        let rejected =
            problems.iter().filter(|problem| problem.severity == ProblemSeverity::Rejected);
        let places = rejected
            .filter_map(|problem| problem.path.strip_prefix(list)?.split('/').next()?.parse().ok());
        places.collect()
    };
    let (features, segments, identities) = (bad(FEATURES), bad(SEGMENTS), bad(IDENTITIES));
    if features.is_empty() && segments.is_empty() && identities.is_empty() {
        return None;
    }
    let mut members: MembersByName<'_> = serde_json::from_str(text).ok()?;
    let held: MembersByName<'_> = serde_json::from_str(previous).unwrap_or_default();
    let replaced = [
        ("feature_states", list(&members, &held, "feature_states", &features, feature)?),
        (
            "identity_overrides",
            list(&members, &held, "identity_overrides", &identities, identifier)?,
        ),
        ("project", project(&members, &held, &segments)?),
    ];
    for (name, value) in &replaced {
        if let Some(value) = value {
            members.insert(Cow::Borrowed(name), value);
        }
    }
    serde_json::to_string(&members).ok()
}

fn project(
    members: &MembersByName<'_>,
    held: &MembersByName<'_>,
    bad: &HashSet<usize>,
) -> Option<Option<Box<RawValue>>> {
    if bad.is_empty() {
        return Some(None);
    }
    let mut project: MembersByName<'_> =
        serde_json::from_str(members.get("project")?.get()).ok()?;
    let held = held.get("project").and_then(|held| serde_json::from_str(held.get()).ok());
    let segments = list(&project, &held.unwrap_or_default(), "segments", bad, segment)??;
    project.insert(Cow::Borrowed("segments"), &segments);
    Some(Some(serde_json::value::to_raw_value(&project).ok()?))
}

/// The list `name` without its bad items; `Some(None)` when there are none of them.
fn list(
    members: &MembersByName<'_>,
    held: &MembersByName<'_>,
    name: &str,
    bad: &HashSet<usize>,
    identity: fn(&RawValue) -> Option<String>,
) -> Option<Option<Box<RawValue>>> {
    if bad.is_empty() {
        return Some(None);
    }
    let items: Vec<&RawValue> = serde_json::from_str(members.get(name)?.get()).ok()?;
    let held: Option<Vec<&RawValue>> =
        held.get(name).and_then(|held| serde_json::from_str(held.get()).ok());
    let mut good: BTreeMap<String, &RawValue> = BTreeMap::new();
    for item in held.into_iter().flatten() {
        good.extend(identity(item).map(|identity| (identity, item)));
    }
    let items = items.into_iter().enumerate().filter_map(|(place, item)| {
        if bad.contains(&place) { good.remove(&identity(item)?) } else { Some(item) }
    });
    let items: Vec<&RawValue> = items.collect();
    Some(Some(serde_json::value::to_raw_value(&items).ok()?))
}

fn feature(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct FeatureStateId {
        feature: Feature,
    }
    #[derive(Deserialize)]
    struct Feature {
        name: String,
    }
    serde_json::from_str(item.get()).ok().map(|FeatureStateId { feature }| feature.name)
}

fn segment(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Segment {
        id: u64,
    }
    serde_json::from_str(item.get()).ok().map(|Segment { id }| id.to_string())
}

fn identifier(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Identity {
        identifier: String,
    }
    serde_json::from_str(item.get()).ok().map(|Identity { identifier }| identifier)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::flagsmith::Flagsmith;

    fn document(value: Json, rules: Json, pinned: Json) -> Json {
        json!({
            "api_key": "env",
            "feature_states": [
                {"feature": {"id": 1, "name": "m"}, "enabled": value, "feature_state_value": "v1"},
                {"feature": {"id": 2, "name": "new"}, "enabled": value},
                {"feature": {"id": 3, "name": "good"}, "enabled": true}
            ],
            "project": {"id": 9, "segments": [{"id": 7, "name": "beta", "rules": rules}]},
            "identity_overrides": [{"identifier": "vip", "identity_features": pinned}]
        })
    }

    #[test]
    fn what_is_malformed_is_as_it_was_and_the_rest_as_it_is() {
        let mut before = document(json!(true), json!([]), json!([]));
        before["feature_states"].as_array_mut().unwrap().remove(1);
        let now = document(json!("yes"), json!(5), json!("all"));
        let set = Flagsmith::new().compile(&now.to_string()).unwrap();
        assert_eq!(set.problems().len(), 4, "{:#?}", set.problems());
        let mended = mended(&now.to_string(), set.problems(), &before.to_string()).unwrap();
        let mended: Json = serde_json::from_str(&mended).unwrap();
        assert_eq!(mended, before);
    }

    #[test]
    fn without_an_earlier_form_it_is_left_out() {
        let now = document(json!("yes"), json!([]), json!([]));
        let set = Flagsmith::new().compile(&now.to_string()).unwrap();
        let mended = mended(&now.to_string(), set.problems(), "").unwrap();
        let set = Flagsmith::new().compile(&mended).unwrap();
        assert_eq!((set.problems(), set.len()), (&[][..], 1));
    }

    #[test]
    fn a_good_document_stays_as_it_came() {
        let now = document(json!(true), json!([]), json!([])).to_string();
        let set = Flagsmith::new().compile(&now).unwrap();
        assert_eq!(mended(&now, set.problems(), &now), None);
    }
}
