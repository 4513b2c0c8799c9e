//! Products of matrices, and determinants.

use std::{collections::BTreeMap, num::Wrapping};

use super::{
    Tensor,
    call::Call,
    indexing::{self, broadcast, broadcast_offsets, transposed},
    value::{
        self, OperatorError, Outcome, ensure, floats, from_floats, from_wide, is_float, one, wide,
    },
};

/// The product of stacks of matrices, with the broadcasting rules of `numpy.matmul`.
pub(super) fn product<T: Copy + Default + std::ops::AddAssign + std::ops::Mul<Output = T>>(
    call: &Call<'_>,
    (a, a_shape): (&[T], &[usize]),
    (b, b_shape): (&[T], &[usize]),
) -> Result<(Vec<T>, Vec<usize>), OperatorError> {
    ensure!(!a_shape.is_empty() && !b_shape.is_empty(), "a scalar is not a matrix");
    let (row, column) = (a_shape.len() == 1, b_shape.len() == 1);
    let a_shape = if row { vec![1, a_shape[0]] } else { a_shape.to_vec() };
    let b_shape = if column { vec![b_shape[0], 1] } else { b_shape.to_vec() };
    let (a_outer, a_matrix) = a_shape.split_at(a_shape.len() - 2);
    let (b_outer, b_matrix) = b_shape.split_at(b_shape.len() - 2);
    let (m, k, n) = (a_matrix[0], a_matrix[1], b_matrix[1]);
    ensure!(k == b_matrix[0], "shapes {a_shape:?} and {b_shape:?} do not match");
    let outer = broadcast(call, &[a_outer, b_outer])?;
    let mut shape = [&*outer, &[m, n]].concat();
    call.spend(&[value::count(&shape)?, k])?;
    let mut c = vec![T::default(); shape.iter().product()];
    let starts =
        broadcast_offsets(a_outer, &outer).into_iter().zip(broadcast_offsets(b_outer, &outer));
    for (number, (a_at, b_at)) in starts.enumerate() {
        for i in 0..m {
            let to = (number * m + i) * n;
            for l in 0..k {
                let left = a[(a_at * m + i) * k + l];
                let from = (b_at * k + l) * n;
                for (sum, right) in c[to..to + n].iter_mut().zip(&b[from..from + n]) {
                    *sum += left * *right;
                }
            }
        }
    }
    if column {
        shape.pop();
    }
    if row {
        shape.remove(outer.len());
    }
    Ok((c, shape))
}

/// The matrix product of two tensors of the same type.
pub(super) fn matmul_of(call: &Call<'_>, a: &Tensor, b: &Tensor) -> Result<Tensor, OperatorError> {
    ensure!(a.dtype() == b.dtype(), "found {} and {}", a.dtype(), b.dtype());
    if is_float(a.dtype()) {
        let (x, y) = (floats(a)?, floats(b)?);
        let (values, shape) = product(call, (&x, a.shape()), (&y, b.shape()))?;
        return value::tensor(&shape, from_floats(a.dtype(), values));
    }
    let wrapping =
        |x: &Tensor| Ok::<_, OperatorError>(wide(x)?.into_iter().map(Wrapping).collect::<Vec<_>>());
    let (x, y) = (wrapping(a)?, wrapping(b)?);
    let (values, shape) = product(call, (&x, a.shape()), (&y, b.shape()))?;
    value::tensor(&shape, from_wide(a.dtype(), values.into_iter().map(|sum| sum.0).collect()))
}

pub(super) fn matmul(call: &Call<'_>) -> Outcome {
    one(matmul_of(call, call.tensor(0)?, call.tensor(1)?)?)
}

