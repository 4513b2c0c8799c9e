//! The breaker: whatever meets whatever, it rests as long as it should and comes back.

use std::sync::Arc;

use loom::thread;

use crate::router::breaker::state::{BreakerState, Ticket};

const REST: u64 = 30_000;

fn failed(state: &BreakerState, ticket: Ticket) -> bool {
    state.failed(ticket, 2, 0, REST)
}

/// A version that answers again is asked again, whatever happened before.
fn comes_back(state: &BreakerState) {
    if !state.is_closed() {
        assert!(state.pass().is_none());
        assert!(state.probe(REST - 1, REST).is_none(), "it rests its whole time");
        let probe = state.probe(REST, REST).expect("a probe when the rest is over");
        assert!(state.probe(REST, REST).is_none(), "one probe");
        state.succeeded(probe);
    }
    assert!(state.is_closed());
    assert!(state.pass().is_some());
}

#[test]
fn a_success_amid_failures_never_leaves_it_open_for_good() {
    loom::model(|| {
        let state = Arc::new(BreakerState::closed());
        let ticket = state.pass().unwrap();
        let failing = {
            let state = Arc::clone(&state);
            thread::spawn(move || [failed(&state, ticket), failed(&state, ticket)])
        };
        state.succeeded(ticket);
        let opened = failing.join().unwrap();
        assert!(!opened[0] || !opened[1], "it opens once");
        assert_eq!(state.is_closed(), !opened.contains(&true));
        comes_back(&state);
    });
}

#[test]
fn two_that_fail_together_open_it_once() {
    loom::model(|| {
        let state = Arc::new(BreakerState::closed());
        let ticket = state.pass().unwrap();
        let other = {
            let state = Arc::clone(&state);
            thread::spawn(move || failed(&state, ticket))
        };
        let mine = failed(&state, ticket);
        assert!(mine != other.join().unwrap(), "no failure is lost, and one of them opens it");
        assert!(!state.is_closed());
        comes_back(&state);
    });
}

#[test]
fn one_of_two_takes_the_probe() {
    loom::model(|| {
        let state = Arc::new(BreakerState::closed());
        let ticket = state.pass().unwrap();
        assert!(!failed(&state, ticket) && failed(&state, ticket));
        let other = {
            let state = Arc::clone(&state);
            thread::spawn(move || state.probe(REST, REST).is_some())
        };
        let mine = state.probe(REST, REST).is_some();
        assert!(mine != other.join().unwrap(), "exactly one goes");
    });
}

#[test]
fn a_call_from_before_the_rest_meets_the_probe_and_changes_nothing() {
    loom::model(|| {
        let state = Arc::new(BreakerState::closed());
        let old = state.pass().unwrap();
        assert!(!failed(&state, old) && failed(&state, old));
        let late = {
            let state = Arc::clone(&state);
            thread::spawn(move || {
                state.learned_nothing(old, 1);
                state.succeeded(old);
                failed(&state, old)
            })
        };
        let probe = state.probe(REST, REST).expect("the rest is over");
        state.succeeded(probe);
        assert!(!late.join().unwrap());
        assert!(state.is_closed(), "the probe alone decides");
    });
}
