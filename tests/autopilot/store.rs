//! The store in a folder, hammered by processes that are killed.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use modelgate::autopilot::store::{Expect, FileStore, MemoryStore, StateStore};
use serde_json::{Value, json};

const PLACE: &str = "MODELGATE_TEST_STORE";

fn contract(store: &dyn StateStore) {
    assert!(store.load("a/state.json").unwrap().is_none());
    assert!(store.list("a/").unwrap().is_empty());
    store.remove("a/state.json").unwrap();
    let one = store.store("a/state.json", b"one", Expect::Absent).unwrap();
    assert!(store.store("a/state.json", b"x", Expect::Absent).unwrap_err().is_conflict());
    let two = store.store("a/state.json", b"two", Expect::Tag(one.clone())).unwrap();
    assert!(store.store("a/state.json", b"x", Expect::Tag(one)).unwrap_err().is_conflict());
    assert_eq!(store.load("a/state.json").unwrap(), Some((b"two".to_vec(), two.clone())));
    store.store("a/tally/1.json", b"1", Expect::Any).unwrap();
    store.store("a/tally/1.json", b"11", Expect::Any).unwrap();
    store.store("a/tally/2.json", b"2", Expect::Any).unwrap();
    let mut names = store.list("a/tally/").unwrap();
    names.sort();
    assert_eq!(names, ["a/tally/1.json", "a/tally/2.json"]);
    store.remove("a/state.json").unwrap();
    assert!(store.store("a/state.json", b"x", Expect::Tag(two)).unwrap_err().is_conflict());
    assert!(store.load("a/state.json").unwrap().is_none());
}

#[test]
fn every_store_here_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    contract(&MemoryStore::new());
    contract(&FileStore::open(folder.path()).unwrap());
    contract(&FileStore::open(folder.path().join("made/where/there/is/none")).unwrap());
}

#[test]
fn a_name_does_not_lead_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    for name in ["../x", "a/../x", "/etc/x", "", "a//b", ".hidden", "A", "a\\b", "state.lock"] {
        assert!(store.store(name, b"x", Expect::Any).is_err(), "{name}");
        assert!(store.load(name).is_err(), "{name}");
    }
}

#[test]
fn a_folder_that_cannot_hold_a_state_is_refused_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = FileStore::open(&file).unwrap_err().to_string();
    assert!(refused.contains("cannot be made"), "{refused}");
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path().join("store")).unwrap();
    store.store("a/state.json", b"x", Expect::Absent).unwrap();
    let mode =
        |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("store"), mode("store/a"), mode("store/a/state.json")), (0o700, 0o700, 0o600));
}

/// Not a test of its own: what the processes of the next one do, for as long as they live.
#[test]
fn a_process_that_commits() {
    let Some(folder) = env::var_os(PLACE) else { return };
    let store = FileStore::open(folder).unwrap();
    let me = std::process::id();
    loop {
        let (rev, expect, mut log) = match store.load("state.json").unwrap() {
            None => (0, Expect::Absent, Vec::new()),
            Some((bytes, tag)) => {
                let state: Value = serde_json::from_slice(&bytes).expect("never a torn document");
                (
                    state["rev"].as_u64().unwrap(),
                    Expect::Tag(tag),
                    state["log"].as_array().unwrap().clone(),
                )
            }
        };
        if rev >= 2_000 {
            return;
        }
        log.push(json!([rev + 1, me]));
        let next = json!({"rev": rev + 1, "log": log}).to_string();
        match store.store("state.json", next.as_bytes(), expect) {
            // Said only when it is committed: nothing said may be missing in the end.
            Ok(_) => println!("committed {}", rev + 1),
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
}

fn process(folder: &std::path::Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "store::a_process_that_commits", "--nocapture", "--test-threads=1"])
        .env(PLACE, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn eight_processes_that_are_killed_commit_each_revision_once_and_lose_none() {
    // In memory where there is such a folder: a process that is killed loses nothing that a disk would
    // keep, and two thousand revisions wait for a disk for most of a minute.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut said = Vec::new();
    let mut running: Vec<Child> = (0..8).map(|_| process(folder.path())).collect();
    let deadline = Instant::now() + Duration::from_secs(120);
    let rev = |store: &FileStore| -> u64 {
        let Some((bytes, _)) = store.load("state.json").unwrap() else { return 0 };
        serde_json::from_slice::<Value>(&bytes).unwrap()["rev"].as_u64().unwrap()
    };
    let store = FileStore::open(folder.path()).unwrap();
    // Three times, half of them are killed in the middle of it and started anew.
    for turn in 1..=3 {
        while rev(&store) < turn * 400 {
            assert!(Instant::now() < deadline, "revision {} after two minutes", rev(&store));
            std::thread::sleep(Duration::from_millis(5));
        }
        for mut child in running.drain(..4) {
            child.kill().unwrap();
            said.push(child.wait_with_output().unwrap().stdout);
        }
        running.extend((0..4).map(|_| process(folder.path())));
    }
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        said.push(output.stdout);
    }
    let (bytes, _) = store.load("state.json").unwrap().unwrap();
    let state: Value = serde_json::from_slice(&bytes).unwrap();
    let log: Vec<u64> =
        state["log"].as_array().unwrap().iter().map(|entry| entry[0].as_u64().unwrap()).collect();
    assert_eq!(log, (1..=2_000).collect::<Vec<_>>(), "each revision once, in order");
    let mut said: Vec<u64> = said
        .iter()
        .flat_map(|text| {
            String::from_utf8_lossy(text)
                .into_owned()
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        // The harness may have begun the line.
        .filter_map(|line| line.split_once("committed ")?.1.parse().ok())
        .collect();
    let count = said.len();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said.len(), count, "a revision was committed by two");
    // A process may die between committing and saying so, and no more often than it was killed.
    assert!(count + 12 >= 2_000, "{count} were said to be committed");
}
