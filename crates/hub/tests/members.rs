//! What the core does for one connection, group and user at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use holdfast_hub::{
    Action, Audience, Bounds, Counts, Form, Grants, Hub, Kind, Left, Members, Newcomer, Next, Publication,
    Receiver, TooMany, Watched, Watcher,
};

const BOUNDS: Bounds = Bounds { connections: 100, groups_per_connection: 3, groups: 5 };
const HUB: Hub = Hub(1);

/// A publication.
#[derive(Debug)]
struct Note;

impl Publication for Note {}

fn nobody(_: Receiver<'_>, _: &Note) -> Next {
    panic!("nothing is published")
}

fn newcomer<'n>(user: Option<&'n str>, groups: &'n [&'n str]) -> Newcomer<'n> {
    Newcomer { hub: HUB, form: Form(7), user, groups, ..Newcomer::default() }
}

#[test]
fn a_connection_is_what_it_came_as_until_it_leaves() {
    let mut members = Members::<Note>::new(BOUNDS);
    let state = Some("state");
    members.enter(5, Newcomer { state, ..newcomer(Some("ann"), &["a", "b", "a"]) }).expect("room");
    assert_eq!((members.hub(5), members.form(5), members.user(5)), (Some(HUB), Some(Form(7)), Some("ann")));
    assert_eq!((members.state(5), members.groups(5).collect::<Vec<_>>()), (state, vec!["b", "a"]));
    assert_eq!(members.counts(HUB), Counts { connections: 1, users: 1, groups: 2, members: 2 });
    let left = Left { hub: HUB, form: Form(7), user: Some("ann".into()), state: Some("state".into()) };
    assert_eq!(members.leave(5), Some(left));
    assert_eq!(members.leave(5), None);
    assert_eq!((members.hub(5), members.user(5), members.state(5)), (None, None, None));
    assert_eq!(members.counts(HUB), Counts::default());
}

#[test]
fn a_simple_client_may_become_anything_later() {
    let mut members = Members::<Note>::new(BOUNDS);
    members.enter(0, newcomer(None, &[])).expect("room");
    assert_eq!(members.join(0, "a", &mut nobody), Ok(true));
    assert_eq!(members.join(0, "a", &mut nobody), Ok(false));
    members.set_state(0, Some("x"));
    members.grant(0, Action::Publish, Some("a")).expect("room");
    members.note_ack(0, 1);
    assert!(members.is_member(0, "a") && members.may(0, Action::Publish, "a") && members.has_acked(0, 1));
    assert_eq!((members.state(0), members.form(0)), (Some("x"), Some(Form(7))));
    members.set_state(0, None);
    assert_eq!((members.state(0), members.has_acked(0, 2)), (None, false));
    members.enter(0, newcomer(None, &[])).expect("room");
    assert!(!members.is_member(0, "a") && !members.may(0, Action::Publish, "a") && !members.has_acked(0, 1));
}

#[test]
fn who_is_in_no_hub_has_nothing() {
    let mut members = Members::<Note>::new(BOUNDS);
    members.arrive(3);
    for key in [3, 4, 100, u32::MAX] {
        assert_eq!(members.join(key, "a", &mut nobody), Ok(false));
        assert!(!members.quit(key, "a", &mut nobody) && members.quit_all(key, &mut nobody) == 0);
        members.set_state(key, Some("x"));
        members.note_ack(key, 1);
        members.grant(key, Action::Join, None).expect("nothing");
        members.catch_up(key, &mut nobody);
        assert!(members.state(key).is_none() && !members.has_acked(key, 1));
        assert!(!members.may(key, Action::Join, "a") && members.leave(key).is_none());
    }
}

#[test]
fn hubs_know_nothing_of_each_other() {
    let mut members = Members::<Note>::new(BOUNDS);
    for (key, hub) in [(0, HUB), (1, Hub(255))] {
        members.enter(key, Newcomer { hub, ..newcomer(Some("ann"), &["a"]) }).expect("room");
    }
    assert_eq!(members.keys(HUB, Kind::User, "ann"), [0]);
    assert_eq!(members.keys(Hub(255), Kind::Group, "a"), [1]);
    assert_eq!(members.keys(Hub(2), Kind::Group, "a"), [0; 0]);
    assert_eq!(members.keys(HUB, Kind::Group, "ann"), [0; 0]);
}

