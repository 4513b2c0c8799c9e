//! modelgate beside the vendors' official Rust crates, measured in one run and in turns.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` prints Markdown tables; figures
//! are medians. `-- --quick` makes shorter turns of it. Dialects and tables can be picked:
//! `-- unleash flagsmith decide ingest`.

use std::{env, time::Duration};

use modelgate_peers::{Counting, Measured, Work, measure, support::Dialect};

mod cells;
mod decide;
mod ingest;
mod tail;
mod threads;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const TABLES: [&str; 5] = ["decide", "threads", "tail", "ingest", "cells"];

fn main() {
    let mut plan = Plan { quick: false, dialects: Vec::new() };
    let mut tables = Vec::new();
    for argument in env::args().skip(1) {
        let dialect = Dialect::ALL.into_iter().find(|dialect| dialect.name() == argument);
        match (&*argument, dialect) {
            ("--quick", _) => plan.quick = true,
            (_, Some(dialect)) => plan.dialects.push(dialect),
            (table, None) if TABLES.contains(&table) => tables.push(argument),
            (other, None) => panic!("`{other}`: expected --quick, a dialect or one of {TABLES:?}"),
        }
    }
    if plan.dialects.is_empty() {
        plan.dialects = Dialect::ALL.to_vec();
    }
    for table in TABLES {
        if !tables.is_empty() && !tables.iter().any(|picked| picked == table) {
            continue;
        }
        match table {
            "decide" => decide::print(&plan),
            "threads" => threads::print(&plan),
            "tail" => tail::print(&plan),
            "ingest" => ingest::print(&plan),
            _ => cells::print(&plan),
        }
        println!();
    }
}

/// What to measure, and for how long.
struct Plan {
    quick: bool,
    dialects: Vec<Dialect>,
}

impl Plan {
    /// Measures each piece of work in this many rounds, at about this many milliseconds each.
    fn measure(&self, rounds: usize, milliseconds: u64, work: &mut [Work<'_>]) -> Vec<Measured> {
        let (rounds, milliseconds) = if self.quick { (3, 2) } else { (rounds, milliseconds) };
        measure(work, rounds, Duration::from_millis(milliseconds), || ALLOCATOR.calls())
    }
}

/// A duration in the unit that suits it.
fn readable(nanoseconds: f64) -> String {
    match nanoseconds {
        short if short < 1e4 => format!("{short:.0} ns"),
        medium if medium < 1e7 => format!("{:.1} µs", medium / 1e3),
        long => format!("{:.1} ms", long / 1e6),
    }
}
