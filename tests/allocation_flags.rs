//! Evaluating a flag by the common rules allocates nothing, and compiling a document takes no more
//! memory than it says beforehand.

#[path = "support/counting.rs"]
mod counting;
#[cfg(all(
    feature = "flagsmith-dialect",
    feature = "launchdarkly-dialect",
    feature = "unleash-dialect"
))]
#[path = "support/documents.rs"]
mod documents;

use std::hint::black_box;

use counting::allocations;
use modelgate::{
    Context, FlagSet,
    clock::ManualClock,
    flagd::{Flagd, Fractional},
};

const COMMON: &[&str] = &[
    "null",
    r#"{"fractional": [["v2", 25], ["v1", 75]]}"#,
    r#"{"fractional": [{"var": "targetingKey"}, ["v2", 25], ["v1", 75]]}"#,
    r#"{"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]},
        ["v2", 25], ["v1", 75]]}"#,
    r#"{"fractional": [{"cat": ["salt", {"var": "age"}, {"var": "score"}]}, ["v2", 1], ["v1", 1]]}"#,
    r#"{"fractional": [{"var": "age"}, ["v2", 25], ["v1", 75]]}"#,
    r#"{"if": [{"==": [{"var": "region"}, "eu"]}, "v2",
        {"fractional": [["v2", 25], ["v1", 75]]}]}"#,
    r#"{"if": [{"in": [{"var": "region"}, ["us", "eu"]]}, "v2", "v1"]}"#,
    r#"{"if": [{"in": [{"var": "region"}, ["a","b","c","d","e","f","g","h","eu"]]}, "v2", "v1"]}"#,
    r#"{"if": [{"in": [{"var": "region"}, ["us", {"var": "home"}]]}, "v2", "v1"]}"#,
    r#"{"if": [{"in": ["go", {"var": "interests"}]}, "v2", "v1"]}"#,
    r#"{"if": [{"and": [{">=": [{"var": "age"}, 18]}, {"!": {"var": "blocked"}}]}, "v2", "v1"]}"#,
    r#"{"if": [{"or": [{"<": [1, {"var": "score"}, 9]}, {"var": ["x", true]}]}, "v2", "v1"]}"#,
    r#"{"if": [{"sem_ver": [{"var": "version"}, ">=", "2.0.0-rc.1"]}, "v2", "v1"]}"#,
    r#"{"if": [{"sem_ver": [{"var": "score"}, "^", "1"]}, "v2", "v1"]}"#,
    r#"{"if": [{"starts_with": [{"var": "region"}, "e"]}, "v2", "v1"]}"#,
    r#"{"if": [{"ends_with": [{"var": "region"}, {"var": "home"}]}, "v2", "v1"]}"#,
    r#"{"if": [{"<": [{"var": "$flagd.timestamp"}, 1800000000]}, "v2", "v1"]}"#,
    r#"{"if": [{"==": [{"%": [{"var": "age"}, 2]}, 1]}, "v2", "v1"]}"#,
    r#"{"if": [{">": [{"+": [{"var": "age"}, {"var": "score"}, 1]}, 40]}, "v2", "v1"]}"#,
    r#"{"if": [{"some": [{"var": "interests"}, {"==": [{"var": ""}, "go"]}]}, "v2", "v1"]}"#,
    r#"{"if": [{"==": [{"substr": [{"var": "region"}, 0, 1]}, "e"]}, "v2", "v1"]}"#,
    r#"{"fractional": [[{"if": [{"==": [{"var": "region"}, "eu"]}, "v2", "v1"]}, 50], ["v1", 50]]}"#,
    r#"{"fractional": [["v2", {"if": [{"==": [{"var": "region"}, "eu"]}, 100, 0]}], ["v1", 50]]}"#,
    r#"{"var": "wanted"}"#,
    r#"{"if": [{"==": [{"var": "device.os"}, "ios"]}, "v2", "v1"]}"#,
];

fn flag(rule: &str, fractional: Fractional) -> FlagSet {
    let text = format!(
        r#"{{"flags": {{"flag": {{"state": "ENABLED", "variants": {{"v1": 1, "v2": 2}},
            "defaultVariant": "v1", "targeting": {rule}, "metadata": {{"owner": "team"}}}}}}}}"#
    );
    Flagd::new().with_fractional(fractional).compile(&text).unwrap()
}

#[test]
fn the_common_rules_allocate_nothing() {
    let interests = ["chess", "go"];
    let device: modelgate::value::Map = [("os", "ios")].into_iter().collect();
    let clock = ManualClock::default();
    for fractional in [Fractional::V1, Fractional::V2, Fractional::V3] {
        for rule in COMMON {
            let flags = flag(rule, fractional);
            let mut value = None;
            let count = allocations(|| {
                let context = Context::new(black_box("user-42"))
                    .with("region", black_box("eu"))
                    .with("home", "eu")
                    .with("age", 41)
                    .with("score", 1.5)
                    .with("version", "2.1.0")
                    .with("interests", &interests)
                    .with("device", &device)
                    .with("wanted", "v2");
                value = flags.evaluate_at("flag", &context, &clock).integer(0).error;
            });
            assert_eq!(count, 0, "{rule} with {fractional:?}");
            assert_eq!(value, None, "{rule}");
        }
    }
}

