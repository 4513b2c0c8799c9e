//! What the vendor's own SDKs were seen to receive and to answer. The recordings are read from the
//! folder that `MODELGATE_PAYLOADS` names, in place: none of them is part of this repository.

use std::{env, fs, path::PathBuf};

use modelgate::{Context, FlagSet, launchdarkly::LaunchDarkly};
use serde_json::{Value as Json, json};

fn recording(name: &str) -> Option<Json> {
    let Some(folder) = env::var_os("MODELGATE_PAYLOADS").map(PathBuf::from) else {
        println!("MODELGATE_PAYLOADS is not set: {name} was not read");
        return None;
    };
    let text = fs::read_to_string(folder.join(name)).expect("the recording is in the folder");
    Some(serde_json::from_str(&text).expect("the recording is JSON"))
}

#[test]
fn the_python_sdks_users_have_its_versions() {
    let Some(recording) = recording("launchdarkly-python-sdk-assignments.json") else { return };
    let launchdarkly = LaunchDarkly::new();
    let key = recording["flag"]["key"].as_str().unwrap();
    let set =
        launchdarkly.compile(&json!({"flags": {key: recording["flag"]}}).to_string()).unwrap();
    let assignments = recording["assignments"].as_object().unwrap();
    for (user, version) in assignments {
        let context = Context::new(user);
        let detail = launchdarkly.detail(&set, key, &context);
        assert_eq!(json!(detail.value), *version, "{user}");
    }
    assert_eq!(assignments.len(), 200);
}

#[test]
fn a_streams_events_are_taken_in() {
    let Some(events) = recording("launchdarkly-stream-events.json") else { return };
    let launchdarkly = LaunchDarkly::new();
    let on = |set: &FlagSet, region: &str| {
        let context = Context::new("user-1").with("region", region);
        let detail = launchdarkly.detail(set, "shadow-mode-v2", &context);
        (detail.boolean(false).value, detail.reason.kind.to_string())
    };
    let put = launchdarkly.compile(&events["put"].to_string()).unwrap();
    assert_eq!((put.len(), put.problems().len()), (2, 0));
    assert_eq!(on(&put, "eu-west-1"), (true, "RULE_MATCH".to_owned()));
    assert_eq!(on(&put, "ap-south-1"), (false, "FALLTHROUGH".to_owned()));
    let patch = &events["patch"];
    let key = patch["path"].as_str().unwrap().strip_prefix("/flags/").unwrap();
    let patched = launchdarkly.with_flag(&put, key, &patch["data"].to_string()).unwrap();
    assert_eq!(on(&patched, "eu-west-1"), (false, "OFF".to_owned()));
    let deleted = events["delete"]["path"].as_str().unwrap().strip_prefix("/flags/").unwrap();
    let deleted = patched.without(deleted);
    assert_eq!(on(&deleted, "eu-west-1"), (false, "ERROR".to_owned()));
}
