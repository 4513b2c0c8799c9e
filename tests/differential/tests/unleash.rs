//! Generated toggles, answered by modelgate and by the official Rust engine.
//!
//! `MODELGATE_DIFFERENTIAL_CASES=1000000 cargo test --release` makes a long run of it;
//! `MODELGATE_CONFORMANCE`, the folder of the vendors' suites, adds real toggles with changes.

use std::{collections::BTreeMap, env, fs, path::Path, sync::Arc};

use modelgate::FlagSet;
use modelgate_differential::{
    random::Random,
    shrink::shrink,
    unleash::{
        case::{Answer, Case, Options},
        compare::{PATIENCE, Verdict, compare},
        coverage::Coverage,
        disagreements::DISAGREEMENTS,
        generate,
        mutate::mutate,
        official::Official,
        ours::Ours,
    },
};
use serde_json::{Map, Value as Json, json};

const CASES: usize = 60_000;

/// How many mismatches are worth printing before giving up.
const ENOUGH: usize = 10;

/// How often chance is asked where nothing hangs on it.
const IMPATIENCE: usize = 1_000;

/// The share of toggles that no engine can compile has to be worth testing, and not rule.
const POISONED: std::ops::Range<f64> = 0.05..0.4;

fn cases() -> usize {
    match env::var("MODELGATE_DIFFERENTIAL_CASES") {
        Ok(count) => count.parse().expect("MODELGATE_DIFFERENTIAL_CASES is a number of cases"),
        Err(_) => CASES,
    }
}

/// What differed, by name.
#[derive(Default)]
struct Differences {
    named: BTreeMap<&'static str, usize>,
    unnamed: usize,
}

impl Differences {
    /// Compares, and keeps account. Gives the answer on which both agree.
    fn check(
        &mut self,
        official: &Official,
        ours: &Ours,
        set: &FlagSet,
        case: &Case,
    ) -> Option<Answer> {
        let named = DISAGREEMENTS.iter().find(|one| (one.concerns)(case));
        let patience = if named.is_some() { IMPATIENCE } else { PATIENCE };
        let (theirs, answer) = match compare(official, ours, set, case, patience) {
            Verdict::Same(answer) => return Some(answer),
            Verdict::Different(theirs, answer) => (theirs, answer),
        };
        if let Some(named) = named {
            *self.named.entry(named.name).or_default() += 1;
            return None;
        }
        self.unnamed += 1;
        let case = smaller(case);
        match theirs {
            Ok(theirs) => println!("{}\n  ours: {}", case.line(&theirs), answer.json()),
            Err(panic) => println!("{}\n  theirs: {panic}", case.line(&answer)),
        }
        assert!(self.unnamed < ENOUGH, "too many differences");
        None
    }

    fn report(&self) {
        for one in DISAGREEMENTS {
            println!("{:>7}  {}: {}", self.named.get(one.name).unwrap_or(&0), one.name, one.why);
        }
        assert_eq!(self.unnamed, 0, "the official engine answers differently (cases are above)");
    }
}

/// Less of the case, as long as both compiled at once still differ without a name for it.
fn smaller(case: &Case) -> Case {
    let of = |input: &Json| Case {
        environment: Arc::new(input["environment"].clone()),
        context: input["context"].as_object().cloned().unwrap_or_default(),
        ..case.clone()
    };
    let still = |input: &Json| {
        let case = of(input);
        let Ok(official) = Official::new(&case.environment) else { return false };
        let ours = Ours::new(&case.options);
        let set = ours.compile(&case.environment);
        let named = DISAGREEMENTS.iter().any(|one| (one.concerns)(&case));
        !named
            && matches!(compare(&official, &ours, &set, &case, IMPATIENCE), Verdict::Different(..))
    };
    let whole = json!({"environment": *case.environment, "context": case.context});
    if still(&whole) { of(&shrink(&whole, &still)) } else { case.clone() }
}

