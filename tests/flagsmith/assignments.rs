//! The assignment of users to variants, which must never change.

use std::fmt::Write;

use modelgate::{
    Context,
    flagsmith::{Engine, Flagsmith, VariantOrder},
};
use serde_json::{Value as Json, json};

use crate::documents::{compile, document, served};

/// The expected assignments were computed once with the Python client's formula.
#[test]
fn assignments_never_change() {
    let flags = compile(&document());
    let mut assigned = String::new();
    for user in 0..40 {
        let key = format!("user-{user}");
        let value = served(&flags, "model", &Context::new(&key));
        write!(assigned, "{}", &value[1..]).unwrap();
    }
    assert_eq!(assigned, ASSIGNED);
    let listed = Flagsmith::new().with_variant_order(VariantOrder::Document);
    for dialect in [listed.clone(), listed.with_engine(Engine::Rust)] {
        let flags = dialect.compile(&document().to_string()).unwrap();
        let mut assigned = String::new();
        for user in 0..40 {
            let key = format!("user-{user}");
            let value = served(&flags, "model", &Context::new(&key));
            write!(assigned, "{}", &value[1..]).unwrap();
        }
        assert_eq!(assigned, LISTED);
    }
}

/// The assignments with variants in order of id.
const ASSIGNED: &str = "2131131131212121132321213121121212321312";

/// The assignments with variants in the document's order.
const LISTED: &str = "3121121121313131123231312131131313231213";

/// The assignments that a real server and a real client made, for 200 users, in the folder that
/// `MODELGATE_PAYLOADS` names.
#[test]
fn assignments_captured_from_a_real_server_are_reproduced() {
    let Some(folder) = std::env::var_os("MODELGATE_PAYLOADS").map(std::path::PathBuf::from) else {
        println!("MODELGATE_PAYLOADS is not set: no captured assignment was checked");
        return;
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let flags = Flagsmith::new().compile(&read("flagsmith-environment-document.json")).unwrap();
    for name in ["flagsmith-python-sdk-assignments.json", "flagsmith-server-assignments.json"] {
        let captured: Json = serde_json::from_str(&read(name)).unwrap();
        let mut checked = 0;
        for (flag, users) in captured.as_object().unwrap() {
            for (user, expected) in users.as_object().into_iter().flatten() {
                let context = Context::new(user);
                let result = Flagsmith::new().feature(&flags, flag, &context).unwrap();
                match expected {
                    Json::Bool(enabled) => assert_eq!(result.enabled, *enabled, "{flag} {user}"),
                    value => assert_eq!(json!(result.value), *value, "{flag} {user}"),
                }
                checked += 1;
            }
        }
        assert!(checked >= 200, "{name}: {checked}");
    }
}
