//! Answers and features that panic when they are copied or described.

use super::*;

/// An answer that cannot be copied.
#[derive(Debug)]
struct Unclonable(f64);

impl Clone for Unclonable {
    fn clone(&self) -> Unclonable {
        panic!("a clone that panics")
    }
}

#[test]
fn an_answer_whose_copy_panics_is_the_shadows_loss() {
    quiet_panics();
    for policy in [policy(), policy().joined()] {
        let router = ModelRouter::<[f64], Unclonable>::builder(FLAG)
            .model("v1", model_fn(|row: &[f64]| Ok(Unclonable(row[0]))))
            .model("v2", model_fn(|row: &[f64]| Ok(Unclonable(row[0]))))
            .fallback("v1")
            .source(test_flags(&serving(FLAG, "v1")))
            .shadow(policy)
            .build()
            .unwrap();
        for _ in 0..10 {
            let answer = router.predict(&Context::new("user-1"), &[7.0]).unwrap();
            assert_eq!(answer.output().0, 7.0);
        }
        assert!(router.flush(PATIENCE));
        let counts = settled(&router.stats(), "v2");
        assert_eq!((counts.wanted(), counts.dropped(DropCause::Panic)), (10, 10));
    }
}

/// Features that cannot be copied.
struct Uncopied(f64);

struct Copied(Uncopied);

impl std::borrow::Borrow<Uncopied> for Copied {
    fn borrow(&self) -> &Uncopied {
        &self.0
    }
}

impl ToOwned for Uncopied {
    type Owned = Copied;
    fn to_owned(&self) -> Copied {
        panic!("a copy that panics")
    }
}

#[test]
fn features_whose_copy_panics_are_the_shadows_loss() {
    quiet_panics();
    for policy in [policy(), policy().joined()] {
        let router = ModelRouter::<Uncopied, f64>::builder(FLAG)
            .model("v1", model_fn(|features: &Uncopied| Ok(features.0)))
            .model("v2", model_fn(|features: &Uncopied| Ok(features.0)))
            .fallback("v1")
            .source(test_flags(&serving(FLAG, "v1")))
            .shadow(policy)
            .build()
            .unwrap();
        for _ in 0..10 {
            let answer = router.predict(&Context::new("user-1"), &Uncopied(7.0)).unwrap();
            assert_eq!(*answer.output(), 7.0);
        }
        assert!(router.flush(PATIENCE));
        let counts = settled(&router.stats(), "v2");
        assert_eq!((counts.wanted(), counts.dropped(DropCause::Panic)), (10, 10));
    }
}

#[test]
fn features_that_cannot_be_described_are_the_shadows_loss() {
    quiet_panics();
    fn panics(_: &[f64]) -> Value {
        panic!("a description that panics")
    }
    for policy in [policy(), policy().joined()] {
        let router = builder(Puppet::new(1.0))
            .shadow(policy.record_features())
            .features_as(panics)
            .build()
            .unwrap();
        ask(&router, 10);
        flush(&router);
        let counts = settled(&router.stats(), "v2");
        assert_eq!((counts.wanted(), counts.dropped(DropCause::Panic)), (10, 10));
    }
}
