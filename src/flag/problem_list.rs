//! The problems of one document, as they are found.

use super::{Problem, ProblemSeverity};

/// How many remarks one document may have: all its flags may be wrong alike. Flags that were refused
/// are listed all, because what was good of them stays in force.
const REMARKS: usize = 1_000;

/// Problems in the order they were found; of the remarks only the first, and the number of the rest.
#[derive(Default)]
pub(crate) struct ProblemList {
    list: Vec<Problem>,
    remarks: usize,
}

impl ProblemList {
    pub(crate) fn push(&mut self, problem: Problem) {
        if problem.severity == ProblemSeverity::Warning {
            self.remarks = self.remarks.saturating_add(1);
            if self.remarks > REMARKS {
                return;
            }
        }
        self.list.push(problem);
    }

    /// Drops those that this is not true of.
    #[cfg(feature = "unleash-dialect")]
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&Problem) -> bool) {
        let remarks = &mut self.remarks;
        self.list.retain(|problem| {
            let kept = is_kept(problem);
            if !kept && problem.severity == ProblemSeverity::Warning {
                *remarks = remarks.saturating_sub(1);
            }
            kept
        });
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        let mut list = self.list;
        let more = self.remarks.saturating_sub(REMARKS);
        if more > 0 {
            let found = format!("{more} more remarks, which are not listed");
            list.push(Problem::warning("", "", found, format!("at most {REMARKS}")));
        }
        list
    }
}

impl Extend<Problem> for ProblemList {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl FromIterator<Problem> for ProblemList {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> ProblemList {
        let mut list = ProblemList::default();
        list.extend(problems);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_beyond_some_are_counted_and_refusals_are_all_listed() {
        let remark = |number: usize| Problem::warning(number.to_string(), "", "a", "b");
        let mut list: ProblemList = (0..REMARKS).map(remark).collect();
        list.push(Problem::rejected("bad", "", "a", "b"));
        assert_eq!(list.list.len(), REMARKS + 1);
        list.extend((0..5).map(remark));
        list.extend((0..REMARKS).map(|_| Problem::rejected("bad", "", "a", "b")));
        let list = list.into_list();
        assert_eq!(list.len(), 2 * REMARKS + 2);
        assert_eq!(list.last().unwrap().found, "5 more remarks, which are not listed");
    }
}