pub(super) fn gemm(call: &Call<'_>) -> Outcome {
    let turned = |input, name| -> Result<Tensor, OperatorError> {
        let tensor = call.tensor(input)?;
        ensure!(tensor.shape().len() == 2, "shape {:?}, expected a matrix", tensor.shape());
        if call.flag(name) { transposed(tensor, &[1, 0]) } else { Ok(tensor.clone()) }
    };
    let (a, b) = (turned(0, "transA")?, turned(1, "transB")?);
    let (alpha, beta) = (call.float("alpha", 1.0), call.float("beta", 1.0));
    if !is_float(a.dtype()) {
        ensure!(alpha == 1.0 && beta == 1.0, "integers multiplied by a fraction");
        let product = matmul_of(call, &a, &b)?;
        return one(match call.maybe(2)? {
            Some(c) => {
                super::elementwise::arithmetic(call, &product, c, |x, _| x, |x, y| Ok(x + y))?
            }
            None => product,
        });
    }
    let (x, y) = (floats(&a)?, floats(&b)?);
    let (mut values, shape) = product(call, (&x, a.shape()), (&y, b.shape()))?;
    values.iter_mut().for_each(|value| *value *= alpha);
    if let Some(c) = call.maybe(2)? {
        ensure!(broadcast(call, &[c.shape(), &shape])? == shape, "shape {:?} of C", c.shape());
        let added = floats(c)?;
        for (value, offset) in values.iter_mut().zip(broadcast_offsets(c.shape(), &shape)) {
            *value += beta * added[offset];
        }
    }
    one(value::tensor(&shape, from_floats(a.dtype(), values))?)
}

/// `Einsum`: products of elements, summed over the subscripts that are absent from the result.
pub(super) fn einsum(call: &Call<'_>) -> Outcome {
    let equation: String =
        call.text("equation", "").chars().filter(|letter| !letter.is_whitespace()).collect();
    let tensors = call.tensors()?;
    let Some(first) = tensors.first() else {
        return Err(OperatorError::new("there are no inputs"));
    };
    let subscripts = Subscripts::of(&equation, &tensors)?;
    let (kept, gone) = subscripts.sizes()?;
    let shape = [&*kept, &*gone].concat();
    call.spend(&[value::count(&shape)?, tensors.len()])?;
    let mut products = vec![1.0; shape.iter().product()];
    for (letters, tensor) in subscripts.inputs.iter().zip(&tensors) {
        let values = floats(tensor)?;
        let own = indexing::strides(tensor.shape());
        let step = |letter: &char| -> usize {
            let axes = letters.iter().zip(tensor.shape()).zip(&own);
            axes.filter(|((l, size), _)| *l == letter && **size != 1).map(|(_, step)| step).sum()
        };
        let steps: Vec<usize> =
            subscripts.result.iter().chain(&subscripts.summed).map(step).collect();
        for (product, offset) in products.iter_mut().zip(indexing::walk(&shape, &steps, 0)) {
            *product *= values[offset];
        }
    }
    let each: usize = gone.iter().product();
    let values = if each == 0 {
        vec![0.0; value::count(&kept)?]
    } else {
        products.chunks(each).map(|chunk| chunk.iter().sum()).collect()
    };
    one(value::tensor(&kept, from_floats(first.dtype(), values))?)
}

/// The subscripts of an `Einsum`. The axes of an ellipsis get digits as their subscripts, since
/// those of an equation are letters.
struct Subscripts {
    inputs: Vec<Vec<char>>,
    result: Vec<char>,
    /// The subscripts that are absent from the result.
    summed: Vec<char>,
    /// The size of each subscript's axis.
    sizes: BTreeMap<char, usize>,
}

