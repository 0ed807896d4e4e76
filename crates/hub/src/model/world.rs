//! A shard beside a naive one, in which each publication is delivered at once to those who are meant.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::script::{Deed, GROUPS, HUBS, KEYS, Script, To, USERS};
use crate::{
    Audience, Bounds, Counts, Form, Hub, Kind, Members, Newcomer, Next, Publication, Receiver, Tuning,
    Watched, Watcher,
};

/// What became of publications, by id: whether each is taken. Those that are dropped are not in it.
type Open = Rc<RefCell<BTreeMap<u32, bool>>>;

/// A publication.
#[derive(Debug)]
struct Note {
    id: u32,
    open: Open,
}

impl Publication for Note {
    fn taken(&self) {
        let before = self.open.borrow_mut().insert(self.id, true);
        assert_eq!(before, Some(false), "taken twice");
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.open.borrow_mut().remove(&self.id);
    }
}

/// What has members: of a hub as a whole there is no kind, and the name is empty.
type Occupied = BTreeSet<(u8, Option<Kind>, String)>;

/// What a watcher believes, and what it was told that cannot be.
#[derive(Debug, Default)]
struct Told {
    occupied: Occupied,
    errors: Vec<String>,
}

/// Hears of it.
#[derive(Debug)]
struct Witness(Arc<Mutex<Told>>);

impl Witness {
    fn note(&self, Hub(hub): Hub, what: Watched<'_>, is_there: bool) {
        let key = match what {
            Watched::Hub => (hub, None, String::new()),
            Watched::Named(kind, name) => (hub, Some(kind), name.to_owned()),
        };
        let mut told = self.0.lock().expect("nobody panics with it");
        let is_news = if is_there { told.occupied.insert(key) } else { told.occupied.remove(&key) };
        if !is_news {
            told.errors.push(format!("{what:?} of {hub}: told twice that it is there or not ({is_there})"));
        }
    }
}

impl Watcher for Witness {
    fn begins(&mut self, hub: Hub, what: Watched<'_>) {
        self.note(hub, what, true);
    }

    fn ends(&mut self, hub: Hub, what: Watched<'_>) {
        self.note(hub, what, false);
    }
}

/// What a connection in a hub is.
#[derive(Clone, Debug)]
struct Place {
    hub: u8,
    user: Option<u8>,
    groups: BTreeSet<u8>,
}

/// A connection from its arrival to its end.
#[derive(Clone, Debug, Default)]
struct Life {
    place: Option<Place>,
    due: Vec<u32>,
    got: Vec<u32>,
}

impl Life {
    fn is_in(&self, hub: u8) -> bool {
        self.place.as_ref().is_some_and(|place| place.hub == hub)
    }

    fn is_of(&self, hub: u8, user: u8) -> bool {
        self.place.as_ref().is_some_and(|place| place.hub == hub && place.user == Some(user))
    }

    fn is_member(&self, hub: u8, group: u8) -> bool {
        self.place.as_ref().is_some_and(|place| place.hub == hub && place.groups.contains(&group))
    }
}

/// Both.
struct World {
    members: Members<Note>,
    lives: BTreeMap<u32, Life>,
    open: Open,
    published: u32,
    told: Arc<Mutex<Told>>,
}

type Found = Result<(), String>;

/// Lets it all happen. Says where the shard is not as the naive one.
pub(super) fn play(script: &Script) -> Found {
    let bounds = Bounds { connections: KEYS, groups_per_connection: GROUPS.into(), groups: 100 };
    let Script { first, at_once_max, slice, ref deeds } = *script;
    let told = Arc::default();
    let members = Members::tuned(bounds, Tuning { at_once_max, slice, first });
    let members = members.watched_by(Box::new(Witness(Arc::clone(&told))));
    let mut world = World { members, lives: BTreeMap::new(), open: Open::default(), published: 0, told };
    for (at, deed) in deeds.iter().enumerate() {
        world.step(deed).map_err(|error| format!("{error} at {at}, {deed:?}"))?;
    }
    world.end()
}

