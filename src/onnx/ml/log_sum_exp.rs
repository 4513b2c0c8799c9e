//! `ReduceLogSumExp`, as Gaussian mixtures use it. tract's computes the exponentials as they
//! are, and so gives minus infinity wherever all of them are too small for a float.

use tract_onnx::{
    model::ParsingContext,
    pb::NodeProto,
    tract_hir::internal::{
        DatumType, InferenceOp, IntoTValue, TValue, TVec, Tensor, ToDim, TractResult, bail, ensure,
        format_err, tvec,
    },
};

use super::{
    attributes::{Attributes, values},
    operator::{Fact, Operator, input, wrap},
};

#[derive(Debug)]
struct LogSumExp {
    /// From the last axis, if negative; all, if none.
    axes: Box<[i64]>,
    keeps_axes: bool,
}

/// Ours, where the file itself says which axes; the engine's, where they are computed.
pub(super) fn build(
    context: &ParsingContext<'_>,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let attributes = Attributes::of(node);
    let axes = match node.input.get(1).filter(|name| !name.is_empty()) {
        None => attributes.ints("axes").ok().map(Box::from),
        Some(name) => context
            .parent_graphs
            .iter()
            .flat_map(|graph| &graph.initializer)
            .find(|tensor| tensor.name == *name)
            .and_then(|tensor| values("axes", tensor).ok()?.ints()),
    };
    let keeps_axes = attributes.int("keepdims", 1).is_ok_and(|keeps| keeps != 0);
    let nothing = attributes.int("noop_with_empty_axes", 0).is_ok_and(|nothing| nothing != 0);
    match axes {
        Some(axes) if !(nothing && axes.is_empty()) => {
            Ok((wrap(LogSumExp { axes, keeps_axes }, node), Vec::new()))
        }
        _ => {
            let theirs = tract_onnx::onnx().op_register.0.get("ReduceLogSumExp").copied();
            theirs.ok_or_else(|| format_err!("the engine has no ReduceLogSumExp"))?(context, node)
        }
    }
}

impl LogSumExp {
    /// Which axes are summed over.
    fn summed(&self, rank: usize) -> TractResult<TVec<bool>> {
        let mut summed: TVec<bool> = tvec!(self.axes.is_empty(); rank);
        for axis in &self.axes {
            let place = match axis {
                0.. => usize::try_from(*axis).ok(),
                _ => usize::try_from(axis.unsigned_abs())
                    .ok()
                    .and_then(|back| rank.checked_sub(back)),
            };
            match place.and_then(|place| summed.get_mut(place)) {
                Some(summed) => *summed = true,
                None => bail!("there is no axis {axis}"),
            }
        }
        Ok(summed)
    }

    fn shape<D: Clone>(&self, shape: &[D], one: &D) -> TractResult<TVec<D>> {
        let summed = self.summed(shape.len())?;
        let sizes = shape.iter().zip(&summed).filter_map(|(size, summed)| match summed {
            false => Some(size.clone()),
            true => self.keeps_axes.then(|| one.clone()),
        });
        Ok(sizes.collect())
    }
}

macro_rules! log_sum_exp {
    ($float:ident, $operator:expr, $input:expr) => {{
        let shape = $input.shape();
        let summed = $operator.summed(shape.len())?;
        let out = $operator.shape(shape, &1)?;
        // How far apart in the output two neighbours along each axis are.
        let mut strides: TVec<usize> = tvec!(0; shape.len());
        let mut stride = 1_usize;
        for ((size, summed), place) in shape.iter().zip(&summed).zip(&mut strides).rev() {
            if !summed {
                *place = stride;
                stride = stride.saturating_mul(*size);
            }
        }
        let values = $input.try_as_plain_ram()?;
        let values = values.as_slice::<$float>()?;
        let cell = |mut place: usize| {
            let mut cell = 0_usize;
            for (size, stride) in shape.iter().zip(&strides).rev() {
                cell = cell.saturating_add((place % (*size).max(1)).saturating_mul(*stride));
                place /= (*size).max(1);
            }
            cell
        };
        let mut largest = vec![$float::NEG_INFINITY; stride];
        for (place, value) in values.iter().enumerate() {
            if let Some(largest) = largest.get_mut(cell(place)) {
                *largest = largest.max(*value);
            }
        }
        // Subtracting an infinite maximum would give NaN.
        largest.iter_mut().filter(|largest| !largest.is_finite()).for_each(|largest| *largest = 0.0);
        let mut sums = vec![0.0 as $float; stride];
        for (place, value) in values.iter().enumerate() {
            let cell = cell(place);
            if let (Some(sum), Some(largest)) = (sums.get_mut(cell), largest.get(cell)) {
                *sum += (value - largest).exp();
            }
        }
        for (sum, largest) in sums.iter_mut().zip(&largest) {
            *sum = sum.ln() + largest;
        }
        Tensor::from_shape(&out, &sums)?
    }};
}

impl Operator for LogSumExp {
    fn name(&self) -> &'static str {
        "ReduceLogSumExp"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        let floats = matches!(fact.dtype, DatumType::F32 | DatumType::F64);
        ensure!(floats, "found {:?}, expected 32-bit or 64-bit floats", fact.dtype);
        Ok(tvec!(Fact { dtype: fact.dtype, shape: self.shape(&fact.shape, &1.to_dim())? }))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let reduced = match input.datum_type() {
            DatumType::F64 => log_sum_exp!(f64, self, input),
            _ => log_sum_exp!(f32, self, input),
        };
        Ok(tvec!(reduced.into_tvalue()))
    }
}