#[test]
fn there_are_bounds_on_groups_and_a_refusal_changes_nothing() {
    let mut members = Members::<Note>::new(BOUNDS);
    members.enter(0, newcomer(Some("ann"), &["a", "b", "c"])).expect("room");
    assert_eq!(members.join(0, "d", &mut nobody), Err(TooMany::GroupsOfConnection));
    assert_eq!(members.join(0, "a", &mut nobody), Ok(false));
    let before = members.counts(HUB);
    assert_eq!(members.enter(1, newcomer(None, &["a", "b", "c", "d"])), Err(TooMany::GroupsOfConnection));
    assert_eq!((members.hub(1), members.counts(HUB)), (None, before));
    members.enter(1, newcomer(Some("ann"), &["d", "e"])).expect("room");
    assert_eq!(members.join(1, "f", &mut nobody), Err(TooMany::Groups));
    assert_eq!(members.join_user(HUB, "ann", "d", &mut nobody), Err(TooMany::GroupsOfConnection));
    assert_eq!(members.quit_user(HUB, "ann", "a", &mut nobody), 1);
    assert_eq!(members.join_user(HUB, "ann", "d", &mut nobody), Ok(1));
    assert_eq!(members.join_user(HUB, "bob", "d", &mut nobody), Ok(0));
    assert_eq!(members.quit_all_of_user(HUB, "ann", &mut nobody), 5);
    assert_eq!(members.counts(HUB), Counts { connections: 2, users: 1, ..Counts::default() });
}

#[test]
fn permissions_are_those_it_came_with_and_what_was_changed() {
    let mut members = Members::<Note>::new(BOUNDS);
    let mut grants = Grants::default();
    grants.allow_all(Action::Publish);
    for key in [0, 1] {
        members.enter(key, Newcomer { grants: grants.clone(), ..newcomer(None, &[]) }).expect("room");
    }
    members.revoke(0, Action::Publish, Some("a")).expect("room");
    assert!(!members.may(0, Action::Publish, "a") && members.may(0, Action::Publish, "b"));
    assert!(members.may(1, Action::Publish, "a") && !members.may(1, Action::Join, "a"));
    members.revoke(0, Action::Publish, None).expect("room");
    members.grant(0, Action::Publish, Some("a")).expect("room");
    assert!(members.may(0, Action::Publish, "a") && !members.may(0, Action::Publish, "b"));
}

#[test]
fn pages_have_everybody_once() {
    let mut members = Members::<Note>::new(BOUNDS);
    (0..10).for_each(|key| members.enter(key, newcomer(None, &["a"])).expect("room"));
    let (mut keys, mut rest, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = members.page(HUB, Kind::Group, "a", rest, 4);
        keys.extend_from_slice(page.keys);
        (rest, pages) = (page.rest, pages + 1);
        if rest.is_none() {
            break;
        }
    }
    keys.sort_unstable();
    assert_eq!((keys, pages), ((0..10).collect(), 3));
    assert_eq!(members.page(HUB, Kind::Group, "b", None, 4).keys, [0; 0]);
    assert_eq!(members.page(HUB, Kind::Group, "a", Some(u32::MAX), u32::MAX).keys.len(), 10);
}

#[test]
fn pages_skip_nobody_who_stays_while_others_come_and_go() {
    for seed in 0..200u32 {
        let mut members = Members::<Note>::new(BOUNDS);
        (0..40).for_each(|key| members.enter(key, newcomer(None, &["a"])).expect("room"));
        let (mut listed, mut gone, mut rest) = (Vec::new(), Vec::new(), None);
        for turn in 0.. {
            let page = members.page(HUB, Kind::Group, "a", rest, 5);
            listed.extend_from_slice(page.keys);
            rest = page.rest;
            if rest.is_none() {
                break;
            }
            let key = seed.wrapping_mul(2_654_435_761).wrapping_add(turn * 17) % 40;
            if members.quit(key, "a", &mut nobody) {
                gone.push(key);
            }
            members.enter(40 + turn, newcomer(None, &["a"])).expect("room");
        }
        assert!((0..40).all(|key| gone.contains(&key) || listed.contains(&key)), "{seed}");
    }
}

