//! Panics on a thread, as the gateway would if it did: built as it is, statically, with a panic that aborts.

fn main() {
    let _ = std::thread::spawn(|| panic!("asked for")).join();
}
