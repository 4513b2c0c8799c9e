//! Operators that change or return the shape of a tensor.

use tract_onnx::pb::TensorProto;

use super::{
    Data, Tensor,
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
    for (axis, size) in wanted.iter().enumerate() {
        shape.push(match size {
            -1 => {
                ensure!(open.is_none(), "two axes of -1");
                open = Some(axis);
                1
            }
            0 if !zero_stays => {
                let own = x.shape().get(axis).copied();
                own.ok_or_else(|| OperatorError::new(format!("there is no axis {axis} to keep")))?
            }
            size => usize::try_from(*size)
                .map_err(|_| OperatorError::new(format!("an axis of size {size}")))?,
        });
    }
    if let Some(axis) = open {
        let known = value::count(&shape)?;
        ensure!(known > 0, "the size of an axis cannot be known");
        shape[axis] = x.data().len() / known;
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

/// `BitCast`: reinterprets the bits as another type of the same width.
pub(super) fn bit_cast(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let to = value::numeric(call.int("to", 0))?;
    macro_rules! bits {
        ($values:expr) => {
            $values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
    }
    let raw_data: Vec<u8> = match x.data() {
        Data::F32(values) => bits!(values),
        Data::F64(values) => bits!(values),
        Data::F16(values) => values.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect(),
        Data::I64(values) => bits!(values),
        Data::I32(values) => bits!(values),
        Data::I16(values) => bits!(values),
        Data::I8(values) => bits!(values),
        Data::U64(values) => bits!(values),
        Data::U32(values) => bits!(values),
        Data::U16(values) => bits!(values),
        Data::U8(values) => values.clone(),
        Data::Bool(values) => values.iter().map(|value| u8::from(*value)).collect(),
        Data::Text(_) => return Err(value::mistyped(x, "a type of numbers")),
    };
    // Reading them like the bytes of a tensor in a file fails if the widths differ, as they then do
    // not fill the shape.
    let cast = value::from_proto(&TensorProto {
        dims: x.shape().iter().map(|size| *size as i64).collect(),
        data_type: call.int("to", 0) as i32,
        raw_data,
        ..TensorProto::default()
    });
    one(cast.map_err(|_| value::mistyped(x, &format!("a type as wide as {to}")))?)
}
