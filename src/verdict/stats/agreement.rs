//! How well two versions agree: figures for people, not tests.

/// Observed agreement, agreement expected by chance, and Cohen's kappa of a square table of
/// counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kappa {
    /// The share on the diagonal.
    pub observed: f64,
    /// What the margins alone would put there.
    pub by_chance: f64,
    /// `(observed - by_chance) / (1 - by_chance)`; 1 where both sides only ever name one and the
    /// same class.
    pub kappa: f64,
}

/// Cohen's kappa of a square table: one row a class of the champion, one column a class of the
/// candidate. `None` for an empty table or one that is not square.
///
/// Source: Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
/// Measurement 1960.
///
/// ```
/// let kappa = modelgate::verdict::stats::agreement::kappa(&[vec![20, 5], vec![10, 15]]).unwrap();
/// assert!((kappa.kappa - 0.4).abs() < 1e-12);
/// ```
pub fn kappa(table: &[Vec<u64>]) -> Option<Kappa> {
    if table.iter().any(|row| row.len() != table.len()) {
        return None;
    }
    let sum = |row: &[u64]| row.iter().map(|count| *count as f64).sum::<f64>();
    let n: f64 = table.iter().map(|row| sum(row)).sum();
    if n <= 0.0 {
        return None;
    }
    let (mut diagonal, mut chance) = (0.0, 0.0);
    for (class, row) in table.iter().enumerate() {
        let column: f64 = table.iter().filter_map(|row| row.get(class)).map(|c| *c as f64).sum();
        diagonal += row.get(class).map_or(0.0, |count| *count as f64);
        chance += (sum(row) / n) * (column / n);
    }
    let observed = diagonal / n;
    let kappa = if chance >= 1.0 { 1.0 } else { (observed - chance) / (1.0 - chance) };
    Some(Kappa { observed, by_chance: chance, kappa })
}

/// Sums over pairs of scores, from which their agreement is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many pairs.
    pub n: f64,
    /// `Σ x`, the champion's.
    pub x: f64,
    /// `Σ y`, the candidate's.
    pub y: f64,
    /// `Σ x²`.
    pub xx: f64,
    /// `Σ y²`.
    pub yy: f64,
    /// `Σ x y`.
    pub xy: f64,
}

impl Moments {
    /// Adds a pair.
    pub fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    /// The candidate's mean less the champion's.
    pub fn mean_difference(&self) -> Option<f64> {
        (self.n > 0.0).then(|| (self.y - self.x) / self.n)
    }

    /// The root mean square of the differences, `√(Σ (y - x)² / n)`.
    pub fn root_mean_square(&self) -> Option<f64> {
        (self.n > 0.0).then(|| ((self.xx - 2.0 * self.xy + self.yy) / self.n).max(0.0).sqrt())
    }

    /// Lin's concordance correlation coefficient, `2 cov / (var_x + var_y + (m_x - m_y)²)`: 1 when
    /// the scores are the same. `None` where neither side varies.
    ///
    /// Source: Lin, "A concordance correlation coefficient to evaluate reproducibility",
    /// Biometrics 1989.
    pub fn concordance(&self) -> Option<f64> {
        if self.n <= 0.0 {
            return None;
        }
        let (mx, my) = (self.x / self.n, self.y / self.n);
        let (vx, vy) = (self.xx / self.n - mx * mx, self.yy / self.n - my * my);
        let scale = vx + vy + (mx - my).powi(2);
        (scale > 0.0).then(|| (2.0 * (self.xy / self.n - mx * my) / scale).clamp(-1.0, 1.0))
    }
}