#[test]
fn every_difference_from_the_official_engine_has_a_name() {
    let (mut coverage, mut differences) = (Coverage::default(), Differences::default());
    let (wanted, mut asked, mut toggles, mut poisoned) = (cases(), 0, 0, 0);
    for number in 0.. {
        if asked >= wanted {
            break;
        }
        let scene = generate::scene(number);
        coverage.note_events(&scene);
        let official = Official::new(&scene.environment).expect("scenes are well-formed");
        // Cells are there to be poisoned.
        poisoned += official.poisoned.iter().filter(|name| !name.starts_with("cell")).count();
        toggles += scene.toggles().filter(|name| !name.starts_with("cell")).count();
        let ours = Ours::new(&scene.options);
        let mut random = Random::new(number as u64);
        let mut followed = ours.event_by_event(&scene.environment, &mut random);
        for (step, state) in scene.states().iter().enumerate() {
            if let Some(event) = step.checked_sub(1).and_then(|step| scene.events.get(step)) {
                official.apply(event);
                followed = ours.apply(&followed, event);
            }
            let at_once = ours.compile(state);
            for case in scene.cases(state, step) {
                asked += 1;
                let Some(answer) = differences.check(&official, &ours, &at_once, &case) else {
                    continue;
                };
                coverage.note(&case, &answer);
                differences.check(&official, &ours, &followed, &case);
            }
        }
    }
    println!("{asked} cases, {} cells of coverage; differences by name:", coverage.cells());
    differences.report();
    assert_eq!(coverage.empty_cells(), Vec::<String>::new(), "never generated");
    let share = poisoned as f64 / toggles as f64;
    assert!(POISONED.contains(&share), "{poisoned} of {toggles} toggles are poisoned");
    let long = env::var_os("MODELGATE_DIFFERENTIAL_CASES").is_some();
    let stale: Vec<&str> = DISAGREEMENTS
        .iter()
        .filter(|one| long || !one.rare)
        .map(|one| one.name)
        .filter(|name| !differences.named.contains_key(name))
        .collect();
    assert!(stale.is_empty(), "named differences that no case showed: {stale:?}");
}

#[test]
fn real_toggles_with_changes_are_answered_alike() {
    let Ok(suites) = env::var("MODELGATE_CONFORMANCE") else {
        return println!("skipped: MODELGATE_CONFORMANCE names no folder of suites");
    };
    let suite = Path::new(&suites).join("unleash");
    let mut differences = Differences::default();
    let (rounds, mut asked, mut refused) = (cases() / 600, 0, 0);
    for (file, environment, contexts) in real(&suite) {
        let mut random = Random::new(file.bytes().map(u64::from).sum());
        for round in 0..rounds {
            let mutated = match round {
                0 => environment.clone(),
                _ => mutate(&environment, &mut random),
            };
            let mutated = Arc::new(mutated);
            let options = Options::default();
            let Ok(official) = Official::new(&mutated) else {
                refused += 1;
                continue;
            };
            let ours = Ours::new(&options);
            let set = ours.compile(&mutated);
            for (context, flag) in &contexts {
                asked += 1;
                let case = Case {
                    id: format!("{file}-{round}"),
                    environment: Arc::clone(&mutated),
                    context: context.clone(),
                    flag: flag.clone(),
                    options: options.clone(),
                };
                differences.check(&official, &ours, &set, &case);
            }
        }
    }
    println!("{asked} cases, {refused} documents that the official engine refuses");
    differences.report();
    assert!(asked > refused * 10, "hardly a mutation that can be read");
}

/// A context, and the toggle that it asks for.
type Question = (Map<String, Json>, String);

/// The suite's environments, each with who asks there for what.
fn real(suite: &Path) -> Vec<(String, Json, Vec<Question>)> {
    let read = |path: &Path| -> Json { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let mut all = Vec::new();
    for entry in fs::read_dir(suite.join("cases")).expect("the suite has cases") {
        let path = entry.unwrap().path();
        let cases = read(&path);
        let name = cases["cases"][0]["environment"].as_str().expect("cases name an environment");
        let asked = cases["cases"].as_array().into_iter().flatten().map(|case| {
            assert_eq!(case["environment"], name);
            let context = case["context"].as_object().cloned().unwrap_or_default();
            (context, case["flag"].as_str().expect("a case names its flag").to_owned())
        });
        let environment = read(&suite.join("environments").join(name));
        all.push((name.to_owned(), environment, asked.collect()));
    }
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

#[test]
fn what_was_once_wrong_stays_right() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions/unleash.jsonl");
    for line in fs::read_to_string(path).unwrap().lines().filter(|line| !line.is_empty()) {
        let line: Json = serde_json::from_str(line).unwrap();
        let case = Case::of_line(&line);
        let official = Official::new(&case.environment).unwrap();
        let ours = Ours::new(&case.options);
        let set = ours.compile(&case.environment);
        match compare(&official, &ours, &set, &case, PATIENCE) {
            Verdict::Same(answer) => assert_eq!(answer.json(), line["expect"], "{}", line["id"]),
            Verdict::Different(theirs, answer) => {
                assert!(
                    DISAGREEMENTS.iter().any(|one| (one.concerns)(&case)),
                    "{theirs:?}: {line}"
                );
                assert_eq!(answer.json(), line["expect"], "{}", line["id"]);
            }
        }
    }
}

#[test]
fn a_case_survives_being_written_down() {
    for number in 0..20 {
        let scene = generate::scene(number);
        for case in scene.cases(&scene.environment, 0) {
            let Ok(answer) = Official::new(&case.environment).unwrap().answer(&case) else {
                continue;
            };
            let line = case.line(&answer);
            let again = Case::of_line(&serde_json::from_str(&line.to_string()).unwrap());
            assert_eq!(again.line(&answer), line);
            assert_eq!(again.options, case.options);
        }
    }
}
