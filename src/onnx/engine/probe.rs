//! Compares tract's answers with the interpreter's, on generated inputs, before a graph may serve.
//!
//! An operator that tract computes wrongly would go unnoticed. So where a graph is small enough to be
//! interpreted quickly, both run it when it is loaded, and where they differ the interpreter serves.

use std::{
    cell::Cell,
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{Rows, tract};
use crate::{
    model::ModelError,
    onnx::{AxisSize, EngineError, TensorInfo, interpreter::Program},
    tensor::{Data, Dtype, F16, Tensor},
};

/// How many multiplications the interpreter may spend on one run: a fraction of a second.
const BUDGET: u64 = 20_000_000;

/// The most elements of a generated input.
const MOST_ELEMENTS: usize = 1 << 20;

/// What a comparison showed.
#[derive(Debug)]
pub(super) enum ProbeResult {
    /// Both answer the same.
    Same,
    /// They differ, or the engine fails where the interpreter does not.
    Different,
    /// Both fail, over inputs whose values are seldom the reason: what the engine says of it.
    Broken(EngineError),
    /// Nothing: it was too much work, or valid inputs cannot be generated.
    Unknown,
}

/// Whether the interpreter fails, and the generated inputs cannot be why: none of their values can
/// be meant as a size or an index, and no axis is open but the first.
pub(super) fn fails(
    program: &Program,
    inputs: &[TensorInfo],
    rows: Rows,
    features: Option<usize>,
    only_rows: bool,
) -> bool {
    let settled = inputs.iter().all(|input| {
        let mut inner = input.shape.iter().flatten().skip(1).enumerate();
        let known = |(place, axis): (usize, &AxisSize)| {
            matches!(axis, AxisSize::Fixed(_)) || (place == 0 && features.is_some())
        };
        // A scalar or vector may be a scale, whose values matter; a string may have to be a number.
        let plain = matches!(input.dtype, Some(Dtype::F16 | Dtype::F32 | Dtype::F64))
            && input.shape.as_ref().is_some_and(|axes| axes.len() > 1);
        inner.all(known) && (plain || only_rows)
    });
    let count = match rows {
        Rows::Exactly(count) => count,
        Rows::Any => 2,
    };
    let Some(given) = probe_inputs(inputs, count, features, SEED).filter(|_| settled) else {
        return false;
    };
    let budget = Cell::new(BUDGET);
    let answer = catch_unwind(AssertUnwindSafe(|| program.run(given.iter(), &budget)));
    !matches!(answer, Ok(Ok(_))) && budget.get() > 0
}

/// Runs both on generated rows.
pub(super) fn compare(
    plan: &tract::Plan,
    reference: &Program,
    inputs: &[TensorInfo],
    rows: Rows,
    features: Option<usize>,
) -> ProbeResult {
    let counts: &[usize] = match &rows {
        Rows::Any => &[3, 1],
        Rows::Exactly(count) => std::slice::from_ref(count),
    };
    let mut all = ProbeResult::Unknown;
    for count in counts {
        match once(plan, reference, inputs, *count, features) {
            ProbeResult::Same => all = ProbeResult::Same,
            ProbeResult::Unknown => {}
            other => return other,
        }
    }
    all
}

fn once(
    plan: &tract::Plan,
    reference: &Program,
    inputs: &[TensorInfo],
    rows: usize,
    features: Option<usize>,
) -> ProbeResult {
    let Some(given) = probe_inputs(inputs, rows, features, SEED) else {
        return ProbeResult::Unknown;
    };
    let budget = Cell::new(BUDGET);
    let expected = catch_unwind(AssertUnwindSafe(|| reference.run(given.iter(), &budget)));
    let found = || catch_unwind(AssertUnwindSafe(|| plan.run(given.iter())));
    let Ok(Ok(expected)) = expected else {
        let only_floats = inputs.iter().all(|input| {
            matches!(input.dtype, Some(Dtype::F16 | Dtype::F32 | Dtype::F64))
                && input.shape.iter().flatten().all(|axis| matches!(axis, AxisSize::Fixed(_)))
        });
        if !only_floats || budget.get() == 0 {
            return ProbeResult::Unknown;
        }
        let error = match found() {
            Ok(Ok(_)) => return ProbeResult::Unknown,
            Ok(Err(error)) => error,
            Err(payload) => ModelError::panicked(payload),
        };
        let reason = crate::error_chain(&error);
        return ProbeResult::Broken(EngineError::new(&format!(
            "neither the engine nor the interpreter can run it: {reason}"
        )));
    };
    let Ok(Ok(found)) = found() else { return ProbeResult::Different };
    let same = expected
        .iter()
        .enumerate()
        .all(|(place, expected)| found.tensor(place).is_some_and(|found| agree(expected, &found)));
    if same { ProbeResult::Same } else { ProbeResult::Different }
}

fn agree(expected: &Tensor, found: &Tensor) -> bool {
    if expected.shape() != found.shape() {
        return false;
    }
    let near = |a: f64, b: f64, scale: f64| {
        (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-3 * scale.max(1e-3)
    };
    let floats = |a: Vec<f64>, b: Vec<f64>| {
        let scale =
            a.iter().copied().filter(|a| a.is_finite()).fold(0.0, |m: f64, a| m.max(a.abs()));
        a.iter().zip(&b).all(|(a, b)| near(*a, *b, scale))
    };
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
    let half = |values: &[F16]| values.iter().map(|value| f64::from(value.to_f32())).collect();
    // Quantised: a number halfway between two steps may be rounded to either.
    let step = |mut pairs: &mut dyn Iterator<Item = (i32, i32)>| {
        Iterator::all(&mut pairs, |(a, b)| a.abs_diff(b) <= 1)
    };
    match (expected.data(), found.data()) {
        (Data::F32(a), Data::F32(b)) => floats(wide(a), wide(b)),
        (Data::F64(a), Data::F64(b)) => floats(a.clone(), b.clone()),
        (Data::F16(a), Data::F16(b)) => floats(half(a), half(b)),
        (Data::I8(a), Data::I8(b)) => {
            step(&mut a.iter().zip(b).map(|(a, b)| (i32::from(*a), i32::from(*b))))
        }
        (Data::U8(a), Data::U8(b)) => {
            step(&mut a.iter().zip(b).map(|(a, b)| (i32::from(*a), i32::from(*b))))
        }
        (a, b) => a == b,
    }
}

/// A pseudo-random generator whose sequence is the same in every run.
pub(in crate::onnx) struct Numbers(u64);

impl Numbers {
    #[cfg(feature = "ort")]
    pub(in crate::onnx) fn new(seed: u64) -> Numbers {
        Numbers(seed)
    }

    fn next(&mut self) -> u64 {
        // splitmix64, from its public description.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From -2 to 2.
    pub(in crate::onnx) fn float(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 51) as f64 - 2.0
    }

    /// 0 or 1: small enough to be a valid class, index or size in most graphs.
    fn bit(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// `modelgat` in ASCII; any constant would do.
const SEED: u64 = 0x6d6f_6465_6c67_6174;

/// Generates tensors for these inputs; `None` where a shape or type is unknown, or too large. Of the
/// open axes, the first has the size `rows`, the second that of `features`, if given, and others 4.
pub(in crate::onnx) fn probe_inputs(
    inputs: &[TensorInfo],
    rows: usize,
    features: Option<usize>,
    seed: u64,
) -> Option<Vec<Tensor>> {
    let mut numbers = Numbers(seed);
    let mut named: HashMap<&str, usize> = HashMap::new();
    let mut all = Vec::with_capacity(inputs.len());
    for input in inputs {
        let mut shape = Vec::new();
        for (place, axis) in input.shape.as_ref()?.iter().enumerate() {
            shape.push(match (axis, place, features) {
                (AxisSize::Fixed(size), ..) => *size,
                (_, 0, _) => rows,
                (_, 1, Some(features)) => features,
                (AxisSize::Named(name), ..) => *named.entry(name).or_insert(4),
                (AxisSize::Free, ..) => 4,
            });
        }
        let along = |all: usize, size: &usize| all.checked_mul((*size).max(1));
        if shape.iter().try_fold(1, along)? > MOST_ELEMENTS {
            return None;
        }
        let count = shape.iter().product();
        macro_rules! bits {
            ($type:ty) => {
                (0..count).map(|_| <$type>::from(numbers.bit())).collect::<Vec<$type>>().into()
            };
        }
        let data: Data = match input.dtype? {
            Dtype::F32 => (0..count).map(|_| numbers.float() as f32).collect::<Vec<_>>().into(),
            Dtype::F64 => (0..count).map(|_| numbers.float()).collect::<Vec<_>>().into(),
            Dtype::F16 => {
                (0..count).map(|_| F16::from_f32(numbers.float() as f32)).collect::<Vec<_>>().into()
            }
            Dtype::I64 => bits!(i64),
            Dtype::I32 => bits!(i32),
            Dtype::I16 => bits!(i16),
            Dtype::I8 => (0..count).map(|_| numbers.next() as i8).collect::<Vec<_>>().into(),
            Dtype::U64 => bits!(u64),
            Dtype::U32 => bits!(u32),
            Dtype::U16 => bits!(u16),
            Dtype::U8 => (0..count).map(|_| numbers.next() as u8).collect::<Vec<_>>().into(),
            Dtype::Bool => (0..count).map(|_| numbers.bit()).collect::<Vec<_>>().into(),
            Dtype::Text => vec![Box::<str>::from("a"); count].into(),
        };
        all.push(Tensor::new(shape, data).ok()?);
    }
    Some(all)
}
