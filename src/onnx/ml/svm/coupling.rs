//! The probabilities of classes from those of pairs of them.

/// A square matrix.
pub(super) struct Pairs {
    values: Vec<f32>,
    classes: usize,
}

impl Pairs {
    pub(super) fn new(classes: usize) -> Pairs {
        Pairs { values: vec![0.0; classes.saturating_mul(classes)], classes }
    }

    fn place(&self, row: usize, column: usize) -> usize {
        row.saturating_mul(self.classes).saturating_add(column)
    }

    fn get(&self, row: usize, column: usize) -> f32 {
        self.values.get(self.place(row, column)).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, row: usize, column: usize, value: f32) {
        let place = self.place(row, column);
        if let Some(found) = self.values.get_mut(place) {
            *found = value;
        }
    }
}

/// Fills in the probability of each class, given for each pair that of the first against the
/// second: the second method of Wu, Lin and Weng (2004), as libsvm has it.
pub(super) fn couple(pairs: &Pairs, probabilities: &mut [f32]) {
    let classes = pairs.classes;
    #[allow(clippy::cast_precision_loss)]
    let even = 1.0 / classes as f32;
    let mut quadratic = Pairs::new(classes);
    for row in 0..classes {
        let mut diagonal = 0.0;
        for column in (0..classes).filter(|column| *column != row) {
            let against = pairs.get(column, row);
            diagonal += against * against;
            quadratic.set(row, column, -against * pairs.get(row, column));
        }
        quadratic.set(row, row, diagonal);
    }
    probabilities.fill(even);
    let mut products = vec![0.0_f32; classes];
    // As many rounds, and as near, as libsvm asks for.
    for _ in 0..100 {
        let mut whole = 0.0;
        for (row, product) in products.iter_mut().enumerate() {
            *product = probabilities
                .iter()
                .enumerate()
                .map(|(column, probability)| quadratic.get(row, column) * probability)
                .sum();
            whole += *product * probabilities.get(row).copied().unwrap_or_default();
        }
        let error = products.iter().map(|product| (product - whole).abs()).fold(0.0, f32::max);
        if error < 0.005 * even {
            break;
        }
        for row in 0..classes {
            let diagonal = quadratic.get(row, row);
            let product = products.get(row).copied().unwrap_or_default();
            let step = (whole - product) / diagonal;
            let scale = 1.0 + step;
            if let Some(probability) = probabilities.get_mut(row) {
                *probability += step;
            }
            whole = (whole + step * (step * diagonal + 2.0 * product)) / scale / scale;
            for (column, product) in products.iter_mut().enumerate() {
                *product = (*product + step * quadratic.get(row, column)) / scale;
            }
            probabilities.iter_mut().for_each(|probability| *probability /= scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_agree_give_the_probabilities_they_come_from() {
        let wanted = [0.5, 0.3, 0.2];
        let mut pairs = Pairs::new(3);
        for (row, first) in wanted.iter().enumerate() {
            for (column, second) in wanted.iter().enumerate() {
                if row != column {
                    pairs.set(row, column, first / (first + second));
                }
            }
        }
        let mut found = [0.0; 3];
        couple(&pairs, &mut found);
        for (wanted, found) in wanted.iter().zip(found) {
            assert!((wanted - found).abs() < 5e-3, "{wanted} {found}");
        }
    }
}
