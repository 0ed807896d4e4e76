//! Filters by chance, against the reference, and defects that this must find.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use super::super::Filter;
use super::super::planted::{Defect, PLANTED};
use super::generate::{tree, who};
use super::print::{freely, plainly, understood};
use super::reference::{Tree, is_meant};
use super::{Who, parse};

/// Whether a filter means whom the reference means.
fn agrees(tree: &Tree, chance: u64, all: &[Who]) -> Result<(), String> {
    let text = freely(tree, chance);
    let filter = Filter::parse(&text).map_err(|error| format!("{text}: {error}"))?;
    match all.iter().find(|who| filter.matches(*who) != is_meant(tree, who)) {
        None => Ok(()),
        Some(who) => Err(format!("{text} means {who:?} or not")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_filter_means_whom_the_reference_means(
        tree in tree(),
        chance in any::<u64>(),
        all in proptest::collection::vec(who(), 1..8),
    ) {
        if let Err(why) = agrees(&tree, chance, &all) {
            return Err(TestCaseError::fail(why));
        }
    }

    #[test]
    fn however_a_filter_is_written_it_is_understood_the_same(tree in tree(), chance in any::<u64>()) {
        let plain = understood(&parse(&plainly(&tree)));
        prop_assert_eq!(&understood(&parse(&freely(&tree, chance))), &plain);
        prop_assert_eq!(&understood(&parse(&plain)), &plain);
    }
}

/// Whether chance finds a planted defect.
fn is_found(defect: Defect) -> bool {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = (tree(), any::<u64>(), proptest::collection::vec(who(), 1..8));
    PLANTED.set(Some(defect));
    let is_found = (0..20_000).any(|_| {
        let (tree, chance, all) = strategy.new_tree(&mut runner).expect("a filter").current();
        agrees(&tree, chance, &all).is_err()
    });
    PLANTED.set(None);
    is_found
}

#[test]
fn every_planted_defect_is_found() {
    let missed: Vec<_> = Defect::ALL.into_iter().filter(|defect| !is_found(*defect)).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
