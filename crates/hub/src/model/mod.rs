//! The core against a naive model, and the model against defects in the core.

mod script;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use self::script::script;
use self::world::play;
use crate::planted::{Defect, PLANTED};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// Each connection gets what was published to it while it was there, once, in order, and before its memberships
    /// change. Everything that was published is taken once and dropped.
    #[test]
    fn everybody_gets_what_a_naive_shard_would_have_delivered_at_once(script in script()) {
        play(&script).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn each_planted_defect_is_noticed() {
    for defect in Defect::ALL {
        let mut runner = TestRunner::deterministic();
        let noticed = (1..=3000).find_map(|count| {
            let script = script().new_tree(&mut runner).expect("a script").current();
            PLANTED.set(Some(defect));
            // A defect may break a list so that an index is out of it: that is noticed, too.
            let found = catch_unwind(AssertUnwindSafe(|| play(&script)));
            PLANTED.set(None);
            assert_eq!(play(&script), Ok(()));
            found.unwrap_or_else(|_| Err("a panic".to_owned())).err().map(|error| (count, error))
        });
        println!("{defect:?}: {noticed:?}");
        assert!(noticed.is_some(), "{defect:?} is not noticed");
    }
}
