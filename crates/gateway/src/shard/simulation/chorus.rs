//! What a peer hears of messages to all: each once, in the order of their source, and before what was sent to it alone
//! after them.

use std::collections::BTreeMap;

use super::application::{Opened, Source};

/// What a peer has heard, in order, by source.
#[derive(Debug, Default)]
pub(super) struct Chorus(BTreeMap<String, Vec<Heard>>);

#[derive(Clone, Copy, Debug)]
enum Heard {
    /// The message to all with this number.
    All(usize),
    /// A message to it alone, sent when there had been so many to all.
    After(usize),
}

impl Chorus {
    /// A message to all.
    pub(super) fn hear(&mut self, text: &str) {
        let mut words = text.split_whitespace().skip(1);
        let (source, number) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        self.note(source, Heard::All(number.parse().expect("a number")));
    }

    /// A message from this source to the peer alone.
    pub(super) fn follow(&mut self, source: &str, before: &str) {
        self.note(source, Heard::After(before.parse().expect("a number")));
    }

    fn note(&mut self, source: &str, heard: Heard) {
        self.0.entry(source.to_owned()).or_default().push(heard);
    }

    /// # Panics
    /// When something is missing, came twice, too early or out of order.
    pub(super) fn judge(&self, who: &str, opened: &Opened, may_miss: bool) {
        for (source, all) in &self.0 {
            let (name, before) = named(opened, source);
            let mut next = None;
            for heard in all {
                match heard {
                    Heard::All(number) => {
                        let first = next.is_none();
                        let wanted = next.unwrap_or(before);
                        // What another thread sent may have been on its way when the connection was opened.
                        let early = first && name != Some(Source::Shard(opened.shard)) && *number < wanted;
                        let late = may_miss && *number > wanted;
                        assert!(
                            *number == wanted || early || late,
                            "{who}: {number} of {source}, not {wanted}"
                        );
                        next = Some(number + 1);
                    }
                    Heard::After(count) => {
                        let has = next.unwrap_or(before);
                        assert!(
                            may_miss || has >= *count,
                            "{who}: {source} said {count} before this, not {has}"
                        );
                    }
                }
            }
        }
    }

    /// # Panics
    /// When something that was sent by another thread before the end is missing.
    pub(super) fn judge_end(&self, who: &str, opened: &Opened, at_the_end: &BTreeMap<Source, usize>) {
        let outside = Source::Outside;
        let wanted = at_the_end.get(&outside).copied().unwrap_or(0);
        let heard = self.0.get(&format!("{outside:?}")).into_iter().flatten();
        let last = heard
            .filter_map(|it| if let Heard::All(number) = it { Some(number + 1) } else { None })
            .next_back();
        let has = last.unwrap_or_else(|| named(opened, &format!("{outside:?}")).1);
        assert!(has >= wanted, "{who} has heard {has} of {wanted} before its goodbye");
    }
}

/// The source with this name, and how many it had sent to all when the connection was opened.
fn named(opened: &Opened, name: &str) -> (Option<Source>, usize) {
    let found = opened.broadcasts.iter().find(|(source, _)| format!("{source:?}") == name);
    found.map_or((None, 0), |(source, count)| (Some(*source), *count))
}
