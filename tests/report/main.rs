//! The report: of records, and of a verdict.

mod live;
mod records;
mod router;
mod verdict;