fn group(group: u8) -> String {
    format!("group {group}")
}

fn user(user: u8) -> String {
    format!("user {user}")
}

fn ensure(is_so: bool, what: impl FnOnce() -> String) -> Found {
    if is_so { Ok(()) } else { Err(what()) }
}

impl World {
    fn step(&mut self, deed: &Deed) -> Found {
        match *deed {
            Deed::Arrive(key) => {
                self.members.arrive(key);
                self.lives.insert(key, Life::default());
            }
            Deed::Enter(key, hub, user, groups) => self.enter(key, hub, user, groups),
            Deed::Leave(key) => {
                let was = self.members.leave(key).map(|left| left.hub.0);
                let is = self.lives.remove(&key).and_then(|life| Some(life.place?.hub));
                ensure(was == is, || format!("left {was:?}, not {is:?}"))?;
            }
            Deed::Publish(to, ref excluded) => self.publish(to, excluded),
            Deed::Advance(budget, pause) => {
                self.advance(budget, pause)?;
            }
            Deed::Pass(numbers) => self.members.pass(numbers),
            _ => self.change(deed)?,
        }
        self.check()
    }

    fn enter(&mut self, key: u32, hub: u8, its: Option<u8>, bits: u8) {
        let groups: BTreeSet<u8> = (0..GROUPS).filter(|group| bits & 1 << group != 0).collect();
        let names: Vec<String> = groups.iter().map(|it| group(*it)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let id = its.map(user);
        let newcomer = Newcomer {
            hub: Hub(hub),
            form: form(key),
            user: id.as_deref(),
            groups: &names,
            ..Newcomer::default()
        };
        self.members.enter(key, newcomer).expect("room");
        let place = Some(Place { hub, user: its, groups });
        self.lives.insert(key, Life { place, ..Life::default() });
    }

    fn publish(&mut self, to: To, excluded: &[u32]) {
        let id = self.published;
        self.published += 1;
        for (key, life) in &mut self.lives {
            let is_meant = match to {
                To::Everyone => true,
                To::Hub(hub) => life.is_in(hub),
                To::Group(hub, group) => life.is_member(hub, group),
                To::User(hub, user) => life.is_of(hub, user),
                To::One(one) => *key == one,
            };
            if is_meant && !excluded.contains(key) {
                life.due.push(id);
            }
        }
        self.open.borrow_mut().insert(id, false);
        let note = Note { id, open: Rc::clone(&self.open) };
        let name = match to {
            To::Group(_, it) => group(it),
            To::User(_, it) => user(it),
            _ => String::new(),
        };
        let audience = match to {
            To::Everyone => Audience::Everyone,
            To::Hub(hub) => Audience::Hub(Hub(hub)),
            To::Group(hub, _) => Audience::Group(Hub(hub), &name),
            To::User(hub, _) => Audience::User(Hub(hub), &name),
            To::One(key) => Audience::One(key),
        };
        self.members.publish(audience, excluded.to_vec(), note);
    }

    fn advance(&mut self, budget: u32, pause: u32) -> Result<bool, String> {
        let (mut count, mut errors) = (0, Vec::new());
        let lives = &mut self.lives;
        let mut deliver = |one: Receiver<'_>, note: &Note| {
            if count >= pause {
                errors.push("something came after a pause".to_owned());
            }
            let next = receive(lives, &mut errors, one, note);
            count += u32::from(next == Next::GoOn);
            if count >= pause && next == Next::GoOn { Next::Pause } else { next }
        };
        let progress = self.members.advance(budget, &mut deliver);
        ensure(progress.delivered == u64::from(count), || format!("{progress:?} of {count}"))?;
        ensure(progress.is_left == (self.members.publications() > 0), || "is anything left?".to_owned())?;
        errors.pop().map_or(Ok(progress.is_left), Err)
    }

