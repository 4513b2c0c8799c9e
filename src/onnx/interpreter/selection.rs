//! Operators that create or select elements.

use std::cmp::Ordering;

use super::{
    Data, Dtype, Tensor,
    call::Call,
    indexing::{self, Lanes, broadcast_offsets, coordinates, ravel, strides, transposed},
    value::{
        self, OperatorError, Outcome, all, bools, ensure, floats, from_floats, is_float, one, pick,
    },
};

pub(super) fn constant(call: &Call<'_>) -> Outcome {
    let Some(attribute) = call.node.attribute.iter().find(|a| a.name.starts_with("value")) else {
        return Err(OperatorError::new("it has no value that is supported"));
    };
    let text = |text: &Vec<u8>| Box::<str>::from(String::from_utf8_lossy(text));
    let scalar = |data: Data| value::tensor(&[], data);
    one(match &*attribute.name {
        "value" => {
            let tensor = attribute.t.as_ref();
            value::from_proto(tensor.ok_or_else(|| OperatorError::new("its value is no tensor"))?)?
        }
        "value_float" => scalar(vec![attribute.f].into())?,
        "value_int" => scalar(vec![attribute.i].into())?,
        "value_string" => scalar(vec![text(&attribute.s)].into())?,
        "value_floats" => Tensor::vector(attribute.floats.clone()),
        "value_ints" => Tensor::vector(attribute.ints.clone()),
        "value_strings" => Tensor::vector(attribute.strings.iter().map(text).collect::<Vec<_>>()),
        other => return Err(OperatorError::new(format!("its `{other}` is not supported"))),
    })
}

pub(super) fn constant_of_shape(call: &Call<'_>) -> Outcome {
    let shape = value::sizes(&value::indices(call.tensor(0)?)?)?;
    let count = value::count(&shape)?;
    let fill = match call.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
        Some(tensor) => value::from_proto(tensor)?.into_data(),
        None => vec![0.0_f32].into(),
    };
    ensure!(fill.len() == 1, "a value of {} elements", fill.len());
    one(value::tensor(&shape, pick(&fill, &vec![0; count])?)?)
}

pub(super) fn range(call: &Call<'_>) -> Outcome {
    let (start, limit, step) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let first =
        |values: Vec<f64>| values.first().copied().ok_or_else(|| OperatorError::new("no number"));
    if is_float(start.dtype()) {
        let (start_at, limit) = (first(floats(start)?)?, first(floats(limit)?)?);
        let step = first(floats(step)?)?;
        ensure!(step != 0.0, "a step of 0");
        let count = ((limit - start_at) / step).ceil().max(0.0);
        value::count(&[count as usize])?;
        let values = (0..count as usize).map(|at| start_at + at as f64 * step).collect();
        return one(Tensor::vector(from_floats(start.dtype(), values)));
    }
    let number = |tensor: &Tensor| -> Result<i128, OperatorError> {
        value::wide(tensor)?.first().copied().ok_or_else(|| OperatorError::new("no number"))
    };
    let (from, to, by) = (number(start)?, number(limit)?, number(step)?);
    ensure!(by != 0, "a step of 0");
    let count = (to - from + by - by.signum()) / by;
    let count =
        usize::try_from(count.max(0)).map_err(|_| OperatorError::new("too many numbers"))?;
    value::count(&[count])?;
    let values = (0..count).map(|at| from + at as i128 * by).collect();
    one(Tensor::vector(value::from_wide(start.dtype(), values)))
}

pub(super) fn cast_to(x: &Tensor, to: Dtype) -> Result<Tensor, OperatorError> {
    if x.dtype() == to {
        return Ok(x.clone());
    }
    let data = match (x.data(), to) {
        (Data::Text(texts), _) if is_float(to) => {
            let parsed = texts.iter().map(|text| text.trim().parse::<f64>());
            let parsed: Result<Vec<f64>, _> = parsed.collect();
            from_floats(to, parsed.map_err(|_| OperatorError::new("a text is no number"))?)
        }
        (Data::Text(texts), _) => {
            let parsed: Result<Vec<i128>, _> =
                texts.iter().map(|text| text.trim().parse::<i128>()).collect();
            value::from_wide(
                to,
                parsed.map_err(|_| OperatorError::new("a text is no whole number"))?,
            )
        }
        (_, Dtype::Text) => written(x)?.into(),
        (_, Dtype::Bool) if is_float(x.dtype()) => {
            floats(x)?.into_iter().map(|value| value != 0.0).collect::<Vec<_>>().into()
        }
        // The specification leaves the result undefined for numbers outside the type's range; they
        // saturate here.
        _ if is_float(x.dtype()) && !is_float(to) => {
            let (low, high) = value::ends(to);
            let within = |value: f64| (value as i128).clamp(low, high);
            value::from_wide(to, floats(x)?.into_iter().map(within).collect())
        }
        _ if is_float(x.dtype()) => from_floats(to, floats(x)?),
        _ => value::from_wide(to, value::wide(x)?),
    };
    value::tensor(x.shape(), data)
}

