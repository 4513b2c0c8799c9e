//! An autopilot that shows each of its steps at a real Unleash, where a person interferes.

use modelgate::autopilot::{
    Autopilot, Cause, Findings, Judge, MetricFinding, MetricRole, MetricSum, Phase, Running, Share,
    Stage, draw,
    store::{MemoryStore, StateStore as _},
    verify_history,
    writer::Unleash,
};
use serde_json::{Value, json};

use super::*;

/// Evidence that suffices for so many steps, until it condemns the candidate.
#[derive(Clone, Default)]
struct Judged(Arc<(AtomicUsize, AtomicBool)>);

impl Judged {
    /// From now on this many steps have what they need to end; the first is the shadow.
    fn suffices_for(&self, steps: usize) {
        self.0.0.store(steps, Ordering::Release);
    }

    fn condemns(&self) {
        self.0.1.store(true, Ordering::Release);
    }
}

impl Judge for Judged {
    fn config_hash(&self) -> String {
        "judged".to_owned()
    }
    fn begin(&self, _attempt: u32) {}
    fn enter(&self, _stage: usize, _share: Share) {}
    fn counts(&self) -> Value {
        Value::from(1)
    }
    fn judge(&self, _counts: &[&Value], _attempt: u32, stage: usize) -> Findings {
        let finding = match self.0.1.load(Ordering::Acquire) {
            true => MetricFinding::Worse,
            false if stage < self.0.0.load(Ordering::Acquire) => MetricFinding::NotWorse,
            false => MetricFinding::Undecided,
        };
        let metric = MetricSum {
            name: "failures".to_owned(),
            role: MetricRole::Guardrail,
            finding,
            ln_e_worse: 0.0,
            expected_pairs: None,
            sentence: "v2 fails more often".to_owned(),
        };
        Findings { pairs: 1_000, metrics: vec![metric], ..Findings::default() }
    }
    fn veto(&self, _attempt: u32) -> Option<String> {
        None
    }
}

/// One rollout: an autopilot, the flag that shows its share, and routers that follow both.
struct Rollout<'p> {
    peer: &'p Peer,
    name: String,
    evidence: Judged,
    store: MemoryStore,
    autopilot: Autopilot,
    shown: RealFlag<'p>,
    /// Follows the flag that names the candidate for everybody.
    everybody: Router,
    /// Follows the flag that shows the share.
    shown_router: Router,
}

impl Rollout<'_> {
    /// The strategy that shows the share, as the admin API gives it.
    fn strategy(&self) -> Value {
        self.peer.admin("GET", &self.shown.strategy_path(), None)
    }

    /// Waits until the rollout stands here, and checks everything that says so: the autopilot, the
    /// admin API, and who reaches the candidate on both routers.
    fn stands_at(&self, percent: u32, region: Option<&'static str>) {
        eventually("the share is in force", || self.autopilot.status().share == f64::from(percent));
        // Written, read back, and noted for the next time.
        let record = format!("{}/writer/unleash.json", self.name);
        eventually("the share is written", || {
            let record = self.store.load(&record).unwrap();
            let record = record.map(|(bytes, _)| serde_json::from_slice::<Value>(&bytes).unwrap());
            record.is_some_and(|record| {
                record["written"]["parameters"]["rollout"] == percent.to_string().as_str()
            })
        });
        assert_eq!(self.strategy()["parameters"]["rollout"], percent.to_string());
        self.is_followed(percent, percent, region);
    }

    /// Waits until both routers assign by a share in force and one that Unleash shows.
    fn is_followed(&self, share: u32, shown: u32, region: Option<&'static str>) {
        let shown = Wanted { on: true, percent: shown, first: 0, region };
        let wrong = || {
            (0..USERS).find_map(|number| {
                let (user, region) = user(number);
                let context = Context::new(&user).with("region", region);
                let passes = draw(&self.name, &user) < share * 1_000;
                let named = official(&self.shown.name, Some(&shown), &user, region).is_some();
                let decided = |router: &Router| router.decide(&context).unwrap();
                let (all, some) = (decided(&self.everybody), decided(&self.shown_router));
                let right = |passes| if passes { "v2" } else { "v0" };
                // While nobody is let through, only the flag itself shows that its change has arrived.
                let flags = self.shown_router.flags();
                let is_right = flags.boolean(&self.shown.name, &context, !named) == named
                    && all.version() == right(passes)
                    && some.version() == right(passes && named)
                    && (all.fallback() == Some(FallbackCause::HeldBack)) != passes;
                (!is_right).then(|| format!("{user}: {all:?}, {some:?}"))
            })
        };
        eventually("both routers follow", || wrong().is_none());
        if self.peer.is_ours() {
            // What the vendor's own SDK says of the flag that shows the share.
            let users: Vec<_> = (0..USERS).map(user).collect();
            let answers = self.peer.node_sdk(&self.shown.name, &users);
            for ((user, region), answer) in users.iter().zip(answers) {
                let right = official(&self.shown.name, Some(&shown), user, region);
                assert_eq!(answer.as_deref(), right, "{user}");
            }
        }
    }
}