    /// What brings connections up to date.
    fn change(&mut self, deed: &Deed) -> Found {
        let (mut errors, Self { members, lives, .. }) = (Vec::new(), self);
        let mut changed: Vec<u32> = Vec::new();
        let mut heard = |members: &mut Members<Note>, lives: &mut BTreeMap<u32, Life>| {
            let mut deliver = |one: Receiver<'_>, note: &Note| receive(lives, &mut errors, one, note);
            match *deed {
                Deed::Join(key, it) => u64::from(members.join(key, &group(it), &mut deliver).expect("room")),
                Deed::Quit(key, it) => u64::from(members.quit(key, &group(it), &mut deliver)),
                Deed::QuitAll(key) => u64::from(members.quit_all(key, &mut deliver)),
                Deed::JoinUser(hub, its, it) => {
                    let joined = members.join_user(Hub(hub), &user(its), &group(it), &mut deliver);
                    u64::from(joined.expect("room"))
                }
                Deed::QuitUser(hub, its, it) => {
                    u64::from(members.quit_user(Hub(hub), &user(its), &group(it), &mut deliver))
                }
                Deed::QuitAllOfUser(hub, its) => members.quit_all_of_user(Hub(hub), &user(its), &mut deliver),
                Deed::CatchUp(key) => {
                    members.catch_up(key, &mut deliver);
                    0
                }
                _ => 0,
            }
        };
        let count = heard(members, lives);
        let mut due = 0;
        for (key, life) in lives.iter_mut() {
            let is_meant = match *deed {
                Deed::Join(it, _) | Deed::Quit(it, _) | Deed::QuitAll(it) | Deed::CatchUp(it) => *key == it,
                Deed::JoinUser(hub, its, _) | Deed::QuitUser(hub, its, _) | Deed::QuitAllOfUser(hub, its) => {
                    life.is_of(hub, its)
                }
                _ => false,
            };
            if !is_meant {
                continue;
            }
            changed.push(*key);
            let Some(place) = &mut life.place else { continue };
            due += match *deed {
                Deed::Join(_, group) | Deed::JoinUser(_, _, group) => u64::from(place.groups.insert(group)),
                Deed::Quit(_, group) | Deed::QuitUser(_, _, group) => u64::from(place.groups.remove(&group)),
                Deed::QuitAll(_) | Deed::QuitAllOfUser(..) => std::mem::take(&mut place.groups).len() as u64,
                _ => 0,
            };
        }
        for key in changed {
            let Life { due, got, .. } = &lives[&key];
            ensure(due == got, || format!("{key} got {got:?}, not {due:?}"))?;
        }
        ensure(count == due, || format!("{count} memberships changed, not {due}"))?;
        errors.pop().map_or(Ok(()), Err)
    }

    /// Whether all are where they are, and got what they got in order.
    fn check(&self) -> Found {
        for (key, life) in &self.lives {
            let Life { due, got, place } = life;
            ensure(due.starts_with(got), || format!("{key} got {got:?} of {due:?}"))?;
            let mut groups: Vec<_> = self.members.groups(*key).map(str::to_owned).collect();
            groups.sort_unstable();
            let wanted: Vec<_> = place.iter().flat_map(|place| &place.groups).map(|it| group(*it)).collect();
            ensure(groups == wanted, || format!("{key} is in {groups:?}, not {wanted:?}"))?;
            let id = place.as_ref().and_then(|place| place.user).map(user);
            ensure(self.members.user(*key) == id.as_deref(), || format!("{key} is not {id:?}"))?;
        }
        self.check_told()?;
        (0..HUBS).try_for_each(|hub| self.check_hub(hub))
    }