fn written(x: &Tensor) -> Result<Vec<Box<str>>, OperatorError> {
    let shown = |value: f64, short: String| -> Box<str> {
        if value.is_nan() {
            "NaN".into()
        } else if value.is_infinite() {
            if value > 0.0 { "INF".into() } else { "-INF".into() }
        } else {
            short.into()
        }
    };
    Ok(match x.data() {
        Data::F32(values) => values.iter().map(|v| shown((*v).into(), v.to_string())).collect(),
        Data::F64(values) => values.iter().map(|v| shown(*v, v.to_string())).collect(),
        Data::F16(values) => {
            values.iter().map(|v| shown(v.to_f32().into(), v.to_string())).collect()
        }
        Data::Bool(values) => values.iter().map(|v| v.to_string().into()).collect(),
        _ => value::wide(x)?.iter().map(|value| value.to_string().into()).collect(),
    })
}

pub(super) fn cast(call: &Call<'_>) -> Outcome {
    one(cast_to(call.tensor(0)?, value::dtype(call.int("to", 0))?)?)
}

pub(super) fn cast_like(call: &Call<'_>) -> Outcome {
    one(cast_to(call.tensor(0)?, call.tensor(1)?.dtype())?)
}

pub(super) fn choose(call: &Call<'_>) -> Outcome {
    let (condition, x, y) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let shape = indexing::broadcast(call, &[condition.shape(), x.shape(), y.shape()])?;
    let asked = bools(condition)?;
    let left = broadcast_offsets(x.shape(), &shape);
    let right = broadcast_offsets(y.shape(), &shape);
    let from: Vec<usize> = broadcast_offsets(condition.shape(), &shape)
        .into_iter()
        .zip(left.into_iter().zip(right))
        .map(|(asks, (l, r))| if asked[asks] { l } else { x.data().len() + r })
        .collect();
    one(value::tensor(&shape, pick(&value::join(&[x.data(), y.data()])?, &from)?)?)
}

pub(super) fn compress(call: &Call<'_>) -> Outcome {
    let (x, condition) = (call.tensor(0)?, call.tensor(1)?);
    let asked = bools(condition)?;
    let kept = |size: usize| -> Vec<usize> {
        (0..size).filter(|at| asked.get(*at).copied().unwrap_or(false)).collect()
    };
    if call.attribute("axis").is_none() {
        let kept = kept(x.data().len());
        return one(value::tensor(&[kept.len()], pick(x.data(), &kept)?)?);
    }
    let axis = indexing::axis(call.int("axis", 0), x.shape().len())?;
    let mut lists: Vec<Vec<usize>> = x.shape().iter().map(|size| (0..*size).collect()).collect();
    lists[axis] = kept(x.shape()[axis]);
    one(super::parts::picked(x, &lists)?)
}

pub(super) fn non_zero(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let found: Vec<Vec<usize>> = coordinates(x.shape())
        .zip(floats(x)?)
        .filter(|(_, value)| *value != 0.0)
        .map(|(at, _)| at)
        .collect();
    let rank = x.shape().len();
    let values: Vec<i64> =
        (0..rank).flat_map(|axis| found.iter().map(move |at| at[axis] as i64)).collect();
    one(value::tensor(&[rank, found.len()], values.into())?)
}

/// The order of two elements of a tensor. NaN is greater than all other numbers whatever its sign,
/// which differs between processors.
pub(super) fn order(
    x: &Tensor,
) -> Result<Box<dyn Fn(usize, usize) -> Ordering + '_>, OperatorError> {
    if let Data::Text(texts) = x.data() {
        return Ok(Box::new(move |a, b| texts[a].cmp(&texts[b])));
    }
    if is_float(x.dtype()) {
        let values = floats(x)?;
        return Ok(Box::new(move |a, b| {
            let (a, b) = (values[a], values[b]);
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }));
    }
    let values = value::wide(x)?;
    Ok(Box::new(move |a, b| values[a].cmp(&values[b])))
}

