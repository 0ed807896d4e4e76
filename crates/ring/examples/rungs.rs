//! Prints the kernel's release and, for each rung of the driver, what it can do here: one line each, made to be read by
//! people and by scripts.
//!
//! ```text
//! KERNEL 6.18.0
//! RUNG uring: direct descriptors, fixed buffers, ... | off: multishot accept: Invalid argument (os error 22)
//! RUNG uring-baseline: baseline
//! RUNG epoll: edge-triggered
//! ```

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use holdfast_ring::{Config, Epoll, Refusal, Trial};

fn main() {
    println!("KERNEL {}", rustix::system::uname().release().to_string_lossy());
    println!("RUNG uring: {}", describe(Trial::run(false)));
    println!("RUNG uring-baseline: {}", describe(Trial::run(true)));
    println!("RUNG epoll: {}", epoll());
}

fn describe(trial: Result<Trial, Refusal>) -> String {
    match trial {
        Ok(Trial { capabilities, off, .. }) if off.is_empty() => capabilities.to_string(),
        Ok(Trial { capabilities, off, .. }) => {
            let off: Vec<String> = off.iter().map(|(feature, why)| format!("{feature}: {why}")).collect();
            format!("{capabilities} | off: {}", off.join("; "))
        }
        Err(refusal) => format!("refused: {refusal}"),
    }
}

fn epoll() -> String {
    let config = Config {
        handshake_slots: 1,
        connection_slots: 1,
        normal_descriptors_max: 0,
        buffer_bytes: 4096,
        buffer_count: 1,
        long_buffer_bytes: 8192,
        long_buffer_count: 1,
        submission_entries: 32,
        completion_entries: 64,
    };
    match Epoll::new(&config) {
        Ok(_) => "edge-triggered".into(),
        Err(error) => format!("refused: {error}"),
    }
}