#[test]
fn what_was_published_to_an_earlier_owner_of_a_key_is_not_for_the_next_one() {
    let mut members = Members::<Note>::new(BOUNDS);
    members.enter(0, newcomer(Some("ann"), &["a"])).expect("room");
    members.publish(Audience::One(0), Vec::new(), Note);
    members.publish(Audience::Group(HUB, "a"), Vec::new(), Note);
    members.publish(Audience::Everyone, Vec::new(), Note);
    members.leave(0);
    members.enter(0, newcomer(Some("ann"), &["a"])).expect("room");
    let progress = members.advance(100, &mut nobody);
    assert!(!progress.is_left && progress.delivered == 0 && members.publications() == 0);
}

/// Writes down what it is told.
#[derive(Clone, Debug, Default)]
struct Scribe(Arc<Mutex<Vec<String>>>);

impl Scribe {
    fn note(&self, sign: char, Hub(hub): Hub, what: Watched<'_>) {
        let what = match what {
            Watched::Hub => format!("{sign}{hub}"),
            Watched::Named(kind, name) => format!("{sign}{hub} {kind:?} {name}"),
        };
        self.0.lock().expect("nobody panics with it").push(what);
    }

    /// All that it was told since it was asked last.
    fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("nobody panics with it"))
    }
}

impl Watcher for Scribe {
    fn begins(&mut self, hub: Hub, what: Watched<'_>) {
        self.note('+', hub, what);
    }

    fn ends(&mut self, hub: Hub, what: Watched<'_>) {
        self.note('-', hub, what);
    }
}

#[test]
fn a_watcher_is_told_of_the_first_and_the_last_and_of_nobody_between() {
    let scribe = Scribe::default();
    let mut members = Members::<Note>::new(BOUNDS).watched_by(Box::new(scribe.clone()));
    members.arrive(9);
    assert!(scribe.news().is_empty(), "who is in no hub is nobody's member");
    members.enter(0, newcomer(Some("ann"), &["a"])).expect("room");
    assert_eq!(scribe.news(), ["+1", "+1 User ann", "+1 Group a"]);
    members.enter(1, newcomer(Some("ann"), &["a", "b"])).expect("room");
    assert_eq!(scribe.news(), ["+1 Group b"]);
    assert_eq!(members.join(0, "b", &mut nobody), Ok(true));
    assert!(members.quit(1, "b", &mut nobody) && scribe.news().is_empty());
    assert!(members.quit(0, "b", &mut nobody));
    assert_eq!(scribe.news(), ["-1 Group b"]);
    members.leave(0);
    members.set_state(1, Some("state"));
    assert!(scribe.news().is_empty());
    members.leave(1);
    assert_eq!(scribe.news(), ["-1 Group a", "-1 User ann", "-1"]);
}

#[test]
fn a_watcher_is_told_of_another_hubs_same_names_and_of_a_keys_next_owner() {
    let scribe = Scribe::default();
    let mut members = Members::<Note>::new(BOUNDS).watched_by(Box::new(scribe.clone()));
    members.enter(0, newcomer(None, &["a"])).expect("room");
    members.enter(1, Newcomer { hub: Hub(2), ..newcomer(None, &["a"]) }).expect("room");
    assert_eq!(scribe.news(), ["+1", "+1 Group a", "+2", "+2 Group a"]);
    // Nobody has said that the first owner has left.
    members.enter(0, newcomer(Some("a"), &[])).expect("room");
    assert_eq!(scribe.news(), ["-1 Group a", "-1", "+1", "+1 User a"]);
}

#[test]
fn who_is_refused_for_too_many_groups_leaves_no_trace_with_a_watcher() {
    let scribe = Scribe::default();
    let mut members = Members::<Note>::new(BOUNDS).watched_by(Box::new(scribe.clone()));
    let groups = &["a", "b", "c", "d"];
    assert_eq!(members.enter(0, newcomer(Some("ann"), groups)), Err(TooMany::GroupsOfConnection));
    let (begun, ended) = {
        let news = scribe.news();
        let told = |sign| -> BTreeSet<String> {
            news.iter().filter_map(|it| it.strip_prefix(sign)).map(str::to_owned).collect()
        };
        (told('+'), told('-'))
    };
    assert_eq!((begun.len(), &begun), (5, &ended));
    members.enter(0, newcomer(None, &["a"])).expect("room");
    scribe.news();
    assert_eq!(members.join(0, "a", &mut nobody), Ok(false));
    assert!(!members.quit(0, "b", &mut nobody) && scribe.news().is_empty(), "nothing has changed");
}
