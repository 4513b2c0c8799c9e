//! Compiling a document takes no more memory than was said beforehand, and usual ones are let in.

use modelgate::{
    FlagSet,
    flag::{DocumentError, EvaluationCounts},
    flagd::Flagd,
    flagsmith::Flagsmith,
    launchdarkly::LaunchDarkly,
    unleash::Unleash,
};

use crate::{
    counting,
    definitions::{Dialect, Rules},
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

/// Without a space between anything, and of as many rules as a flag has.
#[test]
fn the_flags_of_the_benchmarks_are_let_in_at_any_size() {
    let mut wrong = Vec::new();
    for (name, rules) in Dialect::ALL.into_iter().flat_map(|name| Rules::ALL.map(|r| (name, r))) {
        let text = name.definition(rules, 500);
        let compile = dialect(name.name());
        let said = said(compile, &text);
        let of_size = |bytes: usize| bytes as f64 / text.len() as f64;
        let ((set, kept), peak) =
            counting::peak(|| counting::held(|| compile(&text, Some(u64::MAX)).unwrap()));
        println!(
            "{:12} {:45} taken {:5.1} x, said {said:5.1} x, kept {:5.1} x: {} flags of {} bytes",
            name.name(),
            rules.name(),
            of_size(peak),
            of_size(kept),
            set.len(),
            text.len() / 500
        );
        if said > 8.0 || of_size(peak) > said {
            wrong.push(format!("{}, {}: {said} x", name.name(), rules.name()));
        }
    }
    assert_eq!(wrong, [""; 0]);
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
