//! Whether a rung is there.

use std::collections::HashMap;
use std::sync::Mutex;

use holdfast::Rung;
use holdfast::settings::DriverChoice;

/// Whether the rung is there; if not, says why the test is skipped.
pub fn is_available(choice: DriverChoice) -> bool {
    static FOUND: Mutex<Option<HashMap<String, Result<(), String>>>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap();
    let name = format!("{choice:?}");
    let outcome = found
        .get_or_insert_default()
        .entry(name)
        .or_insert_with(|| Rung::choose(choice).map(drop).map_err(|error| error.to_string()));
    match outcome {
        Ok(()) => true,
        Err(why) => {
            println!("SKIPPED: {why}");
            false
        }
    }
}
