//! Dates that the vendor's Go and Python SDKs do not read, though the official Rust evaluator does:
//! a leap second, an offset without its colon, small letters, a blank for the `T`. It answers as its
//! siblings do once such a text stands there as one that is no date to anybody.

use serde_json::{Value as Json, json};

use super::{
    attribute,
    context::{self, Single},
};

const NO_DATE: &str = "no date";

/// The environment and the context with each such text replaced where it is compared as a date, and
/// nowhere else: a context's attribute gets a twin, by which those clauses go then.
pub fn refused(environment: &Json, asking: &Json, singles: &[Single]) -> (Json, Json) {
    let (mut environment, mut asking) = (environment.clone(), asking.clone());
    let mut twins = 0;
    for items in ["flags", "segments"] {
        for (_, item) in
            environment.get_mut(items).and_then(Json::as_object_mut).into_iter().flatten()
        {
            for rule in item.get_mut("rules").and_then(Json::as_array_mut).into_iter().flatten() {
                for clause in
                    rule.get_mut("clauses").and_then(Json::as_array_mut).into_iter().flatten()
                {
                    if clause["op"] == "before" || clause["op"] == "after" {
                        in_clause(clause, &mut asking, singles, &mut twins);
                    }
                }
            }
        }
    }
    (environment, asking)
}

fn in_clause(clause: &mut Json, asking: &mut Json, singles: &[Single], twins: &mut usize) {
    if let Some(values) = clause.get_mut("values") {
        *values = without(values);
    }
    let kind = clause["contextKind"].as_str();
    let path = clause["attribute"].as_str().and_then(|text| attribute::path(text, kind.is_some()));
    let kind = kind.unwrap_or("user");
    let Some(single) = singles.iter().find(|single| single.kind == kind) else { return };
    let Some(path) = path.filter(|path| path[..] != ["kind"]) else { return };
    let found = attribute::lookup(single, &path);
    let replaced = without(&found);
    if replaced != found {
        let twin = format!("twin-{twins}");
        *twins += 1;
        context::insert(asking, kind, &twin, replaced);
        clause["attribute"] = json!(twin);
    }
}

fn without(value: &Json) -> Json {
    match value {
        Json::String(text) if !is_date(text) => json!(NO_DATE),
        Json::Array(elements) => elements.iter().map(without).collect(),
        other => other.clone(),
    }
}

/// Whether a text has the shape `2006-01-02T15:04:05.999Z` or one with an offset for the `Z`, its
/// seconds below sixty. Whether there is such a day is left to the official evaluator.
fn is_date(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let pattern = "0000-00-00T00:00:00";
    let (Some(date), Some(rest)) = (text.get(..pattern.len()), text.get(pattern.len()..)) else {
        return false;
    };
    let shaped = date.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    });
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|letter: char| !letter.is_ascii_digit());
            match end.map(|end| fraction.split_at(end)) {
                Some((fraction, offset)) if digits(fraction) => offset,
                _ => return false,
            }
        }
        None => rest,
    };
    let offset = offset == "Z"
        || offset.strip_prefix(['+', '-']).and_then(|offset| offset.split_once(':')).is_some_and(
            |(hours, minutes)| [hours, minutes].iter().all(|part| part.len() == 2 && digits(part)),
        );
    shaped && offset && &date[17..] != "60"
}
