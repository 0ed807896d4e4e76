//! The start-up trial finds the same however often it is asked, in whatever thread and company.

#![allow(clippy::print_stdout, reason = "it says why it skips")]

use holdfast_ring::{Capabilities, Trial};

const TRIALS: usize = 10;

/// Runs the trial again and again, twice at a time.
fn assert_steady(baseline_only: bool) {
    let first = Trial::run(baseline_only);
    if let Err(refusal) = &first {
        println!("SKIPPED: {refusal}");
        return;
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..TRIALS / 2 {
                    assert_eq!(Trial::run(baseline_only), first);
                }
            });
        }
    });
}

mod uring {
    #[test]
    fn the_trial_finds_the_same_every_time() {
        super::assert_steady(false);
    }
}

mod uring_baseline {
    #[test]
    fn the_trial_of_the_baseline_finds_the_same_every_time() {
        super::assert_steady(true);
    }

    #[test]
    fn nothing_but_the_baseline_is_tried_when_asked() {
        if let Ok(trial) = holdfast_ring::Trial::run(true) {
            assert_eq!((trial.capabilities, trial.off), (super::Capabilities::BASELINE, Vec::new()));
        }
    }
}
