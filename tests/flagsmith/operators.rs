//! Every operator on traits of every type gives the answer of the engine of Flagsmith's server.

use modelgate::{
    FlagSet, OwnedContext,
    clock::ManualClock,
    flagsmith::{Engine, Flagsmith, VariantOrder},
    value::Value,
};
use serde_json::json;

/// The answers of the server's engine; the head of the file says how they were made.
const TABLE: &str = include_str!("../data/flagsmith_operators.tsv");

fn segment(property: &str, operator: &str, value: &serde_json::Value, engine: Engine) -> FlagSet {
    let context = json!({
        "environment": {"key": "env", "name": "e"},
        "features": {"f": {"key": "1", "name": "f", "enabled": true, "value": "off"}},
        "segments": {"s": {"key": "9", "name": "s",
            "rules": [{"type": "ALL", "conditions": [
                {"operator": operator, "property": property, "value": value}]}],
            "overrides": [{"key": "2", "name": "f", "enabled": true, "value": "on"}]}},
    });
    Flagsmith::new().with_engine(engine).compile(&context.to_string()).unwrap()
}

fn matches(flags: &FlagSet, context: &OwnedContext) -> bool {
    let clock = ManualClock::default();
    let plain = flags.evaluate_at("f", context, &clock).string("none").value == "on";
    let (explained, _) = flags.explain_at("f", context, &clock);
    assert_eq!(explained.string("none").value == "on", plain);
    plain
}

fn with_trait(value: &str) -> OwnedContext {
    let value: Value = serde_json::from_str(value).unwrap();
    OwnedContext::new("id").with("t", value)
}

#[test]
fn every_operator_treats_every_type_of_trait_as_the_server_does() {
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let traits: Vec<&str> = lines.next().unwrap().split('\t').skip(1).collect();
    let (mut compared, mut differences) = (0, Vec::new());
    for line in lines.filter(|line| !line.starts_with("split")) {
        let [operator, value, cells] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let value = serde_json::from_str(value).unwrap();
        let flags = segment("t", operator, &value, Engine::Python);
        for (one, cell) in traits.iter().zip(cells.chars()) {
            let context = match *one {
                "absent" => OwnedContext::new("id"),
                one => with_trait(one),
            };
            compared += 1;
            // Where the engine fails, it serves nothing at all, which counts as no match.
            if matches(&flags, &context) != (cell == 't') {
                differences.push(format!("{operator} {value} on {one}: {cell} expected"));
            }
        }
    }
    assert!(compared > 6_000, "{compared}");
    assert!(differences.is_empty(), "{}:\n{}", differences.len(), differences.join("\n"));
}

/// The n-th trait of a kind, as JSON.
fn numbered(kind: &str, n: usize) -> String {
    match kind {
        "00N" => format!("\"00{n}\""),
        "N.50" => format!("\"{n}.50\""),
        "N.0" => format!("{n}.0"),
        "N.5" => format!("{n}.5"),
        "N" => n.to_string(),
        "user-N" => format!("\"user-{n}\""),
        "Ne21" => format!("{n}e21"),
        "Ne-7" => format!("{n}e-7"),
        "bool" => (n % 2 == 1).to_string(),
        kind => panic!("{kind}"),
    }
}

#[test]
fn splits_assign_traits_and_identifiers_to_buckets_as_the_server_does() {
    let flags = segment("t", "PERCENTAGE_SPLIT", &json!("50"), Engine::Python);
    let path = "$.identity.identifier";
    let by_identifier = segment(path, "PERCENTAGE_SPLIT", &json!("50"), Engine::Python);
    let mut kinds = 0;
    for line in TABLE.lines().filter_map(|line| line.strip_prefix("split\t")) {
        let (kind, cells) = line.split_once('\t').unwrap();
        kinds += 1;
        for (index, cell) in cells.chars().enumerate() {
            let one = numbered(kind, index + 1);
            assert_eq!(matches(&flags, &with_trait(&one)), cell == 't', "{one}");
            if let Some(identifier) = one.strip_prefix('"') {
                let context = OwnedContext::new(identifier.trim_end_matches('"'));
                assert_eq!(matches(&by_identifier, &context), cell == 't', "{one}");
            }
        }
    }
    assert_eq!(kinds, 9);
}

