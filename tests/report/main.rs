//! The report: of records, and of a verdict.

mod records;
mod router;
mod verdict;