impl Subscripts {
    fn of(equation: &str, tensors: &[&Tensor]) -> Result<Subscripts, OperatorError> {
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (equation, None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        ensure!(terms.len() == tensors.len(), "{} inputs for `{equation}`", tensors.len());
        let hidden = terms.iter().zip(tensors).filter(|(term, _)| term.contains("..."));
        let most = hidden
            .map(|(term, tensor)| tensor.shape().len().saturating_sub(term.chars().count() - 3))
            .max()
            .unwrap_or(0);
        ensure!(most < 10, "{most} axes behind an ellipsis");
        let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
        let mut inputs = Vec::new();
        for (term, tensor) in terms.iter().zip(tensors) {
            let letters = expanded(term, Some(tensor.shape().len()), most)?;
            ensure!(letters.len() == tensor.shape().len(), "`{term}` of {:?}", tensor.shape());
            for (letter, size) in letters.iter().zip(tensor.shape()) {
                let known = sizes.entry(*letter).or_insert(*size);
                ensure!(*known == *size || *known == 1 || *size == 1, "`{letter}` of two sizes");
                *known = if *known == 1 { *size } else { *known };
            }
            inputs.push(letters);
        }
        let result = match right {
            Some(right) => expanded(right, None, most)?,
            None => implied(&inputs, &sizes),
        };
        let twice = result.iter().enumerate().find(|(at, letter)| result[..*at].contains(letter));
        ensure!(twice.is_none(), "`{equation}` has a subscript twice in its result");
        let summed = sizes.keys().filter(|letter| !result.contains(letter)).copied().collect();
        Ok(Subscripts { inputs, result, summed, sizes })
    }

    /// The sizes of the result's axes, followed by those of the axes that are summed over.
    fn sizes(&self) -> Result<(Vec<usize>, Vec<usize>), OperatorError> {
        let size = |letter: &char| {
            let size = self.sizes.get(letter).copied();
            size.ok_or_else(|| OperatorError::new(format!("nothing has `{letter}`")))
        };
        let kept = self.result.iter().map(size).collect::<Result<_, _>>()?;
        Ok((kept, self.summed.iter().map(size).collect::<Result<_, _>>()?))
    }
}

/// The subscripts of a term. Its ellipsis stands for the remaining axes of a tensor of this `rank`;
/// without a rank, for `most` axes, the largest number that any ellipsis stands for.
fn expanded(term: &str, rank: Option<usize>, most: usize) -> Result<Vec<char>, OperatorError> {
    let (before, after) = term.split_once("...").unwrap_or((term, ""));
    let is_letter = |letter: char| letter.is_ascii_alphabetic();
    ensure!(before.chars().chain(after.chars()).all(is_letter), "`{term}` is no subscript");
    if !term.contains("...") {
        return Ok(term.chars().collect());
    }
    let letters = before.chars().count() + after.chars().count();
    let hidden = match rank {
        Some(rank) => {
            rank.checked_sub(letters).ok_or_else(|| OperatorError::new("too few axes"))?
        }
        None => most,
    };
    let digits = (most - hidden..most).filter_map(|at| char::from_digit(at as u32, 10));
    Ok(before.chars().chain(digits).chain(after.chars()).collect())
}

/// The subscripts of the result if the equation does not give them: those of the ellipsis, then
/// those that occur once, in alphabetical order.
fn implied(inputs: &[Vec<char>], sizes: &BTreeMap<char, usize>) -> Vec<char> {
    let count = |letter: &char| inputs.iter().flatten().filter(|other| *other == letter).count();
    let digits = sizes.keys().filter(|letter| letter.is_ascii_digit());
    let single = sizes.keys().filter(|letter| !letter.is_ascii_digit() && count(letter) == 1);
    digits.chain(single).copied().collect()
}

pub(super) fn determinant(call: &Call<'_>) -> Outcome {
    let x = call.tensor(0)?;
    let [outer @ .., n, columns] = x.shape() else {
        return Err(OperatorError::new("expected at least two axes"));
    };
    ensure!(n == columns, "{n} rows of {columns}");
    call.spend(&[x.data().len(), *n])?;
    let values = floats(x)?;
    let made = values.chunks((n * n).max(1)).map(|matrix| {
        let mut rows: Vec<Vec<f64>> = matrix.chunks(*n).map(<[f64]>::to_vec).collect();
        let mut determinant = 1.0;
        for at in 0..*n {
            let pivot = (at..*n).max_by(|a, b| rows[*a][at].abs().total_cmp(&rows[*b][at].abs()));
            let Some(pivot) = pivot.filter(|pivot| rows[*pivot][at] != 0.0) else { return 0.0 };
            if pivot != at {
                rows.swap(pivot, at);
                determinant = -determinant;
            }
            determinant *= rows[at][at];
            for below in at + 1..*n {
                let factor = rows[below][at] / rows[at][at];
                for column in at..*n {
                    let above = rows[at][column];
                    rows[below][column] -= factor * above;
                }
            }
        }
        determinant
    });
    one(value::tensor(outer, from_floats(x.dtype(), made.collect()))?)
}