    /// Whether the watcher knows what has members, and nothing else.
    fn check_told(&self) -> Found {
        let mut occupied = Occupied::new();
        for Place { hub, user: its, groups } in self.lives.values().filter_map(|life| life.place.as_ref()) {
            occupied.insert((*hub, None, String::new()));
            occupied.extend(its.map(|its| (*hub, Some(Kind::User), user(its))));
            occupied.extend(groups.iter().map(|it| (*hub, Some(Kind::Group), group(*it))));
        }
        let told = self.told.lock().expect("nobody panics with it");
        ensure(told.errors.is_empty(), || format!("{:?}", told.errors))?;
        ensure(told.occupied == occupied, || format!("told of {:?}, not {occupied:?}", told.occupied))
    }

    fn check_hub(&self, hub: u8) -> Found {
        let keys = |is_meant: &dyn Fn(&Life) -> bool| -> Vec<u32> {
            self.lives.iter().filter(|(_, life)| is_meant(life)).map(|(key, _)| *key).collect()
        };
        let same = |kind, name: &str, wanted: &[u32]| {
            let mut keys = self.members.keys(Hub(hub), kind, name).to_vec();
            keys.sort_unstable();
            ensure(keys == wanted, || format!("{name} of {hub} has {keys:?}, not {wanted:?}"))
        };
        let count = |keys: &[u32]| u32::try_from(keys.len()).expect("few");
        let mut counts = Counts { connections: count(&keys(&|life| life.is_in(hub))), ..Counts::default() };
        for it in 0..GROUPS {
            let wanted = keys(&|life| life.is_member(hub, it));
            same(Kind::Group, &group(it), &wanted)?;
            counts.groups += u32::from(!wanted.is_empty());
            counts.members += wanted.len() as u64;
        }
        for it in 0..USERS {
            let wanted = keys(&|life| life.is_of(hub, it));
            same(Kind::User, &user(it), &wanted)?;
            counts.users += u32::from(!wanted.is_empty());
        }
        let is = self.members.counts(Hub(hub));
        ensure(is == counts, || format!("{is:?}, not {counts:?}"))
    }

    /// Everybody gets everything, and nothing stays.
    fn end(mut self) -> Found {
        let mut turns = 0;
        while self.advance(3, 7)? {
            turns += 1;
            ensure(turns < 100_000, || "it never ends".to_owned())?;
        }
        for (key, Life { due, got, .. }) in &self.lives {
            ensure(due == got, || format!("in the end {key} got {got:?}, not {due:?}"))?;
        }
        let open = self.open.borrow();
        ensure(open.is_empty(), || format!("not dropped: {open:?}"))
    }
}

fn form(key: u32) -> Form {
    Form(u8::try_from(key).expect("a small key") + 1)
}

/// Whether user and groups, as a filter would find them, are those that it has.
fn is_seen_as_it_is(one: Receiver<'_>, place: Option<&Place>) -> bool {
    let has = |it: u8| place.is_some_and(|place| place.groups.contains(&it));
    let id = place.and_then(|place| place.user).map(user);
    usize::from(one.groups()) == place.map_or(0, |place| place.groups.len())
        && one.user() == id.as_deref()
        && (0..GROUPS).all(|it| one.is_in(&group(it)) == has(it))
}

/// A delivery.
fn receive(
    lives: &mut BTreeMap<u32, Life>,
    errors: &mut Vec<String>,
    one: Receiver<'_>,
    note: &Note,
) -> Next {
    let Receiver { key, form: its, .. } = one;
    let Some(life) = lives.get_mut(&key) else { return Next::Nobody };
    let wanted = life.place.as_ref().map_or(Form::default(), |_| form(key));
    if its != wanted {
        errors.push(format!("{key} is spoken to in {its:?}, not {wanted:?}"));
    }
    if !is_seen_as_it_is(one, life.place.as_ref()) {
        errors.push(format!("a filter would not see {key} as it is: {:?}", life.place));
    }
    life.got.push(note.id);
    Next::GoOn
}
