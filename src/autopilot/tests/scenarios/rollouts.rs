//! Rollouts of good and bad candidates, from the first user to the end.

use super::*;

const ROLLED_BACK: fn(Phase) -> bool = |phase| phase == Phase::RolledBack;

fn at(stage: usize) -> impl Fn(Phase) -> bool {
    move |phase| phase == Phase::Ramping { stage }
}

#[test]
fn a_good_candidate_and_an_equal_one_are_released() {
    for (seed, fails) in [(1, 0.001), (2, 0.005)] {
        let mut service = Service::new(seed, plan());
        let world = World { candidate_fails: fails, ..WELL };
        service.run_to(world, 24, |phase| phase == Phase::Released);
        assert_eq!(
            (service.last(), service.share),
            ((Phase::Released, Cause::Released), Share::EVERYBODY)
        );
    }
}

#[test]
fn a_bad_candidate_is_found_in_shadow_before_anybody_reaches_it() {
    for (seed, fails) in [(3, 0.015), (4, 0.05), (5, 0.5)] {
        let mut service = Service::new(seed, plan());
        let world = World { candidate_fails: fails, ..WELL };
        service.run_to(world, 4, ROLLED_BACK);
        assert_eq!(service.exposed, 0, "{fails}");
    }
}

#[test]
fn without_traffic_it_waits_and_then_asks_somebody() {
    let mut service = Service::new(6, plan());
    service.run_to(WELL, 4, at(1));
    let nobody = World { rate: 0.0, ..WELL };
    service.run(nobody, 90);
    assert_eq!(service.phase(), Phase::Ramping { stage: 1 });
    assert_eq!(service.state().held_by.unwrap().as_str(), "no_data");
    service.run_to(nobody, 4, |phase| matches!(phase, Phase::Paused { .. }));
    assert_eq!((service.last().1, service.share.percent()), (Cause::NoData, 5.0));
}

#[test]
fn answers_that_are_no_numbers_are_failures() {
    let mut service = Service::new(7, plan());
    service.run_to(WELL, 4, at(1));
    service.run_to(World { nan: 0.2, ..WELL }, 1, ROLLED_BACK);
    let state = service.state();
    assert!(
        state
            .transitions
            .last()
            .unwrap()
            .evidence
            .metrics
            .iter()
            .all(|metric| metric.ln_e_worse.is_finite())
    );
}

#[test]
fn a_regression_at_half_of_the_users_is_taken_back_within_minutes() {
    let mut service = Service::new(8, plan());
    service.run_to(WELL, 12, at(3));
    service.run(WELL, 5);
    assert_eq!(service.share.percent(), 50.0);
    let before = service.now;
    service.run_to(World { candidate_fails: 0.5, ..WELL }, 1, ROLLED_BACK);
    let took = service.now - before;
    assert!(took <= Duration::from_secs(120), "{took:?}");
    service.tick(WELL);
    assert_eq!(service.share, Share::NOBODY);
    // Good again, it stays where it is: a person's turn.
    service.run(WELL, 120);
    assert_eq!((service.phase(), service.share), (Phase::RolledBack, Share::NOBODY));
}

#[test]
fn one_that_is_bad_every_other_ten_minutes_is_taken_back_once() {
    let mut service = Service::new(9, plan());
    service.run_to(WELL, 4, at(1));
    for minute in 0..240 {
        let fails = if minute / 10 % 2 == 0 { 0.05 } else { 0.005 };
        service.run(World { candidate_fails: fails, ..WELL }, 1);
    }
    let state = service.state();
    let rollbacks = state.transitions.iter().filter(|one| one.to == Phase::RolledBack).count();
    assert_eq!((state.phase, rollbacks), (Phase::RolledBack, 1));
}

#[test]
fn the_vendors_flag_off_holds_and_on_again_goes_on_with_what_was_known() {
    let mut sensitive = plan();
    sensitive.no_data = Some(Duration::from_secs(300));
    let mut service = Service::new(10, sensitive);
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 10);
    let known = service.verdict.judge().health.pairs;
    service.run(World { flag_on: false, ..WELL }, 12);
    let state = service.state();
    assert_eq!(
        (state.phase, state.held_by.unwrap().as_str()),
        (Phase::Ramping { stage: 1 }, "no_data")
    );
    assert_eq!(service.verdict.judge().health.pairs, known);
    service.run_to(WELL, 12, |phase| phase == Phase::Guarding);
}

#[test]
fn a_store_that_is_away_freezes_then_ends_and_comes_back() {
    let mut service = Service::new(11, plan());
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 5);
    let away = World { store_away: true, ..WELL };
    service.run(away, 14);
    assert_eq!(service.share.percent(), 5.0);
    service.run(away, 2);
    assert_eq!(service.share, Share::NOBODY);
    service.run(WELL, 1);
    assert_eq!(service.share.percent(), 5.0);
    assert_eq!(service.phase(), Phase::Ramping { stage: 1 });
}

#[test]
fn own_evidence_stops_a_replica_that_hears_nothing() {
    let mut service = Service::new(12, plan());
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 5);
    service.run(World { store_away: true, candidate_fails: 0.5, ..WELL }, 3);
    assert_eq!(service.share, Share::NOBODY);
    service.run(World { candidate_fails: 0.5, ..WELL }, 1);
    assert_eq!(service.last(), (Phase::RolledBack, Cause::Veto));
}

#[test]
fn what_gets_worse_while_it_waits_or_is_paused_is_taken_back() {
    let mut approval = plan();
    approval.stages[1] = approval.stages[1].clone().approval();
    let mut service = Service::new(13, approval);
    service.run_to(WELL, 4, at(1));
    service.run(WELL, 60);
    assert_eq!(service.state().held_by.unwrap().as_str(), "approval");
    service.run_to(World { candidate_fails: 0.1, ..WELL }, 1, ROLLED_BACK);

    let mut service = Service::new(14, plan());
    service.run_to(WELL, 4, at(1));
    service.tell(CommandKind::Pause);
    service.run(WELL, 5);
    service.run_to(World { candidate_fails: 0.1, ..WELL }, 1, ROLLED_BACK);

    // Before an announced raise is in force.
    let mut service = Service::new(15, plan());
    service.run_to(WELL, 12, at(2));
    assert_eq!(service.share.percent(), 5.0, "announced, and not in force");
    service.run_to(World { candidate_fails: 1.0, ..WELL }, 1, ROLLED_BACK);
    service.tick(WELL);
    assert_eq!(service.share, Share::NOBODY);
}

#[test]
fn a_base_rate_that_rises_with_the_share_is_nobodys_fault() {
    let mut service = Service::new(16, plan());
    let both = |fails| World { champion_fails: fails, candidate_fails: fails, ..WELL };
    service.run_to(both(0.002), 12, at(2));
    service.run_to(both(0.01), 12, at(3));
    service.run(both(0.03), 60);
    assert!(service.phase() != Phase::RolledBack, "{:?}", service.state().transitions.last());
}

#[test]
fn a_retry_asks_for_twice_the_evidence() {
    let mut service = Service::new(17, plan());
    service.run_to(WELL, 4, at(1));
    service.tell(CommandKind::Abort);
    service.run(WELL, 70);
    service.tell(CommandKind::Retry);
    service.run_to(WELL, 12, at(1));
    let threshold = service.verdict.judge().metrics[0].threshold.not_worse;
    assert!((threshold - (1.0_f64 / 0.025).ln()).abs() < 1e-9, "{threshold}");
    assert_eq!(service.state().attempt, 1);
}
