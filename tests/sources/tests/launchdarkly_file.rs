//! LaunchDarkly's flags without LaunchDarkly: from a file in the vendor's own form.

use std::fs;

use modelgate::{Context, Flags, launchdarkly::LaunchDarkly, source::FileSource};
use modelgate_source_tests::{PATIENCE, expect, expect_text};
use serde_json::json;

#[test]
fn a_file_of_flags_and_values_is_watched_and_one_that_is_broken_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.json");
    let write = |value: &str| {
        let document = json!({
            "flags": {"m": {"key": "m", "on": true, "salt": "s", "variations": ["out", "in"],
                "fallthrough": {"variation": 0}, "rules": [{"variation": 1, "clauses": [
                    {"attribute": "", "op": "segmentMatch", "values": ["beta"]}]}]}},
            "flagValues": {"text": value, "number": 2.5, "switch": true, "nothing": null},
            "segments": {"beta": {"key": "beta", "included": ["user-1"]}},
        });
        fs::write(&path, document.to_string()).unwrap();
    };
    write("one");
    let source = FileSource::watch(&path).dialect(LaunchDarkly::new());
    let flags = Flags::builder().source(source).build().unwrap();
    flags.wait_ready(PATIENCE).unwrap();
    assert_eq!(flags.status().sources[0].problems, []);
    expect_text(&flags, "m", "in");
    expect_text(&flags, "text", "one");
    let user = Context::new("user-2");
    assert_eq!(flags.string("m", &user, "none"), "out");
    assert_eq!(flags.float("number", &user, 0.0), 2.5);
    assert!(flags.boolean("switch", &user, false));
    write("two");
    expect_text(&flags, "text", "two");
    fs::write(&path, "{\"flags\": {").unwrap();
    expect(&flags, |status| status.sources[0].is_stale());
    expect_text(&flags, "text", "two");
}
