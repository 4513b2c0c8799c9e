//! The problems of one document, as they are found.

use super::{Problem, ProblemSeverity};

/// How many warnings one document may have: all its flags may be wrong alike. Flags that were refused
/// are listed all, because what was good of them stays in force.
const MAX_WARNINGS: usize = 1_000;

/// Problems in the order they were found; of the warnings only the first, and the number of the rest.
#[derive(Default)]
pub(crate) struct ProblemList {
    list: Vec<Problem>,
    warnings: usize,
}

impl ProblemList {
    pub(crate) fn push(&mut self, problem: Problem) {
        if problem.severity == ProblemSeverity::Warning {
            self.warnings = self.warnings.saturating_add(1);
            if self.warnings > MAX_WARNINGS {
                return;
            }
        }
        self.list.push(problem);
    }

    /// Drops those that this is not true of.
    #[cfg(feature = "unleash-dialect")]
    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&Problem) -> bool) {
        let warnings = &mut self.warnings;
        self.list.retain(|problem| {
            let kept = is_kept(problem);
            if !kept && problem.severity == ProblemSeverity::Warning {
                *warnings = warnings.saturating_sub(1);
            }
            kept
        });
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        let mut list = self.list;
        let more = self.warnings.saturating_sub(MAX_WARNINGS);
        if more > 0 {
            let found = format!("{more} more warnings, which are not listed");
            list.push(Problem::warning("", "", found, format!("at most {MAX_WARNINGS}")));
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
    fn warnings_beyond_some_are_counted_and_refusals_are_all_listed() {
        let warning = |number: usize| Problem::warning(number.to_string(), "", "a", "b");
        let mut list: ProblemList = (0..MAX_WARNINGS).map(warning).collect();
        list.push(Problem::rejected("bad", "", "a", "b"));
        assert_eq!(list.list.len(), MAX_WARNINGS + 1);
        list.extend((0..5).map(warning));
        list.extend((0..MAX_WARNINGS).map(|_| Problem::rejected("bad", "", "a", "b")));
        let list = list.into_list();
        assert_eq!(list.len(), 2 * MAX_WARNINGS + 2);
        assert_eq!(list.last().unwrap().found, "5 more warnings, which are not listed");
    }
}