#[test]
fn a_missing_flag_and_a_missing_key_allocate_nothing() {
    let clock = ManualClock::default();
    let flags = flag(COMMON[1], Fractional::V3);
    let context = Context::anonymous();
    let mut missing_key = false;
    let count = allocations(|| {
        black_box(flags.evaluate_at("absent", &context, &clock).boolean(true));
        missing_key = flags.evaluate_at("flag", &context, &clock).missing_key;
    });
    assert_eq!((count, missing_key), (0, true));
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(vec![1, 2, 3]))), 1);
}

#[cfg(all(
    feature = "flagsmith-dialect",
    feature = "launchdarkly-dialect",
    feature = "unleash-dialect"
))]
mod memory {
    use modelgate::{
        FlagSet,
        flag::{DocumentError, EvaluationCounts},
        flagd::Flagd,
        flagsmith::Flagsmith,
        launchdarkly::LaunchDarkly,
        unleash::Unleash,
    };

    use super::{
        counting,
        documents::{HOSTILE, Shape, USUAL},
    };

    /// Large enough for what every document costs to be lost in it.
    const SIZE: usize = 400_000;

    type Compile = fn(&str, Option<u64>) -> Result<FlagSet, DocumentError>;

    fn flagd(text: &str, limit: Option<u64>) -> Result<FlagSet, DocumentError> {
        let dialect = Flagd::new();
        limit.into_iter().fold(dialect, Flagd::with_max_memory).compile(text)
    }

    fn launchdarkly(text: &str, limit: Option<u64>) -> Result<FlagSet, DocumentError> {
        let dialect = LaunchDarkly::new().with_evaluation_counts(&EvaluationCounts::new());
        limit.into_iter().fold(dialect, LaunchDarkly::with_max_memory).compile(text)
    }

    fn unleash(text: &str, limit: Option<u64>) -> Result<FlagSet, DocumentError> {
        let dialect = Unleash::new()
            .with_strategy("own", |_, _| true)
            .with_evaluation_counts(&EvaluationCounts::new());
        limit.into_iter().fold(dialect, Unleash::with_max_memory).compile(text)
    }

    fn flagsmith(text: &str, limit: Option<u64>) -> Result<FlagSet, DocumentError> {
        let dialect = Flagsmith::new().with_evaluation_counts(&EvaluationCounts::new());
        limit.into_iter().fold(dialect, Flagsmith::with_max_memory).compile(text)
    }

    fn dialect(name: &str) -> Compile {
        match name {
            "flagd" => flagd,
            "launchdarkly" => launchdarkly,
            "unleash" => unleash,
            _ => flagsmith,
        }
    }

    /// What a document is said to take, in parts of its size.
    fn said(compile: Compile, text: &str) -> f64 {
        let error = compile(text, Some(0)).unwrap_err();
        error.too_large().unwrap().memory as f64 / text.len() as f64
    }

    /// What a document takes, what it was said to take, and what is left of it, each in parts of
    /// its size; and how many bytes one repeated part leaves.
    fn measured(dialect_name: &str, shape: &Shape) -> (f64, f64) {
        let compile = dialect(dialect_name);
        let (text, parts) = shape.document(SIZE);
        let said = said(compile, &text);
        let ((set, kept), peak) =
            counting::peak(|| counting::held(|| compile(&text, Some(u64::MAX)).expect(shape.name)));
        let of_size = |bytes: usize| bytes as f64 / text.len() as f64;
        let taken = of_size(peak);
        println!(
            "{dialect_name:12} {:45} taken {taken:5.1} x, said {said:5.1} x, kept {:5.1} x: {} bytes each, {} flags, {} problems",
            shape.name,
            of_size(kept),
            kept / parts,
            set.len(),
            set.problems().len(),
        );
        (taken, said)
    }

    #[test]
    fn what_a_document_takes_is_never_more_than_it_was_said_to_take() {
        let mut wrong = Vec::new();
        for (dialect, shapes) in USUAL.iter().chain(&HOSTILE) {
            for shape in *shapes {
                let (taken, said) = measured(dialect, shape);
                if taken > said {
                    wrong.push(format!("{dialect}, {}: {taken} x, said {said} x", shape.name));
                }
            }
        }
        assert_eq!(wrong, [""; 0]);
    }

    #[test]
    fn usual_documents_are_let_in_at_any_size() {
        for (name, shapes) in &USUAL {
            for shape in *shapes {
                let said = said(dialect(name), &shape.document(SIZE).0);
                assert!(said <= 8.0, "{name}, {}: {said} x", shape.name);
            }
        }
    }

    #[test]
    fn a_document_that_would_take_too_much_is_refused_by_its_sizes() {
        for (name, shapes) in &HOSTILE {
            let (text, _) = shapes[0].document(6 * SIZE);
            let error = dialect(name)(&text, None).unwrap_err();
            let too_large = error.too_large().unwrap();
            assert_eq!(too_large.bytes, text.len() as u64, "{name}");
            assert_eq!(too_large.limit, 32 << 20, "{name}");
            assert!(too_large.memory > too_large.limit, "{name}");
            assert!(too_large.to_string().contains("`with_max_memory`"), "{too_large}");
            assert!(dialect(name)(&text, Some(u64::MAX)).is_ok(), "{name}");
            let (small, _) = shapes[0].document(10_000);
            assert!(dialect(name)(&small, None).is_ok(), "{name}");
        }
    }
}
