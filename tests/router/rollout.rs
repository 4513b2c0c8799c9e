//! Flags written in code.

use std::time::Duration;

use modelgate::{
    Context, FlagSet, Rollout,
    clock::ManualClock,
    flagd::Flagd,
    rollout::{self, Condition},
    value::{Value, ValueRef},
};

fn version(rollout: &Rollout, context: &Context<'_>, clock: &ManualClock) -> String {
    let flags: FlagSet = [rollout.flag("flag").unwrap()].into_iter().collect();
    let answer = flags.evaluate_at("flag", context, clock).string("none");
    assert_eq!(answer.variant, Some(answer.value), "a version is its own variant");
    answer.value.to_owned()
}

/// How many of 10,000 users get `v2`.
fn enrolled(rollout: &Rollout, clock: &ManualClock) -> usize {
    let flags: FlagSet = [rollout.flag("flag").unwrap()].into_iter().collect();
    (0..10_000)
        .filter(|user| {
            let user = format!("user-{user}");
            let context = Context::new(&user);
            flags.evaluate_at("flag", &context, clock).variant == Some("v2")
        })
        .count()
}

#[test]
fn everyone_gets_the_only_version() {
    let clock = ManualClock::default();
    assert_eq!(version(&Rollout::everyone("v1"), &Context::anonymous(), &clock), "v1");
}

#[test]
fn a_percentage_of_the_users_gets_the_candidate() {
    let clock = ManualClock::default();
    let count = |percent| enrolled(&Rollout::percent("v2", percent).or("v1"), &clock);
    assert_eq!((count(0.0), count(100.0)), (0, 10_000));
    assert!((2_300..2_700).contains(&count(25.0)), "{}", count(25.0));
    assert!((1..60).contains(&count(0.3)), "{}", count(0.3));
}

#[test]
fn weights_are_exact_to_a_thousandth_of_a_percent_and_sum_to_a_hundred() {
    let definition =
        Rollout::percent("v2", 0.001).percent("v3", 33.333).or("v1").to_json().unwrap();
    let definition: serde_json::Value = serde_json::from_str(&definition).unwrap();
    assert_eq!(
        definition["targeting"],
        serde_json::json!({"fractional": [["v2", 1], ["v3", 33_333], ["v1", 66_666]]})
    );
}

#[test]
fn a_condition_comes_before_the_shares() {
    let clock = ManualClock::default();
    let condition = Condition::attribute("region")
        .one_of(["eu", "us"])
        .and(Condition::attribute("age").at_least(18))
        .or(Condition::attribute("app.version").starts_with("2."));
    let rollout = Rollout::percent("v2", 0.0)
        .or("v1")
        .when(Condition::attribute("region").equals("eu").not(), "v3")
        .when(condition, "v2");
    let adult = Context::new("u").with("region", "eu").with("age", 18);
    let child = Context::new("u").with("region", "eu").with("age", 17);
    let abroad = Context::new("u").with("region", "us").with("age", 18);
    assert_eq!(version(&rollout, &adult, &clock), "v2");
    assert_eq!(version(&rollout, &child, &clock), "v1");
    assert_eq!(version(&rollout, &abroad, &clock), "v3");
}

#[test]
fn an_absent_attribute_fulfils_no_condition() {
    let clock = ManualClock::default();
    let age = || Condition::attribute("age");
    let conditions = [
        age().equals(0),
        age().one_of([0, 1]),
        age().one_of([true, false]),
        age().at_least(-1),
        age().at_least(0),
        age().below(18),
        age().starts_with(""),
        age().ends_with(""),
    ];
    for condition in conditions {
        let rollout = Rollout::everyone("v1").when(condition, "v2");
        for context in [Context::new("u"), Context::new("u").with("age", ValueRef::Null)] {
            assert_eq!(version(&rollout, &context, &clock), "v1", "{rollout:?} {context:?}");
        }
    }
}

#[test]
fn a_condition_on_several_values_takes_attributes_of_any_type() {
    let clock = ManualClock::default();
    let among = |values: [Value; 2]| {
        let condition = Condition::attribute("x").one_of(values);
        Rollout::everyone("v1").when(condition, "v2")
    };
    let (truth, mixed) = (among([true.into(), "yes".into()]), among([3.into(), "eu".into()]));
    for (rollout, value, expected) in [
        (&truth, ValueRef::Bool(true), "v2"),
        (&truth, ValueRef::Text("yes"), "v2"),
        (&truth, ValueRef::Int(1), "v1"),
        (&truth, ValueRef::Bool(false), "v1"),
        (&mixed, ValueRef::Float(3.0), "v2"),
        (&mixed, ValueRef::Text("eu"), "v2"),
        (&mixed, ValueRef::Text("3"), "v1"),
        (&mixed, ValueRef::Bool(true), "v1"),
    ] {
        let context = Context::new("u").with("x", value);
        assert_eq!(version(rollout, &context, &clock), expected, "{rollout:?} {value:?}");
    }
}

#[test]
fn a_schedule_grows_at_its_times() {
    let start = Duration::from_secs(1_767_600_000);
    let hour = Duration::from_secs(3_600);
    let rollout = Rollout::schedule("v2")
        .stage(start, 5.0)
        .stage(start + hour, 25.0)
        .stage(start + 2 * hour, 50.0)
        .stage(start + 3 * hour, 100.0)
        .or("v1");
    let clock = ManualClock::at_unix(start - Duration::from_secs(1));
    assert_eq!(enrolled(&rollout, &clock), 0);
    clock.advance(Duration::from_secs(1));
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(enrolled(&rollout, &clock));
        clock.advance(hour);
    }
    assert!((400..600).contains(&counts[0]), "{counts:?}");
    assert!((2_300..2_700).contains(&counts[1]), "{counts:?}");
    assert!((4_800..5_200).contains(&counts[2]), "{counts:?}");
    assert_eq!(counts[3], 10_000);
}

#[test]
fn what_is_written_in_code_is_a_flagd_definition() {
    let clock = ManualClock::default();
    let rollout =
        Rollout::percent("v2", 25.0).or("v1").when(Condition::attribute("beta").equals(true), "v2");
    let document = format!(r#"{{"flags": {{"flag": {}}}}}"#, rollout.to_json().unwrap());
    let written = Flagd::new().compile(&document).unwrap();
    assert!(written.problems().is_empty(), "{:?}", written.problems());
    for user in 0..1_000 {
        let user = format!("user-{user}");
        let context = Context::new(&user).with("beta", user.ends_with('7'));
        let found = written.evaluate_at("flag", &context, &clock).variant;
        assert_eq!(found, Some(&*version(&rollout, &context, &clock)));
    }
}

#[test]
fn a_rollout_that_cannot_be_is_refused() {
    for percent in [-1.0, 100.1, f64::NAN, f64::INFINITY] {
        let error = Rollout::percent("v2", percent).or("v1").flag("flag").unwrap_err();
        assert!(matches!(error, rollout::Error::Percent { .. }), "{error}");
        assert!(error.to_string().contains("version `v2`"), "{error}");
    }
    let error = Rollout::percent("v2", 60.0).percent("v3", 60.0).or("v1").to_json().unwrap_err();
    assert!(matches!(error, rollout::Error::Sum { percent: 120.0 }), "{error}");
    let (early, late) = (Duration::from_secs(1), Duration::from_secs(2));
    let error =
        Rollout::schedule("v2").stage(late, 5.0).stage(early, 9.0).or("v1").flag("f").unwrap_err();
    assert!(matches!(error, rollout::Error::Order { .. }), "{error}");
}
