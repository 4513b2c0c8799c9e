//! The discrete Fourier transform of a sequence of complex numbers of any length.
//!
//! The mixed-radix algorithm of Cooley and Tukey, decimated in frequency: a transform of `p · m` numbers
//! is `m` transforms of `p` numbers, multiplied by roots of unity, and then `p` transforms of `m`. For a
//! prime factor `p` of the length, the cost is proportional to `p²`.

use std::f64::consts::PI;

type Complex = (f64, f64);

/// Rounds the result of each operation. A sum or product of two 32-bit floats that is computed in 64
/// bits and then rounded equals that of 32-bit arithmetic.
pub(super) type Round = fn(f64) -> f64;

pub(super) fn exact(value: f64) -> f64 {
    value
}

/// Rounds to single precision, so that terms which cancel leave the rounding error that a transform in
/// 32-bit arithmetic leaves, not zero.
pub(super) fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

/// The transform, or its inverse.
pub(super) fn transformed(lane: &[Complex], inverse: bool, round: Round) -> Vec<Complex> {
    let n = lane.len();
    let sign = if inverse { 1.0 } else { -1.0 };
    // All roots of unity that are needed, from angles below a full turn.
    let turns = (0..n).map(|at| {
        let angle = 2.0 * PI * at as f64 / n as f64;
        (round(angle.cos()), round(sign * angle.sin()))
    });
    let plan = Plan { turns: turns.collect(), round };
    let made = plan.transformed(lane.to_vec());
    if !inverse {
        return made;
    }
    let scale = round(1.0 / n as f64);
    made.into_iter().map(|(re, im)| (round(re * scale), round(im * scale))).collect()
}

struct Plan {
    /// The roots of unity of the whole length.
    turns: Vec<Complex>,
    round: Round,
}

impl Plan {
    fn transformed(&self, values: Vec<Complex>) -> Vec<Complex> {
        let n = values.len();
        if n < 2 {
            return values;
        }
        let p = smallest_factor(n);
        let m = n / p;
        let step = self.turns.len() / n;
        let mut parts = vec![Vec::with_capacity(m); p];
        for at in 0..m {
            let column: Vec<Complex> = (0..p).map(|j| values[at + j * m]).collect();
            for (u, (part, value)) in parts.iter_mut().zip(self.small(&column)).enumerate() {
                part.push(self.product(value, self.turns[u * at * step % self.turns.len()]));
            }
        }
        let mut made = vec![(0.0, 0.0); n];
        for (u, part) in parts.into_iter().enumerate() {
            for (k, value) in self.transformed(part).into_iter().enumerate() {
                made[u + k * p] = value;
            }
        }
        made
    }

    /// The transform of a prime number of values. The values at `j` and `p - j` have conjugate
    /// factors and share their multiplications.
    fn small(&self, x: &[Complex]) -> Vec<Complex> {
        let (p, round) = (x.len(), self.round);
        let plus = |a: Complex, b: Complex| (round(a.0 + b.0), round(a.1 + b.1));
        let minus = |a: Complex, b: Complex| (round(a.0 - b.0), round(a.1 - b.1));
        if let [a, b] = *x {
            return vec![plus(a, b), minus(a, b)];
        }
        let pairs: Vec<(Complex, Complex)> =
            (1..=p / 2).map(|j| (plus(x[j], x[p - j]), minus(x[j], x[p - j]))).collect();
        let mut made = vec![pairs.iter().fold(x[0], |sum, pair| plus(sum, pair.0)); p];
        let step = self.turns.len() / p;
        for u in 1..=p / 2 {
            let (mut even, mut odd) = (x[0], (0.0, 0.0));
            for (j, (sum, difference)) in pairs.iter().enumerate() {
                let (c, s) = self.turns[u * (j + 1) % p * step];
                even = plus(even, (round(c * sum.0), round(c * sum.1)));
                odd = plus(odd, (round(s * difference.1), round(s * difference.0)));
            }
            let odd = (-odd.0, odd.1);
            made[u] = plus(even, odd);
            made[p - u] = minus(even, odd);
        }
        made
    }

    fn product(&self, (a, b): Complex, (c, d): Complex) -> Complex {
        let round = self.round;
        (round(round(a * c) - round(b * d)), round(round(a * d) + round(b * c)))
    }
}

fn smallest_factor(n: usize) -> usize {
    let factor = (2..).take_while(|p| p * p <= n).find(|p| n.is_multiple_of(*p));
    factor.unwrap_or(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transform_by_factors_is_the_sum_of_the_definition() {
        for n in [1, 2, 3, 4, 5, 7, 10, 12, 30, 49, 64, 77] {
            let lane: Vec<Complex> =
                (0..n).map(|at| ((at * at % 13) as f64 - 3.0, (at * 5 % 7) as f64)).collect();
            for inverse in [false, true] {
                let sign = if inverse { 1.0 } else { -1.0 };
                let scale = if inverse { 1.0 / n as f64 } else { 1.0 };
                let made = transformed(&lane, inverse, exact);
                for (k, found) in made.iter().enumerate() {
                    let mut sum = (0.0, 0.0);
                    for (t, (re, im)) in lane.iter().enumerate() {
                        let angle = sign * 2.0 * PI * (k * t % n) as f64 / n as f64;
                        sum.0 += (re * angle.cos() - im * angle.sin()) * scale;
                        sum.1 += (re * angle.sin() + im * angle.cos()) * scale;
                    }
                    let off = (found.0 - sum.0).abs().max((found.1 - sum.1).abs());
                    assert!(off < 1e-11, "{n} numbers, inverse {inverse}: off by {off} at {k}");
                }
            }
        }
    }
}
