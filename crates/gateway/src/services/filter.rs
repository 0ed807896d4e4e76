//! Filters of services: which connections they mean.

use std::cell::OnceCell;
use std::sync::Arc;

use holdfast_hub::Receiver;
use holdfast_webpubsub::filter::{Filter, Member};
use holdfast_webpubsub::rest::RestError;

use crate::Choice;

/// Nodes of a filter that are looked at in the time that passing somebody takes.
const NODES_A_LOOK: u32 = 8;

/// A filter, as it chooses who gets a message.
#[derive(Debug)]
pub(super) struct Chosen(Filter);

/// A connection, as filters know it.
struct Known<'a> {
    one: Receiver<'a>,
    name: &'a dyn Fn() -> String,
    /// Made when it is asked for.
    made: OnceCell<String>,
}

/// Reads the filter of a request, if it has one.
pub(super) fn read(text: Option<&str>) -> Result<Option<Arc<Chosen>>, RestError> {
    let read = text.map(|text| Filter::parse(text).map(|filter| Arc::new(Chosen(filter))));
    read.transpose().map_err(|error| RestError::bad_request("filter", error.to_string()))
}

impl Choice for Chosen {
    fn is_meant(&self, one: Receiver<'_>, name: &dyn Fn() -> String) -> bool {
        self.0.matches(&Known { one, name, made: OnceCell::new() })
    }

    fn looks(&self) -> u32 {
        1 + self.0.size() / NODES_A_LOOK
    }
}

impl Member for Known<'_> {
    fn user(&self) -> Option<&str> {
        self.one.user()
    }

    fn connection(&self) -> &str {
        self.made.get_or_init(self.name)
    }

    fn is_in(&self, group: &str) -> bool {
        self.one.is_in(group)
    }

    fn groups(&self) -> usize {
        self.one.groups().into()
    }
}
