//! Where the numbers of one row are in an output of many.

/// How the numbers of a row are interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputKind {
    Number,
    Numbers,
    /// The probability of each label.
    Labels,
}

/// Where the numbers of one row are in an output of many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// An axis before the one of the rows makes blocks, each of which has every row: scikit-learn's
    /// forests answer several labels that way.
    blocks: usize,
    /// How many numbers a row has in a block.
    each: usize,
    read: Read,
}

/// Which of a row's numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    All,
    /// The second of every two.
    Seconds,
    /// The second half.
    SecondHalf,
}

/// How far the sum of two complementary probabilities may be from 1.
const ROUNDING: f32 = 1e-3;

/// The axis of the rows, found by comparing the output shapes for one row and for several.
pub(super) fn growing_axis(one: &[usize], several: &[usize], count: usize) -> Option<usize> {
    if one.len() != several.len() {
        return None;
    }
    let mut differing =
        one.iter().zip(several).enumerate().filter(|(_, (one, several))| one != several);
    let (axis, (one, several)) = differing.next()?;
    // A first axis may hold several numbers of each row, one row after the other.
    let grows = one.checked_mul(count) == Some(*several) && (axis == 0 || *one == 1);
    (grows && differing.next().is_none()).then_some(axis)
}

/// The axes that may be that of the rows, for a graph that takes exactly this many.
pub(super) fn fixed_axes(shape: &[usize], count: usize) -> Vec<usize> {
    let axes = shape.iter().enumerate().filter(|(_, size)| **size == count).map(|(axis, _)| axis);
    let axes: Vec<usize> = axes.collect();
    match shape {
        _ if !axes.is_empty() => axes,
        // One number a row in a single axis, or several.
        [first, ..] if *first > 0 && first.checked_rem(count) == Some(0) => vec![0],
        // The only row: all numbers are its own.
        [_, ..] if count == 1 => vec![0],
        _ => Vec::new(),
    }
}

/// Whether reversing the input's rows reverses the output along this axis.
pub(super) fn is_reversed(shape: &[usize], axis: usize, given: &[f32], turned: &[f32]) -> bool {
    let size = shape.get(axis).copied().unwrap_or(1);
    let inner: usize = shape.iter().skip(axis.saturating_add(1)).product();
    let block = size.saturating_mul(inner).max(1);
    let same = |a: f32, b: f32| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-4 * a.abs().max(1.0)
    };
    given.len() == turned.len()
        && given.chunks(block).zip(turned.chunks(block)).all(|(given, turned)| {
            let back = turned.chunks(inner.max(1)).rev();
            given
                .chunks(inner.max(1))
                .zip(back)
                .all(|(given, turned)| given.iter().zip(turned).all(|(a, b)| same(*a, *b)))
        })
}

impl Layout {
    /// Of an output of this shape for `count` rows, which stand along `axis`.
    pub(super) fn of(shape: &[usize], axis: usize, count: usize) -> Option<Layout> {
        let blocks: usize = shape.get(..axis)?.iter().product();
        let rest: usize = shape.get(axis..)?.iter().product();
        let each = rest.checked_div(count)?;
        (each > 0 && blocks > 0).then_some(Layout { blocks, each, read: Read::All })
    }

    /// The same numbers, read as probabilities of labels: `labels` is the number of labels that another
    /// output gave a row, if there is one. `None` where the numbers are no such thing.
    pub(super) fn of_labels(
        mut self,
        shape: &[usize],
        axis: usize,
        labels: Option<usize>,
    ) -> Option<Layout> {
        let after = shape.get(axis.saturating_add(1)..)?;
        let all = self.blocks.checked_mul(self.each)?;
        self.read = match (axis, shape, after) {
            // [labels, rows, 2], or [rows, labels, 2].
            (1, [_, _, 2], _) | (0, _, [_, 2]) => Read::Seconds,
            (0, _, [] | [_]) => match labels {
                Some(labels) if labels.checked_mul(2) == Some(all) && labels > 1 => {
                    Read::SecondHalf
                }
                _ => Read::All,
            },
            _ => return None,
        };
        let fits = labels.is_none_or(|labels| labels == self.width());
        fits.then_some(self)
    }

    /// How many numbers of a row are read.
    pub(super) fn width(&self) -> usize {
        let all = self.blocks.saturating_mul(self.each);
        match self.read {
            Read::All => all,
            Read::Seconds | Read::SecondHalf => all / 2,
        }
    }

    /// The numbers of one row among `count`; `None` where the output has another size.
    pub(super) fn row(&self, output: &[f32], count: usize, row: usize) -> Option<Vec<f32>> {
        let all = self.whole_row(output, count, row)?;
        Some(match self.read {
            Read::All => all,
            Read::Seconds => all.into_iter().skip(1).step_by(2).collect(),
            Read::SecondHalf => all.get(all.len() / 2..)?.to_vec(),
        })
    }

