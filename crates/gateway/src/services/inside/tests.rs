//! Shards that stand still: here they are never there at all.

use std::sync::Arc;

use axum::http::StatusCode;
use holdfast_hub::Kind;
use tokio::time::Instant;

use super::super::hubs::Hubs;
use super::answer::{NO_ANSWER, Refused, TOO_MANY};
use super::look::{LOOKS_MAX, WAIT_MAX};
use super::*;
use crate::settings::{Hub, Settings};

fn inside() -> Inside {
    let hub = Hub {
        name: "chat".to_owned(),
        keys: Vec::new(),
        settings: Default::default(),
        handlers: Vec::new(),
        listeners: Vec::new(),
    };
    let settings = Settings { hubs: vec![hub], shards: 2, ..Settings::default() };
    let hubs = Hubs::new(&settings).expect("hubs");
    Inside { hubs: Arc::new(hubs), eye: Eye::new(Handle::new(2)) }
}

async fn names(inside: &Inside) -> Result<(), Refused> {
    let (state, hub) = (State(inside.clone()), Path("Chat".to_owned()));
    names_of(state, hub, RawQuery(None), Kind::User).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_stands_still_is_not_waited_for_for_long_and_gathers_no_heap_of_notes() {
    let inside = inside();
    let before = Instant::now();
    for _ in 0..LOOKS_MAX {
        assert_eq!(names(&inside).await, Err(NO_ANSWER));
    }
    let (waited, looks) = (before.elapsed(), u32::try_from(LOOKS_MAX).expect("few"));
    assert!(waited >= WAIT_MAX * looks && waited < WAIT_MAX * (looks + 1), "{waited:?}");
    assert_eq!(names(&inside).await, Err(TOO_MANY), "each of its notes still waits there");
    // It turns again.
    for note in inside.eye.handle().mailbox(0).take_all() {
        drop(note);
    }
    assert_eq!(inside.eye.places(), LOOKS_MAX);
    assert_eq!(names(&inside).await, Err(NO_ANSWER));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_has_ended_is_said_at_once_and_hubs_are_shown_all_the_same() {
    let inside = inside();
    assert!(inside.eye.handle().mailbox(0).end().is_empty());
    let before = Instant::now();
    assert_eq!(names(&inside).await, Err(NO_ANSWER));
    assert_eq!(before.elapsed().as_secs(), 0);
    let shown = hubs_of(State(inside)).await.expect("an answer");
    assert_eq!(shown.status(), StatusCode::OK);
}
