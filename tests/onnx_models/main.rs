//! Models that people export, answered as ONNX Runtime answers them.
//!
//! `tests/models/run.sh` trains, exports and answers them; what it made is kept in
//! `tests/data/onnx_models.tar.gz`, since making it takes gigabytes of Python and what comes out
//! differs a little from machine to machine. `MODELGATE_MODELS` names another such archive. What
//! does not agree, and why, stands in `known.rs`: anything else that does not is a failure, and so
//! is anything listed that does.
#![cfg(feature = "onnx")]

mod answers;
mod compare;
mod known;
mod numbers;
mod table;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use modelgate::onnx::NonFiniteInput;

use answers::{Answers, Listed, Matrix};
use known::{KNOWN, NOT_LOADED, OF_TEXTS};
use table::{Row, Verdict};

fn judge(matrix: &Matrix, listed: &Listed) -> Result<Verdict, String> {
    let name = listed.name.as_str();
    let answers = (listed.rows > 0).then(|| matrix.answers(name));
    let file = matrix.file(name);
    let rounding = match listed.tags.iter().any(|tag| tag == "half") {
        true => compare::ROUNDING_OF_HALVES,
        false => compare::ROUNDING,
    };
    let differs = |spared| {
        compare::differs(file, answers.as_ref(), spared, NonFiniteInput::Allowed, rounding)
    };
    let known = KNOWN.iter().find(|known| known.models.contains(&name));
    let not_loaded = NOT_LOADED.iter().find(|(models, ..)| models.contains(&name));
    let verdict = match (differs(&[]), known, not_loaded) {
        (Ok(()), None, None) => Ok(Verdict::Agrees),
        (Err(_), Some(known), None) => differs(known.rows).map(|()| Verdict::AgreesBut),
        (Err(what), _, Some((_, told, _))) if what.contains(told) => Ok(Verdict::NotLoaded),
        (Err(what), ..) => Err(what),
        (Ok(()), ..) => Err("agrees, though it is listed as known not to".to_owned()),
    };
    if listed.operators.iter().any(|operator| KEEP_NAN.contains(&&**operator)) {
        // What most services load is another graph then.
        let spared = known.map_or(&[][..], |known| known.rows);
        let ordinary = answers.and_then(Answers::ordinary);
        if let (Ok(_), Some(ordinary)) = (&verdict, ordinary) {
            compare::differs(file, Some(&ordinary), spared, NonFiniteInput::Refused, rounding)?;
        }
    }
    verdict
}

/// Operators beside which the loader puts others where rows may hold NaN.
const KEEP_NAN: [&str; 8] =
    ["Clip", "HardSigmoid", "HardSwish", "Max", "Min", "Relu", "Sigmoid", "Tanh"];

#[test]
fn exported_models_are_answered_as_onnx_runtime_answers_them() {
    let matrix = Matrix::read();
    let manifest = matrix.manifest();
    let only = std::env::var("MODELGATE_MODELS_ONLY").unwrap_or_default();
    let next = AtomicUsize::new(0);
    let judged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(listed) = manifest.models.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if listed.name.contains(&only) && !OF_TEXTS.contains(&&*listed.name) {
                        judged.lock().unwrap().push((listed, judge(&matrix, listed)));
                    }
                }
            });
        }
    });
    let mut judged = judged.into_inner().unwrap();
    judged.sort_by_key(|(listed, _)| &listed.name);
    let mut rows = Vec::new();
    let mut surprises = Vec::new();
    for (listed, verdict) in judged {
        match verdict {
            Ok(verdict) => rows.push(Row { listed, verdict }),
            Err(what) => {
                println!("{} ({}): {what} {:?}", listed.name, listed.opset, listed.operators);
                surprises.push(&*listed.name);
            }
        }
    }
    assert!(surprises.is_empty(), "{surprises:?}");
    if !only.is_empty() {
        return;
    }
    let listed = |name: &&str| manifest.models.iter().any(|listed| listed.name == *name);
    let names = KNOWN.iter().flat_map(|known| known.models);
    let names: Vec<_> = names.chain(NOT_LOADED.iter().flat_map(|(models, ..)| *models)).collect();
    assert!(names.iter().all(|name| listed(name)), "known, and not in the matrix: {names:?}");
    table::check(&table::written(&rows, &manifest));
}
