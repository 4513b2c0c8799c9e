//! flagd: definitions, expressions, and the matrix of its operators.

mod answers;
mod definitions;
mod expressions;
mod limits;
mod matrix;

use modelgate::{FlagSet, flagd::Flagd};

fn compile(text: &str) -> FlagSet {
    Flagd::new().compile(text).unwrap()
}

/// A definition of one flag, `flag`, with variants `a` and `b` and this targeting.
fn targeting(rule: &str) -> String {
    format!(
        r#"{{"state": "ENABLED", "variants": {{"a": "A", "b": "B"}}, "defaultVariant": "a",
            "targeting": {rule}}}"#
    )
}

fn with_evaluators(rule: &str, evaluators: &str) -> FlagSet {
    let flag = targeting(rule);
    compile(&format!(r#"{{"flags": {{"flag": {flag}}}, "$evaluators": {evaluators}}}"#))
}
