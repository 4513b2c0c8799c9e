//! What was asked for on the command line.

use std::path::PathBuf;

const USAGE: &str = "usage: fleet --scenario good|bad|equal|late-regression \
                     [--replicas 1..16] [--store DIR] [--kill] [--json]";

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scenario {
    Good,
    Bad,
    Equal,
    LateRegression,
}

impl Scenario {
    const ALL: [Scenario; 4] =
        [Scenario::Good, Scenario::Bad, Scenario::Equal, Scenario::LateRegression];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Good => "good",
            Scenario::Bad => "bad",
            Scenario::Equal => "equal",
            Scenario::LateRegression => "late-regression",
        }
    }
}

/// What this process is.
#[derive(Debug, PartialEq)]
pub enum Role {
    /// The one that starts the others.
    Fleet,
    /// One of those, and which.
    Replica(u64),
}

#[derive(Debug)]
pub struct Arguments {
    pub scenario: Scenario,
    pub replicas: u64,
    pub store: Option<PathBuf>,
    pub kill: bool,
    pub json: bool,
    pub role: Role,
}

impl Arguments {
    pub fn parse(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let (mut scenario, mut arguments) = (
            None,
            Arguments {
                scenario: Scenario::Good,
                replicas: 4,
                store: None,
                kill: false,
                json: false,
                role: Role::Fleet,
            },
        );
        while let Some(name) = given.next() {
            let mut value =
                || given.next().ok_or_else(|| format!("{name}: found no value\n{USAGE}"));
            match name.as_str() {
                "--scenario" => {
                    let named = value()?;
                    let known = Scenario::ALL.into_iter().find(|one| one.name() == named);
                    scenario =
                        Some(known.ok_or_else(|| format!("--scenario: found {named}\n{USAGE}"))?);
                }
                "--replicas" => {
                    let count = value()?;
                    arguments.replicas = count
                        .parse()
                        .ok()
                        .filter(|count| (1..=16).contains(count))
                        .ok_or_else(|| format!("--replicas: found {count}\n{USAGE}"))?;
                }
                "--store" => arguments.store = Some(value()?.into()),
                "--replica" => {
                    let place = value()?;
                    let place = place.parse().map_err(|_| format!("--replica: found {place}"))?;
                    arguments.role = Role::Replica(place);
                }
                "--kill" => arguments.kill = true,
                "--json" => arguments.json = true,
                _ => return Err(format!("found {name}\n{USAGE}")),
            }
        }
        arguments.scenario = scenario.ok_or_else(|| USAGE.to_owned())?;
        Ok(arguments)
    }
}