/// `Unique`: the distinct elements or slices, their first indices, the index of each element among them,
/// and their counts.
pub(super) fn unique(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let compare = order(x)?;
    let axis = match call.attribute("axis") {
        Some(_) => Some(indexing::axis(call.int("axis", 0), x.shape().len())?),
        None => None,
    };
    let items: Vec<Vec<usize>> = match axis {
        None => (0..x.data().len()).map(|offset| vec![offset]).collect(),
        Some(axis) => {
            let lanes: Vec<Vec<usize>> = Lanes::of(x.shape(), axis).lanes().collect();
            (0..x.shape()[axis]).map(|at| lanes.iter().map(|lane| lane[at]).collect()).collect()
        }
    };
    let compare_items = |a: usize, b: usize| {
        let pairs = items[a].iter().zip(&items[b]);
        pairs.map(|(a, b)| compare(*a, *b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut sorted: Vec<usize> = (0..items.len()).collect();
    sorted.sort_by(|a, b| compare_items(*a, *b));
    // The sort is stable, so the first of each group is its first occurrence.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for item in sorted {
        match groups.last_mut() {
            Some(group) if compare_items(group[0], item).is_eq() => group.push(item),
            _ => groups.push(vec![item]),
        }
    }
    if call.int("sorted", 1) == 0 {
        groups.sort_by_key(|group| group[0]);
    }
    let mut inverse = vec![0_i64; items.len()];
    for (number, group) in groups.iter().enumerate() {
        group.iter().for_each(|item| inverse[*item] = number as i64);
    }
    let first: Vec<i64> = groups.iter().map(|group| group[0] as i64).collect();
    let counts: Vec<i64> = groups.iter().map(|group| group.len() as i64).collect();
    let leaders: Vec<usize> = groups.iter().map(|group| group[0]).collect();
    let distinct = match axis {
        None => value::tensor(&[leaders.len()], pick(x.data(), &leaders)?)?,
        Some(axis) => {
            let mut lists: Vec<Vec<usize>> = x.shape().iter().map(|s| (0..*s).collect()).collect();
            lists[axis] = leaders;
            super::parts::picked(x, &lists)?
        }
    };
    all([distinct, Tensor::vector(first), Tensor::vector(inverse), Tensor::vector(counts)])
}

pub(super) fn top_k(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let axis = indexing::axis(call.int("axis", -1), x.shape().len())?;
    let count = match call.indices(1)? {
        Some(list) => list.first().copied().unwrap_or(0),
        None => call.int("k", 0),
    };
    let lanes = Lanes::of(x.shape(), axis);
    let count = usize::try_from(count).ok().filter(|count| *count <= lanes.size);
    let count = count
        .ok_or_else(|| OperatorError::new(format!("more than the {} there are", lanes.size)))?;
    let compare = order(x)?;
    let largest = call.int("largest", 1) != 0;
    let mut shape = x.shape().to_vec();
    shape[axis] = count;
    let outside = Lanes::of(&shape, axis);
    let mut from = vec![0; value::count(&shape)?];
    let mut found = vec![0_i64; from.len()];
    for (lane, to) in lanes.lanes().zip(outside.lanes()) {
        let mut order: Vec<usize> = (0..lane.len()).collect();
        // Equal elements keep the order of their indices, ascending and descending.
        order.sort_by(|a, b| {
            if largest { compare(lane[*b], lane[*a]) } else { compare(lane[*a], lane[*b]) }
        });
        for (to, at) in to.into_iter().zip(order) {
            from[to] = lane[at];
            found[to] = at as i64;
        }
    }
    all([value::tensor(&shape, pick(x.data(), &from)?)?, value::tensor(&shape, found.into())?])
}

pub(super) fn one_hot(call: &Call<'_>) -> Outcome {
    let (at, depth, values) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let depth = floats(depth)?.first().copied().unwrap_or(0.0) as i64;
    let rank = at.shape().len() + 1;
    let axis = indexing::axis(call.int("axis", -1), rank)?;
    let size = usize::try_from(depth).map_err(|_| OperatorError::new("a depth below 0"))?;
    ensure!(values.data().len() == 2, "{} values", values.data().len());
    let list = floats(at)?;
    let mut shape = at.shape().to_vec();
    shape.insert(axis, size);
    value::count(&shape)?;
    let inner: usize = at.shape().iter().skip(axis).product();
    let from: Vec<usize> = (0..shape.iter().product())
        .map(|offset: usize| {
            let class = offset / inner.max(1) % size.max(1);
            let item = offset / (inner * size).max(1) * inner + offset % inner.max(1);
            let wanted = list[item] as i64;
            let wanted = if wanted < 0 { wanted + depth } else { wanted };
            usize::from(wanted == class as i64)
        })
        .collect();
    one(value::tensor(&shape, pick(values.data(), &from)?)?)
}

pub(super) fn eye_like(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let to = match call.attribute("dtype") {
        Some(attribute) => value::numeric(attribute.i)?,
        None => x.dtype(),
    };
    ensure!(to != Dtype::Text, "found {to}, expected a type of numbers");
    let [rows, columns] = *x.shape() else { return Err(OperatorError::new("it is no matrix")) };
    let offset = call.int("k", 0);
    let values = (0..rows * columns)
        .map(|offset| (offset / columns, offset % columns))
        .map(|(row, column)| i128::from(column as i64 - row as i64 == offset));
    one(value::tensor(x.shape(), value::from_wide(to, values.collect()))?)
}

pub(super) fn trilu(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let [.., rows, columns] = *x.shape() else { return Err(OperatorError::new("it is no matrix")) };
    let offset = call.indices(1)?.and_then(|list| list.first().copied()).unwrap_or(0);
    let upper = call.int("upper", 1) != 0;
    let from: Vec<Option<usize>> = (0..x.data().len())
        .map(|index| {
            let (row, column) = (index / columns % rows, index % columns);
            let diagonal = column as i64 - row as i64;
            (if upper { diagonal >= offset } else { diagonal <= offset }).then_some(index)
        })
        .collect();
    let zero = value::zeros(x.dtype(), 1);
    one(value::tensor(x.shape(), value::pick_or(x.data(), &from, &zero)?)?)
}

pub(super) fn reverse_sequence(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let lengths = call.indices(1)?.unwrap_or_default();
    let rank = x.shape().len();
    let time = indexing::axis(call.int("time_axis", 0), rank)?;
    let batch = indexing::axis(call.int("batch_axis", 1), rank)?;
    ensure!(time != batch, "axis {time} is both that of time and that of the batch");
    let lengths = value::lengths(&lengths, x.shape()[batch], x.shape()[time])?;
    let own = strides(x.shape());
    let from: Vec<usize> = coordinates(x.shape())
        .map(|mut at| {
            let length = lengths[at[batch]];
            if at[time] < length {
                at[time] = length - 1 - at[time];
            }
            ravel(&at, &own)
        })
        .collect();
    one(value::tensor(x.shape(), pick(x.data(), &from)?)?)
}

pub(super) fn depth_to_space(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let [n, c, h, w] = *x.shape() else { return Err(OperatorError::new("it is no image")) };
    let block = usize::try_from(call.int("blocksize", 0)).unwrap_or(0);
    ensure!(block > 0 && c % (block * block) == 0, "blocks of {block} in {c} channels");
    let depth = c / (block * block);
    let by_columns = call.text("mode", "DCR") == "CRD";
    let (split, order): ([usize; 6], [usize; 6]) = if by_columns {
        ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3])
    } else {
        ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2])
    };
    let moved = transposed(&value::tensor(&split, x.data().clone())?, &order)?;
    one(value::tensor(&[n, depth, h * block, w * block], moved.into_data())?)
}

pub(super) fn space_to_depth(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let [n, c, h, w] = *x.shape() else { return Err(OperatorError::new("it is no image")) };
    let block = usize::try_from(call.int("blocksize", 0)).unwrap_or(0);
    ensure!(block > 0 && h % block == 0 && w % block == 0, "blocks of {block} in {h} by {w}");
    let split = value::tensor(&[n, c, h / block, block, w / block, block], x.data().clone())?;
    let by_columns = call.text("mode", "DCR") == "CRD";
    let order = if by_columns { [0, 1, 3, 5, 2, 4] } else { [0, 3, 5, 1, 2, 4] };
    let moved = transposed(&split, &order)?;
    one(value::tensor(&[n, c * block * block, h / block, w / block], moved.into_data())?)
}
