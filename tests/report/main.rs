//! The report: of records, and of a verdict.

mod records;
mod verdict;
