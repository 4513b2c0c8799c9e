//! Payloads of a real Unleash server, and the answers of its Node SDK to them. They are read from
//! the folder that `MODELGATE_PAYLOADS` names, and are not part of this repository.

use std::{env, fs, path::PathBuf};

use modelgate::{Context, FlagSet, clock::ManualClock, unleash::Unleash};
use serde_json::Value as Json;

fn payload(name: &str) -> Option<String> {
    let Some(folder) = env::var_os("MODELGATE_PAYLOADS").map(PathBuf::from) else {
        println!("MODELGATE_PAYLOADS is not set: {name} was not read");
        return None;
    };
    let path = folder.join(name);
    Some(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn two_hundred_users_get_the_variants_that_the_node_sdk_gave_them() {
    let (Some(features), Some(assignments)) =
        (payload("unleash-client-features.json"), payload("unleash-node-sdk-assignments.json"))
    else {
        return;
    };
    let flags = Unleash::new().compile(&features).unwrap();
    assert_eq!(flags.problems(), []);
    let captured: Json = serde_json::from_str(&assignments).unwrap();
    let flag = captured["flag"].as_str().unwrap();
    let assignments = captured["assignments"].as_object().unwrap();
    assert_eq!(assignments.len(), 200);
    let clock = ManualClock::default();
    for (user, expected) in assignments {
        let context = Context::new(user);
        let answer = flags.evaluate_at(flag, &context, &clock);
        assert_eq!(answer.variant, expected.as_str(), "{user}");
        assert_eq!(answer.on, Some(expected.is_string()), "{user}");
    }
}

#[test]
fn the_events_of_a_real_server_apply_cleanly() {
    let (Some(hydration), Some(since), Some(features)) = (
        payload("unleash-delta-hydration.json"),
        payload("unleash-delta-since.json"),
        payload("unleash-client-features.json"),
    ) else {
        return;
    };
    let dialect = Unleash::new();
    let hydrated = dialect.apply(&FlagSet::new(), &hydration).unwrap();
    let caught_up = dialect.apply(&hydrated, &since).unwrap();
    let whole = dialect.compile(&features).unwrap();
    let clock = ManualClock::default();
    for flags in [&hydrated, &caught_up] {
        assert_eq!((flags.problems(), flags.len()), (&[][..], whole.len()));
        for user in 0..200 {
            let user = format!("user-{user}");
            let context = Context::new(&user).with("region", "eu-west-1");
            for flag in whole.iter() {
                let answer = |set: &FlagSet| {
                    let answer = set.evaluate_at(flag.key(), &context, &clock);
                    (answer.on, answer.variant.map(str::to_owned))
                };
                assert_eq!(answer(flags), answer(&whole), "{} for {user}", flag.key());
            }
        }
    }
}
