//! As an ordinary user with little memory to lock: root is never held to RLIMIT_MEMLOCK. Each test runs itself again in
//! a process of its own, as nobody when it is root.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it skips"
)]

mod rig;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::sync::{Arc, Barrier};

use holdfast_ring::{Budget, Config, Driver, Sent};
use rig::peers::read_len;
use rig::{Rig, Rung, child, config};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

on_every_rung!(
    two_shards_fit_into_8_mib_of_locked_memory,
    sixty_four_shards_fit_into_8_mib_of_locked_memory,
    a_pool_that_may_not_be_locked_is_used_all_the_same,
    with_hardly_any_memory_to_lock_a_driver_works_or_says_why_not,
);

const NOBODY: u32 = 65_534;

/// Whether this is the ordinary user's process, with at most `bytes` of locked memory. If not, starts it and waits.
fn is_limited<R: Rung>(test: &str, bytes: u64) -> bool {
    if child::role("limited").is_some() {
        setrlimit(Resource::Memlock, Rlimit { current: Some(bytes), maximum: Some(bytes) }).unwrap();
        return true;
    }
    if getrlimit(Resource::Memlock).maximum.is_some_and(|most| most < bytes) {
        println!("SKIPPED: less than {bytes} bytes of memory may be locked here");
        return false;
    }
    let mut command = child::command(&format!("{}::{test}", R::NAME), "limited", "");
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
    }
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            let failed = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("1 passed"), "{said}{failed}");
        }
        Err(error) => println!("SKIPPED: an ordinary user cannot run this test: {error}"),
    }
    false
}

fn two_shards_fit_into_8_mib_of_locked_memory<R: Rung>() {
    if is_limited::<R>("two_shards_fit_into_8_mib_of_locked_memory", 8 << 20) {
        shards::<R>(2);
    }
}

fn sixty_four_shards_fit_into_8_mib_of_locked_memory<R: Rung>() {
    if is_limited::<R>("sixty_four_shards_fit_into_8_mib_of_locked_memory", 8 << 20) {
        shards::<R>(64);
    }
}

/// So many drivers at once, each in its thread, each with a connection that is served.
fn shards<R: Rung>(count: usize) {
    let budget = Budget::plan(Some(8 << 20), count, 16 << 10, None);
    let config = Config {
        buffer_bytes: budget.buffer_bytes,
        buffer_count: budget.buffer_count,
        submission_entries: budget.submission_entries,
        completion_entries: budget.completion_entries,
        ..config(4)
    };
    let all_are_made = Arc::new(Barrier::new(count));
    let shard = |_| {
        let all_are_made = Arc::clone(&all_are_made);
        std::thread::spawn(move || {
            let mut rig = Rig::<R>::with(config);
            all_are_made.wait();
            serves(&mut rig);
        })
    };
    let threads: Vec<_> = (0..count).map(shard).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn serves<R: Rung>(rig: &mut Rig<R>) {
    let (token, mut peer) = rig.connection();
    peer.write_all(b"hello").unwrap();
    assert_eq!(&rig.receive(token)[..], b"hello");
    assert!(matches!(rig.send(token, b"hello"), Sent::Whole));
    assert_eq!(read_len(&mut peer, 5), b"hello");
}

fn a_pool_that_may_not_be_locked_is_used_all_the_same<R: Rung>() {
    if is_limited::<R>("a_pool_that_may_not_be_locked_is_used_all_the_same", 128 << 10) {
        let mut rig = Rig::<R>::with(Config { buffer_bytes: 16 << 10, buffer_count: 64, ..config(4) });
        assert!(!R::is_pool_registered(&rig.driver), "1 MiB of a pool is more than may be locked");
        serves(&mut rig);
        assert_eq!(rig.driver.stats().buffer_bytes, 1 << 20);
    }
}

fn with_hardly_any_memory_to_lock_a_driver_works_or_says_why_not<R: Rung>() {
    if !is_limited::<R>("with_hardly_any_memory_to_lock_a_driver_works_or_says_why_not", 4096) {
        return;
    }
    // Only 5.10 counts the rings themselves.
    match R::try_make(&config(4)) {
        Ok(_) => serves(&mut Rig::<R>::new()),
        Err(error) => assert_eq!(error, Errno::NOMEM),
    }
}
