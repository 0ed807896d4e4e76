//! Instructions of fixed work, by callgrind: this program runs itself under it, once for each piece of work.
//!
//! Collecting begins and ends with `work::counted`, so that neither start nor preparation counts.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::record::Counted;
use crate::work;

/// Counts them all. Nothing where valgrind is missing.
///
/// # Errors
/// When valgrind fails.
pub(crate) fn count() -> anyhow::Result<Option<Counted>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("NOT COUNTED: instructions, since valgrind is not installed");
        return Ok(None);
    }
    let mut counts = crate::record::Counts::new();
    for work in work::all() {
        counts.insert(work.name.to_owned(), each(work.name).with_context(|| work.name.to_owned())?);
    }
    Ok(Some(Counted { setting: setting(), counts, slack: |_| 0.0 }))
}

/// Instructions for each time the work was done.
fn each(name: &str) -> anyhow::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=holdfast_counts::work::counted*"])
        .args(["--callgrind-out-file=/dev/null", "--"])
        .arg(std::env::current_exe()?)
        .args(["--work", name])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", output.status);
    let times: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    let collected = collected(&said).with_context(|| format!("valgrind said no count: {said}"))?;
    ensure!(collected > 0, "nothing was collected: {said}");
    // Of the quotient, what is below a hundredth means nothing.
    Ok((collected as f64 / times * 100.0).round() / 100.0)
}

/// The number behind `Collected :` in what callgrind says at its end.
fn collected(said: &str) -> Option<u64> {
    let (_, rest) = said.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What counts depend on: the compiler, the C library (it copies memory), and whether wide vectors are there, for which
/// several libraries have code of their own.
fn setting() -> String {
    let libc = Command::new("getconf").arg("GNU_LIBC_VERSION").output().map(|output| output.stdout);
    let libc = String::from_utf8_lossy(&libc.unwrap_or_default()).trim().to_owned();
    #[cfg(target_arch = "x86_64")]
    let avx2 = if std::arch::is_x86_feature_detected!("avx2") { " with AVX2" } else { "" };
    #[cfg(not(target_arch = "x86_64"))]
    let avx2 = "";
    format!("{}, {}{avx2}, {libc}", env!("COMPILER"), std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }

    #[test]
    fn the_setting_names_the_compiler() {
        assert!(setting().starts_with("rustc 1."), "{}", setting());
    }
}