fn two_versions(flag: &str, autopilot: &Autopilot, peer: &Peer) -> Router {
    let router = Router::builder(flag)
        .model("v0", model_fn(|_: &[f64]| Ok(0.0)))
        .model("v2", model_fn(|_: &[f64]| Ok(2.0)))
        .fallback("v0")
        .autopilot(autopilot)
        .source(source(peer))
        .build()
        .unwrap();
    router.wait_ready(PATIENCE).unwrap();
    eventually("the flag is there", || router.flags().snapshot().flag(flag).is_some());
    router
}

#[test]
fn an_autopilot_goes_to_everybody_and_back_and_overwrites_nobody() {
    let _alone = alone();
    let Some(peer) = Peer::from_environment() else { return };
    let name = new_name("rollout");
    let nobody = Wanted { on: true, percent: 0, first: 0, region: None };
    let shown = peer.create(&format!("{name}-shown"), nobody);
    let everybody = peer.create(&name, Wanted { percent: 100, ..nobody });

    let (evidence, store) = (Judged::default(), MemoryStore::new());
    let stage = |percent| Stage::percent(percent).for_at_least(Duration::ZERO);
    let writer = Unleash::new(
        peer.url.trim_end_matches("/api"),
        peer.admin_token(),
        ("default", &shown.name),
        ("development", shown.strategy_id()),
    );
    let autopilot = Autopilot::builder(&*name, "v2")
        .stages([5.0, 25.0, 50.0].map(stage))
        .shadow_for(Duration::ZERO)
        .require(&evidence)
        .store(store.clone())
        .writer(writer.unwrap())
        .every(INTERVAL)
        .build()
        .unwrap();
    let mut rollout = Rollout {
        everybody: two_versions(&name, &autopilot, &peer),
        shown_router: two_versions(&shown.name, &autopilot, &peer),
        peer: &peer,
        name,
        evidence,
        store,
        autopilot,
        shown,
    };

    rollout.stands_at(0, None);
    for (steps, percent) in [(1, 5), (2, 25)] {
        rollout.evidence.suffices_for(steps);
        rollout.stands_at(percent, None);
    }

    // A person edits the strategy. What the autopilot decides next is in force here, is not written
    // there, and is said.
    rollout.shown.change(Wanted { percent: 10, region: Some("eu"), ..nobody });
    let edited = rollout.strategy();
    rollout.evidence.suffices_for(3);
    let paused = Phase::Paused { from: Running::Ramping { stage: 3 } };
    eventually("it is paused", || rollout.autopilot.status().phase == Some(paused));
    let status = rollout.autopilot.status();
    assert_eq!(status.transitions.last().unwrap().cause, Cause::Conflict);
    let said =
        "it is paused: the strategy at Unleash is not as it was written: somebody else changed it";
    assert!(status.headline.contains(said), "{status}");
    rollout.is_followed(50, 10, Some("eu"));
    // However good the evidence: it waits for a person, whose edit stays.
    rollout.evidence.suffices_for(4);
    assert_eq!(rollout.strategy(), edited);
    assert_eq!(edited["parameters"]["rollout"], "10");
    rollout.evidence.suffices_for(3);

    // Somebody agrees; of what was edited only the share is written.
    rollout.autopilot.resume("the region is meant to be so").unwrap();
    rollout.stands_at(50, Some("eu"));
    let mut wanted = edited;
    wanted["parameters"]["rollout"] = json!("50");
    assert_eq!(rollout.strategy(), wanted);

    rollout.evidence.suffices_for(4);
    rollout.stands_at(100, Some("eu"));
    assert_eq!(rollout.autopilot.status().phase, Some(Phase::Guarding));
    rollout.evidence.condemns();
    rollout.stands_at(0, Some("eu"));
    let status = rollout.autopilot.status();
    assert_eq!(status.phase, Some(Phase::RolledBack));
    assert!(status.headline.ends_with("it was rolled back: v2 fails more often"), "{status}");

    let causes: Vec<_> = status.transitions.iter().map(|one| one.cause).collect();
    println!("{causes:?}");
    verify_history(&status.transitions).unwrap();
    rollout.shown.archive();
    everybody.archive();
}