#[test]
fn the_behaviour_of_the_rust_engine_is_an_option() {
    let differ = [
        ("REGEX", "@example\\.com$", r#""a@example.com""#),
        ("IN", "de, at, ch", r#""at""#),
        ("IN", "007,008", r#""007""#),
        ("GREATER_THAN", "17.5", r#""18""#),
        ("CONTAINS", "1", r#""18""#),
        ("CONTAINS", "1", "18"),
        ("NOT_CONTAINS", "2", "18"),
        ("EQUAL", "true", r#""True""#),
        ("EQUAL", "1.2.3+a:semver", r#""1.2.3+a""#),
        ("IS_SET", "", "null"),
        ("IN", "1.0,2.5", "2.5"),
        ("IN", "1", "1.0"),
    ];
    for (operator, value, one) in differ {
        let answers = [Engine::Python, Engine::Rust].map(|engine| {
            matches(&segment("t", operator, &json!(value), engine), &with_trait(one))
        });
        let same = operator == "EQUAL" && value.contains("semver");
        assert_eq!(answers, [same, true], "{operator} {value} on {one}");
    }
    for (operator, value, one) in [("EQUAL", "yes", "true"), ("MODULO", "7|3", "-4")] {
        let answers = [Engine::Python, Engine::Rust].map(|engine| {
            matches(&segment("t", operator, &json!(value), engine), &with_trait(one))
        });
        assert_eq!(answers, [true, false], "{operator} {value} on {one}");
    }
}

#[test]
fn a_condition_that_can_never_match_is_a_problem_by_name() {
    for engine in [Engine::Python, Engine::Rust] {
        for (operator, value, named) in [
            ("SOUNDS_LIKE", "a", "`SOUNDS_LIKE`"),
            ("REGEX", "[", "`[`"),
            ("MODULO", "a|b", "`a|b`"),
            ("PERCENTAGE_SPLIT", "half", "`half`"),
        ] {
            let flags = segment("t", operator, &json!(value), engine);
            let [problem] = flags.problems() else { panic!("{operator}: {:?}", flags.problems()) };
            assert_eq!(problem.path, "/segments/s/rules/0/conditions/0");
            assert!(problem.found.contains(named), "{problem}");
            assert!(!matches(&flags, &with_trait(r#""a""#)), "{operator}");
            assert!(!matches(&flags, &OwnedContext::new("id")), "{operator}");
        }
    }
}

#[test]
fn look_around_works_with_the_servers_engine_within_limits() {
    let matches = |pattern: &str, text: &str| {
        let flags = segment("t", "REGEX", &json!(pattern), Engine::Python);
        assert!(flags.problems().is_empty(), "{:?}", flags.problems());
        matches(&flags, &with_trait(&json!(text).to_string()))
    };
    assert!(matches(r"(?=.*\d)(?=.*[a-z]).{6,}$", "abc123"));
    assert!(!matches(r"(?=.*\d)(?=.*[a-z]).{6,}$", "abcdef"));
    assert!(matches(r"(\w)\1", "aab"));
    // A pattern that needs more backtracking than is allowed does not match, and does not hang.
    assert!(!matches(r"(?=(a+)+$)b?", &format!("{}!", "a".repeat(200))));
}

#[test]
fn variants_take_their_shares_in_order_of_id() {
    let document = json!({"api_key": "env", "project": {"id": 1, "segments": []},
        "feature_states": [{"feature": {"id": 1, "name": "f"}, "enabled": true, "django_id": 1,
            "feature_state_value": "control", "multivariate_feature_state_values": [
                {"id": 9, "percentage_allocation": 50.0,
                 "multivariate_feature_option": {"value": "nine"}},
                {"id": 3, "percentage_allocation": 50.0,
                 "multivariate_feature_option": {"value": "three"}}]}]});
    let value = |order: Option<VariantOrder>, user: &str| {
        let dialect = match order {
            Some(order) => Flagsmith::new().with_variant_order(order),
            None => Flagsmith::new(),
        };
        let flags = dialect.compile(&document.to_string()).unwrap();
        let context = OwnedContext::new(user);
        let clock = ManualClock::default();
        flags.evaluate_at("f", &context, &clock).string("none").value.to_owned()
    };
    for user in 0..20 {
        let user = format!("user-{user}");
        let by_id = value(None, &user);
        assert_eq!(by_id, value(Some(VariantOrder::ById), &user));
        assert_ne!(by_id, value(Some(VariantOrder::Document), &user));
    }
}
