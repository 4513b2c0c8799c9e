//! A flag source of one's own: a folder that holds one flag a file, `<key>.json`.
//!
//! ```text
//! cargo run --example custom_source              # changes a folder of its own, and shows it
//! cargo run --example custom_source -- FOLDER    # watches yours until it is interrupted
//! ```

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use modelgate::{
    Context, FlagSet, FlagSource, Flags,
    flag::store::SourceState,
    flagd::Flagd,
    source::{self, FlagUpdates, Subscription},
};

/// A folder with one flagd flag in each file.
struct FolderSource {
    folder: PathBuf,
}

impl FlagSource for FolderSource {
    fn name(&self) -> Cow<'static, str> {
        "folder".into()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        // The first look happens here, so that a router is ready as soon as it is built.
        let mut seen = HashMap::new();
        updates.replace(FlagSet::new());
        look(&self.folder, &mut seen, &updates);

        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let looking = thread::spawn(move || {
            while !stopping.load(Ordering::Acquire) {
                look(&self.folder, &mut seen, &updates);
                thread::park_timeout(Duration::from_millis(100));
            }
        });
        Ok(Subscription::on_drop(move || {
            stop.store(true, Ordering::Release);
            looking.thread().unpark();
            let _ = looking.join();
        }))
    }
}

/// Pushes what has changed since the last look.
fn look(folder: &Path, seen: &mut HashMap<String, String>, updates: &FlagUpdates) {
    let read = || -> Result<Vec<(String, String)>, std::io::Error> {
        let mut flags = Vec::new();
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            if let (Some("json"), Some(key)) = (
                path.extension().and_then(|extension| extension.to_str()),
                path.file_stem().and_then(|stem| stem.to_str()),
            ) {
                flags.push((key.to_owned(), fs::read_to_string(&path)?));
            }
        }
        Ok(flags)
    };
    // Trouble is reported, and what was good stays in force.
    let flags = match read() {
        Ok(flags) => flags,
        Err(error) => return updates.report(source::Error::with_source("folder not read", error)),
    };
    let present: HashSet<String> = flags.iter().map(|(key, _)| key.clone()).collect();
    let mut all_good = true;
    for (key, text) in flags {
        if seen.get(&key) == Some(&text) {
            continue;
        }
        match Flagd::new().compile_flag(&key, &text) {
            Ok(flag) => {
                updates.upsert(flag);
                seen.insert(key, text);
            }
            Err(problem) => {
                updates.report(source::Error::new(problem.to_string()));
                all_good = false;
            }
        }
    }
    seen.retain(|key, _| {
        let there = present.contains(key);
        if !there {
            updates.remove(key);
        }
        there
    });
    if all_good {
        updates.confirm();
    }
}

const FLAG: &str = "ml-model-version";

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(folder) = std::env::args().nth(1) {
        let flags = Flags::builder().source(FolderSource { folder: folder.into() }).build()?;
        println!("watching; write {FLAG}.json into the folder, for instance\n  {}", percent(25));
        follow(&flags);
    }

    let folder = PathBuf::from("target/custom_source");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{FLAG}.json"));
    fs::write(&file, percent(5))?;
    let flags = Flags::builder().source(FolderSource { folder: folder.clone() }).build()?;
    flags.wait_ready(Duration::from_secs(5))?;
    println!("at the start       {}", shares(&flags));
    for to in [25, 50, 100] {
        let before = flags.status().revision;
        fs::write(&file, percent(to))?;
        flags.wait_until(Duration::from_secs(5), |status| status.revision > before);
        println!("{to:>3} % to v2        {}", shares(&flags));
    }
    fs::write(&file, "{ half a fla")?;
    flags.wait_until(Duration::from_secs(5), |status| status.sources[0].is_stale());
    println!("a half-written file {}", shares(&flags));
    fs::remove_file(&file)?;
    let before = flags.status().revision;
    flags.wait_until(Duration::from_secs(5), |status| status.revision > before);
    println!("the file is gone   {}", shares(&flags));
    println!(
        "\nTry it by hand: cargo run --example custom_source -- {}\n\
         and, beside it: echo '{}' > {}",
        folder.display(),
        percent(25),
        file.display()
    );
    Ok(())
}

/// A flag that sends this share of the users to `v2`.
fn percent(v2: u32) -> String {
    let v1 = 100 - v2;
    format!(
        r#"{{"state": "ENABLED", "variants": {{"v1": "v1", "v2": "v2"}}, "defaultVariant": "v1", "targeting": {{"fractional": [["v2", {v2}], ["v1", {v1}]]}}}}"#
    )
}

/// How many of a thousand users get which version.
fn shares(flags: &Flags) -> String {
    let mut shares = std::collections::BTreeMap::<String, u32>::new();
    for user in 0..1000 {
        let user = format!("user-{user}");
        let version = flags.string(FLAG, &Context::new(&user), "the service's own default");
        *shares.entry(version).or_default() += 1;
    }
    let shares: Vec<String> =
        shares.iter().map(|(version, users)| format!("{version}: {users}")).collect();
    format!("of 1000 users {}", shares.join(", "))
}

/// Shows every change until the program is interrupted.
fn follow(flags: &Flags) -> ! {
    let mut shown = None;
    loop {
        flags.wait_until(Duration::MAX, |status| {
            let trouble = match &status.sources[0].state {
                SourceState::Stale { reason, .. } | SourceState::Rejected { reason, .. } => {
                    format!(" ({reason})")
                }
                _ => String::new(),
            };
            let now = Some((status.revision, trouble));
            std::mem::replace(&mut shown, now.clone()) != now
        });
        let trouble = shown.as_ref().map_or("", |(_, trouble)| trouble);
        println!("now {}{trouble}", shares(flags));
    }
}
