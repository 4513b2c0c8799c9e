//! What is wrong with a set in the making.

use crate::hash::Names;

use crate::flag::{Problem, ProblemList, ProblemSeverity};

/// Problems in the order they were found. Those of one thing can be dropped without going through
/// those of all others.
#[derive(Default)]
pub(super) struct Problems {
    list: Vec<Option<Problem>>,
    places: Names<String, Vec<usize>>,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.places.entry(problem.key.clone()).or_default().push(self.list.len());
        self.list.push(Some(problem));
    }

    /// Drops what is wrong with this flag or segment.
    pub(super) fn forget(&mut self, key: &str) {
        if self.places.is_empty() {
            return;
        }
        for place in self.places.remove(key).unwrap_or_default() {
            if let Some(problem) = self.list.get_mut(place) {
                *problem = None;
            }
        }
    }

    /// Those because of which something was refused.
    pub(super) fn rejected(&self) -> impl Iterator<Item = &Problem> {
        let all = self.list.iter().flatten();
        all.filter(|problem| problem.severity == ProblemSeverity::Rejected)
    }

    pub(super) fn into_list(self) -> ProblemList {
        self.list.into_iter().flatten().collect()
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Problems {
        let mut all = Problems::default();
        problems.into_iter().for_each(|problem| all.push(problem));
        all
    }
}
