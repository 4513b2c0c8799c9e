//! Operators that change or read shapes, and leave the elements and their order alone.

use super::{
    Dtype, Tensor,
    call::Call,
    indexing,
    value::{self, OperatorError, Outcome, ensure, one},
};

fn with_shape(tensor: &Tensor, shape: &[usize]) -> Outcome {
    one(value::tensor(shape, tensor.data().clone())?)
}

pub(super) fn reshape(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let wanted = call.ints_or("shape", 1)?.unwrap_or_default();
    let zero_stays = call.flag("allowzero");
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (place, size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 => {
                ensure!(open.is_none(), "two axes of -1");
                open = Some(place);
                1
            }
            0 if !zero_stays => {
                let own = x.shape().get(place).copied();
                own.ok_or_else(|| OperatorError::new(format!("there is no axis {place} to keep")))?
            }
            size => usize::try_from(*size)
                .map_err(|_| OperatorError::new(format!("an axis of size {size}")))?,
        });
    }
    if let Some(place) = open {
        let known = value::count(&shape)?;
        ensure!(known > 0, "the size of an axis cannot be known");
        shape[place] = x.data().len() / known;
    }
    with_shape(x, &shape)
}

pub(super) fn flatten(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let rank = x.shape().len() as i64;
    let axis = call.int("axis", 1);
    let axis = if axis < 0 { axis + rank } else { axis };
    ensure!((0..=rank).contains(&axis), "axis {axis} of {rank}");
    let (outer, inner) = x.shape().split_at(axis as usize);
    with_shape(x, &[outer.iter().product(), inner.iter().product()])
}

pub(super) fn squeeze(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axes = match call.ints_or("axes", 1)? {
        Some(list) => indexing::axes(&list, x.shape().len())?,
        None => (0..x.shape().len()).filter(|axis| x.shape()[*axis] == 1).collect(),
    };
    ensure!(axes.iter().all(|axis| x.shape()[*axis] == 1), "axes {axes:?} of {:?}", x.shape());
    let kept = x.shape().iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    with_shape(x, &kept.map(|(_, size)| *size).collect::<Vec<_>>())
}

pub(super) fn unsqueeze(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let list = call.ints_or("axes", 1)?.unwrap_or_default();
    let rank = x.shape().len() + list.len();
    let axes = indexing::distinct_axes(&list, rank)?;
    let mut own = x.shape().iter().copied();
    let shape: Vec<usize> = (0..rank)
        .map(|axis| if axes.contains(&axis) { 1 } else { own.next().unwrap_or(1) })
        .collect();
    with_shape(x, &shape)
}

pub(super) fn shape(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let rank = x.shape().len() as i64;
    let bound = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (bound(call.int("start", 0)), bound(call.int("end", rank)));
    let sizes = x.shape().get(start..end.max(start)).unwrap_or_default();
    one(Tensor::vector(sizes.iter().map(|size| *size as i64).collect::<Vec<_>>()))
}

pub(super) fn size(call: &Call<'_>) -> Outcome {
    one(value::tensor(&[], vec![call.tensor(0)?.data().len() as i64].into())?)
}

pub(super) fn identity(call: &Call<'_>) -> Outcome {
    Ok(vec![call.value(0)?])
}

pub(super) fn transpose(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let rank = x.shape().len();
    let order = match call.ints("perm") {
        Some(order) => indexing::axes(order, rank)?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    ensure!(sorted == (0..rank).collect::<Vec<_>>(), "perm {order:?} of {rank} axes");
    one(indexing::transposed(x, &order)?)
}

/// `BitCast`: the same bits as another type of the same width.
pub(super) fn bit_cast(call: &Call<'_>) -> Outcome {
    use super::Data;
    use crate::tensor::F16;
    let x = call.tensor(0)?;
    let to = value::dtype(call.int("to", 0))?;
    macro_rules! as_bits {
        ($values:expr, $unsigned:ty) => {
            $values.iter().map(|value| <$unsigned>::from_le_bytes(value.to_le_bytes())).collect()
        };
    }
    macro_rules! of_bits {
        ($bits:expr, $type:ty) => {
            $bits
                .into_iter()
                .map(|bits| <$type>::from_le_bytes(bits.to_le_bytes()))
                .collect::<Vec<$type>>()
                .into()
        };
    }
    let misfit =
        || OperatorError::new(format!("found {}, expected a type as wide as {to}", x.dtype()));
    let data: Data = match to {
        Dtype::I8 | Dtype::U8 | Dtype::Bool => {
            let bits: Vec<u8> = match x.data() {
                Data::I8(values) => as_bits!(values, u8),
                Data::U8(values) => values.clone(),
                Data::Bool(values) => values.iter().map(|value| u8::from(*value)).collect(),
                _ => return Err(misfit()),
            };
            match to {
                Dtype::I8 => of_bits!(bits, i8),
                Dtype::U8 => bits.into(),
                _ => bits.into_iter().map(|bit| bit != 0).collect::<Vec<_>>().into(),
            }
        }
        Dtype::I16 | Dtype::U16 | Dtype::F16 => {
            let bits: Vec<u16> = match x.data() {
                Data::I16(values) => as_bits!(values, u16),
                Data::U16(values) => values.clone(),
                Data::F16(values) => values.iter().map(|value| value.to_bits()).collect(),
                _ => return Err(misfit()),
            };
            match to {
                Dtype::I16 => of_bits!(bits, i16),
                Dtype::U16 => bits.into(),
                _ => bits.into_iter().map(F16::from_bits).collect::<Vec<_>>().into(),
            }
        }
        Dtype::I32 | Dtype::U32 | Dtype::F32 => {
            let bits: Vec<u32> = match x.data() {
                Data::I32(values) => as_bits!(values, u32),
                Data::U32(values) => values.clone(),
                Data::F32(values) => as_bits!(values, u32),
                _ => return Err(misfit()),
            };
            match to {
                Dtype::I32 => of_bits!(bits, i32),
                Dtype::U32 => bits.into(),
                _ => of_bits!(bits, f32),
            }
        }
        Dtype::I64 | Dtype::U64 | Dtype::F64 => {
            let bits: Vec<u64> = match x.data() {
                Data::I64(values) => as_bits!(values, u64),
                Data::U64(values) => values.clone(),
                Data::F64(values) => as_bits!(values, u64),
                _ => return Err(misfit()),
            };
            match to {
                Dtype::I64 => of_bits!(bits, i64),
                Dtype::U64 => bits.into(),
                _ => of_bits!(bits, f64),
            }
        }
        Dtype::Text => return Err(misfit()),
    };
    one(value::tensor(x.shape(), data)?)
}