    /// Whether the numbers that are not read complement those that are to 1.
    pub(super) fn adds_up(&self, output: &[f32], count: usize, row: usize) -> bool {
        let Some(all) = self.whole_row(output, count, row) else { return false };
        // Generated rows may give NaN, which does not rule this form out.
        let is_one = |no: f32, yes: f32| {
            let sum = no + yes;
            sum.is_nan() || (sum - 1.0).abs() <= ROUNDING
        };
        match self.read {
            Read::All => true,
            Read::Seconds => all.chunks_exact(2).all(|pair| match pair {
                [no, yes] => is_one(*no, *yes),
                _ => false,
            }),
            Read::SecondHalf => {
                let (noes, yeses) = all.split_at(all.len() / 2);
                noes.iter().zip(yeses).all(|(no, yes)| is_one(*no, *yes))
            }
        }
    }

    fn whole_row(&self, output: &[f32], count: usize, row: usize) -> Option<Vec<f32>> {
        let block = self.each.checked_mul(count)?;
        if self.blocks.checked_mul(block) != Some(output.len()) || row >= count {
            return None;
        }
        let start = row.checked_mul(self.each)?;
        let end = start.saturating_add(self.each);
        let parts = output.chunks(block.max(1)).map(|block| block.get(start..end));
        Some(parts.collect::<Option<Vec<&[f32]>>>()?.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_of_the_rows_is_the_one_that_grows_with_them() {
        assert_eq!(growing_axis(&[1, 4], &[3, 4], 3), Some(0));
        assert_eq!(growing_axis(&[2, 1, 2], &[2, 3, 2], 3), Some(1));
        assert_eq!(growing_axis(&[4], &[12], 3), Some(0));
        assert_eq!(growing_axis(&[1, 4], &[1, 4], 3), None);
        assert_eq!(growing_axis(&[1, 4], &[3, 12], 3), None);
        assert_eq!(growing_axis(&[2, 4], &[2, 12], 3), None);
        assert_eq!(growing_axis(&[1], &[3, 1], 3), None);
    }

    #[test]
    fn a_row_is_gathered_from_every_block() {
        // Two labels of three rows.
        let output = [0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.5, 0.5, 0.6, 0.4];
        let layout = Layout::of(&[2, 3, 2], 1, 3).unwrap();
        assert_eq!(layout.width(), 4);
        assert_eq!(layout.row(&output, 3, 1).unwrap(), [0.2, 0.8, 0.5, 0.5]);
        assert_eq!(layout.row(&output, 3, 3), None);
        assert_eq!(layout.row(&output[1..], 3, 0), None);
        let labels = layout.of_labels(&[2, 3, 2], 1, Some(2)).unwrap();
        assert_eq!(labels.row(&output, 3, 2).unwrap(), [0.7, 0.4]);
        assert!(labels.adds_up(&output, 3, 0));
        assert!(!labels.adds_up(&output.map(|value| value + 0.1), 3, 0));
    }

    #[test]
    fn labels_are_read_from_each_of_the_forms_that_exporters_write() {
        let read = |shape: &[usize], axis, labels| {
            Layout::of(shape, axis, 3).unwrap().of_labels(shape, axis, labels)
        };
        let row = |layout: Option<Layout>| layout.unwrap().row(&[0.0, 1.0, 2.0, 3.0], 1, 0);
        assert_eq!(row(read(&[3, 4], 0, None)).unwrap(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(row(read(&[3, 4], 0, Some(4))).unwrap(), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(row(read(&[3, 4], 0, Some(2))).unwrap(), [2.0, 3.0]);
        assert_eq!(row(read(&[3, 2, 2], 0, Some(2))).unwrap(), [1.0, 3.0]);
        // One label for four numbers: a class of four.
        assert_eq!(read(&[3, 4], 0, Some(1)), None);
        assert_eq!(read(&[3, 2], 0, Some(1)), None);
        // Three numbers for each of two labels.
        assert_eq!(read(&[2, 3, 3], 1, Some(2)), None);
        assert_eq!(read(&[3, 2, 3], 0, None), None);
    }

    #[test]
    fn rows_of_a_fixed_number_are_found_by_turning_them_round() {
        let shape = [2, 2, 2];
        assert_eq!(fixed_axes(&shape, 2), [0, 1, 2]);
        let given = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let turned = [2.0, 3.0, 0.0, 1.0, 6.0, 7.0, 4.0, 5.0];
        let reversed = |axis| is_reversed(&shape, axis, &given, &turned);
        assert_eq!([reversed(0), reversed(1), reversed(2)], [false, true, false]);
        assert_eq!(fixed_axes(&[6], 3), [0]);
        assert_eq!(fixed_axes(&[4], 1), [0]);
        assert!(fixed_axes(&[4], 3).is_empty() && fixed_axes(&[], 1).is_empty());
    }
}
