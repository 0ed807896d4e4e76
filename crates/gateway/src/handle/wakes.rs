//! Wakes that a thread holds back until it rests: a shard that is told ten things by one thread is woken once, and
//! finds them all. For the control thread, which does much in little steps.

use std::cell::RefCell;

use holdfast_ring::Waker;

/// So many commands wake those they are for at once, though the thread does not rest yet.
const HELD_MAX: u32 = 32;

/// What a thread holds back.
#[derive(Default)]
struct Held {
    wakers: Vec<Waker>,
    commands: u32,
}

thread_local! {
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

/// From now on this thread holds wakes back. It must [let them go](let_go) each time before it rests.
pub(crate) fn hold() {
    HELD.with_borrow_mut(|held| {
        held.get_or_insert_default();
    });
}

/// Wakes those whom this thread has told something.
pub(crate) fn let_go() {
    HELD.with_borrow_mut(|held| {
        if let Some(held) = held {
            held.let_go();
        }
    });
}

/// Wakes a shard that has been told something, or soon.
pub(super) fn wake(waker: &Waker) {
    HELD.with_borrow_mut(|held| match held {
        Some(held) => held.add(waker),
        None => waker.wake(),
    });
}

impl Held {
    fn add(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|it| it.is_same(waker)) {
            self.wakers.push(waker.clone());
        }
        self.commands += 1;
        if self.commands >= HELD_MAX {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.commands = 0;
        self.wakers.drain(..).for_each(|waker| waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A driver's waker, and whether it has been woken.
    fn waker() -> (Waker, impl Fn() -> bool) {
        let waker = Waker::of_nobody().expect("a descriptor");
        let asked = waker.clone();
        (waker, move || asked.is_pending())
    }

    #[test]
    fn a_thread_that_holds_nothing_back_wakes_at_once() {
        let (waker, is_woken) = waker();
        wake(&waker);
        assert!(is_woken());
    }

    #[test]
    fn what_is_held_back_goes_when_the_thread_rests_or_when_it_is_much() {
        let said = thread::spawn(|| {
            hold();
            let ((a, is_a), (b, is_b), (c, is_c)) = (waker(), waker(), waker());
            wake(&a);
            wake(&a);
            wake(&b);
            assert!(!is_a() && !is_b());
            let_go();
            assert!(is_a() && is_b() && !is_c());
            for _ in 1..HELD_MAX {
                wake(&c);
            }
            assert!(!is_c());
            wake(&c);
            assert!(is_c());
        });
        said.join().expect("no complaint");
    }
}
